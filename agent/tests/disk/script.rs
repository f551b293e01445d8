//! What happens to the node of the matrix, and what its clients know of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use camshaft_agent::api::{HistoryEntry, HistoryKind};
use camshaft_agent::engine::{Identity, Refusal, Reply, Request, RequestId, Trial};
use camshaft_agent::node::{Asked, Holding, Node, NodeError, OpenNodeError};
use camshaft_agent::speech::Says;
use camshaft_store::{FaultyDisk, FolderJournal, LogOptions, StoreError};

use crate::common::World;
use crate::machines::HITS;

/// A step of the script. The numbers are those of the client's requests.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    Install,
    Serve(u64),
    Incr(u64),
    /// An input of a counter that one input since an upgrade keeps from going down.
    Again(u64),
    /// Starts a timer.
    Start(u64),
    /// An input without a name.
    Put,
    /// The time goes on, and what is due fires.
    Later,
    Upgrade,
    /// An upgrade that its check does not pass: a state changes between trial and switch.
    Undone,
    Rollback,
    Permanent,
    Snapshot,
    /// The disk fills up until inputs are refused; then there is space again.
    Full,
    /// Goes on until nothing is left to do.
    Drain,
}

pub const SCRIPT: &[Step] = &[
    Step::Install,
    Step::Incr(1),
    Step::Start(1),
    Step::Serve(1),
    Step::Put,
    Step::Undone,
    Step::Incr(2),
    Step::Later,
    Step::Upgrade,
    Step::Incr(3),
    Step::Again(1),
    Step::Start(2),
    Step::Rollback,
    Step::Incr(4),
    Step::Snapshot,
    Step::Full,
    Step::Upgrade,
    Step::Incr(5),
    Step::Later,
    Step::Again(2),
    Step::Permanent,
    Step::Incr(6),
    Step::Again(3),
    Step::Snapshot,
    Step::Start(3),
    Step::Rollback,
    Step::Upgrade,
    Step::Incr(7),
    Step::Put,
    Step::Snapshot,
    Step::Later,
    Step::Drain,
];

/// What clients of an instance know.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    /// What it counts, of the inputs that were acknowledged.
    sum: i64,
    /// What an input adds that is under way.
    trying: i64,
    /// That input was found to be there, though it was not acknowledged.
    there: bool,
}

/// A script that runs.
pub struct Run<'a> {
    world: &'a World,
    pub disk: FaultyDisk,
    node: Option<Node>,
    now_ms: i64,
    requests: u64,
    known: BTreeMap<&'static str, Known>,
    /// How many inputs that fill the disk were begun.
    filled: u64,
    /// How many hits there were at each switch.
    pub at_switches: Vec<i64>,
    /// How many instances were rewound.
    pub rewound: u64,
}

/// Segments so small that the script goes through several.
fn options() -> LogOptions {
    LogOptions { segment_bytes: 8 << 10, reserve_bytes: 2 << 10, identity: Some(7), ..LogOptions::default() }
}

/// Ends a step that failed with the journal; any refusal is a fault of the test.
fn cut<T>(result: Result<T, NodeError>) -> Result<T, StoreError> {
    match result {
        Ok(value) => Ok(value),
        Err(NodeError::Journal(error)) => Err(error),
        Err(NodeError::Refused(problem)) => panic!("{}: {}", problem.code, problem.detail),
    }
}

impl<'a> Run<'a> {
    pub fn new(world: &'a World, disk: FaultyDisk) -> Run<'a> {
        let counters = ["again/counter", "counter/counter", "frail/counter"];
        let known = counters.into_iter().chain(["game/player", "pile/heap", "time/clock"]);
        let known = known.into_iter().map(|address| (address, Known::default())).collect();
        Run {
            world,
            disk,
            node: None,
            now_ms: 0,
            requests: 0,
            known,
            filled: 0,
            at_switches: vec![],
            rewound: 0,
        }
    }

    /// Starts the node on what is on the disk.
    pub fn open(&mut self) -> Result<(), StoreError> {
        self.node = None;
        let (journal, _) = FolderJournal::on(Arc::new(self.disk.clone()), options())?;
        match self.world.open(journal, self.now_ms) {
            Ok(opened) => {
                self.node = Some(opened.node);
                Ok(())
            }
            Err(OpenNodeError::Journal(error)) => Err(error),
            Err(other) => panic!("{other}: {:?}", std::error::Error::source(&other)),
        }
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("it was opened")
    }

    fn asked(&self) -> Asked {
        Asked { who: "test".to_owned(), now_ms: self.now_ms }
    }

    /// Returns the version that runs.
    pub fn running(&mut self) -> String {
        let Some(node) = &mut self.node else { return String::new() };
        node.status().expect("the node is here").running.map_or_else(String::new, |release| release.version)
    }

    /// Goes on, one group at a time, so that messages are in flight at the next step of the script.
    fn pass(&mut self) -> Result<(), StoreError> {
        let now_ms = self.now_ms;
        self.node().run(now_ms)
    }

    fn drain(&mut self) -> Result<(), StoreError> {
        self.pass()?;
        while self.node().has_work() {
            self.pass()?;
        }
        Ok(())
    }

    /// Sends an input; returns nothing when it waits for room on the disk.
    fn offer(
        &mut self,
        address: &str,
        json: &str,
        identity: Option<(&str, u64)>,
    ) -> Result<Option<Reply>, StoreError> {
        self.requests += 1;
        let request = Request {
            id: RequestId(self.requests),
            address: address.parse().expect("an address"),
            json: json.to_owned(),
            says: Says::Running,
            identity: identity.map(|(sender, seq)| Identity::Client { sender: sender.into(), seq }),
            trace: None,
        };
        let now_ms = self.now_ms;
        self.node().request(now_ms, request);
        loop {
            // An answer that is given away may have left, whatever fails then.
            let passed = self.pass();
            if let Some(reply) = self.answer() {
                return Ok(Some(reply));
            }
            passed?;
            if self.is_full() {
                return Ok(None);
            }
        }
    }

    fn is_full(&mut self) -> bool {
        self.node().status().expect("the node is here").disk_full
    }

    /// Returns the answer to the last request.
    fn answer(&mut self) -> Option<Reply> {
        let last = RequestId(self.requests);
        self.node().take_answers().into_iter().find(|(id, _)| *id == last).map(|(_, reply)| reply)
    }

    /// Begins an input that adds so much to what its instance counts.
    fn begin(&mut self, address: &'static str, by: i64) {
        self.known.get_mut(address).expect("it is known").trying = by;
    }

    /// Ends it: it was acknowledged.
    fn end(&mut self, address: &'static str, reply: &Reply) {
        let known = self.known.get_mut(address).expect("it is known");
        let Reply::Answered { answer: Ok(json), repeated, .. } = reply else {
            panic!("{address}: {reply:?}")
        };
        assert_eq!(json, "\"Ok\"", "{address}");
        assert_eq!(*repeated, known.there, "{address}: an input is repeated if and only if it is there");
        *known = Known { sum: known.sum + known.trying, trying: 0, there: false };
    }

    fn done(
        &mut self,
        address: &'static str,
        by: i64,
        json: &str,
        identity: Option<(&str, u64)>,
    ) -> Result<(), StoreError> {
        self.begin(address, by);
        let reply = self.offer(address, json, identity)?;
        self.end(address, &reply.expect("there is room"));
        Ok(())
    }

    /// Does a step, from its beginning or again. An input without a name that broke off is not sent again.
    pub fn go(&mut self, step: Step, again: bool) -> Result<(), StoreError> {
        let asked = self.asked();
        match step {
            Step::Install => {
                if self.running().is_empty() {
                    let release = self.world.release("1.0.0");
                    cut(self.node().install(&asked, release, b"1.0.0"))?;
                }
            }
            Step::Serve(number) => self.done("game/player", 1, "\"Serve\"", Some(("guest", number)))?,
            Step::Incr(number) => self.done("counter/counter", 1, "\"Incr\"", Some(("client", number)))?,
            Step::Again(number) => self.done("again/counter", 1, "\"Incr\"", Some(("again", number)))?,
            Step::Start(number) => {
                let json = format!(r#"{{"Start":{{"name":"t{number}"}}}}"#);
                self.done("time/clock", 1, &json, Some(("starter", number)))?;
            }
            Step::Put if again => self.give_up("pile/heap"),
            Step::Put => self.done("pile/heap", 1, r#"{"Put":"x"}"#, None)?,
            Step::Later => {
                self.now_ms += 10;
                self.pass()?;
            }
            Step::Upgrade => self.upgrade(&asked)?,
            Step::Undone => self.undone(&asked)?,
            Step::Rollback => self.rollback(&asked)?,
            Step::Permanent => match self.node().make_permanent(&asked) {
                Err(NodeError::Refused(problem)) if problem.code == "not-provisional" && again => {}
                result => {
                    cut(result)?;
                }
            },
            Step::Snapshot => cut(self.node().save_snapshot())?,
            Step::Full => self.full()?,
            Step::Drain => self.drain()?,
        }
        Ok(())
    }

    /// Leaves an input as it was found.
    fn give_up(&mut self, address: &'static str) {
        let known = self.known.get_mut(address).expect("it is known");
        let sum = known.sum + if known.there { known.trying } else { 0 };
        *known = Known { sum, ..Known::default() };
    }

    fn trial_up(&mut self) -> Result<Trial, StoreError> {
        let release = self.world.release("2.0.0");
        let plan = self.node().plan_upgrade(&release).expect("a plan");
        cut(self.node().try_all(plan))
    }

    fn upgrade(&mut self, asked: &Asked) -> Result<(), StoreError> {
        // A crash during the check leaves the new release, and the check is made at the start.
        if self.running() == "2.0.0" {
            return Ok(());
        }
        let hits = self.count("game/player", "Hits")?;
        let trial = self.trial_up()?;
        cut(self.node().upgrade(asked, trial, b"2.0.0", &[]))?;
        cut(self.node().settle_check(asked, Ok(())))?;
        self.at_switches.push(hits);
        Ok(())
    }

    fn rollback(&mut self, asked: &Asked) -> Result<(), StoreError> {
        if self.running() == "1.0.0" {
            return Ok(());
        }
        let hits = self.count("game/player", "Hits")?;
        let plan = self.node().plan_rollback().expect("a plan");
        let trial = cut(self.node().try_all(plan))?;
        let report = cut(self.node().rollback(asked, trial, Holding::Refuse))?;
        self.rewound += report.rollback.expect("counts").rewound;
        self.at_switches.push(hits);
        Ok(())
    }

    fn undone(&mut self, asked: &Asked) -> Result<(), StoreError> {
        assert_eq!(self.running(), "1.0.0", "whatever was begun was undone");
        let back = r#"{"Add":{"by":-13}}"#;
        let tried = |entry: &HistoryEntry| matches!(entry.what, HistoryKind::Undone | HistoryKind::Refused);
        if self.node().history().entries.iter().any(tried) {
            // The step broke off behind it; a state that is thirteen no more would pass.
            return self.done("frail/counter", -13, back, Some(("frail", 2)));
        }
        let trial = self.trial_up()?;
        if self.known["frail/counter"].sum == 0 {
            self.done("frail/counter", 13, r#"{"Add":{"by":13}}"#, Some(("frail", 1)))?;
        }
        let upgraded = self.node().upgrade(asked, trial, b"2.0.0", &[]);
        let upgraded = upgraded.and_then(|_| self.node().settle_check(asked, Ok(())));
        match upgraded {
            // The second is what an attempt after the first meets: the state has changed before its trial.
            Err(NodeError::Refused(problem))
                if ["undone", "trial-failed"].contains(&problem.code.as_str()) => {}
            Err(NodeError::Journal(error)) => return Err(error),
            other => panic!("thirteen is not a state of 2.0.0: {other:?}"),
        }
        self.done("frail/counter", -13, back, Some(("frail", 2)))
    }

    fn full(&mut self) -> Result<(), StoreError> {
        self.disk.set_quota(Some(self.disk.used()));
        let json = format!(r#"{{"Put":"{}"}}"#, "x".repeat(700));
        loop {
            self.filled += u64::from(self.known["pile/heap"].trying == 0);
            assert!(self.filled < 100, "the disk is full some time");
            self.begin("pile/heap", 1);
            match self.offer("pile/heap", &json, Some(("full", self.filled)))? {
                // It was taken in when there still was room for smaller ones, and waits for room of its size.
                None => break,
                Some(Reply::Refused(Refusal::DiskFull)) => {
                    // What changes nothing is answered.
                    self.count("pile/heap", "Read")?;
                    break;
                }
                Some(reply) => self.end("pile/heap", &reply),
            }
        }
        self.disk.set_quota(None);
        self.pass()?;
        assert!(!self.is_full(), "there is room again");
        // An input that waited is not repeated by what asks for it again.
        if let Some(reply) = self.answer() {
            self.end("pile/heap", &reply);
            return Ok(());
        }
        self.done("pile/heap", 1, &json, Some(("full", self.filled)))
    }

    fn count(&mut self, address: &str, what: &str) -> Result<i64, StoreError> {
        match self.offer(address, &format!("\"{what}\""), None)? {
            Some(Reply::Answered { answer: Ok(json), .. }) => {
                let number = json.strip_prefix("{\"Count\":").and_then(|rest| rest.strip_suffix('}'));
                let number = number.and_then(|number| number.parse().ok());
                Ok(number.unwrap_or_else(|| panic!("no count in {json}")))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Looks, after a start, that each input that was acknowledged is there, and the one that was not is there
    /// or not; and that the release that is said to run is the one that runs.
    pub fn look(&mut self) -> Result<(), StoreError> {
        let running = self.running();
        if running.is_empty() {
            return Ok(());
        }
        for address in ["again/counter", "counter/counter", "frail/counter"] {
            let both = self.offer(address, "\"Both\"", None)?;
            let new = matches!(both, Some(Reply::Answered { answer: Ok(_), .. }));
            assert_eq!(new, running == "2.0.0", "{address} under {running}: {both:?}");
        }
        for address in self.known.keys().copied().collect::<Vec<_>>() {
            let count = self.count(address, "Read")?;
            let known = self.known.get_mut(address).expect("it is known");
            let Known { sum, trying, .. } = *known;
            assert!(
                count == sum || count == sum + trying,
                "{address}: {count}, not {sum} and maybe {trying}"
            );
            known.there = trying != 0 && count != sum;
        }
        Ok(())
    }

    /// Compares everything with the plain expectation, when nothing is left to do.
    pub fn audit(&mut self) -> Result<(), StoreError> {
        self.look()?;
        self.drain()?;
        assert_eq!(self.running(), "2.0.0");
        for (address, known) in &self.known {
            assert_eq!(known.trying, 0, "{address}: the script ended");
        }
        assert_eq!(self.known["counter/counter"].sum, 7);
        assert_eq!(self.known["again/counter"].sum, 3);
        assert_eq!(self.count("time/clock", "Fired")?, 3);
        assert_eq!(self.count("game/player", "Hits")?, HITS);
        assert_eq!(self.count("game/player", "Wrong")?, 0);
        Ok(())
    }
}
