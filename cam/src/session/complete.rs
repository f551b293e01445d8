//! What may stand where a person is typing.

use std::collections::BTreeSet;

use super::{COMMANDS, Session, reply};
use crate::ty::{Kind, Ty, children};

/// Words that begin an entry, or stand in one.
const WORDS: [&str; 15] = [
    "advance", "const", "else", "expect", "fail", "false", "fn", "for", "if", "let", "match", "run", "true",
    "type", "on",
];

impl Session {
    /// Returns where the word at the end of `before` begins, and what it may become, sorted.
    /// `before` is the entry up to the cursor.
    pub fn complete(&self, before: &str) -> (usize, Vec<String>) {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let start = before.trim_end_matches(is_word).len();
        let (head, word) = before.split_at(start);
        let mut found = BTreeSet::new();
        let line = head.trim_start();
        if line == ":" {
            found.extend(COMMANDS.iter().map(|(word, ..)| (*word).to_owned()));
        } else if line.starts_with(":load") {
            // A path: the shell around the session knows files, the session does not.
        } else if head.ends_with('.') && !head.ends_with("..") {
            self.members(&mut found);
        } else {
            self.names_in_scope(&mut found);
        }
        (start, found.into_iter().filter(|name| name.starts_with(word) && name != word).collect())
    }

    /// Fields of all types and the standard functions: what stands before the dot is not known
    /// while it is typed.
    fn members(&self, found: &mut BTreeSet<String>) {
        found.extend(crate::standard::all().map(|standard| standard.name().to_owned()));
        for ty in self.types() {
            fields(&ty, found);
        }
    }

    fn names_in_scope(&self, found: &mut BTreeSet<String>) {
        found.extend(WORDS.iter().map(|word| (*word).to_owned()));
        found.extend(
            ["Some", "None", "Int", "Bool", "Text", "Bytes", "Duration", "Option", "List", "Map"]
                .map(str::to_owned),
        );
        for key in self.now.program.keys().filter(|key| matches!(&*key.word, "type" | "const" | "fn")) {
            found.insert(key.name.to_string());
        }
        found.extend(self.now.names.iter().map(|(name, _)| name.to_string()));
        if let Some(machine) = &self.now.machine {
            found.extend(["state", "config"].map(str::to_owned));
            found.extend(reply::cases_of(machine).into_iter().map(|(case, _)| case));
        }
        for ty in self.types() {
            cases(&ty, found);
        }
    }

    /// Returns the types of everything that has a name.
    fn types(&self) -> Vec<Ty> {
        let mut types: Vec<Ty> = self.now.names.iter().map(|(_, typed)| typed.ty.clone()).collect();
        types.extend(self.now.declared_types());
        if let Some(machine) = &self.now.machine {
            types.extend(
                [machine.state(), machine.config(), machine.input(), machine.output()].map(Ty::clone),
            );
        }
        types
    }
}

fn fields(ty: &Ty, found: &mut BTreeSet<String>) {
    if let Kind::Record(record) = ty.kind() {
        found.extend(record.fields.iter().map(|field| field.label.to_string()));
    }
    children(ty.kind()).for_each(|part| fields(part, found));
}

fn cases(ty: &Ty, found: &mut BTreeSet<String>) {
    if let Kind::Variant(variant) = ty.kind() {
        found.extend(variant.cases.iter().map(|case| case.label.to_string()));
    }
    children(ty.kind()).for_each(|part| cases(part, found));
}
