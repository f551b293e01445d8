//! `agent.toml`: how one node's agent runs. No secret stands in it; those are files that it names.

mod probation;

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::fmt;

use camshaft_cam::diagnostic::{Diagnostic, Source};

use crate::address::MachineAddress;
use crate::duration::Millis;
use crate::label::{LabelValue, Labels};
use crate::name::{AppName, ChannelName, MachineName};
use crate::place::{Bytes, Place, SystemPath, Url};
use crate::reader::{Field, Reader, Table};
use crate::writer::{Writer, quoted};

pub use probation::{By, Probation};

/// How one node's agent runs. What is not said is the agent's to choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentManifest {
    /// The folder that the node remembers everything in.
    pub data: Option<SystemPath>,
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// Whose bundles it takes: a `signers.toml`, or the root of a registry's metadata.
    pub trust: Option<SystemPath>,
    /// Where bundles come from.
    pub registry: Option<Place>,
    /// Who leads the node.
    pub controller: Option<Controller>,
    /// What selectors of a fleet see of the node.
    pub labels: Labels,
    /// What bounds the node.
    pub limits: Limits,
    /// What a release has to pass.
    pub probation: Probation,
    /// What the machines' ports lead to.
    pub ports: BTreeMap<PortAddress, PortBinding>,
    /// The nodes on which machines are reached that this node does not serve.
    pub routes: BTreeMap<MachineAddress, Url>,
}

/// Who leads a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Where it is.
    pub url: Url,
    /// The file with the token to join with.
    pub token_file: Option<SystemPath>,
}

/// What bounds a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long inputs may wait for an upgrade at most.
    pub max_pause: Option<Millis>,
    /// How many inputs from outside may wait at one instance.
    pub mailbox: Option<u32>,
    /// How many inputs from outside may wait on the node.
    pub waiting: Option<u32>,
    /// How many of the last inputs of an instance are kept at least, to be given to another release.
    pub shadow: Option<u32>,
    /// How much memory the states of all instances may take.
    pub memory: Option<Bytes>,
}

/// A port of a machine of the release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortAddress {
    /// The machine.
    pub machine: MachineAddress,
    /// The port.
    pub port: ChannelName,
}

impl fmt::Display for PortAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} of {}", self.port, self.machine)
    }
}

/// What a port leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortBinding {
    /// Where messages go, by POST.
    pub webhook: Url,
    /// The file with the secret that requests are signed with.
    pub secret_file: Option<SystemPath>,
    /// How long an answer may take.
    pub timeout: Millis,
    /// What happens to a message that is not answered.
    pub retry: Retry,
}

/// How a message is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many times it is sent at most; `None`: until it is answered.
    pub attempts: Option<u32>,
    /// How long to wait before the second attempt; each time twice as long as before.
    pub first: Millis,
    /// The longest wait.
    pub most: Millis,
}

/// How long an answer may take when the document does not say.
pub const TIMEOUT_DEFAULT: Millis = Millis(10_000);

impl Default for Retry {
    fn default() -> Retry {
        Retry { attempts: None, first: Millis(500), most: Millis(60_000) }
    }
}

/// The greatest number of a limit or of attempts: far above any use, and it fits everywhere.
pub(crate) const COUNT_MAX: u64 = 1_000_000;

/// The most inputs of an instance that are kept.
pub(crate) const SHADOW_MAX: u64 = 1_000;

/// Reads an `agent.toml`.
///
/// # Errors
///
/// All faults of the text.
pub fn read(source: &Source) -> Result<AgentManifest, Vec<Diagnostic>> {
    Reader::read(source, |_, table| {
        let data = table.optional_word("data");
        let listen = table.optional_word("listen");
        let trust = table.optional_word("trust");
        let registry = table.optional_word("registry");
        let controller = match table.optional("controller") {
            Some(field) => field.table_with(read_controller).map(Some),
            None => Some(None),
        };
        let labels = match table.optional("labels") {
            Some(field) => field.table().and_then(|table| read_words::<_, LabelValue>(&table)),
            None => Some(Labels::new()),
        };
        let limits = match table.optional("limits") {
            Some(field) => field.table_with(read_limits),
            None => Some(Limits::default()),
        };
        let probation = match table.optional("probation") {
            Some(field) => field.table_with(probation::read),
            None => Some(Probation::default()),
        };
        let ports = match table.optional("ports") {
            Some(field) => field.table().and_then(|table| read_ports(&table)),
            None => Some(BTreeMap::new()),
        };
        let routes = match table.optional("routes") {
            Some(field) => field.table().and_then(|table| read_words(&table)),
            None => Some(BTreeMap::new()),
        };
        Some(AgentManifest {
            data: data?,
            listen: listen?,
            trust: trust?,
            registry: registry?,
            controller: controller?,
            labels: labels?,
            limits: limits?,
            probation: probation?,
            ports: ports?,
            routes: routes?,
        })
    })
}

/// Reads a table from words to words.
fn read_words<K: crate::reader::Word + Ord, V: crate::reader::Word>(
    table: &Table<'_, '_>,
) -> Option<BTreeMap<K, V>> {
    let read: Vec<Option<(K, V)>> =
        table.entries::<K>().into_iter().map(|(key, _, field)| Some((key, field.word()?))).collect();
    read.into_iter().collect()
}

fn read_controller(table: &Table<'_, '_>) -> Option<Controller> {
    let url = table.required("url").and_then(|field| field.word());
    let token_file = table.optional_word("token_file");
    Some(Controller { url: url?, token_file: token_file? })
}

fn read_limits(table: &Table<'_, '_>) -> Option<Limits> {
    let count = |key| match table.optional(key) {
        Some(field) => field.number(1..=COUNT_MAX).map(|number| u32::try_from(number).ok()),
        None => Some(None),
    };
    let max_pause = table.optional("max_pause").map(|field| positive(&field));
    let mailbox = count("mailbox");
    let waiting = count("waiting");
    let shadow = match table.optional("shadow") {
        Some(field) => field.number(1..=SHADOW_MAX).map(|number| u32::try_from(number).ok()),
        None => Some(None),
    };
    let memory: Option<Option<Bytes>> = table.optional_word("memory");
    Some(Limits {
        max_pause: max_pause.map_or(Some(None), |read| read.map(Some))?,
        mailbox: mailbox?,
        waiting: waiting?,
        shadow: shadow?,
        memory: memory?,
    })
}

/// Reads a length of time that is longer than nothing.
pub(crate) fn positive(field: &Field<'_, '_>) -> Option<Millis> {
    let time: Millis = field.word()?;
    if time.0 == 0 {
        field.refuse("M0113", format!("`{}` is longer than nothing", field.path));
    }
    Some(time)
}

/// Reads a length of time that is longer than nothing, or takes another for it.
pub(crate) fn positive_or(table: &Table<'_, '_>, key: &'static str, otherwise: Millis) -> Option<Millis> {
    match table.optional(key) {
        Some(field) => positive(&field),
        None => Some(otherwise),
    }
}

fn read_ports(table: &Table<'_, '_>) -> Option<BTreeMap<PortAddress, PortBinding>> {
    let mut ports = BTreeMap::new();
    let mut whole = true;
    for (app, _, field) in table.entries::<AppName>() {
        let Some(machines) = field.table() else {
            whole = false;
            continue;
        };
        for (machine, _, field) in machines.entries::<MachineName>() {
            let Some(table) = field.table() else {
                whole = false;
                continue;
            };
            for (port, _, field) in table.entries::<ChannelName>() {
                let machine = MachineAddress { app: app.clone(), machine: machine.clone() };
                match field.table_with(read_binding) {
                    Some(binding) => drop(ports.insert(PortAddress { machine, port }, binding)),
                    None => whole = false,
                }
            }
        }
    }
    whole.then_some(ports)
}

fn read_binding(table: &Table<'_, '_>) -> Option<PortBinding> {
    let webhook = table.required("webhook").and_then(|field| field.word());
    let secret_file = table.optional_word("secret_file");
    let timeout = positive_or(table, "timeout", TIMEOUT_DEFAULT);
    let retry = match table.optional("retry") {
        Some(field) => field.table_with(|table| {
            let attempts = match table.optional("attempts") {
                Some(field) => field.number(1..=COUNT_MAX).map(|number| u32::try_from(number).ok()),
                None => Some(None),
            };
            let first = positive_or(table, "first", Retry::default().first);
            let most = positive_or(table, "most", Retry::default().most);
            if let (Some(first), Some(most)) = (first, most)
                && first > most
            {
                field.refuse("M0155", format!("the first wait, {first}, is longer than the longest, {most}"));
            }
            Some(Retry { attempts: attempts?, first: first?, most: most? })
        }),
        None => Some(Retry::default()),
    };
    Some(PortBinding { webhook: webhook?, secret_file: secret_file?, timeout: timeout?, retry: retry? })
}

/// Writes an `agent.toml`. What is as it would be anyway is left out.
pub fn write(agent: &AgentManifest) -> String {
    let mut writer = Writer::default();
    writer.text_if("data", agent.data.as_ref());
    writer.text_if("listen", agent.listen);
    writer.text_if("trust", agent.trust.as_ref());
    writer.text_if("registry", agent.registry.as_ref());
    if let Some(controller) = &agent.controller {
        writer.table("controller");
        writer.text("url", &controller.url);
        writer.text_if("token_file", controller.token_file.as_ref());
    }
    if !agent.labels.is_empty() {
        writer.table("labels");
        for (key, value) in &agent.labels {
            writer.text(key.as_str(), value);
        }
    }
    if agent.limits != Limits::default() {
        let Limits { max_pause, mailbox, waiting, shadow, memory } = &agent.limits;
        writer.table("limits");
        writer.text_if("max_pause", *max_pause);
        writer.raw_if("mailbox", *mailbox);
        writer.raw_if("waiting", *waiting);
        writer.raw_if("shadow", *shadow);
        writer.text_if("memory", *memory);
    }
    probation::write(&mut writer, &agent.probation);
    for (PortAddress { machine, port }, binding) in &agent.ports {
        writer.table(format_args!("ports.{}.{}.{port}", machine.app, machine.machine));
        writer.text("webhook", &binding.webhook);
        writer.text_if("secret_file", binding.secret_file.as_ref());
        writer.text_if("timeout", Some(binding.timeout).filter(|timeout| *timeout != TIMEOUT_DEFAULT));
        if binding.retry != Retry::default() {
            writer.raw("retry", retry(&binding.retry));
        }
    }
    if !agent.routes.is_empty() {
        writer.table("routes");
        for (machine, node) in &agent.routes {
            writer.text(&machine.to_string(), node);
        }
    }
    writer.end()
}

fn retry(retry: &Retry) -> String {
    let attempts = retry.attempts.map(|attempts| format!("attempts = {attempts}, ")).unwrap_or_default();
    let [first, most] = [retry.first, retry.most].map(|time| quoted(&time.to_string()));
    format!("{{ {attempts}first = {first}, most = {most} }}")
}

#[cfg(test)]
mod tests;
