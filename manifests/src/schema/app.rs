//! The shape of `app.toml`.

use super::form::{NAME, REQUIREMENT, TIME, VERSION};
use super::release::strictness;
use super::shape::{Shape, Table, map, optional, required, table, words};
use crate::app::AFTER_TRAPS_MAX;

pub(super) const EXAMPLE: &str = r#"name = "stock"
version = "2.0.0"
depends = { payments = "^1.4" }
machines = ["counter", "shelf"]
strictness = "state"

[supervision]
strategy = "rest_for_one"
intensity = { traps = 5, within = "10s" }

[supervision.machines.counter]
on_trap = "hold"
after = { traps = 3, within = "1m" }
"#;

pub(super) fn shape() -> Table {
    let so_many = |least: u64, most: u64| {
        table(vec![
            required("traps", Shape::Number(least, most), "The number of traps."),
            required("within", TIME, "The time."),
        ])
    };
    let on_trap = Shape::OneOf(vec![
        ("refuse", "nothing else, the state stays"),
        ("hold", "the instance may not go on until a person has looked"),
        ("reset", "the instance begins anew, its state is archived"),
    ]);
    let machine = table(vec![
        required(
            "on_trap",
            on_trap,
            "What the traps of an instance lead to, `fail` excepted; each refuses its input in any case.",
        ),
        optional(
            "after",
            so_many(2, AFTER_TRAPS_MAX.into()),
            "the first is enough",
            "How many traps of one instance it takes: so many within so long a time.",
        ),
    ]);
    let strategy = Shape::OneOf(vec![
        ("one_for_one", "none"),
        ("rest_for_one", "those that stand after it in `machines`"),
        ("one_for_all", "all"),
    ]);
    let supervision = table(vec![
        optional("strategy", strategy, "`one_for_one`", "Which other machines share a hold or a reset."),
        optional(
            "intensity",
            so_many(1, 1_000_000),
            "never because of traps",
            "When the application counts as unhealthy: so many traps within so long a time.",
        ),
        optional(
            "machines",
            map(NAME, "MACHINE", machine),
            "every machine refuses",
            "What traps lead to, machine by machine.",
        ),
    ]);
    table(vec![
        required("name", NAME, "The name of the application, as the release calls it."),
        required("version", VERSION, "Its version; it stands here and nowhere else."),
        optional(
            "depends",
            map(NAME, "APP", REQUIREMENT),
            "none",
            "The applications that must run for this one to run, and their versions.",
        ),
        required(
            "machines",
            words(NAME).at_least(1),
            "The machines; the text of each is `machines/NAME.cam`.",
        ),
        optional(
            "strictness",
            strictness(),
            "what the release asks for",
            "How much of compatibility is asked for.",
        ),
        optional("supervision", supervision, "", "How the machines are looked after."),
    ])
}
