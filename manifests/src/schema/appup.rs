//! The shape of `appup.toml`.

use super::form::{KEY, NAME, PATH, REQUIREMENT, RULE, VERSION};
use crate::relup::INPUT_BYTES_MAX;

use super::shape::{Choice, Shape, Table, map, optional, required, table, tables};

pub(super) const EXAMPLE: &str = r#"[[from]]
version = "1.0.0"

[from.machines.counter]
migration = "migrations/counter-2.0.0-from-1.0.0.cam"

[from.machines.clock]
preserves_behaviour = true

[[from]]
versions = "^0.9"                 # all that have no entry of their own
app = "tally"                     # what it was called then

[from.machines.counter]
was = "adder"
migrate = "at_once"

[[from.apply]]                    # an input, given right after the switch
machine = "counter"
key = "front-door"
input = '{"Add":{"by":1}}'
inverse = '{"Add":{"by":-1}}'     # given after going back

[[from]]
version = "0.8.0"
restart = "there was nothing worth keeping"

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
                "The machine does what it did; held against law L3, and on nodes against the inputs that they record.",
            ),
            optional("was", NAME, "the name is the same", "What the machine was called."),
            optional(
                "migrate",
                Shape::OneOf(vec![
                    ("when_used", "each instance when it is next used"),
                    ("at_once", "all instances right after the switch"),
                ]),
                "`when_used`",
                "When instances are migrated.",
            ),
        ],
        choice: Choice::Some(&["migration", "preserves_behaviour", "was", "migrate"]),
    };
    let apply = table(vec![
        required("machine", NAME, "The machine."),
        optional("key", KEY, "the machine has no keys", "The instance."),
        required("input", Shape::Prose(INPUT_BYTES_MAX), "The input as JSON, as a client would send it."),
        optional(
            "inverse",
            Shape::Prose(INPUT_BYTES_MAX),
            "the machine is new, and goes away on the way back",
            "The input of the older machine that undoes it, given after going back.",
        ),
    ]);
    let from = Table {
        keys: vec![
            optional("version", VERSION, "", "The version of the application."),
            optional(
                "versions",
                REQUIREMENT,
                "",
                "A range of versions, for those that have no entry of their own. No two ranges may take in one.",
            ),
            optional("app", NAME, "the name is the same", "What the application was called."),
            optional(
                "restart",
                Shape::Prose(4096),
                "states go on",
                "The application gives up the states of its machines, and why; going back gives them back.",
            ),
            optional(
                "machines",
                map(NAME, "MACHINE", machine),
                "all migrations are derived",
                "What is said of machines.",
            ),
            optional("apply", tables(apply), "", "Inputs that are given after the switch, in order."),
        ],
        choice: Choice::One(&["version", "versions"]),
    };
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
