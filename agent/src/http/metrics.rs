//! `GET /v1/metrics`: how the node is, in the text form of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use camshaft_manifests::agent::PortAddress;

use super::node::blocking;
use super::{Failed, Shared};
use crate::api::{Counts, MachineStatus, NodeStatus, ReleaseState};
use crate::ports::Counts as PortCounts;

/// The media type of the text form.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Name, kind and help of a family, and where its value is among the counts of a machine.
type Family = (&'static str, &'static str, &'static str, fn(&Counts) -> u64);

/// What is told of each machine.
const OF_MACHINES: [Family; 7] = [
    ("camshaft_instances", "gauge", "Instances that live.", |counts| counts.instances),
    ("camshaft_held_instances", "gauge", "Instances that may not go on.", |counts| counts.held),
    ("camshaft_queued_messages", "gauge", "Messages that wait in mailboxes.", |counts| counts.queued),
    ("camshaft_parked", "gauge", "Messages, timers and calls that are parked.", |counts| counts.parked),
    ("camshaft_timers", "gauge", "Timers that run.", |counts| counts.timers),
    ("camshaft_applied_inputs", "gauge", "Inputs that were applied to the instances that live.", |counts| {
        counts.applied
    }),
    ("camshaft_instances_behind", "gauge", "Instances that were not used since the last switch.", |counts| {
        counts.behind
    }),
];

pub(super) async fn metrics(State(shared): State<Shared>) -> Result<Response, Failed> {
    let Shared { operator, host, ports, .. } = shared;
    let status = blocking(move || operator.status()).await?;
    let mut text = text(&status, host.waiting());
    of_ports(&mut text, &ports.borrow());
    Ok(([(header::CONTENT_TYPE, METRICS_TYPE)], text.0).into_response())
}

/// Returns the metrics of a node. A family stands together, and its values have no time of their own.
fn text(status: &NodeStatus, (waiting, waiting_max): (usize, usize)) -> Text {
    let mut text = Text::default();
    text.family("camshaft_agent_info", "gauge", "The version of the agent; always 1.");
    text.value(&[("version", &status.agent)], 1);
    text.family("camshaft_release_info", "gauge", "The release that runs; always 1.");
    if let Some(running) = &status.running {
        let digest = running.digest.to_string();
        text.value(&[("name", &running.name), ("version", &running.version), ("digest", &digest)], 1);
    }
    text.family("camshaft_release_provisional", "gauge", "1 while the release that runs is provisional.");
    text.value(&[], u64::from(status.state == Some(ReleaseState::Provisional)));
    if let Some(probation) = &status.probation {
        text.family(
            "camshaft_probation_left_seconds",
            "gauge",
            "How long the release that runs is still on probation; 0 when that is over.",
        );
        text.value(&[], probation.left_ms.div_ceil(1000));
        text.family(
            "camshaft_probation_ends",
            "gauge",
            "How many times the agent ended in the probation without being told to.",
        );
        text.value(&[], u64::from(probation.ends));
    }
    text.family("camshaft_switch_number", "gauge", "The number of the last switch; 0 on an empty node.");
    text.value(&[], status.switch);
    text.family("camshaft_waiting_requests", "gauge", "Requests that wait to be taken.");
    text.value(&[], waiting as u64);
    text.family("camshaft_waiting_requests_limit", "gauge", "How many requests may wait.");
    text.value(&[], waiting_max as u64);
    text.family("camshaft_archived_instances", "gauge", "States that are kept and do not run.");
    text.value(&[], status.counts.archived);
    for (name, kind, help, count) in OF_MACHINES {
        text.family(name, kind, help);
        for machine in &status.machines {
            text.value(&[("machine", &machine.machine)], count(&machine.counts));
        }
    }
    text.family(
        "camshaft_traps_total",
        "counter",
        "Inputs that trapped, by kind of trap; `fail` is what programs refuse. From 0 with each start, and with each \
         switch that changes the machine.",
    );
    for machine in &status.machines {
        for (kind, count) in traps(machine) {
            text.value(&[("machine", &machine.machine), ("kind", kind)], count);
        }
    }
    text.family("camshaft_disk_full", "gauge", "1 while the disk is full and inputs are refused.");
    text.value(&[], u64::from(status.disk_full));
    if let Some(journal) = &status.journal {
        text.family("camshaft_journal_position", "gauge", "The position of the last durable entry.");
        text.value(&[], journal.position);
        text.family(
            "camshaft_journal_covered_position",
            "gauge",
            "The position that the newest state snapshot covers: a start replays what is after it.",
        );
        text.value(&[], journal.covered);
        if let Some(bytes) = journal.bytes {
            text.family("camshaft_journal_bytes", "gauge", "Bytes of the entries that are kept.");
            text.value(&[], bytes);
        }
    }
    text
}

/// Returns how often a machine trapped, by kind.
fn traps(machine: &MachineStatus) -> BTreeMap<&str, u64> {
    let mut traps: BTreeMap<&str, u64> = BTreeMap::new();
    for case in &machine.cases {
        if case.failed > 0 {
            *traps.entry("fail").or_default() += case.failed;
        }
        for (kind, count) in &case.trapped {
            *traps.entry(kind).or_default() += count;
        }
    }
    traps
}

/// What is told of each port: name, kind, help, and where the value is.
type PortFamily = (&'static str, &'static str, &'static str, fn(&PortCounts) -> u64);

const OF_PORTS: [PortFamily; 4] = [
    ("camshaft_port_open_calls", "gauge", "Calls that have no end yet.", |counts| counts.open),
    ("camshaft_port_attempting", "gauge", "Attempts under way.", |counts| u64::from(counts.attempting)),
    ("camshaft_port_attempts_total", "counter", "Attempts that were begun.", |counts| counts.attempts),
    (
        "camshaft_port_retries_total",
        "counter",
        "Attempts after which a call was to be tried again.",
        |counts| counts.failed,
    ),
];

fn of_ports(text: &mut Text, ports: &BTreeMap<PortAddress, PortCounts>) {
    for (name, kind, help, count) in OF_PORTS {
        text.family(name, kind, help);
        for (port, counts) in ports {
            let (machine, name) = (port.machine.to_string(), port.port.to_string());
            text.value(&[("machine", &machine), ("port", &name)], count(counts));
        }
    }
    text.family("camshaft_port_calls_total", "counter", "Calls that ended, by outcome.");
    for (port, counts) in ports {
        for (outcome, count) in [("taken", counts.taken), ("given_up", counts.given_up)] {
            let (machine, name) = (port.machine.to_string(), port.port.to_string());
            text.value(&[("machine", &machine), ("port", &name), ("outcome", outcome)], count);
        }
    }
}

#[derive(Default)]
struct Text(String, &'static str);

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.1 = name;
        // Writing into memory cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, labels: &[(&str, &str)], value: u64) {
        self.0.push_str(self.1);
        for (place, (name, text)) in labels.iter().enumerate() {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{name}=\"{escaped}\"", if place == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}
