//! The rules of compatibility: one table, from which the judgement takes its ids and
//! `docs/compatibility.md` its reference.
//!
//! The ids are those of a release's waivers and of what `camshaft diff` prints, so they never
//! change their meaning. A rule is about a change from an old type to a new one, whichever way
//! values go: a case that only the new type has is U024 for states on their way up, where it does
//! no harm, and for answers on their way back to an old client, where it has no counterpart.

use std::fmt;

/// A rule of compatibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(u8);

/// What there is to say about a rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleText {
    /// The rule.
    pub rule: Rule,
    /// The change from the old type to the new one.
    pub change: &'static str,
    /// What becomes of states on the way up.
    pub up: &'static str,
    /// What becomes of states on the way down.
    pub down: &'static str,
    /// What becomes of inputs of older clients.
    pub input: &'static str,
    /// What becomes of answers to older clients.
    pub output: &'static str,
    /// The least strict class that the rule belongs to.
    pub class: Strictness,
    /// What to do about it.
    pub mend: &'static str,
}

/// How much of compatibility is asked for. Each class asks for all that those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Strictness {
    /// Every state, input and answer has a counterpart.
    Wire,
    /// Nothing of a state is lost either.
    #[default]
    State,
    /// Nor is anything done that older releases would not understand: retired names that come
    /// back, defaults that change their meaning.
    History,
    /// Every value has a counterpart of its own, both ways.
    Frozen,
}

impl Strictness {
    /// All classes, the least strict first.
    pub const ALL: [Strictness; 4] =
        [Strictness::Wire, Strictness::State, Strictness::History, Strictness::Frozen];

    /// Returns the class with this word.
    pub fn of_word(word: &str) -> Option<Strictness> {
        Strictness::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Returns the word for it in documents.
    pub fn word(self) -> &'static str {
        match self {
            Strictness::Wire => "wire",
            Strictness::State => "state",
            Strictness::History => "history",
            Strictness::Frozen => "frozen",
        }
    }
}

impl fmt::Display for Strictness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Rule {
    /// Returns the rule with this id, such as `U019`.
    pub fn of_id(id: &str) -> Option<Rule> {
        RULES.iter().map(|text| text.rule).find(|rule| rule.to_string() == id)
    }

    /// Returns what there is to say about it.
    pub fn text(self) -> &'static RuleText {
        let found = RULES.iter().find(|text| text.rule == self);
        found.expect("rules are made from the table alone")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U{:03}", self.0)
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $class:ident, $change:literal,
        $up:literal, $down:literal, $input:literal, $output:literal, $mend:literal;)*) => {
        impl Rule {
            $(
                #[doc = $change]
                pub const $name: Rule = Rule($number);
            )*
        }

        /// All rules, by rising id.
        pub const RULES: &[RuleText] = &[$(RuleText {
            rule: Rule($number), change: $change, up: $up, down: $down, input: $input, output: $output,
            class: Strictness::$class, mend: $mend,
        }),*];
    };
}

rules! {
    SAME = 1, Wire, "the same type", "stays as it is", "D0", "taken", "given", "";
    WIDER = 2, Wire, "an Int's range takes in more", "stays as it is", "D2: where it is in the old range", "taken",
        "fails outside of the old range", "give old clients what they understand: `lower`";
    NARROWER = 3, Wire, "an Int's range takes in less, or other numbers", "to be written", "D2: where it is in the old range",
        "refused outside of the new range", "given", "say what becomes of the numbers outside: `up`, `lift`";
    TEXT_TO_BYTES = 4, Wire, "a Text becomes Bytes", "its UTF-8", "D2: where it is UTF-8", "taken", "fails where it is not UTF-8",
        "give old clients a text: `lower`";
    OTHER_SCALAR = 5, Wire, "a number, Bool, Text, Bytes or Duration becomes one of another kind", "to be written", "to be written",
        "to be written", "to be written", "write what becomes of it: `up` and `down`, `lift`, `lower`";
    INTO_OPTION = 6, Wire, "a value becomes an Option of it", "`Some`", "D2: where it is `Some`", "taken", "fails for `None`",
        "say what old clients get for `None`: `lower`";
    OPTION = 7, Wire, "an Option of another type", "as the item", "as the item", "as the item", "as the item", "";
    OUT_OF_OPTION = 8, Wire, "an Option becomes what it held", "to be written", "D1", "refused for `None`", "given",
        "say what stands for `None`: `up`, `lift`";
    NESTED_OPTION = 9, Wire, "an Option becomes an Option of an Option, or the other way", "to be written", "to be written",
        "to be written", "to be written", "say which `None` is meant: `up` and `down`, `lift`, `lower`";
    LIST = 10, Wire, "a List of another type", "item by item", "item by item", "item by item", "item by item", "";
    LIMIT = 11, Wire, "the limit of a Text, Bytes or List", "raised: stays as it is; lowered: to be written", "raised: D2",
        "lowered: refused above it", "raised: fails above the old one", "say what becomes of what is too long: `up`, `lift`, `lower`";
    MAP = 12, Wire, "a Map to another type", "value by value", "value by value", "value by value", "value by value", "";
    KEYS = 13, Wire, "a Map's keys are of another type", "where they differ in limits or last cases: key by key; else to be written",
        "likewise", "likewise", "likewise", "say which key becomes which, and what becomes of two that become one: `up` and `down`";
    TUPLE = 14, Wire, "a tuple of other types", "member by member", "member by member", "member by member", "member by member", "";
    ARITY = 15, Wire, "a tuple has more or fewer members, or becomes a record", "to be written", "to be written", "to be written",
        "to be written", "say which member becomes which: `up` and `down`, `lift`, `lower`";
    FIELDS_REORDERED = 16, Wire, "fields stand in another order", "stays as it is", "D0", "taken", "given", "";
    FIELD_ADDED = 17, Wire, "a field is new, with a default or as an Option", "the default", "D1: forgotten", "taken", "left out", "";
    FIELD_NEEDED = 18, Wire, "a field is new, without a default", "to be written", "D1: forgotten", "refused", "left out",
        "give it a default, or say what it starts as: `add Type.field = value`, `up`, `lift`";
    FIELD_REMOVED = 19, State, "a field is gone", "lost, to be said: `drop Type.field`", "D3: kept aside", "left out",
        "fails unless the old type has a default", "say so: `drop Type.field`; or keep it";
    FIELD_RENAMED = 20, Wire, "a field has another name", "once it is said: `rename Type.old to new`", "D0", "taken", "given", "";
    FIELD_TYPE = 21, Wire, "a field is of another type", "as its type", "as its type", "as its type", "as its type", "";
    RETIRED = 22, History, "a name that was retired comes back", "as if it were new; of another type it is refused", "D1", "refused",
        "refused", "take another name: old states, backups and clients mean the old one";
    DEFAULT_CHANGED = 23, History, "a default is another value", "what has a value keeps it", "D0",
        "an input that leaves it out means something else", "an answer that leaves it out means something else",
        "make sure that old clients mean the new value, or give the field a new name";
    CASE_ADDED = 24, Wire, "a case is new", "stays as it is", "D2: where it is not this case", "taken",
        "fails if an old input can lead to it", "say what old clients get: `lower New => Old`";
    CASE_REMOVED = 25, Wire, "a case is gone", "to be written", "D1", "refused", "given",
        "say what becomes of it: `lift Old => New`, `up`; or keep the case";
    CASES_MOVED = 26, Wire, "cases have other names, or stand in another order", "once a name is said: `rename Type.Old to New`", "D0",
        "taken", "given", "";
    PAYLOAD = 27, Wire, "a case holds another type", "as what it holds", "as what it holds", "as what it holds", "as what it holds", "";
    RESHAPED = 28, Wire, "a type becomes one of another shape", "to be written", "to be written", "to be written", "to be written",
        "write what becomes of it: `up` and `down`, `lift`, `lower`";
    TYPE_RENAMED = 30, Wire, "a type has another name", "stays as it is", "D0", "taken", "given", "";
    OUTLET = 31, Wire, "a channel or port is new, gone or of other types", "what waits there moves as its type", "likewise", "-", "-",
        "see what waits in it: a message without a counterpart is parked";
    INVARIANT = 32, State, "an invariant is new or another one", "checked of every state before the switch", "-", "-", "-",
        "try it on the live state: `camshaft node try`";
    UNIT = 33, State, "a value becomes `()`, or the other way", "to be written", "to be written",
        "left out; the other way refused", "fails; the other way left out", "say what it was, or starts as: `up` and `down`, `lift`, `lower`";
    TO_SECRET = 34, Wire, "a value becomes a secret", "stays as it is", "to be written", "taken", "to be written",
        "say that it may be told: `reveal` in `down`, `lower`";
    FROM_SECRET = 35, Wire, "a secret becomes public", "to be written", "D0", "to be written", "given",
        "say that it may be told: `reveal` in `up`, `lift`";
    DIRECTION = 36, Wire, "a case of the input was for everybody, and is internal now", "-", "-", "refused", "-",
        "keep the case, and add an internal one beside it";
    CONFIG = 37, Wire, "the configuration is of another type", "-", "-", "-", "-",
        "what the release configures has to fit the new type";
}
