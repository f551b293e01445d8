//! The shape of `agent.toml`.

use super::form::{LABEL_KEY, LABEL_VALUE, LISTEN, MACHINE, NAME, PLACE, SIZE, SYSTEM_PATH, TIME, URL};
use super::shape::{Shape, Table, map, optional, required, table};
use crate::agent::{COUNT_MAX, SHADOW_MAX};

pub(super) const EXAMPLE: &str = r#"data = "/var/lib/camshaft"
listen = "127.0.0.1:7101"
trust = "trust/root.json"
registry = "https://registry.example.org"

[controller]
url = "https://fleet.example.org"
token_file = "secrets/join-token"

[labels]
zone = "eu-1"
role = "edge"

[limits]
max_pause = "50ms"
mailbox = 256
waiting = 4096
shadow = 8
memory = "2GiB"

[probation]
time = "30m"
permanent = "auto"
return = "auto"
traps = 20
rise = 2
ends = 5

[ports.shop.till.mail]
webhook = "https://mail.example.org/send"
secret_file = "secrets/mail"
timeout = "5s"
retry = { attempts = 8, first = "200ms", most = "30s" }

[routes]
"stock/counter" = "http://10.0.0.2:7101"
"#;

pub(super) fn shape() -> Table {
    let count = || Shape::Number(1, COUNT_MAX);
    let controller = table(vec![
        required("url", URL, "Where the controller is."),
        optional("token_file", SYSTEM_PATH, "", "The file with the token to join with."),
    ]);
    let limits = table(vec![
        optional("max_pause", TIME, "", "How long inputs may wait for an upgrade at most."),
        optional("mailbox", count(), "", "How many inputs from outside may wait at one instance."),
        optional("waiting", count(), "", "How many inputs from outside may wait on the node."),
        optional(
            "shadow",
            Shape::Number(1, SHADOW_MAX),
            "none",
            "How many of the last inputs of an instance are kept at least, to be given to another release before it runs.",
        ),
        optional("memory", SIZE, "", "How much memory the states of all instances may take."),
    ]);
    let retry = table(vec![
        optional("attempts", count(), "until it is answered", "How many times a message is sent at most."),
        optional(
            "first",
            TIME,
            "`500ms`",
            "How long to wait before the second attempt; each time twice as long as before. Up to half is taken off by chance.",
        ),
        optional("most", TIME, "`1m`", "The longest wait."),
    ]);
    let port = table(vec![
        required("webhook", URL, "Where messages go, by POST."),
        optional(
            "secret_file",
            SYSTEM_PATH,
            "requests are not signed",
            "The file with the secret that requests are signed with, `whsec_` and base64; a line each while one replaces another.",
        ),
        optional("timeout", TIME, "`10s`", "How long an answer may take."),
        optional("retry", retry, "", "What happens to a message that is not answered."),
    ]);
    table(vec![
        optional(
            "data",
            SYSTEM_PATH,
            "`--data` says it",
            "The folder that the node remembers everything in; made when it is not there.",
        ),
        optional("listen", LISTEN, "`127.0.0.1:7101`", "Where to listen; port 0 takes any that is free."),
        optional(
            "trust",
            SYSTEM_PATH,
            "",
            "Whose bundles it takes: a `signers.toml`, or the root of a registry's metadata.",
        ),
        optional("registry", PLACE, "", "Where bundles come from."),
        optional("controller", controller, "nobody leads the node", "Who leads the node."),
        optional(
            "labels",
            map(LABEL_KEY, "KEY", LABEL_VALUE),
            "none",
            "What selectors of a fleet see of the node.",
        ),
        optional("limits", limits, "", "What bounds the node."),
        optional("probation", probation(), "", "What a release has to pass after an upgrade."),
        optional(
            "ports",
            map(NAME, "APP", map(NAME, "MACHINE", map(NAME, "PORT", port))),
            "",
            "What the ports of machines lead to.",
        ),
        optional(
            "routes",
            map(MACHINE, "\"APP/MACHINE\"", URL),
            "every machine is on this node",
            "The nodes on which machines are reached that this node does not serve.",
        ),
    ])
}

fn probation() -> Table {
    let permanent = Shape::OneOf(vec![
        ("manual", "an operator says that the release stays"),
        ("auto", "it becomes permanent when its time is over"),
    ]);
    let goes_back = Shape::OneOf(vec![
        ("auto", "the node goes back by itself when the release does not pass"),
        ("manual", "an operator goes back; the node tells why it would"),
    ]);
    table(vec![
        optional("time", TIME, "`10m`", "How long it lasts."),
        optional("permanent", permanent, "`manual`", "Who makes the release permanent."),
        optional("return", goes_back, "`auto`", "Who goes back."),
        optional(
            "traps",
            Shape::Number(1, COUNT_MAX),
            "`10`",
            "How many inputs of one case have to trap before their rate counts.",
        ),
        optional(
            "rise",
            Shape::Number(1, 100),
            "`1`",
            "By how many percent of its inputs a case has to trap more than before the switch.",
        ),
        optional(
            "ends",
            Shape::Number(1, COUNT_MAX),
            "`3`",
            "How many ends of the agent that nobody asked for are too many.",
        ),
    ])
}
