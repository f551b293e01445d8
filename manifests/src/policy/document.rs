//! Reading and writing a `[policy]`.

use std::collections::BTreeSet;

use super::{
    Amount, Approval, Asks, DAYS, Deadlines, DomainOrder, Domains, Gate, Inconclusive, OnFailure, PolicyPart,
    Window,
};
use crate::agent::{COUNT_MAX, TIMEOUT_DEFAULT, positive};
use crate::clock::{Offset, TimeOfDay};
use crate::reader::{Field, Seen, Table};
use crate::writer::{Writer, quoted};

const FAILURE: [(&str, OnFailure); 2] = [("freeze", OnFailure::Freeze), ("rollback", OnFailure::Rollback)];
const APPROVALS: [(&str, Approval); 4] = [
    ("none", Approval::None),
    ("start", Approval::Start),
    ("canary", Approval::Canary),
    ("waves", Approval::Waves),
];
const ORDERS: [(&str, DomainOrder); 2] =
    [("spread", DomainOrder::Spread), ("one_by_one", DomainOrder::OneByOne)];
const INCONCLUSIVE: [(&str, Inconclusive); 2] =
    [("pause", Inconclusive::Pause), ("fail", Inconclusive::Fail)];

/// The greatest length of a gate's name in bytes.
pub(crate) const GATE_NAME_MAX: usize = 64;

/// Returns what a key says, if it is there.
fn said<'r, 'i, T>(
    table: &Table<'r, 'i>,
    key: &'static str,
    read: impl FnOnce(&Field<'r, 'i>) -> Option<T>,
) -> Option<Option<T>> {
    match table.optional(key) {
        Some(field) => read(&field).map(Some),
        None => Some(None),
    }
}

/// Reads a `[policy]`.
pub(crate) fn read(table: &Table<'_, '_>) -> Option<PolicyPart> {
    let canary = said(table, "canary", amount);
    let waves = said(table, "waves", read_waves);
    let domains = said(table, "domains", |field| {
        field.table_with(|table| {
            let label = table.required("label").and_then(|field| field.word());
            let order = said(table, "order", |field| field.one_of(&ORDERS));
            Some(Domains { label: label?, order: order?.unwrap_or_default() })
        })
    });
    let max_unavailable = said(table, "max_unavailable", |field| {
        let amount = amount(field)?;
        if amount.is_nothing() {
            field.refuse("M0113", "an upgrade makes one node unavailable at least");
        }
        Some(amount)
    });
    let max_failures = said(table, "max_failures", amount);
    let soak = said(table, "soak", |field| field.word());
    let deadlines = said(table, "deadlines", read_deadlines);
    let on_failure = said(table, "on_failure", |field| field.one_of(&FAILURE));
    let approval = said(table, "approval", |field| field.one_of(&APPROVALS));
    let gates = said(table, "gate", |field| {
        let mut seen = Seen::default();
        let gate = |item: &Field<'_, '_>| {
            let gate = item.table_with(|table| read_gate(item, table))?;
            seen.note(item, gate.name.clone(), &format!("the gate {}", gate.name));
            Some(gate)
        };
        each(field, gate)
    });
    let windows =
        said(table, "window", |field| each(field, |item| item.table_with(|table| read_window(item, table))));
    Some(PolicyPart {
        canary: canary?,
        waves: waves?,
        domains: domains?,
        max_unavailable: max_unavailable?,
        max_failures: max_failures?,
        soak: soak?,
        deadlines: deadlines?,
        on_failure: on_failure?,
        approval: approval?,
        gates: gates?,
        windows: windows?,
    })
}

/// Reads every item of a list, so that each tells its faults.
fn each<T>(field: &Field<'_, '_>, mut read: impl FnMut(&Field<'_, '_>) -> Option<T>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = field.items()?.iter().map(&mut read).collect();
    read.into_iter().collect()
}

/// Reads `3` or `"10%"`.
fn amount(field: &Field<'_, '_>) -> Option<Amount> {
    if field.value().as_str().is_none() {
        return field.number(0..=COUNT_MAX).and_then(|count| u32::try_from(count).ok()).map(Amount::Count);
    }
    let text = field.text()?;
    let percent = text
        .strip_suffix('%')
        .filter(|digits| (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
    match percent.and_then(|digits| digits.parse::<u8>().ok()).filter(|percent| *percent <= 100) {
        Some(percent) => Some(Amount::Percent(percent)),
        None => {
            let shown: String = text.chars().take(80).collect();
            let message =
                format!("`{}` is a number of nodes or a share such as \"10%\", found `{shown}`", field.path);
            field.refuse("M0157", message);
            None
        }
    }
}

/// Reads how far each wave goes: rising, and all in one unit, so that it can be seen that they rise.
fn read_waves(field: &Field<'_, '_>) -> Option<Vec<Amount>> {
    let mut waves: Vec<Amount> = vec![];
    for item in field.items()? {
        let wave = amount(&item)?;
        match waves.last() {
            None if wave.is_nothing() => item.refuse("M0113", "a wave has one node at least"),
            Some(before) if std::mem::discriminant(before) != std::mem::discriminant(&wave) => {
                item.refuse("M0158", "waves are numbers of nodes or shares, not both");
            }
            Some(before) if wave <= *before => {
                let message = format!("a wave goes further than the one before it: {wave} after {before}");
                item.refuse("M0158", message);
            }
            _ => {}
        }
        waves.push(wave);
    }
    Some(waves)
}

fn read_deadlines(field: &Field<'_, '_>) -> Option<Deadlines> {
    field.table_with(|table| {
        let node = said(table, "node", positive);
        let wave = said(table, "wave", positive);
        let rollback = said(table, "rollback", positive);
        let rollout = said(table, "rollout", positive);
        let deadlines = Deadlines { node: node?, wave: wave?, rollback: rollback?, rollout: rollout? };
        let inner = [
            ("node", deadlines.node, "wave", deadlines.wave),
            ("wave", deadlines.wave, "rollout", deadlines.rollout),
        ];
        for (small, inside, large, outside) in inner {
            if let (Some(inside), Some(outside)) = (inside, outside)
                && inside > outside
            {
                let message = format!("a {small} may take {inside}, longer than its {large}, {outside}");
                field.refuse("M0155", message);
            }
        }
        Some(deadlines)
    })
}

fn read_gate(field: &Field<'_, '_>, table: &Table<'_, '_>) -> Option<Gate> {
    let count =
        |field: &Field<'_, '_>| field.number(0..=COUNT_MAX).and_then(|count| u32::try_from(count).ok());
    let name = table.required("name").and_then(|field| field.prose(GATE_NAME_MAX));
    let held = said(table, "held", count);
    let parked = said(table, "parked", count);
    let url = said(table, "url", |field| field.word());
    let secret_file = said(table, "secret_file", |field| field.word());
    let timeout = said(table, "timeout", positive);
    let inconclusive = said(table, "inconclusive", |field| field.one_of(&INCONCLUSIVE));
    let (secret_file, timeout) = (secret_file?, timeout?);
    let of_webhook = secret_file.is_some() || timeout.is_some();
    let asks = match (held?, parked?, url?) {
        (Some(held), None, None) if !of_webhook => Asks::Held(held),
        (None, Some(parked), None) if !of_webhook => Asks::Parked(parked),
        (None, None, Some(url)) => {
            Asks::Webhook { url, secret_file, timeout: timeout.unwrap_or(TIMEOUT_DEFAULT) }
        }
        _ => {
            let message = "a gate asks one thing: `held`, `parked` or `url`; `secret_file` and `timeout` belong to `url`";
            field.refuse("M0159", message);
            return None;
        }
    };
    Some(Gate { name: name?, asks, inconclusive: inconclusive?.unwrap_or_default() })
}

fn read_window(field: &Field<'_, '_>, table: &Table<'_, '_>) -> Option<Window> {
    let days = said(table, "days", |field| {
        let mut seen = Seen::default();
        let days = each(field, |item| {
            let day = item.one_of(&DAYS)?;
            seen.note(item, day, "the day");
            Some(day)
        })?;
        if days.is_empty() {
            field.refuse("M0115", "a window has at least one day; without `days` it has all");
        }
        Some(days.into_iter().collect::<BTreeSet<_>>())
    });
    let from = table.required("from").and_then(|field| field.word());
    let to = table.required("to").and_then(|field| field.word());
    let offset = said(table, "offset", |field| field.word());
    let (from, to): (TimeOfDay, TimeOfDay) = (from?, to?);
    if from == to {
        field.refuse("M0155", format!("the window ends when it begins, at {from}"));
    }
    Some(Window {
        days: days?.unwrap_or_else(|| DAYS.map(|(_, day)| day).into()),
        from,
        to,
        offset: offset?.unwrap_or_default(),
    })
}

/// Writes a policy under a name; nothing where nothing is said.
pub(crate) fn write(writer: &mut Writer, name: &str, policy: &PolicyPart) {
    if *policy == PolicyPart::default() {
        return;
    }
    let PolicyPart {
        canary,
        waves,
        domains,
        max_unavailable,
        max_failures,
        soak,
        deadlines,
        on_failure,
        approval,
        gates,
        windows,
    } = policy;
    writer.table(name);
    writer.raw_if("canary", canary.map(Amount::written));
    let list = |waves: &Vec<Amount>| waves.iter().map(|wave| wave.written()).collect::<Vec<_>>().join(", ");
    writer.raw_if("waves", waves.as_ref().map(|waves| format!("[{}]", list(waves))));
    writer.raw_if(
        "domains",
        domains.as_ref().map(|Domains { label, order }| {
            let label = quoted(label.as_str());
            match word(&ORDERS, order) {
                "spread" => format!("{{ label = {label} }}"),
                order => format!("{{ label = {label}, order = {} }}", quoted(order)),
            }
        }),
    );
    writer.raw_if("max_unavailable", max_unavailable.map(Amount::written));
    writer.raw_if("max_failures", max_failures.map(Amount::written));
    writer.text_if("soak", *soak);
    writer.raw_if("deadlines", deadlines.as_ref().map(deadlines_written));
    writer.text_if("on_failure", on_failure.as_ref().map(|one| word(&FAILURE, one)));
    writer.text_if("approval", approval.as_ref().map(|one| word(&APPROVALS, one)));
    // A group without the gates or windows that all have says so.
    for (key, is_empty) in [
        ("gate", gates.as_ref().is_some_and(Vec::is_empty)),
        ("window", windows.as_ref().is_some_and(Vec::is_empty)),
    ] {
        if is_empty {
            writer.raw(key, "[]");
        }
    }
    for gate in gates.iter().flatten() {
        writer.item(format_args!("{name}.gate"));
        write_gate(writer, gate);
    }
    for window in windows.iter().flatten() {
        writer.item(format_args!("{name}.window"));
        if window.days.len() < DAYS.len() {
            writer.texts("days", window.days.iter().map(|day| word(&DAYS, day)));
        }
        writer.text("from", window.from);
        writer.text("to", window.to);
        writer.text_if("offset", Some(window.offset).filter(|offset| *offset != Offset::default()));
    }
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, other)| other == value).expect("the table has every value").0
}

fn deadlines_written(deadlines: &Deadlines) -> String {
    let Deadlines { node, wave, rollback, rollout } = deadlines;
    let pairs = [("node", node), ("wave", wave), ("rollback", rollback), ("rollout", rollout)];
    let pairs = pairs
        .iter()
        .filter_map(|(key, time)| Some(format!("{key} = {}", quoted(&time.as_ref()?.to_string()))));
    match pairs.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "{}".to_owned(),
        pairs => format!("{{ {pairs} }}"),
    }
}

fn write_gate(writer: &mut Writer, gate: &Gate) {
    writer.text("name", &gate.name);
    match &gate.asks {
        Asks::Held(most) => writer.raw("held", most),
        Asks::Parked(most) => writer.raw("parked", most),
        Asks::Webhook { url, secret_file, timeout } => {
            writer.text("url", url);
            writer.text_if("secret_file", secret_file.as_ref());
            writer.text_if("timeout", Some(timeout).filter(|time| **time != TIMEOUT_DEFAULT));
        }
    }
    if gate.inconclusive != Inconclusive::default() {
        writer.text("inconclusive", word(&INCONCLUSIVE, &gate.inconclusive));
    }
}
