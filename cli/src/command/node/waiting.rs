//! The verbs for what waits for an operator: parked, redrive, drop, release, reset.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use camshaft_agent::api::{ParkedKind, ParkedList, ParkedStatus, Redrive, RedriveReport, RedriveWhat};
use camshaft_manifests::InstanceAddress;

use super::change::OPERATOR_HEADER;
use super::show::table;
use crate::failure::Failure;
use crate::http::{Effect, Node};
use crate::talk::Talk;

/// How long a node may take to list what is parked.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many entries the agent gives at once.
const PAGE: u64 = 1_000;

/// Arguments of `parked`.
#[derive(Debug, clap::Args)]
pub struct Parked {
    /// Only what is parked of this instance
    #[arg(value_name = "INSTANCE")]
    instance: Option<String>,

    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,

    /// Begin after this place, as it was told before
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

/// Arguments of `redrive`.
#[derive(Debug, clap::Args)]
pub struct Redriving {
    /// The instance: app/machine or app/machine/key
    #[arg(required_unless_present = "all", conflicts_with_all = ["all", "app", "machine"])]
    instance: Option<String>,

    /// All instances that have something parked
    #[arg(long)]
    all: bool,

    /// With --all: only those of this application
    #[arg(long, value_name = "APP", requires = "all")]
    app: Option<String>,

    /// With --all: only those of this machine, app/machine
    #[arg(long, value_name = "MACHINE", requires = "all")]
    machine: Option<String>,
}

impl Redriving {
    fn wants(&self, address: &InstanceAddress) -> bool {
        self.app.as_ref().is_none_or(|app| address.app.to_string() == *app)
            && self.machine.as_ref().is_none_or(|machine| address.machine_address().to_string() == *machine)
    }
}

/// What came of `redrive --all`.
#[derive(Debug, serde::Serialize)]
struct AllRedriven {
    /// What goes on, by instance.
    redriven: Vec<RedriveReport>,
    /// The instances of which nothing goes on.
    refused: Vec<NotRedriven>,
}

#[derive(Debug, serde::Serialize)]
struct NotRedriven {
    instance: String,
    why: String,
}

/// An instance, where nothing is given up.
#[derive(Debug, clap::Args)]
pub struct One {
    /// The instance: app/machine or app/machine/key
    instance: String,
}

/// An instance, where something is given up.
#[derive(Debug, clap::Args)]
pub struct GivenUp {
    /// The instance: app/machine or app/machine/key
    instance: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Prints what is parked, page by page.
pub fn parked(args: &Parked, node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let instance = args.instance.as_deref().map(address).transpose()?.map(|address| address.to_string());
    let mut all = ParkedList { parked: vec![], next: args.after.clone() };
    loop {
        let limit = args.limit.saturating_sub(all.parked.len() as u64).min(PAGE);
        let page = page(node, instance.as_deref(), all.next.as_deref(), limit)?;
        let empty = page.parked.is_empty();
        all.parked.extend(page.parked);
        all.next = page.next;
        // A node that gives a next page without a row would keep this going for ever.
        if all.next.is_none() || empty || all.parked.len() as u64 >= args.limit {
            break;
        }
    }
    talk.result(&all, show(&all));
    Ok(())
}

fn page(node: &Node, instance: Option<&str>, after: Option<&str>, limit: u64) -> Result<ParkedList, Failure> {
    let limit = limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(instance.map(|instance| ("instance", instance)));
    query.extend(after.map(|after| ("after", after)));
    node.get(&["v1", "node", "parked"], &query, PATIENCE)?.read()
}

fn show(list: &ParkedList) -> String {
    if list.parked.is_empty() {
        return "nothing is parked".to_owned();
    }
    let head = ["instance", "what", "from", "bytes", "input", "why"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(list.parked.iter().map(|parked| {
        let ParkedStatus { instance, what, from, name, bytes, input, cut, why, .. } = parked;
        let what = match what {
            ParkedKind::Message => "message".to_owned(),
            ParkedKind::Timer => format!("timer {}", name.as_deref().unwrap_or_default()),
            ParkedKind::Call => format!("call on {}", name.as_deref().unwrap_or_default()),
        };
        let input = input.clone().unwrap_or_default() + if *cut { "..." } else { "" };
        let from = from.clone().unwrap_or_default();
        vec![instance.clone(), what, from, bytes.to_string(), input, why.clone()]
    }));
    let mut text = table(&rows);
    if let Some(next) = &list.next {
        text += &format!("more: --after {next}\n");
    }
    text
}

/// Delivers what is parked anew.
pub fn redrive(
    args: &Redriving,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    match &args.instance {
        Some(instance) => ask(instance, RedriveWhat::Parked, node, talk),
        None => redrive_all(args, &node()?, talk),
    }
}

/// Does it for all that have something parked now. What is parked anew meanwhile stays.
fn redrive_all(args: &Redriving, node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let mut instances: Vec<String> = vec![];
    let mut next: Option<String> = None;
    loop {
        let page = page(node, None, next.as_deref(), PAGE)?;
        // What is archived has no machine that could take it.
        for parked in page.parked.into_iter().filter(|parked| !parked.archived) {
            if instances.last() != Some(&parked.instance) && args.wants(&address(&parked.instance)?) {
                instances.push(parked.instance);
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let mut all = AllRedriven { redriven: vec![], refused: vec![] };
    for instance in instances {
        match request(&instance, RedriveWhat::Parked, node) {
            Ok(report) => all.redriven.push(report),
            // It is held, or somebody else was faster.
            Err(failure) if failure.code.as_deref() == Some("nothing-to-redrive") => {
                all.refused.push(NotRedriven { instance, why: failure.message });
            }
            Err(failure) => return Err(failure),
        }
    }
    let mut lines: Vec<String> = all.redriven.iter().map(told).collect();
    lines.extend(all.refused.iter().map(|NotRedriven { why, .. }| why.clone()));
    if lines.is_empty() {
        lines.push("nothing is parked".to_owned());
    }
    talk.result(&all, lines.join("\n"));
    Ok(())
}

/// Lets an instance that is held go on.
pub fn release(args: &One, node: impl Fn() -> Result<Node, Failure>, talk: &mut Talk) -> Result<(), Failure> {
    ask(&args.instance, RedriveWhat::Released, node, talk)
}

/// Gives up what is parked, and the states that are archived.
pub fn drop_parked(
    args: &GivenUp,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    address(&args.instance)?;
    confirm(args, "give up what is parked, and the states that are archived, of")?;
    ask(&args.instance, RedriveWhat::Dropped, node, talk)
}

/// Lets an instance begin anew.
pub fn reset(
    args: &GivenUp,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    address(&args.instance)?;
    confirm(args, "archive the state and begin anew with")?;
    ask(&args.instance, RedriveWhat::Reset, node, talk)
}

fn address(text: &str) -> Result<InstanceAddress, Failure> {
    text.parse().map_err(|error| {
        Failure::refused(
            format!("`{text}` is no address: {error}"),
            "an address is app/machine or app/machine/key",
        )
    })
}

/// Asks a person; a program has to say that it means it.
fn confirm(args: &GivenUp, what: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let question = format!("{what} {}", args.instance);
    let not = |why: &str| {
        Failure::refused(format!("did not {question}: {why}"), "add --yes to do it without being asked")
    };
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(not("nobody is there to be asked"));
    }
    // When stderr is closed there is nobody, and no answer.
    let _ = write!(std::io::stderr(), "{question}? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err(not("the answer was not yes")),
    }
}

fn ask(
    instance: &str,
    what: RedriveWhat,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    address(instance)?;
    let report = request(instance, what, &node()?)?;
    let text = told(&report);
    talk.result(&report, text);
    Ok(())
}

fn request(instance: &str, what: RedriveWhat, node: &Node) -> Result<RedriveReport, Failure> {
    let asked = Redrive { instance: address(instance)?.to_string(), what };
    let who = crate::registry::who();
    let mut headers: Vec<(&str, &str)> = who.iter().map(|who| (OPERATOR_HEADER, who.as_str())).collect();
    headers.push(("content-type", "application/json"));
    let body = serde_json::to_vec(&asked)
        .map_err(|error| Failure::fault(error.to_string(), "this is a fault of ours; please report it"))?;
    node.post(&["v1", "node", "redrive"], &[], &headers, body, None, Effect::Changes)?.read()
}

fn told(report: &RedriveReport) -> String {
    let RedriveReport { instance, driven, left, .. } = report;
    match report.what {
        RedriveWhat::Parked => format!("{driven} of {instance} go on, {left} stay parked"),
        RedriveWhat::Dropped => format!("{driven} of {instance} are given up"),
        RedriveWhat::Released => format!("{instance} goes on"),
        RedriveWhat::Reset => format!("{instance} begins anew; its state is in the archive"),
    }
}
