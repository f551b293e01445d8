//! What a node says, in lines for people.

use std::fmt::Write;

use camshaft_agent::api::{
    CaseChange, Counts, History, HistoryEntry, HistoryKind, InstanceState, Instances, NodeStatus, Preserved,
    ProbationStatus, RateStatus, ReleaseRef, ReleaseState, Report, ShadowCase, ShadowExample, ShadowReport,
    SwitchCounts, TrustKind, TryReport,
};

use camshaft_cam::words::{comes, counted, were};

use crate::render::one_line;

/// Returns rows as columns that line up. What stands in a cell may be the text of a node or of a file: it stays in its
/// cell.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Returns a length of time in the unit that reads best.
pub fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

fn release(release: &ReleaseRef) -> String {
    one_line(&format!("{} {} ({})", release.name, release.version, release.digest.short()))
}

fn label(release: Option<&ReleaseRef>) -> String {
    release.map_or_else(|| "-".to_owned(), |release| format!("{} {}", release.name, release.version))
}

fn state(state: ReleaseState) -> &'static str {
    match state {
        ReleaseState::Staged => "staged",
        ReleaseState::Provisional => "provisional",
        ReleaseState::Permanent => "permanent",
        ReleaseState::Old => "old",
    }
}

/// Returns how a node is.
pub fn status(status: &NodeStatus, address: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match (&status.running, status.state) {
        (Some(running), Some(stands)) => {
            writeln!(text, "{address} runs {}, {}", release(running), state(stands))
        }
        _ => writeln!(text, "{address} is empty: no release is installed"),
    };
    if !status.labels.is_empty() {
        let labels: Vec<String> = status.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let _ = writeln!(text, "labels {}", labels.join(", "));
    }
    if let Some(back) = &status.rollback_to {
        let _ = writeln!(text, "a rollback goes to {}", release(back));
    }
    if status.switch > 0 {
        let pause =
            status.last_pause_us.map(|us| format!(", inputs waited {}", duration(us))).unwrap_or_default();
        let _ = writeln!(text, "switch {}{pause}", status.switch);
    }
    if let Some(on) = &status.probation {
        probation(&mut text, on, status.now_ms);
    }
    if let Some(trial) = &status.trial {
        let (to, looked, of) = (release(&trial.to), trial.looked, trial.of);
        let word = if trial.cancelled { "; cancelled" } else { "" };
        let _ = writeln!(text, "{to} is tried: {looked} of {}{word}", counted(of, "instance"));
    }
    let _ = writeln!(text, "{}", counts(&status.counts));
    if !status.machines.is_empty() {
        let mut rows =
            vec![["machine", "version", "digest", "instances", "applied"].map(str::to_owned).to_vec()];
        rows.extend(status.machines.iter().map(|machine| {
            vec![
                machine.machine.clone(),
                machine.version.clone(),
                machine.digest.short(),
                machine.counts.instances.to_string(),
                machine.counts.applied.to_string(),
            ]
        }));
        text.push('\n');
        text += &table(&rows);
    }
    if status.trust.as_ref().is_some_and(|trust| trust.kind == TrustKind::Signers) {
        text += "\ntakes bundles that the pinned signers have signed\n";
    }
    if let Some(trust) = status.trust.as_ref().filter(|trust| trust.kind == TrustKind::Root) {
        let _ = match &trust.metadata {
            None => writeln!(text, "\ntakes bundles of the signers that metadata names; it has none yet"),
            Some(metadata) => writeln!(
                text,
                "\ntakes bundles of the signers that metadata names: root {}, snapshot {}; its {} expires {}",
                metadata.root,
                metadata.snapshot,
                metadata.expires_first,
                time(metadata.expires_ms)
            ),
        };
    }
    if let Some(default) = &status.api_default {
        let _ =
            writeln!(text, "\nclients may speak {}; untagged ones speak {default}", status.speaks.join(", "));
    }
    if !status.clients.is_empty() {
        let mut rows = vec![["app", "speaks", "requests", "last seen"].map(str::to_owned).to_vec()];
        rows.extend(status.clients.iter().map(|client| {
            let (app, speaks) = (client.app.clone(), client.speaks.clone());
            vec![app, speaks, client.requests.to_string(), time(client.last_seen_ms)]
        }));
        text += &table(&rows);
    }
    text
}

/// Tells what became of recorded inputs in both releases.
fn shadowed(report: &ShadowReport) -> String {
    let ShadowReport { instances, inputs, not_reproducible, cases, examples, .. } = report;
    let differ = report.differ();
    let mut text = format!(
        "  recorded inputs: {inputs} of {}, {differ} {} out otherwise\n",
        counted(*instances, "instance"),
        comes(differ)
    );
    for ShadowCase { machine, case, inputs, differ, .. } in
        cases.iter().filter(|case| !case.differ.is_empty())
    {
        let kinds: Vec<String> = differ.iter().map(|(what, count)| format!("{count} in {what}")).collect();
        let _ = writeln!(text, "    {machine} at {case}: of {inputs}, {}", kinds.join(", "));
    }
    for ShadowExample { instance, seq, what, state, input, old, new, .. } in examples {
        let state = state.as_deref().unwrap_or("no state");
        let _ = writeln!(text, "    {instance}, input {seq}: {input} on {state}");
        let _ = writeln!(text, "      {what} was {old}");
        let _ = writeln!(text, "      {what}  is {new}");
    }
    if *not_reproducible > 0 {
        let _ =
            writeln!(text, "    {} did not come to what was recorded", counted(*not_reproducible, "step"));
    }
    text
}

/// Tells how a probation goes: how long it lasts, what ends it, and what traps more or less than before.
fn probation(text: &mut String, probation: &ProbationStatus, now_ms: i64) {
    let ProbationStatus { until_ms, auto_permanent, auto_return, ends, why, cases, .. } = probation;
    // Writing to a String cannot fail.
    let _ = match (*until_ms > now_ms, auto_permanent) {
        (true, true) => {
            writeln!(text, "on probation until {}, then permanent", time(*until_ms))
        }
        (true, false) => {
            writeln!(
                text,
                "on probation until {}; permanent by `camshaft node make-permanent`",
                time(*until_ms)
            )
        }
        (false, _) => writeln!(text, "its probation is over; permanent by `camshaft node make-permanent`"),
    };
    if *ends > 0 {
        let _ = writeln!(
            text,
            "since the switch the agent ended {} and was not told to",
            counted(u64::from(*ends), "time")
        );
    }
    if let Some(why) = why {
        let word = if *auto_return { "it goes back" } else { "it does not pass, and an operator goes back" };
        let _ = writeln!(text, "{word}: {why}");
    }
    if !cases.is_empty() {
        let row = |case: &CaseChange| {
            let rate = |rate: &RateStatus| format!("{} of {}", rate.trapped, rate.inputs);
            vec![case.machine.clone(), case.case.clone(), rate(&case.before), rate(&case.since)]
        };
        let mut rows = vec![["trapped", "case", "before", "since"].map(str::to_owned).to_vec()];
        rows.extend(cases.iter().map(row));
        *text += &table(&rows);
    }
}

fn counts(counts: &Counts) -> String {
    let Counts { instances, held, archived, queued, parked, timers, applied, behind } = counts;
    let mut text = format!(
        "{}, {} applied; {queued} queued, {}, {held} held, {parked} parked, {archived} archived",
        counted(*instances, "instance"),
        counted(*applied, "input"),
        counted(*timers, "timer"),
    );
    if *behind > 0 {
        let _ = write!(text, "; {behind} not used since the switch");
    }
    text
}

fn kind(kind: HistoryKind) -> &'static str {
    match kind {
        HistoryKind::Installed => "installed",
        HistoryKind::Upgraded => "upgraded",
        HistoryKind::Refused => "refused",
        HistoryKind::Undone => "undone",
        HistoryKind::RolledBack => "rolled back",
        HistoryKind::MadePermanent => "made permanent",
        HistoryKind::Held => "held",
        HistoryKind::Reset => "reset",
        HistoryKind::Unhealthy => "unhealthy",
        HistoryKind::Recovered => "recovered",
        HistoryKind::Redriven => "redriven",
        HistoryKind::Dropped => "dropped",
        HistoryKind::Released => "released",
        HistoryKind::TakenOver => "taken over",
        HistoryKind::Removed => "removed",
    }
}

/// Returns what was done to a node, a line an entry.
pub fn history(history: &History) -> String {
    if history.entries.is_empty() {
        return "nothing was done to this node yet".to_owned();
    }
    let mut rows =
        vec![["", "when", "who", "what", "from", "to", "switch", "why"].map(str::to_owned).to_vec()];
    rows.extend(history.entries.iter().map(|entry| {
        vec![
            entry.number.to_string(),
            time(entry.at_ms),
            entry.who.clone(),
            kind(entry.what).to_owned(),
            label(entry.from.as_ref()),
            label(entry.to.as_ref()),
            entry.switch.map(|switch| switch.to_string()).unwrap_or_default(),
            reasons(entry),
        ]
    }));
    table(&rows)
}

/// Says what a switch does to the instances, as far as it does something.
fn switched(counts: &SwitchCounts, what: HistoryKind) -> String {
    let SwitchCounts {
        untouched,
        before_image,
        migrated,
        rewound: again,
        held,
        archived,
        restored,
        moved,
        parked,
    } = *counts;
    let goes = match what {
        HistoryKind::Upgraded => "to migrate when used",
        _ => "go down with later writes",
    };
    let parts = [
        (untouched, format!("{} untouched", counted(untouched, "instance"))),
        (migrated, format!("{migrated} {goes}")),
        (before_image, format!("{before_image} took the state from before")),
        (again, rewound(again)),
        (held, format!("{held} held")),
        (archived, format!("{archived} archived")),
        (restored, format!("{restored} restored")),
        (moved, format!("{} carried over", several(moved, "message or timer"))),
        (parked, format!("{} parked", several(parked, "message or timer"))),
    ];
    let told: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    if told.is_empty() { "no instances".to_owned() } else { told.join(", ") }
}

fn rewound(count: u64) -> String {
    format!("{} {} rewound", counted(count, "instance"), were(count))
}

/// Returns a number of things of which there are two kinds.
fn several(count: u64, what: &str) -> String {
    match (count, what.split_once(" or ")) {
        (1, _) | (_, None) => counted(count, what),
        (_, Some((one, other))) => format!("{count} {one}s and {other}s"),
    }
}

/// Returns why, what it did, and who wanted it: the holders of keys.
fn reasons(entry: &HistoryEntry) -> String {
    let came = matches!(entry.what, HistoryKind::Installed | HistoryKind::Upgraded);
    let names: Vec<&str> = entry.vouched.iter().map(|voucher| voucher.signer.as_str()).collect();
    let vouched =
        if came && !names.is_empty() { format!("signed by {}", names.join(", ")) } else { String::new() };
    let counts = entry.counts.as_ref().map(|counts| switched(counts, entry.what)).unwrap_or_default();
    let all = [entry.why.as_str(), &counts, &vouched];
    all.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Returns the instances, a line each.
pub fn instances(instances: &Instances) -> String {
    if instances.instances.is_empty() {
        return "no instances".to_owned();
    }
    let head = ["address", "state", "inputs", "bytes", "queued", "parked", "timers", "why"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(instances.instances.iter().map(|instance| {
        let state = match instance.state {
            InstanceState::Live => "live",
            InstanceState::Held => "held",
            InstanceState::Archived => "archived",
            InstanceState::Stopped => "stopped",
        };
        vec![
            instance.address.clone(),
            state.to_owned(),
            instance.seq.to_string(),
            instance.state_bytes.to_string(),
            instance.queued.to_string(),
            instance.parked.to_string(),
            instance.timers.len().to_string(),
            instance.why.clone().unwrap_or_default(),
        ]
    }));
    let mut text = table(&rows);
    if let Some(next) = &instances.next {
        let _ = writeln!(text, "more: --after {next}");
    }
    text
}

/// Says how many of the states stayed as they are.
fn untouched(states: u64, untouched: u64) -> String {
    match untouched {
        0 => String::new(),
        _ if untouched == states => " (the states stay as they are)".to_owned(),
        _ => format!(" ({untouched} of the states stay as they are)"),
    }
}

/// Returns what a trial found.
pub fn trial(report: &TryReport) -> String {
    let verdict = if report.passed { "would pass" } else { "would not pass" };
    let mut text = format!("{} to {}: {verdict}\n", release(&report.from), release(&report.to));
    for machine in &report.machines {
        let change = match (&machine.from, &machine.to) {
            (Some(from), Some(to)) => format!("{} to {}", from.short(), to.short()),
            (None, Some(to)) => format!("added, {}", to.short()),
            (Some(from), None) => format!("removed, {}", from.short()),
            (None, None) => String::new(),
        };
        let _ = writeln!(
            text,
            "  {}: {change}; {} and {} migrated{}, {} to {}, the longest took {}",
            machine.machine,
            counted(machine.states, "state"),
            counted(machine.messages, "message"),
            untouched(machine.states, machine.untouched),
            counted(machine.bytes_before, "byte"),
            machine.bytes_after,
            duration(machine.worst_us),
        );
    }
    for start in &report.starts {
        let _ = writeln!(text, "  would start {start}");
    }
    if let Some(shadow) = &report.shadow {
        text += &shadowed(shadow);
    }
    for Preserved { machine, inputs, differ } in &report.preserved {
        let _ = match inputs {
            0 => writeln!(
                text,
                "  {machine} promises to do what it did: no input of it is recorded here, so that nothing was held to it"
            ),
            _ => writeln!(
                text,
                "  {machine} promises to do what it did: {differ} of {} {} out otherwise",
                counted(*inputs, "recorded input"),
                comes(*differ)
            ),
        };
    }
    let TryReport { archives, moved, parks, failure_count, downgrade_lossy, .. } = report;
    for (count, noun, what) in [
        (archives, "instance", "would be archived"),
        (moved, "queued message or timer", "carried over"),
        (parks, "queued message or timer", "that no arrow accepts"),
        (downgrade_lossy, "state", "that the way back does not give back exactly"),
    ] {
        if *count > 0 {
            let _ = writeln!(text, "  {} {what}", several(*count, noun));
        }
    }
    for failure in &report.failures {
        let _ = writeln!(
            text,
            "  {} at {}: {} (on {}{})",
            failure.instance,
            failure.step,
            failure.reason,
            failure.capsule.value,
            if failure.capsule.cut { "..." } else { "" },
        );
    }
    let shown = report.failures.len() as u64;
    if *failure_count > shown {
        let _ = writeln!(text, "  and {} more", counted(failure_count - shown, "failure"));
    }
    if report.holds > 0 {
        let _ = writeln!(
            text,
            "  {} would be held; --hold-failing N allows it",
            counted(report.holds, "instance")
        );
    }
    let longest = duration(report.pause_us);
    let _ = write!(text, "  an input would wait {longest} at most for its instance; nothing was changed");
    text
}

/// Returns what was done.
pub fn report(report: &Report) -> String {
    let mut text = match &report.from {
        Some(removed) if report.what == HistoryKind::Removed => {
            format!("{}: {}; ", kind(report.what), release(removed))
        }
        _ => format!("{}: ", kind(report.what)),
    };
    let _ = write!(text, "{} runs, {}", release(&report.running), state(report.state));
    if let Some(switch) = report.switch {
        let _ = write!(text, "; switch {switch}");
    }
    if let Some(us) = report.pause_us {
        let _ = write!(text, "; inputs waited {}", duration(us));
    }
    if let (Some(counts), HistoryKind::Upgraded) = (&report.switched, report.what) {
        let _ = write!(text, "\n  {}", switched(counts, report.what));
    }
    if let Some(back) = &report.rollback {
        let _ = write!(
            text,
            "\n  {} untouched, {} took the state from before, {} went down with later writes; {} held, \
             {} archived, {} restored; {} carried back, {} parked",
            counted(back.untouched, "instance"),
            back.before_image,
            back.down,
            back.held,
            back.archived,
            back.restored,
            counted(back.moved, "message"),
            back.parked,
        );
        if back.rewound > 0 {
            let _ = write!(
                text,
                "\n  {}: {} inputs since the switch gave the same answers in the older release",
                rewound(back.rewound),
                if back.rewound == 1 { "its" } else { "their" }
            );
        }
    }
    text
}

/// Returns a time as `YYYY-MM-DDTHH:MM:SSZ`.
pub fn time(ms: i64) -> String {
    let seconds = ms.div_euclid(1_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The civil calendar from days since 1970-01-01, counted in eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_219_199_999, "2026-11-20T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(time(ms), expected);
        }
        // Whatever a node says.
        let _ = (time(i64::MIN), time(i64::MAX));
    }

    #[test]
    fn lengths_of_time_take_the_unit_that_reads_best() {
        assert_eq!([999, 1_500, 2_340_000].map(duration), ["999 us", "1.5 ms", "2.3 s"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".into(), "b".into()], vec!["long".into(), "c".into()]];
        assert_eq!(table(&rows), "a     b\nlong  c\n");
    }

    #[test]
    fn a_cell_that_a_node_said_stays_in_its_cell() {
        let rows = [vec!["a\n2  mallory".into(), "b\u{1b}[2J".into()], vec!["c".into(), "d".into()]];
        assert_eq!(table(&rows), "a 2  mallory  b\u{fffd}[2J\nc             d\n");
    }
}
