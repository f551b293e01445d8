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
}

/// Words after which a bracket is an expression of its own.
fn is_word(atom: &Atom) -> bool {
    const WORDS: [&str; 23] = [
        "if", "else", "match", "in", "fail", "log", "send", "timer", "after", "cancel", "call", "on", "up",
        "down", "lift", "unlift", "lower", "raise", "let", "for", "keyed", "secret", "internal",
    ];
    atom.kind == Kind::Ident && WORDS.contains(&atom.text.as_str())
}

/// Returns true when an operand stands there, so that what follows is an infix operator.
fn ends_operand(atom: &Atom) -> bool {
    is_close(atom.kind)
        || matches!(
            atom.kind,
            Kind::IntLit | Kind::DurationLit | Kind::TypeIdent | Kind::Quote | Kind::Underscore
        )
        || (atom.kind == Kind::Ident && !is_word(atom))
}

/// Returns how many blanks stand before an atom.
fn space(before: &[Atom], atom: &Atom, channel: bool) -> usize {
    let Some(last) = before.last() else { return 0 };
    let unary = matches!(last.kind, Kind::Minus | Kind::Bang)
        && !before.len().checked_sub(2).is_some_and(|index| ends_operand(&before[index]));
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
        // A call and an index touch what they are of; a tuple after a word does not.
        (_, Kind::LParen | Kind::LBracket) if ends_operand(last) => usize::from(atom.blanks > 0),
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
    fn formatting_keeps_every_token_and_twice_is_once() {
        for text in [
            include_str!("../tests/fixtures/stock.cam"),
            include_str!("../tests/fixtures/everything.cam"),
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
