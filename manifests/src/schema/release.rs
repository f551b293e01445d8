//! The shape of `release.toml`.

use super::form::{NAME, PATH, RELEASE_NAME, REQUIREMENT, VERSION};
use super::shape::{Choice, Shape, Table, map, optional, required, table, words};

pub(super) const EXAMPLE: &str = r#"name = "shop"
version = "2.0.0"
from = ["1.0.0"]        # nodes on 1.0.0 can come to it, and go back
oldest = "1.0.0"
strictness = "history"

[apps]
stock = { path = "apps/stock" }
payments = { version = "=1.4.0" }

[config.stock.counter]
hold = 900

[api]
default = "1.0.0"
"#;

pub(super) fn shape() -> Table {
    let origin = Table {
        keys: vec![
            optional("path", PATH, "", "The folder of the application in this project."),
            optional("version", REQUIREMENT, "", "The version of an application from a registry."),
        ],
        choice: Choice::One(&["path", "version"]),
    };
    table(vec![
        required("name", RELEASE_NAME, "The name of the release."),
        required("version", VERSION, "Its version."),
        optional(
            "from",
            words(VERSION),
            "it has no predecessors",
            "The releases that nodes may come from, and go back to.",
        ),
        optional(
            "oldest",
            VERSION,
            "all that are reached",
            "The oldest release that is reached over those of `from`; what is older is left behind.",
        ),
        optional(
            "strictness",
            strictness(),
            "`state`",
            "How much of compatibility with the releases of `from` is asked for.",
        ),
        required("apps", map(NAME, "APP", origin).at_least(1), "The applications, by name."),
        optional(
            "config",
            map(NAME, "APP", map(NAME, "MACHINE", Shape::Settings)),
            "what the machines' types have by themselves",
            "The configuration of machines.",
        ),
        optional(
            "api",
            table(vec![optional(
                "default",
                VERSION,
                "that of the newest predecessor, or this release",
                "The version that a client speaks when it does not say.",
            )]),
            "",
            "What clients speak.",
        ),
    ])
}

/// Returns the classes of strictness.
pub(super) fn strictness() -> Shape {
    Shape::OneOf(vec![
        ("wire", "every state, input and answer has a counterpart"),
        ("state", "and nothing of a state is lost"),
        ("history", "and no retired name comes back, no default changes its meaning"),
        ("frozen", "and every value has a counterpart of its own, both ways"),
    ])
}
