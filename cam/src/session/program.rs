//! The program of a session: the machine that was loaded, and what was declared since.
//!
//! It is kept as texts. To check an entry they are put together into one, with what was declared
//! anew blanked out where it stood before; what the compiler says about a place in the whole is
//! then said about the text that it came from.

use std::sync::Arc;

use crate::check::modules::Modules;
use crate::check::session::Amid;
use crate::code::Module;
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::syntax::ast::MachineFile;
use crate::syntax::entry::{Entry, EntryWord, ItemKey, item_key, items, parse_entry, parse_part};

/// What stands above the declarations when no machine was loaded.
const HEAD: &str = "machine session\n";

/// A machine that was loaded.
#[derive(Debug, Clone)]
struct Base {
    source: Source,
    items: Vec<(ItemKey, Span)>,
    modules: Arc<Modules>,
    predecessor: Option<Arc<Module>>,
}

/// A declaration made in the session.
#[derive(Debug, Clone)]
struct Declared {
    key: ItemKey,
    source: Source,
    span: Span,
}

/// The program of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Program {
    base: Option<Base>,
    declared: Vec<Declared>,
}

/// The texts of a program, put together.
#[derive(Debug)]
pub(super) struct Assembled {
    /// The whole.
    pub(super) source: Source,
    /// Where the machine file stands in it.
    file: Span,
    /// Where the entry stands in it.
    entry: Span,
    segments: Vec<Segment>,
    /// The type modules that the file may use.
    pub(super) modules: Arc<Modules>,
    predecessor: Option<Arc<Module>>,
}

/// A stretch of the whole, and where it comes from.
#[derive(Debug)]
struct Segment {
    at: Span,
    origin: Source,
    offset: usize,
}

impl Program {
    /// Returns the program of a machine file.
    pub(super) fn of(source: Source, modules: Arc<Modules>, predecessor: Option<Arc<Module>>) -> Program {
        let items = items(&source);
        Program { base: Some(Base { source, items, modules, predecessor }), declared: Vec::new() }
    }

    /// Returns the file that was loaded.
    pub(super) fn loaded(&self) -> Option<&Source> {
        self.base.as_ref().map(|base| &base.source)
    }

    /// Returns true when a declaration of this key is there.
    pub(super) fn has(&self, key: &ItemKey) -> bool {
        let loaded = self.base.iter().flat_map(|base| &base.items).any(|(other, _)| other == key);
        loaded || self.declared.iter().any(|other| other.key == *key)
    }

    /// Returns the keys of all declarations.
    pub(super) fn keys(&self) -> impl Iterator<Item = &ItemKey> {
        let loaded = self.base.iter().flat_map(|base| base.items.iter().map(|(key, _)| key));
        loaded.chain(self.declared.iter().map(|declared| &declared.key))
    }

    /// Takes declarations, in the place of those of the same keys. Returns their keys; a
    /// declaration that is too broken to have one is kept, for the parser to say why.
    pub(super) fn declare(&mut self, source: &Source, span: Span) -> Vec<ItemKey> {
        let mut keys: Vec<ItemKey> = Vec::new();
        for part in parts(&source.text[span.clone()]) {
            let at = span.start + part.start..span.start + part.end;
            let broken = ItemKey { word: "".into(), name: "".into() };
            let key = item_key(&source.text[at.clone()]).unwrap_or(broken);
            // Twice in one entry is a fault, and not a change of mind.
            if !keys.contains(&key) {
                self.declared.retain(|other| other.key != key);
            }
            self.declared.push(Declared { key: key.clone(), source: source.clone(), span: at });
            keys.push(key);
        }
        keys
    }

    /// Puts the texts together, with an entry behind them.
    pub(super) fn assemble(&self, entry: Option<(&Source, Span)>) -> Assembled {
        let mut text = String::new();
        let mut segments = Vec::new();
        match &self.base {
            None => text.push_str(HEAD),
            Some(base) => {
                let replaced = |key: &ItemKey| self.declared.iter().any(|other| other.key == *key);
                let mut whole = base.source.text.as_bytes().to_vec();
                for (_, span) in base.items.iter().filter(|(key, _)| replaced(key)) {
                    // Blanks of the same length: every other place stays where it is.
                    whole[span.clone()].iter_mut().filter(|octet| **octet != b'\n').for_each(|o| *o = b' ');
                }
                text.push_str(&String::from_utf8(whole).expect("whole declarations were blanked out"));
                segments.push(Segment { at: 0..text.len(), origin: base.source.clone(), offset: 0 });
            }
        }
        let mut put = |text: &mut String, source: &Source, span: Span| {
            text.push('\n');
            let start = text.len();
            text.push_str(&source.text[span.clone()]);
            segments.push(Segment { at: start..text.len(), origin: source.clone(), offset: span.start });
            start..text.len()
        };
        for declared in &self.declared {
            put(&mut text, &declared.source, declared.span.clone());
        }
        let file = 0..text.len();
        let entry = match entry {
            Some((source, span)) => put(&mut text, source, span),
            None => text.len()..text.len(),
        };
        let name = self.base.as_ref().map_or("session", |base| &*base.source.name);
        let predecessor = self.base.as_ref().and_then(|base| base.predecessor.clone());
        let modules = self.base.as_ref().map_or_else(Arc::default, |base| base.modules.clone());
        Assembled { source: Source::new(name, text), file, entry, segments, modules, predecessor }
    }
}

/// Returns where each declaration of a text begins and ends.
fn parts(text: &str) -> Vec<Span> {
    // Read as a file, so that declarations end where the parser sees them end.
    let source = Source::new("", format!("{HEAD}{text}"));
    let starts: Vec<usize> = items_or_whole(&source, text.len());
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| *start..start + text[*start..end].trim_end().len()).collect()
}

fn items_or_whole(source: &Source, length: usize) -> Vec<usize> {
    let mut starts: Vec<usize> = items(source)
        .iter()
        .map(|(_, span)| span.start - HEAD.len())
        .filter(|start| *start < length)
        .collect();
    match starts.first_mut() {
        Some(first) => *first = 0,
        None => starts.push(0),
    }
    starts
}

impl Assembled {
    /// Returns the module that ordinals are kept from.
    pub(super) fn predecessor(&self) -> Option<&Module> {
        self.predecessor.as_deref()
    }

    /// Parses the machine file.
    pub(super) fn file(&self) -> Result<MachineFile, Vec<Diagnostic>> {
        parse_part(&self.source, self.file.clone()).map_err(|faults| self.at_origin(faults))
    }

    /// Parses file and entry.
    pub(super) fn entry(&self, word: EntryWord) -> Result<(MachineFile, Entry), Vec<Diagnostic>> {
        parse_entry(&self.source, self.file.clone(), self.entry.clone(), word)
            .map_err(|faults| self.at_origin(faults))
    }

    /// Returns what an expression is checked amid.
    pub(super) fn amid<'s>(&'s self, file: &'s MachineFile) -> Amid<'s> {
        Amid { source: &self.source, file, modules: &self.modules, predecessor: self.predecessor() }
    }

    /// Moves faults to the texts that they are about.
    pub(super) fn at_origin(&self, faults: Vec<Diagnostic>) -> Vec<Diagnostic> {
        faults.into_iter().map(|fault| self.moved(fault)).collect()
    }

    fn moved(&self, fault: Diagnostic) -> Diagnostic {
        // A fault of a type module is about a text of its own.
        if fault.source != self.source {
            return fault;
        }
        let Some((origin, span)) = self.place(&fault.span) else { return fault };
        let mut moved = Diagnostic { source: origin.clone(), span, related: Vec::new(), ..fault };
        for (span, note) in fault.related {
            match self.place(&span) {
                Some((other, span)) if *other == moved.source => moved.related.push((span, note)),
                Some((other, span)) => {
                    let (line, column) = other.line_column(span.start);
                    let more = format!("{note}: {}:{line}:{column}", other.name);
                    moved.help = Some(moved.help.map_or(more.clone(), |help| format!("{help}\n{more}")));
                }
                None => {}
            }
        }
        moved
    }

    /// Returns the text that a place belongs to, and the place in it.
    fn place(&self, span: &Span) -> Option<(&Source, Span)> {
        // The last that begins at or before it: the end of a text belongs to it too.
        let segment = self.segments.iter().rev().find(|segment| segment.at.start <= span.start)?;
        let moved =
            |at: usize| at.clamp(segment.at.start, segment.at.end) - segment.at.start + segment.offset;
        Some((&segment.origin, moved(span.start)..moved(span.end)))
    }
}
