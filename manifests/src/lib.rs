//! Names, versions and the TOML documents of a project and of a bundle.
//!
//! Every document is read in one pass from spanned TOML to a value that cannot be wrong, so that
//! nobody inside checks it again; a reader collects all faults of a text, not only the first,
//! each with the span of the offending value. Every document has a writer, and the same value
//! always gives the same bytes: digests cover them.
//!
//! Where to look: `reader` and `writer` are the two halves that all documents share; the rest is
//! one document a file. [`CODES`] lists what can be wrong.

pub mod address;
pub mod agent;
pub mod app;
pub mod appup;
pub mod bundle;
pub mod clock;
pub mod duration;
pub mod edit;
pub mod fleet;
pub mod label;
pub mod lock;
pub mod lookup;
pub mod name;
pub mod patch;
pub mod path;
pub mod place;
pub mod policy;
pub mod published;
mod reader;
pub mod release;
pub mod relup;
pub mod resolved;
pub mod schema;
pub mod setting;
pub mod signature;
pub mod signers;
pub mod transition;
pub mod version;
mod writer;

pub use address::{InstanceAddress, Key, MachineAddress};
pub use name::{AppName, ChannelName, MachineName, ReleaseName, SignerName};
pub use path::RelativePath;
pub use reader::{Step, locate};
pub use version::{Requirement, Version};

/// What can be wrong with a document: the code of the diagnostic, and what it means.
pub const CODES: &[(&str, &str)] = &[
    ("M0101", "the text is not TOML, or a key stands twice"),
    ("M0102", "a key that the document does not have"),
    ("M0103", "a key that the document needs is missing"),
    ("M0104", "a value of another kind than the key takes"),
    ("M0105", "a name that breaks the rule for names"),
    ("M0106", "a text that is no semantic version"),
    ("M0107", "a text that is no range of semantic versions"),
    ("M0108", "a path that is absolute, climbs out of its folder, or is not written plainly"),
    ("M0109", "a text that is no SHA-256 digest"),
    ("M0110", "a text that is no length of time"),
    ("M0111", "a word that is none of those the key takes"),
    ("M0112", "an entry that stands twice"),
    ("M0113", "a number outside its range"),
    ("M0114", "a release or app that is its own predecessor or depends on itself"),
    ("M0115", "a list or text that may not be empty"),
    ("M0116", "an application with both or neither of `path` and `version`"),
    ("M0117", "an API default that is newer than the release"),
    ("M0118", "configuration for an application that the release does not have"),
    ("M0119", "an instruction that names no code, or more than one piece of it"),
    ("M0120", "a generated document that was edited by hand or garbled"),
    ("M0121", "a document in a format that this version does not know"),
    ("M0122", "a document above the size limit"),
    ("M0123", "applications out of dependency order, or one whose dependencies are not met"),
    ("M0124", "a name that stands for nothing in the release"),
    ("M0125", "a text that is no address of a machine"),
    ("M0126", "a rule of compatibility that there is not"),
    ("M0130", "a class of a way down that there is not"),
    ("M0131", "an oldest release that `from` goes beyond"),
    ("M0132", "an entry of an appup for one version and for a range at once"),
    ("M0133", "an application that gives up its states and migrates them"),
    ("M0134", "supervision of a machine that the application does not have"),
    ("M0135", "a number of traps for a machine whose traps lead to nothing"),
    ("M0140", "a text that is no public key"),
    ("M0141", "a text that is neither the name of a release nor the beginning of names"),
    ("M0142", "a threshold above the number of those who may sign"),
    ("M0150", "a text that is no address and port"),
    ("M0151", "a text that is no URL, or one with a password in it"),
    ("M0152", "a text that is no key or value of a label"),
    ("M0153", "a text that is no size"),
    ("M0154", "a text that is no path of the system"),
    ("M0155", "times that contradict each other"),
    ("M0156", "a key of `agent.toml` that this version of the agent cannot act on yet"),
    ("M0157", "a text that is no number of nodes and no share of them"),
    ("M0158", "waves that do not rise, or not all in one unit"),
    ("M0159", "a gate that asks nothing, or more than one thing"),
    ("M0160", "a group for which no node is left"),
    ("M0161", "an order of groups that contradicts itself"),
    ("M0162", "a text that is no selector of nodes, or one that no node meets"),
    ("M0163", "a text that is no time of the day"),
    ("M0164", "a text that is no offset from UTC"),
];
