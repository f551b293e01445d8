//! Cutting the power at every write of a run, before and after it is durable.
//!
//! A script of inputs, upgrades and rollbacks runs on a journal that fails at write number N. The
//! node is opened anew from what was durable by then, and the script goes on where it broke off:
//! an input that was not acknowledged is sent again under its identity, a command that did not
//! end is given again unless it turns out to be done. In the end every input was applied once.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use camshaft_agent::engine::{Identity, Reply, Request, RequestId, Trial};
use camshaft_agent::node::{Asked, Holding, Node, NodeError};
use camshaft_agent::speech::Says;
use camshaft_cam::digest::Digest;
use camshaft_store::{
    AppendError, Chunk, Class, Job, Journal, MemoryJournal, ShownSnapshot, SnapshotWriter, StoreError, Visit,
    VisitSaved,
};
use common::{COUNTER_1, COUNTER_2, World, make};

/// A journal that fails at a certain write, and at all that follow.
struct Cut {
    disk: MemoryJournal,
    writes: Arc<AtomicU64>,
    fails_at: u64,
    /// True when the write that fails is durable all the same.
    durable: bool,
}

impl Cut {
    fn write<T>(&mut self, write: impl FnOnce(&mut MemoryJournal) -> T) -> Result<T, StoreError> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if number > self.fails_at || (number == self.fails_at && !self.durable) {
            return Err(StoreError::Told);
        }
        let done = write(&mut self.disk);
        if number == self.fails_at { Err(StoreError::Told) } else { Ok(done) }
    }
}

impl Journal for Cut {
    fn append(&mut self, chunks: &[Chunk], class: Class) -> Result<u64, AppendError> {
        self.write(|disk| disk.append(chunks, class)).map_err(AppendError::Failed)?
    }
    fn last(&self) -> u64 {
        self.disk.last()
    }
    fn read(&self, from: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.disk.read(from, visit)
    }
    fn let_go(&mut self, below: u64) -> Result<(), StoreError> {
        self.write(|disk| disk.let_go(below))?
    }
    fn has_room(&self) -> bool {
        self.disk.has_room()
    }
    fn make_room(&mut self) -> Result<bool, StoreError> {
        self.disk.make_room()
    }
    fn chore(&mut self) -> Option<Job> {
        None
    }
    fn begin_snapshot(&self, number: u64, from: u64) -> Result<Box<dyn SnapshotWriter>, StoreError> {
        let (disk, writes) = (self.disk.clone(), self.writes.clone());
        let (fails_at, durable) = (self.fails_at, self.durable);
        let inner = self.disk.begin_snapshot(number, from)?;
        Ok(Box::new(CutSnapshot { inner, cut: Cut { disk, writes, fails_at, durable } }))
    }
    fn snapshot(&self, visit: &mut VisitSaved<'_>) -> Result<Option<ShownSnapshot>, StoreError> {
        self.disk.snapshot(visit)
    }
    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.write(|disk| disk.put_blob(bytes))?
    }
    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.blob(digest)
    }
    fn notes(&self) -> Result<Vec<u8>, StoreError> {
        self.disk.notes()
    }
    fn note(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.disk.note(bytes)
    }
}

/// A snapshot whose end may fail.
struct CutSnapshot {
    inner: Box<dyn SnapshotWriter>,
    cut: Cut,
}

impl SnapshotWriter for CutSnapshot {
    fn put(&mut self, lane: u16, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.put(lane, bytes)
    }
    fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let CutSnapshot { inner, mut cut } = *self;
        cut.write(|_| inner.finish())?
    }
}

const PLAYER: &str = "machine player
type Message = Hit { number: Int }
type Answer = Back { number: Int }
type State = { hits: Int = 0, wrong: Int = 0 }
type Input = Serve | Read | internal Came { answer: Option(Answer) }
type Output = Ok | State(State)
channel wall = game/wall(Message) -> Came
init = { hits: 0 }
on Serve { send wall Hit { number: state.hits }; (state, Ok) }
on Read => (state, State(state))
on Came { answer } {
  let s = match answer {
    Some(Back { number }) => if number == state.hits { { ..state, hits: state.hits + 1 } } else { { ..state, wrong: state.wrong + 1 } }
    None => { ..state, wrong: state.wrong + 1 }
  }
  if s.hits < 2000 { send wall Hit { number: s.hits }; s } else { s }
}
";

const WALL_1: &str = "machine wall
type Input = Hit { number: Int }
type Output = Back { number: Int }
type State = Int
init = 0
on Hit { number } => (state + 1, Back { number })
";

const WALL_2: &str = "machine wall
type Input = Hit { number: Int, spin: Int = 0 }
type Output = Back { number: Int }
type State = { hits: Int }
init = { hits: 0 }
on Hit { number, spin } => ({ hits: state.hits + 1 + spin }, Back { number })
";

fn world() -> World {
    let one = [("counter/counter", COUNTER_1), ("game/player", PLAYER), ("game/wall", WALL_1)];
    let two = [("counter/counter", COUNTER_2), ("game/player", PLAYER), ("game/wall", WALL_2)];
    let one = make("1.0.0", &one, None, &[]);
    let migrations = [
        ("counter/counter", common::COUNTER_UP),
        (
            "game/wall",
            "migration wall from \"1.0.0\"\nup (old) = { hits: old }\ndown (new) = new.hits\nunlift Hit { number, .. } => Hit { number }\n",
        ),
    ];
    let two = make("2.0.0", &two, Some(&one), &migrations);
    World::of([one, two])
}

/// A step of the script.
#[derive(Debug, Clone, Copy)]
enum Step {
    Install,
    Serve(u64),
    Incr(u64),
    Upgrade,
    Rollback,
    Permanent,
    Snapshot,
    /// Goes on until nothing is left to do.
    Drain,
}

const SCRIPT: &[Step] = &[
    Step::Install,
    Step::Incr(1),
    Step::Serve(2),
    Step::Incr(3),
    Step::Upgrade,
    Step::Incr(4),
    Step::Rollback,
    Step::Incr(5),
    Step::Snapshot,
    Step::Upgrade,
    Step::Incr(6),
    Step::Permanent,
    Step::Incr(7),
    Step::Rollback,
    Step::Upgrade,
    Step::Snapshot,
    Step::Incr(8),
    Step::Drain,
];

const INCREMENTS: u64 = 7;

fn asked() -> Asked {
    Asked { who: "test".to_owned(), now_ms: 0 }
}

/// Ends a step that failed with the journal; any refusal is a fault of the test.
fn cut<T>(result: Result<T, NodeError>) -> Result<T, StoreError> {
    match result {
        Ok(value) => Ok(value),
        Err(NodeError::Journal(error)) => Err(error),
        Err(NodeError::Refused(problem)) => panic!("{}: {}", problem.code, problem.detail),
    }
}

fn send(node: &mut Node, address: &str, json: &str, number: Option<u64>) -> Result<Reply, StoreError> {
    let request = Request {
        id: RequestId(1),
        address: address.parse().expect("an address"),
        json: json.to_owned(),
        says: Says::Running,
        identity: number.map(|seq| Identity::Client { sender: "script".into(), seq }),
        trace: None,
    };
    node.request(0, request);
    loop {
        // One group at a time, so that messages are in flight at the next step of the script.
        node.run(0)?;
        if let Some((_, reply)) = node.take_answers().pop() {
            return Ok(reply);
        }
    }
}

fn go(node: &mut Node, world: &World, step: Step) -> Result<(), StoreError> {
    match step {
        Step::Install => {
            if cut(node.status())?.running.is_none() {
                cut(node.install(&asked(), world.release("1.0.0"), b"1.0.0"))?;
            }
        }
        Step::Serve(number) => {
            send(node, "game/player", "\"Serve\"", Some(number))?;
        }
        Step::Incr(number) => {
            let reply = send(node, "counter/counter", "\"Incr\"", Some(number))?;
            assert!(
                matches!(&reply, Reply::Answered { answer: Ok(json), .. } if json == "\"Ok\""),
                "{reply:?}"
            );
        }
        Step::Upgrade => {
            // A crash during the check leaves the new release, and the check is made at the start.
            if running(node) == "1.0.0" {
                let plan = node.plan_upgrade(&world.release("2.0.0")).expect("a plan");
                let trial = Trial::new(plan.clone(), cut(node.carryable(&plan))?);
                cut(node.upgrade(&asked(), trial, b"2.0.0", &[]))?;
                let checked = cut(node.checks())?.run();
                cut(node.settle_check(&asked(), checked))?;
            }
        }
        Step::Rollback => {
            if running(node) == "2.0.0" {
                let plan = node.plan_rollback().expect("a plan");
                let trial = Trial::new(plan.clone(), cut(node.carryable(&plan))?);
                cut(node.rollback(&asked(), trial, Holding::Refuse))?;
            }
        }
        Step::Permanent => match node.make_permanent(&asked()) {
            Err(NodeError::Refused(problem)) if problem.code == "not-provisional" => {}
            result => {
                cut(result)?;
            }
        },
        Step::Snapshot => cut(node.save_snapshot())?,
        Step::Drain => {
            while node.has_work() {
                node.run(0)?;
            }
        }
    }
    Ok(())
}

fn running(node: &mut Node) -> String {
    node.status().expect("the node is here").running.map_or_else(String::new, |release| release.version)
}

fn open(world: &World, journal: impl Journal + 'static) -> Result<Node, StoreError> {
    world.open(journal, 0).map(|opened| opened.node).map_err(|error| match error {
        camshaft_agent::node::OpenNodeError::Journal(error) => error,
        other => panic!("{other}"),
    })
}

/// Runs the script with a cut at one write, and returns true when the cut came.
fn run(world: &World, fails_at: u64, durable: bool) -> bool {
    let disk = MemoryJournal::default();
    let writes = Arc::new(AtomicU64::new(0));
    let journal = Cut { disk: disk.clone(), writes: writes.clone(), fails_at, durable };
    let mut steps = SCRIPT.iter();
    let mut node = open(world, journal).expect("an empty journal opens");
    let mut broken = None;
    for step in steps.by_ref() {
        if go(&mut node, world, *step).is_err() {
            broken = Some(*step);
            break;
        }
    }
    let came = broken.is_some();
    if let Some(step) = broken {
        let releases = match step {
            Step::Install => ["", "1.0.0"],
            Step::Upgrade | Step::Rollback => ["1.0.0", "2.0.0"],
            _ => ["", ""],
        };
        let before = running(&mut node);
        drop(node);
        node = open(world, disk.clone()).expect("what was durable opens");
        let now = running(&mut node);
        if releases == ["", ""] {
            assert_eq!(now, before, "an input or a snapshot changes no release");
        } else {
            assert!(releases.contains(&now.as_str()), "{step:?}: {now}");
        }
        go(&mut node, world, step).expect("the journal works again");
        for step in steps {
            go(&mut node, world, *step).expect("the journal works again");
        }
    }
    for _ in 0..2 {
        assert_eq!(running(&mut node), "2.0.0");
        let answered =
            |json: String| Reply::Answered { answer: Ok(json), repeated: false, speaks: "2.0.0".into() };
        let counts = answered(format!("{{\"Count\":{INCREMENTS}}}"));
        assert_eq!(send(&mut node, "counter/counter", "\"Read\"", None).expect("read"), counts);
        let state = answered("{\"State\":{\"hits\":2000,\"wrong\":0}}".to_owned());
        assert_eq!(send(&mut node, "game/player", "\"Read\"", None).expect("read"), state);
        // And the same once more from the disk.
        drop(node);
        node = open(world, disk.clone()).expect("open");
    }
    came
}

#[test]
fn a_cut_at_any_write_leaves_one_release_and_every_input_applied_once() {
    let world = world();
    for durable in [false, true] {
        let cuts = (1..).take_while(|fails_at| run(&world, *fails_at, durable)).count();
        assert!(cuts > SCRIPT.len(), "each step writes at least once: {cuts} cuts");
    }
}
