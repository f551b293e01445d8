//! The versions that an entry of an `.appup` is for.
//!
//! A string is one version. A binary is a regular expression, and is for the versions whose *first* match
//! is the whole version (`re:run(Version, Pattern, [unicode])`): `<<"1|1\\.0">>` is not for 1.0, because
//! the first thing that it finds there is `1`. Erlang's dialect (PCRE) and that of the crate `regex` find
//! the same in what [`Pattern::read`] lets through; anything else is told and not guessed.
//!
//! Where a pattern is exactly a range of semantic versions, [`Pattern::range`] says which. It goes by the
//! form of the pattern, not by trying versions: three numbers with points between them, each of them a
//! number, any number, or numbers in a row.

use std::fmt::Write;

use camshaft_manifests::{Requirement, Version};
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, ClassSetItem};

/// The greatest length of a pattern in bytes.
const PATTERN_BYTES_MAX: usize = 4096;

/// How much memory a pattern may take once it is compiled, so that `{999}{999}` ends soon.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A version as Erlang writes it, as a semantic version.
///
/// Erlang has no rule for versions. Numbers that are left out at the end are zeros: `2.1` is 2.1.0.
///
/// # Errors
///
/// Why it is none.
pub fn semantic(text: &str) -> Result<Version, String> {
    let numbers = text.split('.').count();
    let plain =
        text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let whole = match numbers {
        1 if plain => format!("{text}.0.0"),
        2 if plain => format!("{text}.0"),
        _ => text.to_owned(),
    };
    whole.parse().map_err(|error: camshaft_manifests::version::VersionError| error.to_string())
}

/// A regular expression that both dialects read in the same way.
#[derive(Debug, Clone)]
pub struct Pattern {
    ast: Ast,
    regex: Regex,
}

/// What a pattern is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// One version.
    One(Version),
    /// All versions of a range. `pre`: the pattern means pre-releases too, and the range does not.
    Versions {
        /// The range.
        range: Requirement,
        /// Whether pre-releases are lost.
        pre: bool,
    },
    /// Only versions of more than three numbers, or of fewer, which no release has here.
    Nothing,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Why it cannot be read here.
    pub fn read(text: &str) -> Result<Pattern, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("it has more than {PATTERN_BYTES_MAX} bytes"));
        }
        let mut parser = ast::parse::ParserBuilder::new().nest_limit(64).build();
        let ast = parser.parse(text).map_err(|error| error.kind().to_string())?;
        same_in_both(&ast)?;
        let mut builder = RegexBuilder::new(text);
        // Without `ucp`, `\d` means the ten digits to Erlang.
        let regex = builder.unicode(false).size_limit(COMPILED_BYTES_MAX).build();
        let regex =
            regex.map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())?;
        Ok(Pattern { ast, regex })
    }

    /// Returns true when the first match in a version, as Erlang writes it, is all of it.
    pub fn is_for(&self, version: &str) -> bool {
        self.regex.find(version.as_bytes()).is_some_and(|found| found.as_bytes() == version.as_bytes())
    }

    /// Returns the versions that it is for, where they are a range; `None` where they are not, or where
    /// that does not follow from how it is written.
    pub fn range(&self) -> Option<Range> {
        let mut parts = Vec::new();
        flatten(&self.ast, &mut parts)?;
        // Anchors at the ends change nothing: only a match of all counts.
        if parts.first() == Some(&Part::Start) {
            parts.remove(0);
        }
        if parts.last() == Some(&Part::End) {
            parts.pop();
        }
        range(&parts)
    }
}

/// Returns why the two dialects may read a pattern differently.
fn same_in_both(ast: &Ast) -> Result<(), String> {
    let no = |what: &str| Err(format!("it has {what}, which this importer does not read"));
    match ast {
        Ast::Empty(_) | Ast::Dot(_) => Ok(()),
        // `\d`, `\w`, `\s`: the same characters of ASCII.
        Ast::ClassPerl(_) => Ok(()),
        Ast::Literal(literal) => match literal.kind {
            ast::LiteralKind::Verbatim | ast::LiteralKind::Meta | ast::LiteralKind::Superfluous
                if literal.c.is_ascii() =>
            {
                Ok(())
            }
            _ => no("a character by its number, or one that is not ASCII"),
        },
        Ast::Assertion(assertion) => match assertion.kind {
            ast::AssertionKind::StartLine | ast::AssertionKind::EndLine => Ok(()),
            ast::AssertionKind::StartText => Ok(()),
            ast::AssertionKind::EndText => Ok(()),
            _ => no("a test for the edge of a word"),
        },
        Ast::ClassUnicode(_) => no("a class of Unicode"),
        Ast::Flags(_) => no("flags"),
        Ast::ClassBracketed(class) => match &class.kind {
            ast::ClassSet::Item(item) => plain_class(item),
            ast::ClassSet::BinaryOp(_) => no("an operation on classes"),
        },
        Ast::Repetition(repetition) => match (&*repetition.ast, &repetition.op.kind) {
            // To Erlang `a++` gives nothing back that it took; to the other it is `(?:a+)+`.
            (Ast::Repetition(_), _) => no("a repetition of a repetition"),
            // `{,3}` is text to Erlang.
            (_, ast::RepetitionKind::Range(ast::RepetitionRange::Bounded(0, _)))
                if repetition.op.span.end.offset - repetition.op.span.start.offset < 5 =>
            {
                no("`{,n}`")
            }
            (inner, _) => same_in_both(inner),
        },
        Ast::Group(group) => match &group.kind {
            ast::GroupKind::CaptureIndex(_) => same_in_both(&group.ast),
            ast::GroupKind::NonCapturing(flags) if flags.items.is_empty() => same_in_both(&group.ast),
            ast::GroupKind::NonCapturing(_) => no("flags"),
            ast::GroupKind::CaptureName { .. } => no("a named group"),
        },
        Ast::Alternation(alternation) => alternation.asts.iter().try_for_each(same_in_both),
        Ast::Concat(concat) => concat.asts.iter().try_for_each(same_in_both),
    }
}

fn plain_class(item: &ClassSetItem) -> Result<(), String> {
    let ascii = |letter: &ast::Literal| letter.c.is_ascii();
    match item {
        ClassSetItem::Empty(_) | ClassSetItem::Perl(_) => Ok(()),
        ClassSetItem::Literal(letter) if ascii(letter) && letter.c != '[' => Ok(()),
        ClassSetItem::Range(range) if ascii(&range.start) && ascii(&range.end) => Ok(()),
        ClassSetItem::Union(union) => union.items.iter().try_for_each(plain_class),
        _ => Err(
            "it has a class within a class, or one that is not of ASCII, which this importer does not read"
                .to_owned(),
        ),
    }
}

/// A piece of a pattern, as far as the form of versions goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Start,
    End,
    Digit(char),
    /// `\.`
    Point,
    /// `.`
    Any,
    /// One digit of a row of digits, such as `[2-5]`.
    OneOf(u64, u64),
    /// `[0-9]+`, `[0-9]*`, `\d+`.
    Number,
    /// `.*`, `.+`.
    Rest,
    /// `(?:\.[0-9]+)*`: any more numbers.
    MoreNumbers,
    /// `(?:\.[0-9]+)+`: at least one more.
    AnotherNumber,
}

/// Returns the pieces of a pattern that is a row of them.
fn flatten(ast: &Ast, parts: &mut Vec<Part>) -> Option<()> {
    match ast {
        Ast::Concat(concat) => concat.asts.iter().try_for_each(|ast| flatten(ast, parts))?,
        Ast::Group(group) => flatten(&group.ast, parts)?,
        Ast::Dot(_) => parts.push(Part::Any),
        Ast::Literal(literal) if literal.c == '.' => parts.push(Part::Point),
        Ast::Literal(literal) if literal.c.is_ascii_digit() => parts.push(Part::Digit(literal.c)),
        Ast::Assertion(assertion) => match assertion.kind {
            ast::AssertionKind::StartLine | ast::AssertionKind::StartText => parts.push(Part::Start),
            _ => parts.push(Part::End),
        },
        Ast::ClassBracketed(_) | Ast::ClassPerl(_) => {
            let (low, high) = digits(ast)?;
            parts.push(Part::OneOf(low, high));
        }
        Ast::Repetition(repetition) if repetition.greedy => {
            let once = match repetition.op.kind {
                ast::RepetitionKind::OneOrMore => true,
                ast::RepetitionKind::ZeroOrMore => false,
                _ => return None,
            };
            let mut inner = Vec::new();
            flatten(&repetition.ast, &mut inner)?;
            parts.push(match (&inner[..], once) {
                ([Part::OneOf(0, 9)], _) => Part::Number,
                ([Part::Any], _) => Part::Rest,
                ([Part::Point, Part::Number], false) => Part::MoreNumbers,
                ([Part::Point, Part::Number], true) => Part::AnotherNumber,
                _ => return None,
            });
        }
        _ => return None,
    }
    Some(())
}

/// Returns the row of digits that a class is.
fn digits(ast: &Ast) -> Option<(u64, u64)> {
    let digit = |letter: char| letter.to_digit(10).map(u64::from);
    match ast {
        Ast::ClassPerl(class) if class.kind == ast::ClassPerlKind::Digit && !class.negated => Some((0, 9)),
        Ast::ClassBracketed(class) if !class.negated => match &class.kind {
            ast::ClassSet::Item(ClassSetItem::Range(range)) => {
                Some((digit(range.start.c)?, digit(range.end.c)?))
            }
            ast::ClassSet::Item(ClassSetItem::Literal(letter)) => Some((digit(letter.c)?, digit(letter.c)?)),
            ast::ClassSet::Item(ClassSetItem::Perl(class))
                if class.kind == ast::ClassPerlKind::Digit && !class.negated =>
            {
                Some((0, 9))
            }
            // `[012]`: digits one after the other.
            ast::ClassSet::Item(ClassSetItem::Union(union)) => {
                let mut all = Vec::new();
                for item in &union.items {
                    match item {
                        ClassSetItem::Literal(letter) => all.push((digit(letter.c)?, digit(letter.c)?)),
                        ClassSetItem::Range(range) => all.push((digit(range.start.c)?, digit(range.end.c)?)),
                        _ => return None,
                    }
                }
                all.sort_unstable();
                let joined = all.windows(2).all(|pair| pair[1].0 <= pair[0].1 + 1);
                let high = all.iter().map(|(_, high)| *high).max()?;
                joined.then_some((all.first()?.0, high))
            }
            ast::ClassSet::Item(_) | ast::ClassSet::BinaryOp(_) => None,
        },
        _ => None,
    }
}

/// A number of a version, as a pattern gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Row(u64, u64),
    Any,
}

/// Returns the range of a row of pieces.
fn range(parts: &[Part]) -> Option<Range> {
    // What stands behind the numbers.
    let (parts, tail) = match parts.split_last() {
        Some((tail @ (Part::MoreNumbers | Part::AnotherNumber | Part::Rest), rest)) => (rest, Some(tail)),
        _ => (parts, None),
    };
    let any = parts.iter().filter(|part| **part == Part::Any).count();
    let points = parts.iter().filter(|part| **part == Part::Point).count();
    // A bare `.` is a point where nothing else can be one: two in all, and digits around them.
    let is_point =
        |part: &Part| *part == Part::Point || (*part == Part::Any && any + points == 2 && tail.is_none());
    if any > 0 && !(any + points == 2 && tail.is_none()) {
        return None;
    }
    let mut pieces: Vec<&[Part]> = parts.split(is_point).collect();
    let rest = tail == Some(&Part::Rest);
    if rest && pieces.last().is_none_or(|last| !last.is_empty()) {
        // `1.2.*` with bare points, or `1\.2.*`: the rest begins within a number.
        return None;
    }
    if rest {
        pieces.pop();
    }
    let numbers: Vec<Number> = pieces.iter().map(|piece| number(piece)).collect::<Option<_>>()?;
    match (numbers.len(), tail) {
        (0..=2, Some(Part::Rest)) => versions(&numbers, true),
        (3, None | Some(Part::MoreNumbers)) => versions(&numbers, false),
        (0, _) | (_, Some(Part::Rest)) => None,
        // Two numbers, and any more behind them: a third among them.
        (2, Some(Part::AnotherNumber)) => versions(&numbers, false),
        (1 | 2, Some(Part::MoreNumbers)) => None,
        (1, Some(Part::AnotherNumber)) => None,
        (1 | 2, None) => short(&numbers),
        _ => Some(Range::Nothing),
    }
}

/// Returns the version that fewer than three numbers are: the rest are zeros.
fn short(numbers: &[Number]) -> Option<Range> {
    let mut all = [0; 3];
    for (at, number) in numbers.iter().enumerate() {
        match number {
            Number::Row(low, high) if low == high => all[at] = *low,
            _ => return None,
        }
    }
    Some(Range::One(Version::of_numbers(all)))
}

fn number(parts: &[Part]) -> Option<Number> {
    match parts {
        [Part::Number] => Some(Number::Any),
        [Part::OneOf(low, high)] => Some(Number::Row(*low, *high)),
        [] => None,
        digits => {
            let mut text = String::new();
            for digit in digits {
                let Part::Digit(digit) = digit else { return None };
                text.push(*digit);
            }
            // `01` is no number of a semantic version.
            let number: u64 = text.parse().ok().filter(|_| text == "0" || !text.starts_with('0'))?;
            Some(Number::Row(number, number))
        }
    }
}

/// Returns the range of the versions whose first numbers are these, and the others any.
fn versions(numbers: &[Number], pre: bool) -> Option<Range> {
    let range = |text: &str| {
        let range = text.parse().ok()?;
        Some(Range::Versions { range, pre })
    };
    let mut fixed = String::new();
    let mut exact = Vec::new();
    for (at, number) in numbers.iter().enumerate() {
        match number {
            Number::Row(low, high) if low == high => {
                let _ = write!(fixed, "{low}.");
                exact.push(*low);
            }
            // A row of numbers, and anything behind it.
            Number::Row(low, high) => {
                if numbers[at + 1..].iter().any(|number| *number != Number::Any) {
                    return None;
                }
                let bound = |number: u64| {
                    let mut all = [0; 3];
                    all[..at].copy_from_slice(&exact);
                    all[at] = number;
                    Version::of_numbers(all)
                };
                return range(&format!(">={}, <{}", bound(*low), bound(high + 1)));
            }
            Number::Any => {
                if numbers[at + 1..].iter().any(|number| *number != Number::Any) {
                    return None;
                }
                return range(&format!("{fixed}*"));
            }
        }
    }
    match exact[..] {
        [major, minor, patch] => Some(Range::One(Version::of_numbers([major, minor, patch]))),
        _ => range(&format!("{fixed}*")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meaning(text: &str) -> String {
        match Pattern::read(text) {
            Err(reason) => format!("unread: {reason}"),
            Ok(pattern) => match pattern.range() {
                Some(Range::One(version)) => format!("={version}"),
                Some(Range::Versions { range, pre }) => format!("{range}{}", if pre { " (pre)" } else { "" }),
                Some(Range::Nothing) => "nothing".to_owned(),
                None => "no range".to_owned(),
            },
        }
    }

    #[test]
    fn patterns_that_are_ranges_are_written_as_ranges() {
        for (pattern, expected) in [
            (r"2\.1\.[0-9]+", "2.1.*"),
            (r"2\.1\.\d+", "2.1.*"),
            (r"^2\.[0-9]+\.[0-9]+$", "2.*"),
            (r"[0-9]+\.[0-9]+\.[0-9]+", "*"),
            (".*", "* (pre)"),
            (r"1\..*", "1.* (pre)"),
            (r"1\.2\..*", "1.2.* (pre)"),
            (r"1\.2\.3", "=1.2.3"),
            ("1.2.3", "=1.2.3"),
            ("1.10.[0-9]+", "1.10.*"),
            (r"1\.[0-3]\.[0-9]+", ">=1.0.0, <1.4.0"),
            (r"1\.[012]\.\d+", ">=1.0.0, <1.3.0"),
            (r"1\.2\.[3-7]", ">=1.2.3, <1.2.8"),
            // As OTP's own applications write them.
            (r"^4\.0$", "=4.0.0"),
            (r"^4\.0\.1(?:\.[0-9]+)*$", "=4.0.1"),
            (r"^4\.0\.0(?:\.[0-9]+)+$", "nothing"),
            (r"^4\.1(?:\.[0-9]+)+$", "4.1.*"),
        ] {
            assert_eq!(meaning(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn patterns_that_are_no_range_are_not_bent_into_one() {
        for pattern in [
            // Everything that begins with 1: also 10.0.0.
            "1.*",
            // 1.2, 1.20, 1.21.5.
            r"1\.2.*",
            // The first match in 1.0 is `1`.
            r"1|1\.0",
            // As little as it can take.
            r"1\.2\.[0-9]+?",
            r"1\.[0-9]+\.3",
            r"1\.(2|3)\.[0-9]+",
            r"1\.2\.[02]",
            r"1\.02\.[0-9]+",
            "",
        ] {
            assert_eq!(meaning(pattern), "no range", "{pattern}");
        }
    }

    #[test]
    fn what_two_dialects_read_differently_is_not_read() {
        let unread = |pattern: &str| match Pattern::read(pattern) {
            Ok(_) => panic!("{pattern} is read"),
            Err(reason) => reason,
        };
        let not = |what: &str| format!("it has {what}, which this importer does not read");
        assert_eq!(unread("1++"), not("a repetition of a repetition"));
        assert_eq!(unread("(?i)1"), not("flags"));
        assert_eq!(unread(r"\x31"), not("a character by its number, or one that is not ASCII"));
        assert_eq!(unread(r"\b1"), not("a test for the edge of a word"));
        assert_eq!(unread("(?P<n>1)"), not("a named group"));
        assert_eq!(unread(r"\pL"), not("a class of Unicode"));
        assert_eq!(unread("[a&&b]"), not("an operation on classes"));
        assert_eq!(unread("[[:digit:]]"), not("a class within a class, or one that is not of ASCII"));
        assert_eq!(unread("("), "unclosed group");
        assert_eq!(unread(r"(1)\1"), "backreferences are not supported");
        assert_eq!(unread("(?=1)"), "look-around, including look-ahead and look-behind, is not supported");
        assert!(unread("(?:(?:1{999}){999})").contains("size limit"), "{}", unread("(?:(?:1{999}){999})"));
        assert_eq!(unread(&"1".repeat(4097)), "it has more than 4096 bytes");
    }

    /// E23: the first match has to be the whole version.
    #[test]
    fn a_pattern_is_for_what_its_first_match_is_all_of() {
        let is_for = |pattern: &str, version: &str| Pattern::read(pattern).expect(pattern).is_for(version);
        assert!(!is_for(r"1|1\.0", "1.0"));
        assert!(is_for(r"1\.0|1", "1.0"));
        assert!(is_for(r"2\.1\.[0-9]+", "2.1.1"));
        assert!(!is_for(r"2\.1\.[0-9]+", "2.1.1.1"));
        assert!(!is_for(r"2\.1\.[0-9]+", "12.1.1"));
        assert!(is_for(".*", "1.0.0"));
        assert!(!is_for(r"1\.2\.[0-9]+?", "1.2.33"));
    }

    #[test]
    fn numbers_that_erlang_leaves_out_are_zeros() {
        let read = |text: &str| semantic(text).map(|version| version.to_string());
        assert_eq!(read("2"), Ok("2.0.0".to_owned()));
        assert_eq!(read("2.1"), Ok("2.1.0".to_owned()));
        assert_eq!(read("2.1.3-rc.1"), Ok("2.1.3-rc.1".to_owned()));
        assert_eq!(
            read("2.1.3.4"),
            Err("`2.1.3.4` is no semantic version such as 1.2.0: unexpected character '.' after patch version number".to_owned())
        );
        assert!(read("R15B").is_err() && read("").is_err() && read("2..").is_err() && read("02.1").is_err());
    }

    /// Pieces of which patterns are made, and versions near them.
    fn patterns() -> impl Strategy<Value = String> {
        let number =
            prop::sample::select(vec!["[0-9]+", r"\d+", "1", "2", "10", "[0-3]", "[12]", "[0-9]", "[0-9]*"]);
        let point = prop::sample::select(vec![r"\.", ".", r"\.", r"\."]);
        let tail = prop::sample::select(vec!["", "", r"(?:\.[0-9]+)*", r"(?:\.[0-9]+)+", ".*", r"\..*"]);
        let end = prop::sample::select(vec!["", "$"]);
        (prop::collection::vec((number, point), 1..4), tail, end, any::<bool>()).prop_map(
            |(parts, tail, end, start)| {
                let mut text = if start { "^".to_owned() } else { String::new() };
                for (at, (number, point)) in parts.iter().enumerate() {
                    text += if at > 0 { point } else { "" };
                    text += number;
                }
                text + tail + end
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// A range is what the pattern is for: of whole versions, no more and no less.
        #[test]
        fn a_range_is_the_pattern(text in patterns()) {
            let pattern = Pattern::read(&text).expect("made of what is read");
            let Some(found) = pattern.range() else { return Ok(()) };
            let numbers = [0u64, 1, 2, 3, 4, 9, 10, 11, 12, 20, 100];
            for [major, minor, patch] in numbers.iter().flat_map(|a| numbers.iter().flat_map(move |b| numbers.map(|c| [*a, *b, c]))) {
                let version = Version::of_numbers([major, minor, patch]);
                let whole = pattern.is_for(&version.to_string());
                // One version has several names in Erlang.
                let short = patch == 0 && pattern.is_for(&format!("{major}.{minor}"))
                    || patch == 0 && minor == 0 && pattern.is_for(&major.to_string());
                match &found {
                    Range::One(one) => prop_assert_eq!(*one == version, whole || short, "{} {}", text, version),
                    Range::Versions { range, .. } => prop_assert_eq!(range.matches(&version), whole, "{} {}", text, version),
                    Range::Nothing => prop_assert!(!whole, "{} {}", text, version),
                }
            }
        }

        #[test]
        fn no_pattern_brings_it_down(text in "\\PC{0,40}", version in "[0-9.a-z-]{0,12}") {
            if let Ok(pattern) = Pattern::read(&text) {
                let _ = (pattern.range(), pattern.is_for(&version));
            }
        }
    }
}
