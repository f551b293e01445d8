//! What the documents that people write look like, as data: for editors, and for the reference page.
//!
//! A reader says what a document means and what is wrong with it; the shapes here say what may
//! stand in it. They are written beside the readers and held against them: the tests of this
//! module let each reader read a document that uses every key and compare the keys that it asks for
//! with those of the shape; and every text that a test of a reader accepts or refuses goes through
//! the JSON Schema too.
//!
//! Where to look: [`form`] has the texts of a certain form, [`shape`] what values are made of,
//! [`json`] and [`table`] what is made of them; the rest is a document a file.

mod agent;
mod app;
mod appup;
mod fleet;
pub mod form;
mod json;
mod lock;
mod release;
pub mod shape;
mod table;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use shape::Table;

/// A document of a project or of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Document {
    /// `release.toml`.
    Release,
    /// `app.toml`.
    App,
    /// `appup.toml`.
    Appup,
    /// `agent.toml`.
    Agent,
    /// `fleet.toml`.
    Fleet,
    /// `camshaft.lock`.
    Lock,
}

impl Document {
    /// All documents, in the order in which people meet them.
    pub const ALL: [Document; 6] =
        [Document::Release, Document::App, Document::Appup, Document::Agent, Document::Fleet, Document::Lock];

    /// Returns the word for it: `release`.
    pub fn name(self) -> &'static str {
        match self {
            Document::Release => "release",
            Document::App => "app",
            Document::Appup => "appup",
            Document::Agent => "agent",
            Document::Fleet => "fleet",
            Document::Lock => "lock",
        }
    }

    /// Returns the name of its file: `release.toml`.
    pub fn file(self) -> &'static str {
        match self {
            Document::Release => "release.toml",
            Document::App => "app.toml",
            Document::Appup => "appup.toml",
            Document::Agent => "agent.toml",
            Document::Fleet => "fleet.toml",
            Document::Lock => "camshaft.lock",
        }
    }

    /// Returns the document of that name.
    pub fn of_name(name: &str) -> Option<Document> {
        Document::ALL.into_iter().find(|document| document.name() == name)
    }

    /// Returns what it is for, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Document::Release => {
                "A release as its author writes it: its applications and their configuration."
            }
            Document::App => {
                "An application as its author writes it: its machines and how they are looked after."
            }
            Document::Appup => {
                "What an application does when it comes from other versions of it: migrations, and rules of \
                 compatibility that a person set aside."
            }
            Document::Agent => {
                "How one node's agent runs. It holds no secret: those are files that it names."
            }
            Document::Fleet => "The groups of a fleet, what each of them runs, and how they get there.",
            Document::Lock => {
                "The predecessors of a release, pinned by the digests of their bundles. Written by the tool and \
                 committed."
            }
        }
    }

    /// Returns a document that uses every key.
    pub fn example(self) -> &'static str {
        match self {
            Document::Release => release::EXAMPLE,
            Document::App => app::EXAMPLE,
            Document::Appup => appup::EXAMPLE,
            Document::Agent => agent::EXAMPLE,
            Document::Fleet => fleet::EXAMPLE,
            Document::Lock => lock::EXAMPLE,
        }
    }

    /// Returns its shape.
    pub fn shape(self) -> Table {
        match self {
            Document::Release => release::shape(),
            Document::App => app::shape(),
            Document::Appup => appup::shape(),
            Document::Agent => agent::shape(),
            Document::Fleet => fleet::shape(),
            Document::Lock => lock::shape(),
        }
    }

    /// Returns its JSON Schema, draft 2020-12, with a newline at the end.
    pub fn json_schema(self) -> String {
        json::of(self)
    }

    /// Returns the table of its keys, in Markdown.
    pub fn key_table(self) -> String {
        table::of(&self.shape())
    }
}
