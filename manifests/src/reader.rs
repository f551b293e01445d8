//! The reading half of every document: spanned TOML in, values or diagnostics out.
//!
//! This reads the spanned tree by hand and not through serde, because serde stops at the first
//! fault, and a person who mends a document wants to see all of them, each under its own caret.
//!
//! What must stay true: a getter that returns `None` for something required has left a fault, so
//! that [`Reader::end`] never sees a missing value without a reason.

use core::net::{AddrParseError, SocketAddr};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use camshaft_cam::derive::{DownClass, Strictness};
use camshaft_cam::diagnostic::{Diagnostic, Source, did_you_mean};
use camshaft_cam::digest::Digest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::address::MachineAddress;
use crate::clock::{Offset, TimeOfDay};
use crate::duration::Millis;
use crate::label::{LabelKey, LabelValue, Selector};
use crate::name::{AppName, ChannelName, MachineName, ReleaseName, SignerName};
use crate::path::RelativePath;
use crate::place::{Bytes, Place, SystemPath, Url};
use crate::signature::PublicKey;
use crate::signers::ReleasePattern;
use crate::version::{Requirement, Version};

/// The greatest size of a document in bytes: that of a file in a bundle. The largest is the relup of a
/// release with 5,000 machines that all change, which is above a quarter of it.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// The most faults that are reported for one document; a reader mends the first few anyway.
const FAULTS_MAX: usize = 100;

/// A text that a document may hold, with the code of the fault when it is none.
pub(crate) trait Word: FromStr<Err: Display> {
    const CODE: &'static str;

    /// Says what is wrong with a text that is none; `path` is the key that holds it.
    fn fault(_path: &str, _text: &str, error: &Self::Err) -> String {
        error.to_string()
    }
}

macro_rules! words {
    ($($ty:ty = $code:literal;)*) => {
        $(impl Word for $ty {
            const CODE: &'static str = $code;
        })*
    };
}

impl Word for SocketAddr {
    const CODE: &'static str = "M0150";

    // The standard library says no more than that it is none.
    fn fault(path: &str, text: &str, _: &AddrParseError) -> String {
        let text: String = text.chars().take(80).collect();
        format!("`{path}` is an address and port such as 127.0.0.1:7101, found `{text}`")
    }
}

words! {
    AppName = "M0105";
    Url = "M0151";
    Place = "M0151";
    SystemPath = "M0154";
    LabelKey = "M0152";
    LabelValue = "M0152";
    Bytes = "M0153";
    Selector = "M0162";
    TimeOfDay = "M0163";
    Offset = "M0164";
    MachineName = "M0105";
    ChannelName = "M0105";
    ReleaseName = "M0105";
    SignerName = "M0105";
    PublicKey = "M0140";
    ReleasePattern = "M0141";
    Version = "M0106";
    Requirement = "M0107";
    RelativePath = "M0108";
    Digest = "M0109";
    DownClass = "M0130";
    Millis = "M0110";
    MachineAddress = "M0125";
}

/// Collects the faults of one document.
pub(crate) struct Reader<'s> {
    source: &'s Source,
    faults: RefCell<Vec<Diagnostic>>,
}

impl<'s> Reader<'s> {
    /// Reads a document: `read` takes it apart, faults are collected on the way.
    ///
    /// # Errors
    ///
    /// All faults, in the order of the text.
    pub(crate) fn read<T>(
        source: &'s Source,
        read: impl FnOnce(&Reader<'s>, &Table<'_, '_>) -> Option<T>,
    ) -> Result<T, Vec<Diagnostic>> {
        if source.text.len() > DOCUMENT_BYTES_MAX {
            let message = format!("a document has at most {DOCUMENT_BYTES_MAX} bytes");
            return Err(vec![Diagnostic::new("M0122", source, 0..0, message, "")]);
        }
        let root = DeTable::parse(&source.text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            vec![Diagnostic::new("M0101", source, span, format!("this is not TOML: {}", error.message()), "")]
        })?;
        let reader = Reader { source, faults: RefCell::default() };
        // A missing key has no place of its own; the start of the document stands for it.
        let table = Table {
            reader: &reader,
            path: String::new(),
            span: 0..0,
            entries: root.get_ref(),
            known: RefCell::default(),
            forgiving: Cell::default(),
        };
        let value = read(&reader, &table);
        table.refuse_unknown();
        let mut faults = reader.faults.into_inner();
        if faults.is_empty() {
            return Ok(value.expect("a value that is missing has left a fault"));
        }
        faults.sort_by_key(|fault| fault.span.start);
        Err(faults)
    }

    /// Records a fault and goes on.
    pub(crate) fn fault(&self, diagnostic: Diagnostic) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_MAX {
            faults.push(diagnostic);
        }
    }

    /// Records a fault at a place.
    pub(crate) fn refuse(&self, code: &'static str, span: Range<usize>, message: impl Into<String>) {
        self.fault(self.diagnostic(code, span, message, ""));
    }

    /// Returns a diagnostic about this document.
    pub(crate) fn diagnostic(
        &self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::new(code, self.source, span, message, label)
    }
}

/// A table of the document. Keys that were never asked for are unknown.
pub(crate) struct Table<'r, 'i> {
    pub(crate) reader: &'r Reader<'r>,
    /// Written like `[supervision]` in messages; empty for the document itself.
    path: String,
    pub(crate) span: Range<usize>,
    entries: &'r DeTable<'i>,
    known: RefCell<Vec<&'static str>>,
    forgiving: Cell<bool>,
}

impl<'r, 'i> Table<'r, 'i> {
    /// Returns the value of a key that may be missing.
    pub(crate) fn optional(&self, key: &'static str) -> Option<Field<'r, 'i>> {
        self.known.borrow_mut().push(key);
        self.entries.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| self.field(key, value))
    }

    /// Returns the value of a key; a missing one is a fault.
    pub(crate) fn required(&self, key: &'static str) -> Option<Field<'r, 'i>> {
        let field = self.optional(key);
        if field.is_none() {
            let message = format!("{} needs the key `{key}`", self.name());
            self.reader.refuse("M0103", self.span.clone(), message);
        }
        field
    }

    /// Reads a text of a certain form that may be missing. `None`: it is a fault.
    pub(crate) fn optional_word<T: Word>(&self, key: &'static str) -> Option<Option<T>> {
        match self.optional(key) {
            Some(field) => field.word().map(Some),
            None => Some(None),
        }
    }

    /// Reads every entry of a table whose keys are names; keys that are none are faults.
    pub(crate) fn entries<K: Word + Ord>(&self) -> Vec<(K, Range<usize>, Field<'r, 'i>)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(name, value)| {
                let key = self.reader.word(&self.path, name.get_ref(), name.span())?;
                Some((key, name.span(), self.field(name.get_ref(), value)))
            })
            .collect();
        // In the order of the text, so that faults and lists come as the author wrote them.
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// Returns the raw entries.
    pub(crate) fn raw(&self) -> impl Iterator<Item = (&'r str, Field<'r, 'i>)> {
        self.entries.iter().map(|(name, value)| {
            let name: &'r str = name.get_ref();
            (name, self.field(name, value))
        })
    }

    /// Forgives unknown keys: when a fault already makes it unclear which are known.
    pub(crate) fn forgive_unknown(&self) {
        self.forgiving.set(true);
    }

    /// Refuses the keys that were never asked for. The document's own table does it by itself.
    pub(crate) fn refuse_unknown(&self) {
        #[cfg(test)]
        testing::note_asked(&self.path, &self.known.borrow());
        if self.forgiving.get() {
            return;
        }
        let known = self.known.borrow();
        for (name, _) in self.entries {
            let key: &str = name.get_ref();
            if known.contains(&key) {
                continue;
            }
            let message = format!("{} has no key `{key}`", self.name());
            let fault = self.reader.diagnostic("M0102", name.span(), message, "unknown key");
            let help = match did_you_mean(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", listed(&known)),
            };
            self.reader.fault(fault.help(help));
        }
    }

    /// What messages call the table.
    fn name(&self) -> String {
        if self.path.is_empty() { "the document".to_owned() } else { format!("`[{}]`", self.path) }
    }

    fn field(&self, key: &str, value: &'r Spanned<DeValue<'i>>) -> Field<'r, 'i> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Field { reader: self.reader, path, span: value.span(), value: value.get_ref() }
    }
}

impl Reader<'_> {
    fn word<T: Word>(&self, path: &str, text: &str, span: Range<usize>) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(T::CODE, span, T::fault(path, text, &error));
                None
            }
        }
    }
}

/// Refuses a generated document that is not written as the tool writes it: two texts with one
/// meaning would be two digests for one thing.
pub(crate) fn check_canonical(source: &Source, written: &str) -> Result<(), Vec<Diagnostic>> {
    if *source.text == *written {
        return Ok(());
    }
    let same = source.text.bytes().zip(written.bytes()).take_while(|(a, b)| a == b).count();
    let mut start = same.min(source.text.len());
    while !source.text.is_char_boundary(start) {
        start -= 1;
    }
    let message = "this is not as the tool writes it: it was edited by hand or garbled";
    Err(vec![Diagnostic::new("M0120", source, start..start, message, "the first difference")])
}

/// A value of the document, and where it stands.
pub(crate) struct Field<'r, 'i> {
    pub(crate) reader: &'r Reader<'r>,
    pub(crate) path: String,
    pub(crate) span: Range<usize>,
    value: &'r DeValue<'i>,
}

impl<'r, 'i> Field<'r, 'i> {
    /// Reads a text.
    pub(crate) fn text(&self) -> Option<&'r str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_kind("a text");
        }
        text
    }

    /// Reads a text that is not blank, of at most `bytes_max` bytes.
    pub(crate) fn prose(&self, bytes_max: usize) -> Option<String> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.refuse("M0115", format!("`{}` may not be empty", self.path));
            return None;
        }
        if text.len() > bytes_max {
            self.refuse("M0113", format!("`{}` has at most {bytes_max} bytes", self.path));
            return None;
        }
        Some(text.to_owned())
    }

    /// Reads a text of a certain form.
    pub(crate) fn word<T: Word>(&self) -> Option<T> {
        self.reader.word(&self.path, self.text()?, self.span.clone())
    }

    /// Reads a text that is one of a few words.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("`{}` is one of {}, found `{text}`", self.path, listed(&known));
            let fault = self.reader.diagnostic("M0111", self.span.clone(), message, "");
            self.reader.fault(match did_you_mean(text, known.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault,
            });
        }
        found
    }

    /// Reads a class of strictness.
    pub(crate) fn strictness(&self) -> Option<Strictness> {
        self.one_of(&Strictness::ALL.map(|class| (class.word(), class)))
    }

    /// Reads a whole number within limits, both included.
    pub(crate) fn number(&self, limits: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let integer = match self.value {
            DeValue::Integer(integer) => integer,
            _ => {
                self.wrong_kind("a whole number");
                return None;
            }
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.and_then(|number| u64::try_from(number).ok()).filter(|number| limits.contains(number)) {
            Some(number) => Some(number),
            None => {
                let (least, greatest) = (limits.start(), limits.end());
                self.refuse("M0113", format!("`{}` lies between {least} and {greatest}", self.path));
                None
            }
        }
    }

    /// Reads `true` or `false`.
    pub(crate) fn truth(&self) -> Option<bool> {
        let truth = self.value.as_bool();
        if truth.is_none() {
            self.wrong_kind("true or false");
        }
        truth
    }

    /// Reads a table.
    pub(crate) fn table(&self) -> Option<Table<'r, 'i>> {
        match self.value {
            DeValue::Table(entries) => Some(Table {
                reader: self.reader,
                path: self.path.clone(),
                span: self.span.clone(),
                entries,
                known: RefCell::default(),
                forgiving: Cell::default(),
            }),
            _ => {
                self.wrong_kind("a table");
                None
            }
        }
    }

    /// Reads a table, hands it to `read`, and refuses what `read` did not ask for.
    pub(crate) fn table_with<T>(&self, read: impl FnOnce(&Table<'r, 'i>) -> Option<T>) -> Option<T> {
        let table = self.table()?;
        let value = read(&table);
        table.refuse_unknown();
        value
    }

    /// Reads a list; each item is a field of its own.
    pub(crate) fn items(&self) -> Option<Vec<Field<'r, 'i>>> {
        let DeValue::Array(items) = self.value else {
            self.wrong_kind("a list");
            return None;
        };
        let field = |value: &'r Spanned<DeValue<'i>>| Field {
            reader: self.reader,
            path: self.path.clone(),
            span: value.span(),
            value: value.get_ref(),
        };
        Some(items.iter().map(field).collect())
    }

    /// Reads a list of words without doubles.
    pub(crate) fn words<T: Word + Ord + Clone + Display>(&self) -> Option<Vec<T>> {
        let mut seen = Seen::default();
        let mut words = Vec::new();
        for item in self.items()? {
            let word: T = item.word()?;
            seen.note(&item, word.clone(), &format!("`{word}`"));
            words.push(word);
        }
        Some(words)
    }

    /// The value itself, for those who take any.
    pub(crate) fn value(&self) -> &'r DeValue<'i> {
        self.value
    }

    /// Records a fault here.
    pub(crate) fn refuse(&self, code: &'static str, message: impl Into<String>) {
        self.reader.refuse(code, self.span.clone(), message);
    }

    /// Records that the value is of another kind.
    pub(crate) fn wrong_kind(&self, expected: &str) {
        let found = self.value.type_str();
        let message = format!("`{}` is {expected}, found {} {found}", self.path, article(found));
        self.refuse("M0104", message);
    }
}

/// Finds entries that stand twice.
pub(crate) struct Seen<T>(BTreeMap<T, Range<usize>>);

impl<T> Default for Seen<T> {
    fn default() -> Seen<T> {
        Seen(BTreeMap::new())
    }
}

impl<T: Ord> Seen<T> {
    /// Notes an entry; a second one of the same key is a fault that points at both.
    pub(crate) fn note(&mut self, field: &Field<'_, '_>, key: T, what: &str) {
        if let Some(first) = self.0.get(&key) {
            let message = format!("{what} stands twice in `{}`", field.path);
            let fault = field.reader.diagnostic("M0112", field.span.clone(), message, "again here");
            field.reader.fault(fault.related(first.clone(), "first here"));
        } else {
            self.0.insert(key, field.span.clone());
        }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// A step on the way to a place in a document.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// The value of a key.
    Key(&'a str),
    /// An item of a list, counted from 0.
    Item(usize),
}

/// Returns the span of the value at a path, or of the deepest part of the path that exists.
///
/// Documents give up their spans when they are read; whoever finds later that a correct document
/// does not fit the rest of the project asks here where to point.
pub fn locate(source: &Source, path: &[Step<'_>]) -> Range<usize> {
    let Ok(root) = DeTable::parse(&source.text) else { return 0..0 };
    let mut span = 0..0;
    let mut table = Some(root.get_ref());
    let mut value: Option<&DeValue<'_>> = None;
    for step in path {
        let next = match step {
            Step::Key(key) => table
                .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == *key))
                .map(|(_, value)| value),
            Step::Item(index) => value.and_then(DeValue::as_array).and_then(|items| items.get(*index)),
        };
        let Some(next) = next else { break };
        span = next.span();
        value = Some(next.get_ref());
        table = next.get_ref().as_table();
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_and_a_missing_one_is_near_its_parent() {
        let source = Source::new("x", "from = ['1', '2']\n[a.b]\nc = 3\n");
        let text = |path: &[Step<'_>]| source.text[locate(&source, path)].to_owned();
        assert_eq!(text(&[Step::Key("from"), Step::Item(1)]), "'2'");
        assert_eq!(text(&[Step::Key("from"), Step::Item(9)]), "['1', '2']");
        assert_eq!(text(&[Step::Key("a"), Step::Key("b"), Step::Key("c")]), "3");
        assert_eq!(text(&[Step::Key("a"), Step::Key("b"), Step::Key("zzz")]), "[a.b]");
        assert_eq!(text(&[Step::Key("zzz")]), "");
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// The path of a table, and the keys that it was asked for.
    pub(crate) type Asked = (String, Vec<&'static str>);

    thread_local! {
        static ASKED: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
    }

    /// Notes what a table with fixed keys was asked for.
    pub(super) fn note_asked(path: &str, keys: &[&'static str]) {
        ASKED.with_borrow_mut(|asked| asked.push((path.to_owned(), keys.to_vec())));
    }

    /// Returns what the tables were asked for while `read` ran.
    pub(crate) fn asked_by(read: impl FnOnce()) -> Vec<Asked> {
        ASKED.take();
        read();
        ASKED.take()
    }

    /// Reads a text and compares its faults: per fault a line `CODE `text under the caret`
    /// message`, and one with the help if there is any.
    pub(crate) fn check<T>(text: &str, read: impl Fn(&Source) -> Result<T, Vec<Diagnostic>>, expect: &str) {
        let source = Source::new("document.toml", text);
        let faults = read(&source).err().unwrap_or_default();
        let known = |code: &str| crate::CODES.iter().any(|(known, _)| *known == code);
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| {
                assert!(known(fault.code), "{} is not in the list of codes", fault.code);
                let help = fault.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
                format!("{} `{}` {}{help}", fault.code, &text[fault.span.clone()], fault.message)
            })
            .collect();
        assert_eq!(lines.join("\n"), expect, "in {}", text.chars().take(300).collect::<String>());
    }
}
