//! Opening a node: the newest state snapshot, and a replay of all that came after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::name::NameError;
use camshaft_manifests::{AppName, InstanceAddress};
use camshaft_store::{
    Aside, ClientSeen, Control, Direction, Entry, HeldBefore, Journal, Record, ReleaseEntry, Saved,
    StoreError,
};

use super::attempts::Attempts;
use super::crew::{Crew, Here};
use super::order::by_switch;
use super::owed::unless_undone;
use super::watch::Holds;
use super::{Asked, Ledger, Node, NodeError};
use crate::engine::{
    Epoch, LoadError, Memos, Plan, PlanError, ReplayError, Seen, Shard, ShardConfig, ShardLimits, Way,
    shard_of,
};
use crate::release::Release;

/// Makes a release of the bytes of its bundle: everything in it is verified. Nodes may share one.
pub type Opener = dyn Fn(&[u8], &ReleaseEntry) -> Result<Arc<Release>, String> + Send;

/// What a node is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many shards it has.
    pub shards: u16,
    /// Makes the seeds of its steps differ from those of another node.
    pub salt: u64,
    /// What bounds a shard.
    pub limits: ShardLimits,
}

impl Settings {
    /// Returns those of a node in one shard.
    pub fn one(salt: u64) -> Settings {
        Settings { shards: 1, salt, limits: ShardLimits::default() }
    }
}

/// Why a node cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenNodeError {
    /// The journal.
    #[error("the journal cannot be read")]
    Journal(#[from] StoreError),
    /// A bundle that the journal names.
    #[error("the bundle of {name} {version} cannot be used: {reason}")]
    Bundle {
        /// The release.
        name: String,
        /// Its version.
        version: String,
        /// The reason.
        reason: String,
    },
    /// The snapshot.
    #[error("the snapshot cannot be used")]
    Snapshot(#[from] LoadError),
    /// A record that does not follow from those before it.
    #[error("the journal contradicts itself")]
    Replay(#[from] ReplayError),
    /// A switch that the journal has and that cannot be made again.
    #[error("switch {number} cannot be made again")]
    Switch {
        /// Its number.
        number: u64,
        /// The reason.
        #[source]
        source: PlanError,
    },
    /// Records that cannot be.
    #[error("the journal contradicts itself: {0}")]
    Ledger(&'static str),
    /// The checks of an unfinished upgrade could not be ended.
    #[error("the last upgrade cannot be settled: {0}")]
    Unsettled(String),
}

/// What is known while a journal is read.
#[derive(Default)]
pub(super) struct Reading {
    /// The switches by number, as far as they may be gone over.
    epochs: BTreeMap<u64, Arc<Epoch>>,
    pub(super) clients: Seen,
    /// The greatest cut of a chunk.
    cut: u64,
    pub(super) holds: Holds,
}

impl Node {
    /// Opens the node of a journal: its newest snapshot, then all records after it. An upgrade
    /// that was switched and not yet checked is checked now, and undone if it does not pass.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read or contradicts itself. Nothing is guessed.
    pub fn open(
        journal: Box<dyn Journal>,
        opener: Box<Opener>,
        settings: Settings,
        now_ms: i64,
    ) -> Result<Node, OpenNodeError> {
        let mut node = Node::empty(journal, opener, settings);
        let attempts = Attempts::begin(&mut *node.here().journal)?;
        let mut reading = Reading::default();
        reading.holds.attempts = attempts;
        let number = node.load_snapshot(&mut reading)?;
        node.replay_all(number, &mut reading)?;
        node.finish(reading, now_ms)?;
        Ok(node)
    }

    /// Returns a node of which nothing is known yet.
    pub(super) fn empty(journal: Box<dyn Journal>, opener: Box<Opener>, settings: Settings) -> Node {
        let shard = |index| {
            Shard::new(ShardConfig {
                index,
                shards: settings.shards,
                salt: settings.salt,
                limits: settings.limits,
                journalled: true,
            })
        };
        let shards: Vec<Shard> = (0..settings.shards.max(1)).map(shard).collect();
        Node {
            crew: Crew::Here(Box::new(Here::new(shards, journal))),
            opener,
            ledger: Ledger::default(),
            release: None,
            epoch: None,
            previous: None,
            controls: vec![],
            now_ms: 0,
            cut: 0,
            newest: 0,
            handing: false,
            covered: 0,
            covered_before: 0,
            saving: None,
            owed: None,
            saved: 0,
            last_pause_us: None,
            troubled: 0,
            policy: None,
            life: None,
            ended: 0,
            put_off_ms: None,
            flawed: None,
            sample_large_ms: i64::MIN,
            trials: 0,
            health: Default::default(),
            watched: None,
        }
    }

    /// Loads the newest snapshot; returns its number, 0 when there is none.
    pub(super) fn load_snapshot(&mut self, reading: &mut Reading) -> Result<u64, OpenNodeError> {
        let mut entries: Vec<Saved> = vec![];
        let shown = self.here().journal.snapshot(&mut |_, bytes| {
            let saved = Saved::read(bytes).map_err(|source| StoreError::Codec {
                what: "an entry of the snapshot".to_owned(),
                source,
            })?;
            entries.push(saved);
            Ok(())
        })?;
        let Some(shown) = shown else { return Ok(0) };
        let number = shown.number;
        self.newest = number;
        reading.cut = number;
        if let Some((damaged, reason)) = shown.damaged {
            tracing::error!(
                damaged,
                reason,
                "the newest state snapshot is damaged; the one before it and all records since are used"
            );
            reading.cut = damaged;
        }
        for shard in &mut self.here().shards {
            shard.set_cut(number);
        }
        let mut entries = entries.into_iter();
        let Some(Saved::Node(head)) = entries.next() else {
            return Err(OpenNodeError::Ledger("a snapshot that does not say of which node it is"));
        };
        self.covered = head.position;
        for (_, control) in &head.controls {
            self.ledger.apply(control);
        }
        self.controls = head.controls;
        let homes = head.homes.iter().map(|(app, home)| Ok((app.parse()?, home.parse()?)));
        let homes: Result<BTreeMap<AppName, AppName>, NameError> = homes.collect();
        let homes = homes.map_err(|_| OpenNodeError::Ledger("a snapshot with names that are none"))?;
        let epoch = self.resume(homes)?;
        // Records of its switch are found in the shards that it says.
        reading.epochs.insert(epoch.number, epoch);
        self.load_entries(entries, reading)?;
        Ok(number)
    }

    /// Makes the release run that the ledger says runs.
    pub(super) fn resume(&mut self, homes: BTreeMap<AppName, AppName>) -> Result<Arc<Epoch>, OpenNodeError> {
        let running = self.ledger.running().cloned();
        let running = running.ok_or(OpenNodeError::Ledger("a snapshot of an empty node"))?;
        let release = self.load_release(&running)?;
        self.release = Some(release.clone());
        if let (true, Some(previous)) = (self.ledger.provisional, self.ledger.previous().cloned()) {
            self.previous = Some(self.load_release(&previous)?);
        }
        let left = self.ledger.left.clone().map(|left| self.load_release(&left)).transpose()?;
        let number = self.ledger.switch;
        let road = self.road()?;
        let homes = Arc::new(homes);
        let epoch = Arc::new(Epoch { number, release, plan: None, homes, memos: Memos::default() });
        self.epoch = Some(epoch.clone());
        for shard in &mut self.here().shards {
            shard.resume(&epoch, &road, left.clone());
        }
        Ok(epoch)
    }

    /// Returns the switches that instances may have yet to go over, and which of them led to a release that
    /// was made permanent.
    fn road(&mut self) -> Result<Vec<(Arc<Epoch>, bool)>, OpenNodeError> {
        let mut road: Vec<(Arc<Epoch>, bool)> = vec![];
        let mut last: Option<Arc<Release>> = None;
        for (_, control) in self.controls.clone() {
            match control {
                Control::Switch { number, from, to, direction, relup, .. } if number > self.ledger.swept => {
                    let from = match last.take().filter(|last| last.entry == from) {
                        Some(from) => from,
                        None => self.load_release(&from)?,
                    };
                    let plan = self.plan_of((&from, &to), direction, relup, number)?;
                    last = Some(plan.to.clone());
                    road.push((Arc::new(Epoch::of(Arc::new(plan), number, &BTreeMap::new())), false));
                }
                Control::Permanent { switch, .. } => {
                    if let Some((epoch, permanent)) = road.last_mut()
                        && epoch.number == switch
                    {
                        *permanent = true;
                    }
                }
                _ => {}
            }
        }
        Ok(road)
    }

    /// Returns the plan of a switch that the journal has.
    fn plan_of(
        &mut self,
        (from, to): (&Arc<Release>, &ReleaseEntry),
        direction: Direction,
        relup: Digest,
        number: u64,
    ) -> Result<Plan, OpenNodeError> {
        let to = self.load_release(to)?;
        let way = match direction {
            Direction::Up => Way::Up,
            Direction::Down | Direction::Undo => Way::Down,
        };
        let (newer, older) = match way {
            Way::Up => (&to, from),
            Way::Down => (from, &to),
        };
        let mut relups = newer.relups.iter();
        let found = relups.find(|(digest, of)| *digest == relup && of.from.digest == older.entry.digest);
        let (digest, found) = found.ok_or(OpenNodeError::Ledger("a switch by a relup that no bundle has"))?;
        Plan::new(from, &to, way, (digest, found)).map_err(|source| OpenNodeError::Switch { number, source })
    }

    pub(super) fn load_entries(
        &mut self,
        entries: impl Iterator<Item = Saved>,
        reading: &mut Reading,
    ) -> Result<(), OpenNodeError> {
        let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
        let shards = &mut self.here().shards;
        let count = u16::try_from(shards.len()).expect("a node has few shards");
        let of = |address: &str| {
            let address: Option<InstanceAddress> = address.parse().ok();
            usize::from(address.map_or(0, |address| shard_of(&homes, count, &address)))
        };
        let mut on_their_way = vec![];
        for saved in entries {
            match saved {
                Saved::Lane(lane) => {
                    for shard in shards.iter_mut() {
                        shard.load_lane(&lane);
                    }
                    reading.clients.add(&lane.clients);
                }
                Saved::Instance(saved) => {
                    shards[of(&saved.address)].load(saved)?;
                }
                Saved::Mail(mail) => on_their_way.push(mail),
                Saved::End { .. } => {}
                Saved::Node(_) => return Err(OpenNodeError::Ledger("a snapshot of two nodes")),
            }
        }
        for shard in shards.iter_mut() {
            shard.loaded();
        }
        for mail in on_their_way {
            shards[of(&mail.to)].load_mail(mail)?;
        }
        Ok(())
    }

    /// Replays what the snapshot does not cover.
    pub(super) fn replay_all(&mut self, number: u64, reading: &mut Reading) -> Result<(), OpenNodeError> {
        let known = self.controls.last().map_or(0, |(position, _)| *position);
        let from = self.covered + 1;
        let mut records: Vec<(u64, Record)> = vec![];
        self.here().journal.read(from, &mut |entry: Entry<'_>| {
            // Control records carry the greatest cut: they are covered by position.
            let is_control = entry.cut == u64::MAX;
            if (!is_control && entry.cut < number) || (is_control && entry.position <= known) {
                return Ok(());
            }
            if !is_control {
                reading.cut = reading.cut.max(entry.cut);
            }
            let record = Record::read(entry.bytes)
                .map_err(|source| StoreError::Codec { what: format!("record {}", entry.position), source })?;
            records.push((entry.position, record));
            Ok(())
        })?;
        self.replay_records(&by_switch(records, self.ledger.switch), reading)
    }

    /// Replays records in order. The position of a control record is that in the journal.
    pub(super) fn replay_records(
        &mut self,
        records: &[(u64, Record)],
        reading: &mut Reading,
    ) -> Result<(), OpenNodeError> {
        reading.holds.learn(records);
        for (position, record) in records {
            match record {
                Record::Input(input) => {
                    let shard = self.shard_in(&input.instance, input.switch, reading)?;
                    self.hold_before_input(shard, *position, input, reading);
                    let divergence = self.here().shards[shard].replay(input)?;
                    if let Some(divergence) = divergence {
                        reading.holds.differs(*position, divergence);
                    }
                    self.pass_on(shard, reading);
                }
                Record::Aside(Aside::Clients(seen)) => reading.clients.add(seen),
                Record::Aside(aside) => {
                    let (instance, switch) = of_aside(aside);
                    let shard = self.shard_in(instance, switch, reading)?;
                    if let Some(aside) = self.survived(shard, *position, aside, reading) {
                        self.here().shards[shard].replay_aside(&aside)?;
                    }
                    self.pass_on(shard, reading);
                }
                Record::Control(control) => {
                    self.replay_control(control, reading)?;
                    self.ledger.apply(control);
                    self.controls.push((*position, control.clone()));
                }
            }
        }
        Ok(())
    }

    /// Returns the shard of an instance, which has gone over the switch of its record.
    fn shard_in(
        &mut self,
        instance: &str,
        switch: u64,
        reading: &mut Reading,
    ) -> Result<usize, OpenNodeError> {
        let address: Result<InstanceAddress, _> = instance.parse();
        let address =
            address.map_err(|_| OpenNodeError::Ledger("a record of an instance without address"))?;
        let homes = match reading.epochs.get(&switch) {
            Some(epoch) => epoch.homes.clone(),
            None => Arc::default(),
        };
        let shard = usize::from(shard_of(&homes, self.crew.shards(), &address));
        self.enter_up_to(shard, switch, reading);
        Ok(shard)
    }

    fn enter_up_to(&mut self, shard: usize, switch: u64, reading: &mut Reading) {
        let here = self.here();
        let shard = &mut here.shards[shard];
        let from = shard.switch_number() + 1;
        for (number, epoch) in reading.epochs.range(from..).take_while(|(number, _)| **number <= switch) {
            let mut watch = reading.holds.over(&mut *here.journal, *number);
            shard.enter_watched(epoch, &mut watch);
        }
    }

    /// Gives the messages that came out of a shard to those that they are for.
    fn pass_on(&mut self, shard: usize, reading: &mut Reading) {
        // The records and calls are known already.
        for posted in self.here().shards[shard].take_out().mail {
            let to = usize::from(posted.shard);
            self.enter_up_to(to, posted.switch, reading);
            self.here().shards[to].receive(posted);
        }
    }

    fn replay_control(&mut self, control: &Control, reading: &mut Reading) -> Result<(), OpenNodeError> {
        match control {
            Control::Installed { stamp, release } => {
                self.now_ms = self.now_ms.max(stamp.at_ms);
                for shard in &mut self.here().shards {
                    shard.advance(stamp.at_ms);
                }
                let release = self.load_release(release)?;
                self.known_epoch(Epoch::install(release), reading);
            }
            Control::Switch { number, to, direction, relup, .. } => {
                let from = self.release.clone();
                let from = from.ok_or(OpenNodeError::Ledger("a switch on an empty node"))?;
                let plan = self.plan_of((&from, to), *direction, *relup, *number)?;
                let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
                self.previous = (plan.way == Way::Up).then_some(from);
                self.known_epoch(Epoch::of(Arc::new(plan), *number, &homes), reading);
            }
            Control::Permanent { .. } => {
                self.enter_all(reading);
                for shard in &mut self.here().shards {
                    shard.make_permanent();
                }
            }
            Control::RecoveryHeld { instance, before: HeldBefore::Rest, reason, .. } => {
                self.enter_all(reading);
                self.hold_the_rest(instance, reason)?;
            }
            Control::Swept { switch } => {
                self.enter_all(reading);
                let here = self.here();
                for shard in &mut here.shards {
                    shard.sweep_all(&mut reading.holds.over(&mut *here.journal, *switch));
                    shard.forget_road(*switch);
                }
            }
            Control::RecoveryHeld { .. }
            | Control::CheckPassed { .. }
            | Control::MayHold { .. }
            | Control::Counted { .. }
            | Control::Probation(_)
            | Control::ProbationResumed { .. }
            | Control::Returned { .. }
            | Control::Removed { .. }
            | Control::CheckFailed { .. }
            | Control::InstanceHeld { .. }
            | Control::InstanceReset { .. }
            | Control::Health { .. }
            | Control::Redriven { .. }
            | Control::TakenOver { .. }
            | Control::ClientsDropped { .. }
            | Control::Refused(_) => {}
        }
        Ok(())
    }

    fn known_epoch(&mut self, epoch: Epoch, reading: &mut Reading) {
        let epoch = Arc::new(epoch);
        self.release = Some(epoch.release.clone());
        self.epoch = Some(epoch.clone());
        reading.epochs.insert(epoch.number, epoch);
    }

    /// Lets every shard go over all switches that are known.
    fn enter_all(&mut self, reading: &mut Reading) {
        for shard in 0..self.here().shards.len() {
            self.enter_up_to(shard, u64::MAX, reading);
        }
        for shard in 0..self.here().shards.len() {
            self.pass_on(shard, reading);
        }
    }

    /// Ends what the last life of the agent left open.
    pub(super) fn finish(&mut self, mut reading: Reading, now_ms: i64) -> Result<(), OpenNodeError> {
        self.enter_all(&mut reading);
        let lived_ms = self.lived_until();
        // A cut that was begun and not finished is not begun again under the same number.
        self.cut = reading.cut;
        for (index, shard) in self.here().shards.iter_mut().enumerate() {
            shard.set_cut(reading.cut);
            shard.set_seen(if index == 0 { reading.clients.clone() } else { Seen::default() });
        }
        self.advance(now_ms).map_err(stopped)?;
        self.remove_leftovers().map_err(stopped)?;
        self.here().calls = self.here().shards.iter().flat_map(Shard::outstanding_calls).collect();
        self.settle(&mut reading).map_err(stopped)?;
        self.resume_probation(lived_ms, &mut reading.holds.attempts).map_err(stopped)?;
        let attempts = &mut reading.holds.attempts;
        self.deliver_first(attempts).map_err(stopped)?;
        self.end_or_watch(attempts);
        Ok(())
    }

    fn settle(&mut self, reading: &mut Reading) -> Result<(), NodeError> {
        let asked = Asked { who: super::AGENT.to_owned(), now_ms: self.now_ms };
        self.tell_holds(reading, &asked)?;
        if self.ledger.unchecked.is_none() {
            return Ok(());
        }
        self.apply_first(&mut reading.holds.attempts)?;
        let settled = self.settle_check(&asked, Ok(()));
        unless_undone(settled.map(drop))
    }

    /// Returns a release that the journal names, from memory or from its bundle.
    pub(super) fn load_release(&mut self, entry: &ReleaseEntry) -> Result<Arc<Release>, OpenNodeError> {
        let loaded = [self.release.as_ref(), self.previous.as_ref()];
        if let Some(release) = loaded.into_iter().flatten().find(|release| release.entry == *entry) {
            return Ok(release.clone());
        }
        let failed = |reason: String| OpenNodeError::Bundle {
            name: entry.name.clone(),
            version: entry.version.clone(),
            reason,
        };
        let bytes = self
            .crew
            .blob(entry.archive)
            .map_err(|error| OpenNodeError::Journal(super::store_error(error)))?;
        let bytes = bytes.ok_or_else(|| failed("it is not kept".to_owned()))?;
        (self.opener)(&bytes, entry).map_err(failed)
    }

    /// Returns what was seen of clients in all shards.
    pub(super) fn seen(&mut self) -> Result<Vec<ClientSeen>, NodeError> {
        let mut all = Seen::default();
        for seen in self.crew.each(|shard| shard.seen().list())? {
            all.add(&seen);
        }
        Ok(all.list())
    }
}

/// Returns why a node cannot be opened when it stops before it began.
pub(super) fn stopped(error: NodeError) -> OpenNodeError {
    match error {
        NodeError::Journal(error) => OpenNodeError::Journal(error),
        NodeError::Refused(problem) => OpenNodeError::Unsettled(problem.detail),
    }
}

/// Returns the instance that a record which is no input is of, and the switch in force.
fn of_aside(aside: &Aside) -> (&str, u64) {
    match aside {
        Aside::Cared { switch, deeds, .. } => (deeds.first().map_or("", |deed| &deed.instance), *switch),
        Aside::Called { instance, switch, .. }
        | Aside::Redriven { instance, switch, .. }
        | Aside::Dropped { instance, switch, .. }
        | Aside::Settled { instance, switch } => (instance, *switch),
        Aside::Clients(_) => ("", 0),
    }
}
