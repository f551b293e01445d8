//! The lexer: text to tokens, nothing left out.
//!
//! Texts hold expressions (`"order {from}"`), so the lexer keeps a stack: within a text it
//! takes letters, within a brace of a text it takes tokens until that brace closes.

use logos::Logos;

use super::kind::Kind;

/// A token: its kind and where it ends. It begins where the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Byte offset of its start.
    pub start: usize,
    /// Byte offset after its end.
    pub end: usize,
}

/// Where the lexer is.
enum Mode {
    /// Between quotes.
    Text,
    /// In a brace of a text, with this many braces open within it.
    Hole(usize),
}

/// Splits a text into tokens whose texts, put together, are the text.
pub fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut modes: Vec<Mode> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (kind, length) = match modes.last() {
            Some(Mode::Text) => text_token(rest),
            _ => token(rest),
        };
        match (kind, modes.last_mut()) {
            (Kind::Quote, Some(Mode::Text)) => {
                modes.pop();
            }
            (Kind::LBrace, Some(Mode::Text)) => modes.push(Mode::Hole(0)),
            (Kind::Quote, _) => modes.push(Mode::Text),
            (Kind::LBrace, Some(Mode::Hole(depth))) => *depth += 1,
            (Kind::RBrace, Some(Mode::Hole(0))) => {
                modes.pop();
            }
            (Kind::RBrace, Some(Mode::Hole(depth))) => *depth -= 1,
            // A text does not go over the end of its line, nor does what stands in its holes: the
            // rest of the file stays readable.
            (Kind::Newline, _) => modes.clear(),
            _ => {}
        }
        tokens.push(Token { kind, start: at, end: at + length });
        at += length;
    }
    tokens
}

/// Returns the next token outside texts.
fn token(rest: &str) -> (Kind, usize) {
    let mut lexer = Kind::lexer(rest);
    match lexer.next() {
        Some(Ok(kind)) => (kind, lexer.span().end),
        _ => (Kind::Unknown, rest.chars().next().map_or(1, char::len_utf8)),
    }
}

/// Returns the next token within a text.
fn text_token(rest: &str) -> (Kind, usize) {
    match rest.as_bytes()[0] {
        b'"' => (Kind::Quote, 1),
        b'{' => (Kind::LBrace, 1),
        b'\n' => (Kind::Newline, 1),
        _ => {
            let mut letters = rest.char_indices().peekable();
            while let Some((index, letter)) = letters.next() {
                match letter {
                    '\n' | '"' | '{' => return (Kind::TextPart, index),
                    '\\' => {
                        let next = letters.next_if(|(_, letter)| *letter != '\n');
                        // `\u{1F600}`: these braces belong to the escape.
                        if next.is_some_and(|(_, letter)| letter == 'u')
                            && letters.next_if(|(_, letter)| *letter == '{').is_some()
                        {
                            while letters.next_if(|(_, letter)| letter.is_ascii_hexdigit()).is_some() {}
                            let _ = letters.next_if(|(_, letter)| *letter == '}');
                        }
                    }
                    _ => {}
                }
            }
            (Kind::TextPart, rest.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let tokens = lex(text);
        let whole: String = tokens.iter().map(|token| &text[token.start..token.end]).collect();
        assert_eq!(whole, text, "nothing is left out");
        tokens.iter().map(|token| token.kind).collect()
    }

    #[test]
    fn a_text_with_holes() {
        use Kind::*;
        assert_eq!(
            kinds(r#""a {x} \{b\}" y"#),
            [Quote, TextPart, LBrace, Ident, RBrace, TextPart, Quote, Space, Ident]
        );
        assert_eq!(kinds(r#""\u{41}{f({a: 1})}""#)[..3], [Quote, TextPart, LBrace]);
    }

    #[test]
    fn a_text_ends_with_its_line() {
        use Kind::*;
        assert_eq!(kinds("\"ab\nx"), [Quote, TextPart, Newline, Ident]);
        assert_eq!(kinds("\"a{b\nx"), [Quote, TextPart, LBrace, Ident, Newline, Ident]);
        assert_eq!(kinds("\"{\"b\n}c")[4..], [Newline, RBrace, Ident]);
    }

    #[test]
    fn numbers_with_units() {
        use Kind::*;
        assert_eq!(kinds("15m 1_000 2x"), [DurationLit, Space, IntLit, Space, IntLit, Ident]);
    }
}
