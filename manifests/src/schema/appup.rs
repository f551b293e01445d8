//! The shape of `appup.toml`.

use super::form::{NAME, PATH, RULE, VERSION};
use super::shape::{Choice, Shape, Table, map, optional, required, table, tables};

pub(super) const EXAMPLE: &str = r#"[[from]]
version = "1.0.0"

[from.machines.counter]
migration = "migrations/counter-2.0.0-from-1.0.0.cam"

[from.machines.clock]
preserves_behaviour = true

[[waive]]
rule = "U019"
reason = "nobody used it"
machine = "counter"
from = "1.0.0"
"#;

pub(super) fn shape() -> Table {
    let machine = Table {
        keys: vec![
            optional(
                "migration",
                PATH,
                "it is derived",
                "The file of the migration, relative to the application's folder.",
            ),
            optional(
                "preserves_behaviour",
                Shape::Truth,
                "it is not asked for",
                "The machine does what it did; held against law L3.",
            ),
        ],
        choice: Choice::Some(&["migration", "preserves_behaviour"]),
    };
    let from = table(vec![
        required("version", VERSION, "The version of the application."),
        optional(
            "machines",
            map(NAME, "MACHINE", machine),
            "all migrations are derived",
            "What is said of machines.",
        ),
    ]);
    let waive = table(vec![
        required("rule", RULE, "The rule or law; `camshaft explain` tells about each."),
        required("reason", Shape::Prose(4096), "Why it may be broken here. It becomes part of the bundle."),
        optional("machine", NAME, "every machine", "The machine that it is about."),
        optional(
            "from",
            VERSION,
            "every version",
            "The version of the application that the upgrade comes from.",
        ),
    ]);
    table(vec![
        optional(
            "from",
            tables(from),
            "",
            "The versions that it comes from, where a person says more than follows from the types.",
        ),
        optional("waive", tables(waive), "", "Rules of compatibility that a person set aside."),
    ])
}
