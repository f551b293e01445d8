//! Nodes with the machines of the workloads, for measuring what an agent does around a step.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, bail, ensure};
use camshaft_agent::engine::{Epoch, Reply, Request, RequestId, Shard, ShardConfig, ShardLimits};
use camshaft_agent::host::{Host, HostThreads, Input};
use camshaft_agent::node::{Asked, Node, NodeError, Settings};
use camshaft_agent::release::Release;
use camshaft_agent::speech::Says;
use camshaft_agent::stage::{stage, stage_kept};
use camshaft_manifests::InstanceAddress;
use camshaft_releases::project::Files;
use camshaft_store::Journal;
use tokio::sync::oneshot;

use crate::engine::{COUNTER, LEDGER};
use crate::releases;

/// The counter, one instance.
pub const COUNTER_ADDRESS: &str = "bench/counter";
/// The ledger, one instance.
pub const LEDGER_ADDRESS: &str = "bench/ledger";
/// The counter once more, an instance for each key.
pub const TALLY_ADDRESS: &str = "bench/tally";

/// What adds one to a counter.
pub const INCR: &str = "\"Incr\"";

/// How many inputs are made durable at once where many are given.
const GROUP: usize = 10_000;

/// How many inputs may wait on a node that is measured.
const WAITING: usize = 4096;

/// A release with the counter, the ledger, and a counter for each key.
pub struct Sample {
    /// The bundle.
    pub bundle: Vec<u8>,
    /// The same, ready to run.
    pub release: Arc<Release>,
}

impl Sample {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// When it does not build.
    pub fn new() -> Result<Sample> {
        let tally = COUNTER.replace("machine counter", "machine tally keyed Text");
        let app = "name = \"bench\"\nversion = \"1.0.0\"\nmachines = [\"counter\", \"ledger\", \"tally\"]\n";
        let release = "name = \"bench\"\nversion = \"1.0.0\"\n\n[apps]\nbench = { path = \"apps/bench\" }\n";
        let files = [
            ("release.toml", release),
            ("apps/bench/app.toml", app),
            ("apps/bench/machines/counter.cam", COUNTER),
            ("apps/bench/machines/ledger.cam", LEDGER),
            ("apps/bench/machines/tally.cam", &tally),
        ];
        let files: Files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        let bundle = releases::built(&files, None)?.packed.bytes;
        let release = Arc::new(stage(&bundle)?);
        Ok(Sample { bundle, release })
    }

    /// Returns the one shard of a node that runs the release and has no journal.
    pub fn shard(&self, journalled: bool) -> Shard {
        shard(&self.release, journalled)
    }

    /// Returns a node with the release in it.
    ///
    /// # Errors
    ///
    /// When it refuses the release, or its journal fails.
    pub fn node(&self, journal: Box<dyn Journal>, shards: u16) -> Result<Node> {
        installed(journal, shards, &self.release, &self.bundle)
    }
}

/// Returns the one shard of a node that runs a release and has no journal.
pub fn shard(release: &Arc<Release>, journalled: bool) -> Shard {
    shard_recording(release, journalled, 0)
}

/// The same, and it records so many of the last inputs of its instances.
pub fn shard_recording(release: &Arc<Release>, journalled: bool, shadow: usize) -> Shard {
    let limits = ShardLimits { shadow, ..ShardLimits::default() };
    let mut shard = Shard::new(ShardConfig { index: 0, shards: 1, salt: 7, limits, journalled });
    shard.advance(now_ms());
    shard.enter_once(&Epoch::install(release.clone()));
    shard
}

/// Returns a node with a release in it.
///
/// # Errors
///
/// When it refuses the release, or its journal fails.
pub fn installed(
    journal: Box<dyn Journal>,
    shards: u16,
    release: &Arc<Release>,
    bundle: &[u8],
) -> Result<Node> {
    let mut node = open(journal, shards)?;
    node.install(&asked(), release.clone(), bundle).map_err(of_node)?;
    Ok(node)
}

/// Returns who asks for what is done to a node that is measured.
pub fn asked() -> Asked {
    Asked { who: "bench".to_owned(), now_ms: now_ms() }
}

/// Opens a node as an agent does.
///
/// # Errors
///
/// When its journal fails.
pub fn open(journal: Box<dyn Journal>, shards: u16) -> Result<Node> {
    let opener =
        |bytes: &[u8], entry: &_| stage_kept(bytes, entry).map(Arc::new).map_err(|error| error.to_string());
    let settings = Settings { shards, salt: 7, limits: ShardLimits::default() };
    Ok(Node::open(journal, Box::new(opener), settings, now_ms())?)
}

/// Returns what a node says when it does not do something.
pub fn of_node(error: NodeError) -> anyhow::Error {
    match error {
        NodeError::Refused(problem) => anyhow!("the node refuses: {}", problem.detail),
        NodeError::Journal(error) => error.into(),
    }
}

/// Returns what time it is, in milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the address of a keyed counter.
///
/// # Panics
///
/// Never: such a key is one.
pub fn tally(number: usize) -> InstanceAddress {
    format!("{TALLY_ADDRESS}/key-{number:08}").parse().expect("it is an address")
}

/// Returns an input of a client that sends no identity and speaks what runs.
pub fn input(address: InstanceAddress, json: &str) -> Input {
    Input { address, json: json.to_owned(), says: Says::Nothing, identity: None, trace: None }
}

/// Gives an input to each of these counters of a node, and makes them durable.
///
/// # Errors
///
/// When the journal fails, or not all are answered.
pub fn fill(node: &mut Node, numbers: impl Iterator<Item = usize>) -> Result<()> {
    let mut count = 0;
    let sync = |node: &mut Node, count: &mut usize| -> Result<()> {
        for shard in 0..node.shards() {
            node.run_shard(usize::from(shard), now_ms());
        }
        node.sync()?;
        ensure!(node.take_answers().len() == *count, "all of them are answered");
        *count = 0;
        Ok(())
    };
    for number in numbers {
        let Input { address, json, says, identity, trace } = input(tally(number), INCR);
        let id = RequestId(number as u64);
        node.request(now_ms(), Request { id, address, json, says, identity, trace });
        count += 1;
        if count == GROUP {
            sync(node, &mut count)?;
        }
    }
    sync(node, &mut count)
}

/// A node whose threads run.
pub struct Rig {
    /// The way to it.
    pub host: Host,
    threads: HostThreads,
}

impl Rig {
    /// Starts the threads of a node.
    ///
    /// # Errors
    ///
    /// When the system gives none.
    pub fn start(node: Node) -> Result<Rig> {
        let (ended, _) = oneshot::channel();
        let (host, threads) = Host::start(node, Arc::new(now_ms), WAITING, ended, None)?;
        Ok(Rig { host, threads })
    }

    /// Has so many callers each give one input after the other to a counter of their own, for some time. Returns
    /// how many were answered.
    ///
    /// # Errors
    ///
    /// When an input is not answered with an output.
    pub fn call_for(&self, callers: usize, time: Duration) -> Result<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            let until = std::time::Instant::now() + time;
            let mut tasks = tokio::task::JoinSet::new();
            for caller in 0..callers {
                let host = self.host.clone();
                tasks.spawn(async move {
                    let address = tally(caller);
                    let mut answered = 0_u64;
                    while std::time::Instant::now() < until {
                        let reply = host.input(input(address.clone(), INCR)).await;
                        expect_ok(&reply.map_err(|problem| anyhow!(problem.detail))?)?;
                        answered += 1;
                    }
                    Ok::<u64, anyhow::Error>(answered)
                });
            }
            let mut answered = 0;
            while let Some(done) = tasks.join_next().await {
                answered += done??;
            }
            Ok(answered)
        })
    }

    /// Ends the threads, after they saved a snapshot.
    ///
    /// # Errors
    ///
    /// When the journal failed.
    pub fn stop(self) -> Result<()> {
        self.host.stop();
        drop(self.host);
        Ok(self.threads.join()?)
    }
}

/// Refuses a reply that is no output.
///
/// # Errors
///
/// When it is none.
pub fn expect_ok(reply: &Reply) -> Result<()> {
    match reply {
        Reply::Answered { answer: Ok(_), .. } => Ok(()),
        other => bail!("an input was not taken: {other:?}"),
    }
}
