//! The target `parse`: any text to all that reads texts of the language.

use std::sync::LazyLock;

use crate::check::modules::Modules;
use crate::code::encode::encode;
use crate::compile;
use crate::diagnostic::{Diagnostic, Source};
use crate::format::format;
use crate::syntax::{SOURCE_MAX, parse as parse_text};
use crate::verify::{VerifiedMachine, verify};

/// What a migration is compiled between.
static ENDS: LazyLock<[VerifiedMachine; 2]> = LazyLock::new(|| {
    let old = "machine stock keyed Text\ntype Item = { qty: Int, price: Int = 0 }\n\
        type State = { items: Map(Text, Item), legacy: Int = 0 }\ntype Output = Ok | Failed\n\
        type Input = Take { item: Text } | Total\ninit = { items: [:] }\n\
        on Take { item } => ({ ..state, legacy: 1 + item.len() % 9 }, Ok)\non Total => (state, Failed)\n";
    let new = "machine stock keyed Text\ntype Item = { count: Int, price: Int = 0 }\n\
        type State = { items: Map(Text, Item), holds: Map(Text, Int) }\ntype Output = Ok | Refused(Text)\n\
        type Input = Reserve { order: Text, item: Text, count: Int } | Total\ninit = { items: [:], holds: [:] }\n\
        on Reserve { order, count, .. } => ({ ..state, holds[order]: count }, Ok)\n\
        on Total => (state, Refused(\"no\"))\n";
    [old, new].map(|text| {
        let module = compile::machine(&Source::new("stock.cam", text), None).expect("the text is good");
        verify(module).expect("what is compiled verifies").into_machine().expect("it is a machine")
    })
});

/// Any text: to the parser, which loses nothing of it; to the formatter, which changes nothing the
/// second time and nothing of the meaning; and to the compiler, as a machine with its tests, as a
/// migration and as a type module. Every complaint has its place in the text.
pub fn parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let source = Source::new("any.cam", &*text);
    let parsed = parse_text(&source);
    if text.len() <= SOURCE_MAX {
        assert_eq!(parsed.tree().text().to_string(), *text, "the tree is lossless");
    }
    let wrong = |found: &[Diagnostic]| found.iter().for_each(|one| in_place(one, &source));
    wrong(&parsed.errors);
    let compiled = compile::suite(&source, None).map(|suite| encode(suite.machine.module()));
    let edge = compile::edge(&ENDS[0], &ENDS[1], Some(&source)).map(|module| encode(&module));
    let modules = Modules::read(std::slice::from_ref(&source));
    compiled.as_ref().err().into_iter().chain(edge.as_ref().err()).for_each(|found| wrong(found));
    modules.as_ref().err().into_iter().for_each(|found| wrong(found));

    let formatted = match format(&source) {
        Ok(formatted) => Source::new("any.cam", formatted),
        Err(found) => {
            assert!(!found.is_empty(), "a refusal has a reason");
            return;
        }
    };
    assert_eq!(format(&formatted).as_deref(), Ok(&*formatted.text), "formatting twice is formatting once");
    if let Ok(compiled) = compiled {
        let again = compile::suite(&formatted, None).map(|suite| encode(suite.machine.module()));
        assert_eq!(again, Ok(compiled), "formatting changes no code");
    }
    if let Ok(edge) = edge {
        let again = compile::edge(&ENDS[0], &ENDS[1], Some(&formatted)).map(|module| encode(&module));
        assert_eq!(again, Ok(edge), "formatting changes no edge");
    }
}

fn in_place(found: &Diagnostic, source: &Source) {
    let text = &*source.text;
    assert_eq!(&*found.source.text, text, "a complaint is about the text that was given");
    let spans = std::iter::once(&found.span).chain(found.related.iter().map(|(span, _)| span));
    for span in spans {
        assert!(text.get(span.clone()).is_some(), "{}: {span:?} is no place in the text", found.code);
    }
    assert!(!found.message.is_empty() && !found.message.contains('\n'), "a message is one line");
    found.one_line();
}
