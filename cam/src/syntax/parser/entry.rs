//! What a session is given at once, beside declarations: an expression, or a word and one.

use super::{Parsed, Parser};
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::syntax::ast::{File, MachineFile};
use crate::syntax::entry::{Entry, EntryWord};
use crate::syntax::kind::Kind;

/// Parses one part of a text as a machine file, and another as an entry that begins with `word`.
pub(in crate::syntax) fn parse_entry(
    source: &Source,
    file: Span,
    entry: Span,
    word: EntryWord,
) -> Result<(MachineFile, Entry), Vec<Diagnostic>> {
    let mut parser = Parser::over(source, entry);
    parser.unknown_letters();
    let parsed = parser.entry(word);
    if parsed.is_ok() && !parser.at(Kind::End) {
        parser.ended(Kind::End, "entry");
        let more = parser.span();
        // What was reported at this place already stays as it is.
        let help = "a session takes one expression at a time".to_owned();
        parser.error("E0111", more, format!("expected the end, found {}", parser.found()), "", Some(help));
    }
    let mut errors = std::mem::take(&mut parser.errors);
    errors.sort_by_key(|error| (error.span.start, error.span.end));
    let file = parse_part(source, file)?;
    match parsed {
        Ok(entry) if errors.is_empty() => Ok((file, entry)),
        _ => Err(errors),
    }
}

/// Parses a part of a text as a machine file.
pub(in crate::syntax) fn parse_part(source: &Source, part: Span) -> Result<MachineFile, Vec<Diagnostic>> {
    let mut parser = Parser::over(source, part);
    parser.unknown_letters();
    let file = parser.file();
    match file {
        Some(File::Machine(file)) if parser.errors.is_empty() => Ok(file),
        _ => {
            parser.errors.sort_by_key(|error| (error.span.start, error.span.end));
            Err(parser.errors)
        }
    }
}

impl Parser<'_> {
    fn entry(&mut self, word: EntryWord) -> Parsed<Entry> {
        if word != EntryWord::None {
            self.bump();
        }
        Ok(match word {
            EntryWord::None => Entry::Expr(self.expr()?),
            EntryWord::Run => Entry::Run(self.expr()?),
            EntryWord::Advance => Entry::Advance(self.expr()?),
            EntryWord::Expect => Entry::Expect(self.expr()?),
            EntryWord::Let => {
                let name = self.ident("a name")?;
                self.expect(Kind::Eq, "`=` and a value")?;
                Entry::Let(name, self.expr()?)
            }
        })
    }
}
