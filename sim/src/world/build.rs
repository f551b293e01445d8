//! From texts to releases: what the release builder does with a project's files, for texts in memory.
//!
//! What is compiled is kept: the worlds of all seeds are mixed of the same texts.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use camshaft_cam::check::machine::{self, CheckedMachine};
use camshaft_cam::check::migration::{self, CheckedMigration};
use camshaft_cam::check::{CheckedChannel, Modules};
use camshaft_cam::code::Module;
use camshaft_cam::compile;
use camshaft_cam::derive;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_cam::syntax::{ast, parse_file};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{Verified, VerifiedEdge, VerifiedLink, VerifiedMachine, verify};
use camshaft_manifests::app::Supervision;
use camshaft_manifests::relup::Relup;
use camshaft_manifests::resolved::{
    Predecessor, ResolvedApp, ResolvedEdge, ResolvedLink, ResolvedMachine, ResolvedRelease,
};
use camshaft_manifests::transition::Transition;
use camshaft_manifests::{AppName, MachineAddress, Version};
use camshaft_releases::OpenedRelease;
use camshaft_releases::plan::plan;

/// A machine: its text, checked, and the code that was made of it.
#[derive(Debug)]
pub struct Part {
    /// What the evaluator runs.
    pub checked: CheckedMachine,
    /// What agents run; here it gives the types and the digest.
    pub verified: VerifiedMachine,
    module: Module,
}

/// The way between two machines: its text, checked, and the code that was made of it.
#[derive(Debug)]
pub struct Way {
    /// What the evaluator runs; none where all is derived.
    pub checked: Option<CheckedMigration>,
    /// What agents run.
    pub verified: VerifiedEdge,
}

/// A machine of a release.
#[derive(Debug, Clone)]
pub struct Member {
    /// The machine.
    pub part: Arc<Part>,
    /// Its configuration.
    pub config: Value,
    /// The edge from the machine of the release before, where it is another.
    pub edge: Option<Arc<Way>>,
}

/// What a release is to have at an address.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where.
    pub address: MachineAddress,
    /// The text of the machine.
    pub text: String,
    /// The text of the migration from the release before; empty where all is derived.
    pub migration: &'static str,
    /// The configuration, in JSON.
    pub config: String,
}

/// A release of a world.
#[derive(Debug)]
pub struct Edition {
    /// The version.
    pub version: Version,
    /// The machines.
    pub members: BTreeMap<MachineAddress, Member>,
    /// What was said of the way from the release before.
    pub said: Transition,
    /// The version that a client speaks that does not say.
    pub default: Version,
    /// The document.
    pub resolved: ResolvedRelease,
    /// The digest that stands for the release's bundle.
    pub digest: Digest,
    links: BTreeMap<Digest, VerifiedLink>,
    relups: Vec<Relup>,
}

impl Part {
    /// Returns the machine digest.
    pub fn digest(&self) -> Digest {
        self.verified.digest()
    }

    /// Returns the channel of this name.
    pub fn channel(&self, name: &str) -> Option<&CheckedChannel> {
        self.checked.channels.iter().find(|channel| &*channel.name == name)
    }
}

impl Edition {
    /// Returns what an agent would have read from the bundle.
    pub fn opened(&self) -> OpenedRelease {
        let parts = self.members.values().map(|member| &member.part.verified);
        let edges = self.members.values().filter_map(|member| member.edge.as_ref());
        OpenedRelease {
            digest: self.digest,
            resolved: self.resolved.clone(),
            machines: parts.map(|machine| (machine.digest(), machine.clone())).collect(),
            edges: edges.map(|edge| (edge.verified.digest(), edge.verified.clone())).collect(),
            links: self.links.clone(),
            relups: self.relups.clone(),
        }
    }
}

/// What was made, by what it was made of.
type Made<K, T> = RefCell<HashMap<K, T>>;

thread_local! {
    /// By text and predecessor.
    static PARTS: Made<(String, Option<Digest>), Arc<Part>> = RefCell::default();
    /// By both ends and text.
    static WAYS: Made<(Digest, Digest, &'static str), Arc<Way>> = RefCell::default();
    /// By sender, channel and receiver.
    static LINKS: Made<(Digest, String, Digest), VerifiedLink> = RefCell::default();
}

fn show(text: &str, diagnostics: &[Diagnostic]) -> String {
    let lines = diagnostics.iter().map(|diagnostic| format!("{diagnostic:?}"));
    format!("{text}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn verified(module: &Module) -> Verified {
    verify(module.clone()).unwrap_or_else(|error| panic!("what was compiled is verified: {error}"))
}

fn part(wanted: &Wanted, before: Option<&Part>) -> Arc<Part> {
    let key = (wanted.text.clone(), before.map(Part::digest));
    if let Some(part) = PARTS.with_borrow(|parts| parts.get(&key).cloned()) {
        return part;
    }
    let source = Source::new(wanted.address.to_string(), wanted.text.as_str());
    let before = before.map(|before| &before.module);
    let module = compile::machine(&source, before).unwrap_or_else(|d| panic!("{}", show(&wanted.text, &d)));
    let Ok(ast::File::Machine(file)) = parse_file(&source) else { unreachable!("it was compiled") };
    let checked =
        machine::check(&source, &file, before).unwrap_or_else(|d| panic!("{}", show(&wanted.text, &d)));
    let machine = verified(&module).into_machine().expect("a machine was compiled");
    let part = Arc::new(Part { checked, verified: machine, module });
    PARTS.with_borrow_mut(|parts| parts.insert(key, part.clone()));
    part
}

fn way(old: &Part, new: &Part, text: &'static str) -> Arc<Way> {
    let key = (old.digest(), new.digest(), text);
    if let Some(way) = WAYS.with_borrow(|ways| ways.get(&key).cloned()) {
        return way;
    }
    let source = (!text.is_empty()).then(|| Source::new("migration", text));
    let (old, new) = (&old.verified, &new.verified);
    let module = compile::edge(old, new, source.as_ref()).unwrap_or_else(|d| panic!("{}", show(text, &d)));
    let checked = source.map(|source| {
        let Ok(ast::File::Migration(file)) = parse_file(&source) else { unreachable!("it was compiled") };
        let checked = migration::check(&source, &file, &Modules::default(), old, new);
        checked.unwrap_or_else(|d| panic!("{}", show(text, &d)))
    });
    let edge = verified(&module).into_edge().expect("an edge was compiled");
    let way = Arc::new(Way { checked, verified: edge });
    WAYS.with_borrow_mut(|ways| ways.insert(key, way.clone()));
    way
}

fn link(sender: &Part, channel: &str, receiver: &Part) -> VerifiedLink {
    let key = (sender.digest(), channel.to_owned(), receiver.digest());
    if let Some(link) = LINKS.with_borrow(|links| links.get(&key).cloned()) {
        return link;
    }
    let module = derive::link(&sender.verified, channel, &receiver.verified).expect("the channel fits");
    let link = verified(&module).into_link().expect("a link was made");
    LINKS.with_borrow_mut(|links| links.insert(key, link.clone()));
    link
}

/// Makes a release.
///
/// # Panics
///
/// When the texts are not good ones: then the pool is at fault.
pub fn edition(
    version: Version,
    wanted: &[Wanted],
    from: Option<&Edition>,
    said: Transition,
    default: Version,
    care: &BTreeMap<AppName, Supervision>,
) -> Edition {
    let mut members: BTreeMap<MachineAddress, Member> = BTreeMap::new();
    let mut apps: Vec<ResolvedApp> = vec![];
    let mut edges = vec![];
    for want in wanted {
        let address = want.address.clone();
        let was = said.was(&address);
        let before = from.and_then(|from| from.members.get(&was?)).map(|member| &*member.part);
        let part = part(want, before);
        let keeps_states = !said.restarts.contains_key(&address.app);
        let changed = before.filter(|before| before.digest() != part.digest() && keeps_states);
        let edge = changed.map(|before| way(before, &part, want.migration));
        if let (Some(edge), Some(before)) = (&edge, changed) {
            edges.push(ResolvedEdge {
                machine: address.clone(),
                from: before.digest(),
                to: part.digest(),
                digest: edge.verified.digest(),
                said: vec![],
                class: None,
                checked: None,
                over: None,
            });
        }
        let ty = part.verified.config();
        let config = match part.checked.config.as_record() {
            None => Value::Unit,
            Some(_) => Value::from_json(&want.config, ty).expect("the pool's configurations are good"),
        };
        let machine = ResolvedMachine {
            name: address.machine.clone(),
            keyed: part.checked.keyed,
            digest: part.digest(),
            config: config.to_json(ty),
        };
        match apps.iter_mut().find(|app| app.name == address.app) {
            Some(app) => app.machines.push(machine),
            None => apps.push(ResolvedApp {
                name: address.app.clone(),
                version: version.clone(),
                depends: BTreeMap::new(),
                supervision: care.get(&address.app).cloned().unwrap_or_default(),
                machines: vec![machine],
                waivers: vec![],
                strictness: None,
            }),
        }
        members.insert(address, Member { part, config, edge });
    }
    let (mut links, mut resolved_links) = (BTreeMap::new(), vec![]);
    for (address, member) in &members {
        for channel in &member.part.checked.channels {
            let receiver: MachineAddress = channel.target.parse().expect("the pool names machines");
            let link = link(&member.part, &channel.name, &members[&receiver].part);
            let digest = link.digest();
            links.insert(digest, link);
            let channel = channel.name.parse().expect("a name");
            resolved_links.push(ResolvedLink { sender: address.clone(), channel, receiver, digest });
        }
    }
    edges.sort_by(|a, b| (&a.machine, a.from).cmp(&(&b.machine, b.from)));
    let resolved = ResolvedRelease {
        name: "world".parse().expect("a name"),
        version: version.clone(),
        api_default: (default != version).then(|| default.clone()),
        strictness: Default::default(),
        apps,
        links: resolved_links,
        edges,
        predecessors: from
            .map(|from| Predecessor {
                version: from.version.clone(),
                digest: from.digest,
                composition: from.resolved.composition(),
                transition: said.clone(),
            })
            .into_iter()
            .collect(),
    };
    let digest = Digest::of(format!("{resolved:?}").as_bytes());
    let relups = resolved.predecessors.iter().map(|from| plan(from, &resolved)).collect();
    Edition { version, members, said, default, resolved, digest, links, relups }
}
