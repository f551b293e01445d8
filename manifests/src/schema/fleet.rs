//! The shape of `fleet.toml`.

use super::form::{
    CLOCK, DURATION, LABEL_KEY, NAME, OFFSET, PERCENT, RELEASE_NAME, SELECTOR, SYSTEM_PATH, TIME, URL,
    VERSION,
};
use super::shape::{Choice, Shape, Table, map, optional, required, table, tables, words};
use crate::agent::COUNT_MAX;
use crate::policy::{DAYS, GATE_NAME_MAX};

pub(super) const EXAMPLE: &str = r#"release = "shop"

[policy]
canary = 1
waves = ["10%", "50%"]            # and then the rest
domains = { label = "zone", order = "spread" }
max_unavailable = "10%"
max_failures = 2
soak = "30m"
deadlines = { node = "10m", wave = "2h", rollback = "5m", rollout = "2d" }
on_failure = "rollback"
approval = "canary"

[[policy.gate]]
name = "nothing is held"
held = 0

[[policy.gate]]
name = "little is parked"
parked = 10

[[policy.gate]]
name = "orders arrive"
url = "https://checks.example.org/orders"
secret_file = "secrets/checks"
timeout = "30s"
inconclusive = "pause"

[[policy.window]]
days = ["mon", "tue", "wed", "thu"]
from = "22:00"
to = "04:00"                      # of the next day
offset = "+01:00"

[[group]]
name = "back"
select = "role=back"
serves = ["stock"]

[[group]]
name = "front-eu"
select = "role=front, zone in (eu-1, eu-2)"
after = ["back"]
version = "2.0.0"
serves = ["till"]

[group.config.till.till]
limit = 5

[group.policy]
canary = "5%"
"#;

pub(super) fn shape() -> Table {
    let group = table(vec![
        required("name", RELEASE_NAME, "What the group is called."),
        required(
            "select",
            SELECTOR,
            "Which nodes belong to it, by their labels. A node belongs to the first group that selects it.",
        ),
        optional(
            "after",
            words(RELEASE_NAME),
            "the group above it",
            "The groups that are done before this one begins. A rollback goes the other way round.",
        ),
        optional("version", VERSION, "that of release.toml", "The version that the group runs."),
        optional(
            "serves",
            words(NAME).at_least(1),
            "nobody says",
            "The applications that are reached on these nodes; messages to others leave them by routes.",
        ),
        optional(
            "config",
            map(NAME, "APP", map(NAME, "MACHINE", Shape::Settings)),
            "as the release has it",
            "Settings laid over those of the release.",
        ),
        optional(
            "policy",
            policy(),
            "as all groups have it",
            "How rollouts go here; a key that is left out is as all groups have it.",
        ),
    ]);
    table(vec![
        required("release", RELEASE_NAME, "The name of the release that the nodes run."),
        optional("policy", policy(), "", "How rollouts go, where a group does not say otherwise."),
        required("group", tables(group).at_least(1), "The groups, in order."),
    ])
}

fn amount() -> Shape {
    Shape::Either(vec![Shape::Number(0, COUNT_MAX), PERCENT.into()])
}

fn policy() -> Table {
    let domains = table(vec![
        required("label", LABEL_KEY, "Nodes with one value of this label fail together."),
        optional(
            "order",
            Shape::OneOf(vec![
                ("spread", "each wave takes its share of every domain"),
                ("one_by_one", "a domain is begun when the one before it is done"),
            ]),
            "`spread`",
            "How domains are gone through.",
        ),
    ]);
    let deadlines = table(vec![
        optional("node", TIME, "", "One node, to the end of its probation; then it has failed."),
        optional("wave", TIME, "", "One wave."),
        optional("rollback", TIME, "", "The way back of one node."),
        optional("rollout", TIME, "", "All of it; then it freezes."),
    ]);
    let on_failure =
        Shape::OneOf(vec![("freeze", "it stops where it is"), ("rollback", "what was upgraded goes back")]);
    let approval = Shape::OneOf(vec![
        ("none", "never"),
        ("start", "before it begins"),
        ("canary", "after the canaries"),
        ("waves", "before it begins and after each wave"),
    ]);
    table(vec![
        optional("canary", amount(), "none", "The nodes that go first: a number, or a share of the group."),
        optional(
            "waves",
            Shape::List { item: Box::new(amount()), unique: true, least: 0 },
            "all at once, within `max_unavailable`",
            "How far each wave goes: so many nodes, or that share of the group, are done at its end. Rising; what is left goes last.",
        ),
        optional("domains", domains, "nodes are all alike", "The failure domains of the nodes."),
        optional(
            "max_unavailable",
            amount(),
            "`1`",
            "How many nodes may be unavailable at a time; one at least.",
        ),
        optional("max_failures", amount(), "`0`", "How many nodes may fail before the rollout does."),
        optional("soak", DURATION, "`10m`", "How long a wave is watched before the next."),
        optional(
            "deadlines",
            deadlines,
            "",
            "How long things may take. Time stands still while a rollout is paused.",
        ),
        optional(
            "on_failure",
            on_failure,
            "back where the plan says that nothing is lost by it, frozen where something is",
            "What is done when a rollout fails.",
        ),
        optional("approval", approval, "`none`", "When a person has to agree."),
        optional(
            "gate",
            tables(gate()),
            "",
            "What has to hold before it goes on, after the canaries and after each wave.",
        ),
        optional("window", tables(window()), "always", "When nodes may be changed."),
    ])
}

fn gate() -> Table {
    let inconclusive = Shape::OneOf(vec![("pause", "the rollout pauses"), ("fail", "it counts as no")]);
    Table {
        keys: vec![
            required("name", Shape::Prose(GATE_NAME_MAX), "What it is called in plans and reports."),
            optional(
                "held",
                Shape::Number(0, COUNT_MAX),
                "",
                "At most so many instances are held on the nodes that were upgraded.",
            ),
            optional("parked", Shape::Number(0, COUNT_MAX), "", "At most so many messages are parked there."),
            optional("url", URL, "", "Something outside, that answers with a status of success."),
            optional(
                "secret_file",
                SYSTEM_PATH,
                "requests are not signed",
                "The file with the secret that requests are signed with.",
            ),
            optional("timeout", TIME, "`10s`", "How long an answer may take."),
            optional(
                "inconclusive",
                inconclusive,
                "`pause`",
                "What is done when there is no answer, or one that says neither.",
            ),
        ],
        choice: Choice::One(&["held", "parked", "url"]),
    }
}

fn window() -> Table {
    let day = Shape::OneOf(DAYS.iter().map(|(word, _)| (*word, "")).collect());
    table(vec![
        optional(
            "days",
            Shape::List { item: Box::new(day), unique: true, least: 1 },
            "every day",
            "The days on which it begins.",
        ),
        required("from", CLOCK, "When it begins."),
        required("to", CLOCK, "When it ends; on the next day when that is before `from`."),
        optional("offset", OFFSET, "`+00:00`", "How far its clock is from UTC."),
    ])
}
