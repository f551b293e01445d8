//! Small releases made from source text, and a node that runs them on a virtual clock.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use camshaft_agent::api::{Instances, NodeStatus, Problem, Report, TryReport};
use camshaft_agent::engine::{Identity, Reply, Request, RequestId, ShardLimits};
use camshaft_agent::node::{Asked, Holding, Node, NodeError, OpenNodeError, Settings};
use camshaft_agent::release::{Release, ReleaseError};
use camshaft_agent::speech::Says;
use camshaft_cam::code::{Module, encode};
use camshaft_cam::compile;
use camshaft_cam::derive;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_cam::verify::{VerifiedEdge, VerifiedLink, VerifiedMachine, verify};
use camshaft_manifests::app::Supervision;
use camshaft_manifests::appup::Waiver;
use camshaft_manifests::relup::Relup;
use camshaft_manifests::resolved::{
    Predecessor, ResolvedApp, ResolvedEdge, ResolvedLink, ResolvedMachine, ResolvedRelease,
};
use camshaft_manifests::transition::Transition;
use camshaft_manifests::{MachineAddress, Version};
use camshaft_releases::OpenedRelease;
use camshaft_releases::plan::plan;
use camshaft_store::{Journal, ReleaseEntry};

/// A release made from source text.
#[derive(Clone)]
pub struct Made {
    resolved: ResolvedRelease,
    edges: BTreeMap<Digest, VerifiedEdge>,
    links: BTreeMap<Digest, VerifiedLink>,
    relups: Vec<Relup>,
    modules: BTreeMap<MachineAddress, (Module, VerifiedMachine)>,
}

/// The releases of a test; a bundle is just the version of one of them. Each is made ready once, whoever opens it.
#[derive(Clone, Default)]
pub struct World(Arc<BTreeMap<String, OnShelf>>);

/// A release, and the same made ready, once somebody wanted it.
struct OnShelf {
    made: Made,
    ready: OnceLock<Arc<Release>>,
}

fn show(text: &str, diagnostics: &[Diagnostic]) -> String {
    let lines = diagnostics.iter().map(|diagnostic| format!("{diagnostic:?}"));
    format!("{text}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn verified(module: &Module) -> camshaft_cam::verify::Verified {
    verify(module.clone()).unwrap_or_else(|error| panic!("{error}"))
}

/// Makes a release of the machines `app/machine` with their texts. `migrations` belong to the
/// edges from `from`; what is not written is derived.
pub fn make(
    version: &str,
    machines: &[(&str, &str)],
    from: Option<&Made>,
    migrations: &[(&str, &str)],
) -> Made {
    make_said(version, machines, from, migrations, Transition::default())
}

/// The same, with what was said of the way from `from`.
pub fn make_said(
    version: &str,
    machines: &[(&str, &str)],
    from: Option<&Made>,
    migrations: &[(&str, &str)],
    said: Transition,
) -> Made {
    let (mut link_code, mut edge_code) = (BTreeMap::new(), BTreeMap::new());
    let mut modules: BTreeMap<MachineAddress, (Module, VerifiedMachine)> = BTreeMap::new();
    let mut apps: Vec<ResolvedApp> = vec![];
    for (address, text) in machines {
        let address: MachineAddress = address.parse().expect("an address");
        let source = Source::new(address.to_string(), *text);
        let was = said.was(&address);
        let predecessor = from.and_then(|from| from.modules.get(&was?)).map(|(module, _)| module);
        let module = compile::machine(&source, predecessor).unwrap_or_else(|d| panic!("{}", show(text, &d)));
        let machine = verified(&module).into_machine().expect("a machine");
        // That of machines with a configuration is given later: `configured`.
        let config = "[]".to_owned();
        let resolved = ResolvedMachine {
            name: address.machine.clone(),
            keyed: machine.machine().keyed,
            digest: machine.digest(),
            config,
        };
        match apps.iter_mut().find(|app| app.name == address.app) {
            Some(app) => app.machines.push(resolved),
            None => apps.push(ResolvedApp {
                name: address.app.clone(),
                version: version.parse().expect("a version"),
                depends: BTreeMap::new(),
                supervision: Supervision::default(),
                machines: vec![resolved],
                waivers: vec![],
                strictness: None,
            }),
        }
        modules.insert(address, (module, machine));
    }
    let mut links = vec![];
    for (address, (_, sender)) in &modules {
        for channel in sender.channels() {
            let receiver: MachineAddress = channel.target.parse().expect("an address");
            let module = derive::link(sender, &channel.name, &modules[&receiver].1).expect("a link");
            let digest = encode::digest(&module);
            link_code.insert(digest, verified(&module).into_link().expect("a link"));
            let channel = channel.name.parse().expect("a name");
            links.push(ResolvedLink { sender: address.clone(), channel, receiver, digest });
        }
    }
    let mut edges = vec![];
    if let Some(from) = from {
        for (address, (_, to)) in &modules {
            let old = said.was(address).and_then(|was| from.modules.get(&was)).map(|(_, old)| old);
            let migration = migrations.iter().find(|(machine, _)| *machine == address.to_string());
            let keeps_states = !said.restarts.contains_key(&address.app);
            if let Some(old) = old.filter(|old| old.digest() != to.digest() && keeps_states) {
                let source = migration.map(|(machine, text)| Source::new(*machine, *text));
                let module = compile::edge(old, to, source.as_ref())
                    .unwrap_or_else(|d| panic!("{}", show(&address.to_string(), &d)));
                let digest = encode::digest(&module);
                edge_code.insert(digest, verified(&module).into_edge().expect("an edge"));
                let (machine, from, to) = (address.clone(), old.digest(), to.digest());
                edges.push(ResolvedEdge {
                    machine,
                    from,
                    to,
                    digest,
                    said: vec![],
                    class: None,
                    checked: None,
                    over: None,
                });
            }
        }
    }
    let resolved = ResolvedRelease {
        name: "test".parse().expect("a name"),
        version: version.parse().expect("a version"),
        api_default: from.map(|from| from.resolved.spoken_by_default().clone()),
        strictness: Default::default(),
        apps,
        links,
        edges,
        predecessors: from
            .map(|from| Predecessor { transition: said, ..from.predecessor() })
            .into_iter()
            .collect(),
    };
    let relups: Vec<Relup> = resolved.predecessors.iter().map(|from| plan(from, &resolved)).collect();
    for (relup, from) in relups.iter().zip(&resolved.predecessors) {
        assert_eq!(camshaft_releases::check::check(relup, from, &resolved), []);
    }
    Made { resolved, edges: edge_code, links: link_code, relups, modules }
}

impl Made {
    fn predecessor(&self) -> Predecessor {
        Predecessor {
            version: self.resolved.version.clone(),
            digest: self.digest(),
            composition: self.resolved.composition(),
            transition: Transition::default(),
        }
    }

    /// What clients speak that do not say; taken over from the predecessor unless it is moved.
    pub fn speaking(mut self, default: &str) -> Made {
        self.resolved.api_default = Some(default.parse().expect("a version"));
        self
    }

    /// With another supervision of one of its applications.
    pub fn looked_after(mut self, app: &str, supervision: Supervision) -> Made {
        let of = self.resolved.apps.iter_mut().find(|one| one.name.as_str() == app);
        of.expect("it has the application").supervision = supervision;
        self
    }

    /// With a law that is set aside for one of its applications.
    pub fn waiving(mut self, app: &str, law: &str) -> Made {
        let of = self.resolved.apps.iter_mut().find(|one| one.name.as_str() == app);
        of.expect("it has the application").waivers.push(Waiver {
            rule: law.to_owned(),
            reason: "it is meant".to_owned(),
            machine: None,
            from: None,
        });
        self
    }

    /// With a configuration of one of its machines, in its JSON form.
    pub fn configured(mut self, machine: &str, json: &str) -> Made {
        let wanted: MachineAddress = machine.parse().expect("an address");
        let machines = self.resolved.apps.iter_mut().filter(|app| app.name == wanted.app);
        let machine =
            machines.flat_map(|app| &mut app.machines).find(|machine| machine.name == wanted.machine);
        machine.expect("it has the machine").config = json.to_owned();
        self
    }

    pub fn digest(&self) -> Digest {
        Digest::of(format!("{:?}", self.resolved).as_bytes())
    }

    pub fn version(&self) -> String {
        self.resolved.version.to_string()
    }

    /// The same without the edges from its predecessors.
    pub fn without_edges(mut self) -> Made {
        self.resolved.edges.clear();
        self
    }

    pub fn release(&self) -> Release {
        self.try_release().expect("a release")
    }

    pub fn try_release(&self) -> Result<Release, ReleaseError> {
        let entry = ReleaseEntry {
            name: "test".to_owned(),
            version: self.version(),
            digest: self.digest(),
            archive: Digest::of(self.version().as_bytes()),
        };
        Release::new(self.opened(), entry)
    }

    /// The same as a bundle has it.
    pub fn opened(&self) -> OpenedRelease {
        let machines = self.modules.values().map(|(_, machine)| (machine.digest(), machine.clone()));
        OpenedRelease {
            digest: self.digest(),
            resolved: self.resolved.clone(),
            machines: machines.collect(),
            edges: self.edges.clone(),
            links: self.links.clone(),
            relups: self.relups.clone(),
        }
    }
}

impl World {
    pub fn of(releases: impl IntoIterator<Item = Made>) -> World {
        let releases =
            releases.into_iter().map(|made| (made.version(), OnShelf { made, ready: OnceLock::new() }));
        World(Arc::new(releases.collect()))
    }

    pub fn release(&self, version: &str) -> Arc<Release> {
        let OnShelf { made, ready } = &self.0[version];
        ready.get_or_init(|| Arc::new(made.release())).clone()
    }

    pub fn open(&self, journal: impl Journal + 'static, now_ms: i64) -> Result<TestNode, OpenNodeError> {
        let world = self.clone();
        let opener = move |bytes: &[u8], _: &ReleaseEntry| {
            let version = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
            if world.0.contains_key(version) {
                Ok(world.release(version))
            } else {
                Err("no such release".to_owned())
            }
        };
        // What is promised holds for any number of them: CAMSHAFT_SHARDS says another one.
        let shards = std::env::var("CAMSHAFT_SHARDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
        let limits = ShardLimits { shadow: 4, ..ShardLimits::default() };
        let settings = Settings { shards, limits, ..Settings::one(7) };
        let node = Node::open(Box::new(journal), Box::new(opener), settings, now_ms)?;
        Ok(TestNode { node, world: self.clone(), now_ms, requests: 0 })
    }
}

/// A node on a virtual clock.
pub struct TestNode {
    pub node: Node,
    world: World,
    pub now_ms: i64,
    requests: u64,
}

/// What a request came to, in a line: the JSON of the output, or what went wrong.
pub fn line(reply: &Reply) -> String {
    match reply {
        Reply::Answered { answer: Ok(json), repeated: false, .. } => json.clone(),
        Reply::Answered { answer: Ok(json), repeated: true, .. } => format!("{json} again"),
        Reply::Answered { answer: Err((kind, reason)), .. } => format!("trap {kind}: {reason}"),
        Reply::Refused(refusal) => format!("refused: {refusal}"),
    }
}

impl TestNode {
    pub fn asked(&self) -> Asked {
        Asked { who: "test".to_owned(), now_ms: self.now_ms }
    }

    fn take(&mut self, id: u64) -> String {
        let answers = self.node.take_answers();
        answers
            .iter()
            .find(|(request, _)| request.0 == id)
            .map_or("nothing".to_owned(), |(_, reply)| line(reply))
    }

    pub fn post(&mut self, address: &str, json: &str, identity: Option<Identity>) -> u64 {
        self.post_speaking(Says::Running, address, json, identity)
    }

    pub fn post_speaking(
        &mut self,
        says: Says,
        address: &str,
        json: &str,
        identity: Option<Identity>,
    ) -> u64 {
        self.requests += 1;
        let request = Request {
            id: RequestId(self.requests),
            address: address.parse().expect("an address"),
            json: json.to_owned(),
            says,
            identity,
            trace: None,
        };
        self.node.request(self.now_ms, request);
        self.requests
    }

    /// Sends an input and runs until nothing is left to do.
    pub fn send(&mut self, address: &str, json: &str) -> String {
        self.send_as(address, json, None)
    }

    pub fn send_as(&mut self, address: &str, json: &str, identity: Option<Identity>) -> String {
        let id = self.post(address, json, identity);
        self.settle();
        self.take(id)
    }

    /// Sends an input in a version, or without saying which when it is empty.
    pub fn speak(&mut self, version: &str, address: &str, json: &str, identity: Option<Identity>) -> String {
        let says = match version {
            "" => Says::Nothing,
            version => Says::Version(version.into()),
        };
        let id = self.post_speaking(says, address, json, identity);
        self.settle();
        self.take(id)
    }

    /// Returns a release of its world.
    pub fn release(&self, version: &str) -> Arc<Release> {
        self.world.release(version)
    }

    pub fn settle(&mut self) {
        self.node.run(self.now_ms).expect("the journal works");
        while self.node.has_work() {
            self.node.run(self.now_ms).expect("the journal works");
        }
    }

    pub fn advance(&mut self, ms: i64) {
        self.now_ms += ms;
        self.settle();
    }

    pub fn install(&mut self, version: &str) -> Result<Report, NodeError> {
        let release = self.world.release(version);
        self.node.install(&self.asked(), release, version.as_bytes())
    }

    pub fn try_out(&mut self, version: &str) -> Result<TryReport, Box<Problem>> {
        let release = self.world.release(version);
        let plan = self.node.plan_upgrade(&release)?;
        let refused = |error| match error {
            NodeError::Refused(problem) => problem,
            NodeError::Journal(error) => panic!("the journal works: {error}"),
        };
        self.node.leave_behind(&release, &[], self.now_ms).map_err(refused)?;
        let trial = self.node.try_all(plan).map_err(refused)?;
        self.node.end_trial().map_err(refused)?;
        Ok(trial.report())
    }

    pub fn upgrade(&mut self, version: &str) -> Result<Report, NodeError> {
        self.upgrade_with(version, &[], |_| {})
    }

    /// Upgrades, and lets something happen between trial and switch.
    pub fn upgrade_meanwhile(
        &mut self,
        version: &str,
        meanwhile: impl FnOnce(&mut TestNode),
    ) -> Result<Report, NodeError> {
        self.upgrade_with(version, &[], meanwhile)
    }

    /// The same, and clients of some versions may be left behind.
    pub fn upgrade_with(
        &mut self,
        version: &str,
        dropped: &[&str],
        meanwhile: impl FnOnce(&mut TestNode),
    ) -> Result<Report, NodeError> {
        let asked = self.asked();
        let dropped: Vec<Version> = dropped.iter().map(|text| text.parse().expect("a version")).collect();
        let release = self.world.release(version);
        let plan = self.node.plan_upgrade(&release).map_err(NodeError::from);
        let plan =
            plan.and_then(|plan| self.node.leave_behind(&release, &dropped, self.now_ms).map(|_| plan));
        let plan = match plan {
            Ok(plan) => plan,
            Err(NodeError::Refused(problem)) => {
                return Err(self.node.refused(&asked, Some(&release.entry), problem));
            }
            Err(error) => return Err(error),
        };
        let trial = self.node.try_all(plan)?;
        meanwhile(self);
        let report = self.node.upgrade(&asked, trial, version.as_bytes(), &dropped)?;
        self.node.settle_check(&asked, Ok(()))?;
        Ok(report)
    }

    pub fn rollback(&mut self, holding: Holding) -> Result<Report, NodeError> {
        let asked = self.asked();
        let plan = self.node.plan_rollback()?;
        let trial = self.node.try_all(plan)?;
        self.node.rollback(&asked, trial, holding)
    }

    /// Returns how the node is.
    pub fn status(&mut self) -> NodeStatus {
        self.node.status().expect("the node is here")
    }

    /// Returns up to so many instances after one.
    pub fn instances(&mut self, after: Option<&str>, limit: usize) -> Instances {
        self.node.instances(after, limit).expect("the node is here")
    }

    pub fn running(&mut self) -> String {
        self.status().running.map_or("nothing".to_owned(), |release| release.version)
    }
}

/// Returns the code and the detail of a refusal.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, NodeError>) -> (String, String) {
    match result {
        Err(NodeError::Refused(problem)) => (problem.code, problem.detail),
        other => panic!("not refused: {other:?}"),
    }
}

pub fn client(sender: &str, seq: u64) -> Option<Identity> {
    Some(Identity::Client { sender: sender.into(), seq })
}

/// A machine that counts, by key.
pub const COUNT: &str = "machine count keyed Text
type State = Int
type Input = Add(Int) | Get
type Output = Ok | Is(Int)
init = 0
on Add(n) => (state + n, Ok)
on Get => (state, Is(state))
";

pub const COUNTER_1: &str = "machine counter
type Input = Incr | Read | Add { by: Int } | Stop
type Output = Ok | Count(Int)
type State = Int
init = 0
on Incr => (state + 1, Ok)
on Read => (state, Count(state))
on Add { by } => (state + by, Ok)
on Stop { stop; (state, Ok) }
";

pub const COUNTER_2: &str = "machine counter
type Input = Incr | Read | Add { by: Int } | Stop | Both
type Output = Ok | Count(Int) | Pair { old: Int, new: Int }
type State = { old: Int, new: Int }
init = { old: 0, new: 0 }
invariant \"not thirteen\" = state.new != 13
on Incr => ({ ..state, new: state.new + 1 }, Ok)
on Read => (state, Count(state.new))
on Add { by } => ({ ..state, new: state.new + by }, Ok)
on Stop { stop; (state, Ok) }
on Both => (state, Pair { old: state.old, new: state.new })
";

pub const COUNTER_UP: &str = "migration counter from \"1.0.0\"
up (old) = if old == 7 { fail \"seven\" } else { { old: old, new: old } }
down (new) = if new.new == 99 { fail \"ninety-nine\" } else { new.new }
unlift Both => fail \"no\"
";

/// Versions 1.0.0, 2.0.0 (which refuses some states) of a counter.
pub fn counters() -> World {
    let one = make("1.0.0", &[("counter/counter", COUNTER_1)], None, &[]);
    let two =
        make("2.0.0", &[("counter/counter", COUNTER_2)], Some(&one), &[("counter/counter", COUNTER_UP)]);
    World::of([one, two])
}

/// A till, as its first release has it.
pub const TILL_1: &str = "machine till keyed Text
type State = Int
type Input = Add { count: Int } | Set(Int) | Sum
type Output = Ok | Sum(Int)
init = 0
on Add { count } => (state + count, Ok)
on Set(sum) => (sum, Ok)
on Sum => (state, Sum(state))
";

/// The same till, which counts what was added; with other answers.
pub const TILL_2: &str = "machine till keyed Text
type State = { sum: Int, adds: Int }
type Input = Add { count: Int, note: Text = \"\" } | Set(Int) | Sum
type Output = Ok | Total { sum: Int, adds: Int }
init = { sum: 0, adds: 0 }
on Add { count, note } => ({ sum: state.sum + count, adds: state.adds + 1 }, Ok)
on Set(sum) => ({ ..state, sum }, Total { sum, adds: state.adds })
on Sum => (state, Total { sum: state.sum, adds: state.adds })
";

/// The migration from the one to the other.
pub const TILL_UP: &str = "migration till from \"1.0.0\"
up (old) = { sum: old, adds: 0 }
down (new) = new.sum
lift Add { count } => if count > 100 { fail \"too many\" } else { Add { count, note: \"\" } }
lower Total { sum, .. } => if sum >= 1000 { fail \"too large for a sum\" } else { Sum(sum) }
raise Sum(sum) => Total { sum, adds: 0 }
";
