//! The formatter: one way to write blanks, the author's way to break lines.
//!
//! It works on the tokens of the lossless tree and changes blanks alone: indentation, the space
//! between tokens, blank lines. Where lines break, and what the author lined up before `=`, `=>`
//! and comments, stays: a person has seen the whole, a rule would not.
//!
//! What must stay true: the tokens stay the same, and formatting twice is formatting once.

use crate::diagnostic::{Diagnostic, Source};
use crate::syntax::{Kind, parse};

const INDENT: usize = 2;

/// Formats a machine or migration file.
///
/// # Errors
///
/// All syntax errors: a text that does not parse is left alone.
pub fn format(source: &Source) -> Result<String, Vec<Diagnostic>> {
    let parse = parse(source);
    if !parse.errors.is_empty() {
        return Err(parse.errors);
    }
    let tokens = parse.tree().descendants_with_tokens().filter_map(rowan::NodeOrToken::into_token);
    let tokens: Vec<(Kind, String)> = tokens.map(|token| (token.kind(), token.text().to_owned())).collect();
    Ok(write(&lines(&tokens)))
}

/// A token, or a whole text with what stands in it.
#[derive(Debug)]
struct Atom {
    kind: Kind,
    text: String,
    /// How many blanks the author put before it.
    blanks: usize,
}

/// Splits tokens into lines of atoms. An empty line stands for any number of them.
fn lines(tokens: &[(Kind, String)]) -> Vec<Vec<Atom>> {
    let mut lines: Vec<Vec<Atom>> = vec![Vec::new()];
    let mut blanks = 0;
    let mut index = 0;
    while let Some((kind, text)) = tokens.get(index) {
        match kind {
            Kind::Space => blanks = text.chars().filter(|letter| *letter != '\r').count(),
            Kind::Newline => {
                lines.push(Vec::new());
                blanks = 0;
            }
            _ => {
                let mut atom = Atom { kind: *kind, text: text.clone(), blanks };
                if *kind == Kind::Quote {
                    let end = text_end(tokens, index);
                    atom.text = tokens[index..end].iter().map(|(_, text)| text.as_str()).collect();
                    index = end - 1;
                }
                if *kind == Kind::Comment {
                    atom.text.truncate(atom.text.trim_end().len());
                }
                lines.last_mut().expect("there is a first line").push(atom);
                blanks = 0;
            }
        }
        index += 1;
    }
    lines
}

/// Returns the index after the quote that ends the text that begins at `start`.
fn text_end(tokens: &[(Kind, String)], start: usize) -> usize {
    // Quotes and braces that are open: a text holds expressions that hold texts.
    let mut open = vec![Kind::Quote];
    for (index, (kind, _)) in tokens.iter().enumerate().skip(start + 1) {
        match (kind, open.last()) {
            (Kind::Quote, Some(Kind::Quote)) | (Kind::RBrace, Some(Kind::LBrace)) => {
                open.pop();
            }
            (Kind::Quote | Kind::LBrace, _) => open.push(*kind),
            _ => {}
        }
        if open.is_empty() {
            return index + 1;
        }
    }
    tokens.len()
}

fn write(lines: &[Vec<Atom>]) -> String {
    let mut out = String::new();
    // The indentation of the line in which each open bracket stands.
    let mut open: Vec<usize> = Vec::new();
    let mut last: Option<Kind> = None;
    let mut blank = false;
    for line in lines {
        let Some(first) = line.first() else {
            blank = true;
            continue;
        };
        let closes = line.iter().take_while(|atom| is_close(atom.kind)).count();
        let base = if closes > 0 {
            open.get(open.len().saturating_sub(closes)).copied().unwrap_or(0)
        } else {
            open.last().map_or(0, |indent| indent + INDENT)
        };
        let goes_on = closes == 0
            && first.kind != Kind::Comment
            && (last.is_some_and(ends_open) || begins_within(first));
        let indent = if goes_on { base + INDENT } else { base };
        // Neither at the start, nor inside of brackets' ends, does a blank line say anything.
        if blank && !out.is_empty() && closes == 0 && !last.is_some_and(is_open) {
            out.push('\n');
        }
        blank = false;
        out.extend(std::iter::repeat_n(' ', indent));
        let channel = first.text == "channel";
        for (index, atom) in line.iter().enumerate() {
            if index > 0 {
                let before = &line[..index];
                out.extend(std::iter::repeat_n(' ', space(before, atom, channel)));
            }
            out.push_str(&atom.text);
            match atom.kind {
                kind if is_open(kind) => open.push(indent),
                kind if is_close(kind) => {
                    open.pop();
                }
                _ => {}
            }
        }
        out.push('\n');
        last = line.iter().rev().find(|atom| atom.kind != Kind::Comment).map(|atom| atom.kind).or(last);
    }
    out
}

fn is_open(kind: Kind) -> bool {
    matches!(kind, Kind::LParen | Kind::LBracket | Kind::LBrace)
}

fn is_close(kind: Kind) -> bool {
    matches!(kind, Kind::RParen | Kind::RBracket | Kind::RBrace)
}

fn is_operator(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::OrOr
            | Kind::AndAnd
            | Kind::EqEq
            | Kind::NotEq
            | Kind::Lt
            | Kind::LtEq
            | Kind::Gt
            | Kind::GtEq
            | Kind::PlusPlus
            | Kind::Plus
            | Kind::Minus
            | Kind::Star
            | Kind::Slash
            | Kind::Percent
    )
}

/// Returns true when a line that ends so goes on in the next.
fn ends_open(kind: Kind) -> bool {
    is_operator(kind) || matches!(kind, Kind::Eq | Kind::FatArrow | Kind::Arrow | Kind::Bar | Kind::Bang)
}

/// Returns true when a line that begins so belongs to the one before.
fn begins_within(atom: &Atom) -> bool {
    matches!(atom.kind, Kind::Dot | Kind::Bar | Kind::Arrow)
        || (is_operator(atom.kind) && atom.kind != Kind::Minus)
        // The end of a `run` in a test.
        || (atom.kind == Kind::Ident && matches!(atom.text.as_str(), "gives" | "fails" | "traps"))
}

/// Words of tests, and where they are words: everywhere else they are names.
fn is_test_word(before: &[Atom], atom: &Atom) -> bool {
    const FIRST: [&str; 5] = ["run", "expect", "advance", "answer", "assume"];
    const AFTER_EXPECT: [&str; 5] = ["sent", "called", "logged", "timer", "not"];
    const WITHIN: [&str; 4] = ["gives", "is", "traps", "fails"];
    const GIVEN: [&str; 5] = ["config", "state", "key", "now", "seed"];
    let word = atom.text.as_str();
    if atom.kind != Kind::Ident || before.last().is_some_and(|last| last.kind == Kind::Dot) {
        return false;
    }
    let starts = |atom: &Atom| matches!(atom.kind, Kind::LBrace | Kind::Semicolon);
    let start = before.iter().rposition(starts).map_or(0, |index| index + 1);
    let statement = &before[start..];
    let (first, last) = (statement.first(), before.last());
    let is =
        |atom: Option<&Atom>, words: &[&str]| atom.is_some_and(|atom| words.contains(&atom.text.as_str()));
    match statement.len() {
        0 => FIRST.contains(&word) || WITHIN.contains(&word),
        _ if is(first, &["no"]) => word == "answer",
        _ if is(first, &FIRST) => {
            WITHIN.contains(&word) || (AFTER_EXPECT.contains(&word) && is(last, &["expect", "not"]))
        }
        _ => is(before.first(), &["test", "property"]) && (word == "with" || GIVEN.contains(&word)),
    }
}

/// Words after which a bracket is an expression of its own.
fn is_word(atom: &Atom) -> bool {
    const WORDS: [&str; 24] = [
        "if", "else", "match", "in", "fail", "log", "send", "timer", "after", "cancel", "call", "on", "up",
        "down", "keep", "lift", "unlift", "lower", "raise", "let", "for", "keyed", "secret", "internal",
    ];
    atom.kind == Kind::Ident && WORDS.contains(&atom.text.as_str())
}

/// Returns true when an operand ends the line so far, so that what follows is an infix operator.
fn ends_operand(line: &[Atom]) -> bool {
    let Some((atom, before)) = line.split_last() else { return false };
    is_close(atom.kind)
        || matches!(
            atom.kind,
            Kind::IntLit | Kind::DurationLit | Kind::TypeIdent | Kind::Quote | Kind::Underscore
        )
        || (atom.kind == Kind::Ident && !is_word(atom) && !is_test_word(before, atom))
}

/// Returns how many blanks stand before an atom.
fn space(before: &[Atom], atom: &Atom, channel: bool) -> usize {
    let Some(last) = before.last() else { return 0 };
    let unary = matches!(last.kind, Kind::Minus | Kind::Bang) && !ends_operand(&before[..before.len() - 1]);
    match (last.kind, atom.kind) {
        // What the author lined up stays lined up.
        (_, Kind::Comment) => atom.blanks.max(2),
        (_, Kind::Eq | Kind::FatArrow) => atom.blanks.max(1),
        (Kind::LParen | Kind::LBracket, _)
        | (_, Kind::RParen | Kind::RBracket | Kind::Comma | Kind::Semicolon) => 0,
        (Kind::DotDot, Kind::RBrace) => 1,
        (Kind::Dot | Kind::DotDot | Kind::DotDotEq, _) | (_, Kind::Dot | Kind::DotDotEq) => 0,
        (_, Kind::DotDot) => usize::from(matches!(last.kind, Kind::LBrace | Kind::Comma)),
        (_, Kind::Colon) => 0,
        (Kind::LBrace, Kind::RBrace) => 0,
        _ if unary => 0,
        // Names of apps may have dashes, and a target is `app/machine`.
        (_, Kind::Slash | Kind::Minus) | (Kind::Slash | Kind::Minus, _) if channel => 0,
        // The parameters of a property stand apart from its name.
        (Kind::Quote, Kind::LParen) if before.len() == 2 && before[0].text == "property" => 1,
        // A call and an index touch what they are of; a tuple after a word does not.
        (_, Kind::LParen | Kind::LBracket) if ends_operand(before) => usize::from(atom.blanks > 0),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        format(&Source::new("x.cam", text))
            .unwrap_or_else(|errors| panic!("{}\n{text}", errors[0].one_line()))
    }

    fn words(text: &str) -> Vec<String> {
        let parse = parse(&Source::new("x.cam", text));
        let tokens = parse.tree().descendants_with_tokens().filter_map(rowan::NodeOrToken::into_token);
        tokens
            .filter(|token| !matches!(token.kind(), Kind::Space | Kind::Newline))
            .map(|token| token.text().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn blanks_and_indentation() {
        let text = "machine  m\n\n\n\ntype State={a:Int=1,b:Map(Text,Int)}\ntype Input=A|B(Int)\n\
                    |C{x:Int}\ninit={a:1,b:[:]}\non A=>({..state,a:-state.a+2*(3-1)},())\non B(n){\nlet x=n\n\
                    if x>1{\nlog \"a {x+1}\"\n}\n\n(state,())\n}\non C{x}=>match x{\n0..=9=>(state,()),// few\n_=>(state,())\n}\n";
        let expected = "machine m\n\ntype State = { a: Int = 1, b: Map(Text, Int) }\ntype Input = A | B(Int)\n  | C { x: Int }\n\
                        init = { a: 1, b: [:] }\non A => ({ ..state, a: -state.a + 2 * (3 - 1) }, ())\non B(n) {\n  let x = n\n  \
                        if x > 1 {\n    log \"a {x+1}\"\n  }\n\n  (state, ())\n}\non C { x } => match x {\n  0..=9 => (state, ()),  // few\n  \
                        _ => (state, ())\n}\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn tests_are_formatted_like_everything_else() {
        let text = "machine m\ntest \"a\" with config {a:-1},state [1],key (\"a\") {\nrun A{b:-2}gives (1,2)\nrun B\ngives -1\n\
                    run C fails \"x\";advance -x;expect -a==b;expect sent c[k] (1);expect logged (x)\nexpect (sent)-1>2\n\
                    answer c[\"k\"] [1]\nno answer c\nfor x in [1]{run D(x)}\n}\nproperty \"b\"(a:Int){\nassume (a)\n\
                    for all inputs may trap range,fuel{expect output is Some(_)}\n}\n";
        let expected = "machine m\ntest \"a\" with config { a: -1 }, state [1], key (\"a\") {\n  run A { b: -2 } gives (1, 2)\n  run B\n    \
                        gives -1\n  run C fails \"x\"; advance -x; expect -a == b; expect sent c[k] (1); expect logged (x)\n  expect (sent) - 1 > 2\n  \
                        answer c[\"k\"] [1]\n  no answer c\n  for x in [1] { run D(x) }\n}\nproperty \"b\" (a: Int) {\n  assume (a)\n  \
                        for all inputs may trap range, fuel { expect output is Some(_) }\n}\n";
        assert_eq!(formatted(text), expected);
        assert_eq!(formatted(expected), expected);
    }

    #[test]
    fn formatting_keeps_every_token_and_twice_is_once() {
        for text in [
            include_str!("../tests/fixtures/stock.cam"),
            include_str!("../tests/fixtures/everything.cam"),
            include_str!("../tests/suites/passes.cam"),
            include_str!("../tests/suites/fails.cam"),
            include_str!("../../examples/pingpong/v3/apps/ping/machines/client.cam"),
            include_str!("../../examples/pingpong/v3/apps/pong/machines/server.cam"),
            include_str!("../../examples/pingpong/v3/apps/pong/migrations/server-3.0.0-from-2.0.0.cam"),
            include_str!("../../examples/counter/v3/apps/counter/machines/counter.cam"),
        ] {
            let once = formatted(text);
            assert_eq!(words(&once), words(text));
            assert_eq!(formatted(&once), once, "{once}");
        }
    }

    #[test]
    fn a_text_that_does_not_parse_is_left_alone() {
        let errors = format(&Source::new("x.cam", "machine m\ntype")).expect_err("does not parse");
        assert_eq!(errors[0].code, "E0101");
    }
}
