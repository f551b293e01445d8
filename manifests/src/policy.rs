//! How a rollout goes: what `[policy]` of `fleet.toml` says, for all groups or for one.

use std::collections::BTreeSet;
use std::fmt;

use crate::clock::{Offset, TimeOfDay};
use crate::duration::Millis;
use crate::label::LabelKey;
use crate::place::{SystemPath, Url};
use crate::writer::quoted;

mod document;

pub(crate) use document::{GATE_NAME_MAX, read, write};

/// So many nodes, or a share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// A share of a hundred, at most a hundred.
    Percent(u8),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Amount {
    /// Returns how many of `nodes` it is; a share that is not nothing is one node at least.
    pub fn of(self, nodes: usize) -> usize {
        match self {
            Amount::Count(count) => nodes.min(count as usize),
            Amount::Percent(percent) => (nodes * usize::from(percent)).div_ceil(100),
        }
    }

    fn is_nothing(self) -> bool {
        matches!(self, Amount::Count(0) | Amount::Percent(0))
    }

    fn written(self) -> String {
        match self {
            Amount::Count(count) => count.to_string(),
            Amount::Percent(_) => quoted(&self.to_string()),
        }
    }
}

/// What is done when a rollout fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It stops where it is.
    Freeze,
    /// What was upgraded goes back.
    Rollback,
}

/// When a person has to agree before a rollout goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Approval {
    /// Never.
    #[default]
    None,
    /// Before it begins.
    Start,
    /// After the canaries.
    Canary,
    /// Before it begins and after each wave.
    Waves,
}

/// How failure domains are gone through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DomainOrder {
    /// Each wave takes its share of every domain.
    #[default]
    Spread,
    /// A domain is begun when the one before it is done.
    OneByOne,
}

/// The failure domains of the nodes: those with one value of a label fail together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains {
    /// The label.
    pub label: LabelKey,
    /// How they are gone through.
    pub order: DomainOrder,
}

/// How long things may take. Time stands still while a rollout is paused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// One node, from the first command to the end of its probation.
    pub node: Option<Millis>,
    /// One wave.
    pub wave: Option<Millis>,
    /// The way back of one node.
    pub rollback: Option<Millis>,
    /// All of it; then it freezes.
    pub rollout: Option<Millis>,
}

/// What has to hold before a rollout goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// What it is called in plans and reports.
    pub name: String,
    /// What it asks.
    pub asks: Asks,
    /// What is done when there is no answer, or one that says neither.
    pub inconclusive: Inconclusive,
}

/// What a gate asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// At most so many instances are held on the nodes that were upgraded.
    Held(u32),
    /// At most so many messages are parked there.
    Parked(u32),
    /// Something outside, that answers with a status of success.
    Webhook {
        /// Where it is.
        url: Url,
        /// The file with the secret that requests are signed with.
        secret_file: Option<SystemPath>,
        /// How long it may take.
        timeout: Millis,
    },
}

/// What is done when a gate says neither yes nor no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Inconclusive {
    /// The rollout pauses.
    #[default]
    Pause,
    /// It counts as no.
    Fail,
}

/// When nodes may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The days on which it begins; never empty.
    pub days: BTreeSet<Day>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends; on the next day when that is not after `from`.
    pub to: TimeOfDay,
    /// How far its clock is from UTC.
    pub offset: Offset,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// The days as documents write them.
pub const DAYS: [(&str, Day); 7] = [
    ("mon", Day::Monday),
    ("tue", Day::Tuesday),
    ("wed", Day::Wednesday),
    ("thu", Day::Thursday),
    ("fri", Day::Friday),
    ("sat", Day::Saturday),
    ("sun", Day::Sunday),
];

/// What a document says of a policy, for all groups or for one. What a group does not say is as all have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyPart {
    /// The nodes that go first.
    pub canary: Option<Amount>,
    /// How far each wave goes.
    pub waves: Option<Vec<Amount>>,
    /// The failure domains.
    pub domains: Option<Domains>,
    /// How many nodes may be unavailable at a time.
    pub max_unavailable: Option<Amount>,
    /// How many nodes may fail before the rollout does.
    pub max_failures: Option<Amount>,
    /// How long a wave is watched before the next.
    pub soak: Option<Millis>,
    /// How long things may take.
    pub deadlines: Option<Deadlines>,
    /// What is done on failure.
    pub on_failure: Option<OnFailure>,
    /// When a person has to agree.
    pub approval: Option<Approval>,
    /// What has to hold before it goes on.
    pub gates: Option<Vec<Gate>>,
    /// When nodes may be changed.
    pub windows: Option<Vec<Window>>,
}

/// How a rollout goes in one group, with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The nodes that go first; may be none.
    pub canary: Amount,
    /// How far each wave goes: so many nodes, or that share of the group, are done at its end. Rising;
    /// what is left after the last goes in one more.
    pub waves: Vec<Amount>,
    /// The failure domains, if the nodes have some.
    pub domains: Option<Domains>,
    /// How many nodes may be unavailable at a time; one at least.
    pub max_unavailable: Amount,
    /// How many nodes may fail before the rollout does.
    pub max_failures: Amount,
    /// How long a wave is watched before the next.
    pub soak: Millis,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// What is done on failure. `None`: what was upgraded goes back where the plan says that nothing
    /// is lost by it, and freezes where something is.
    pub on_failure: Option<OnFailure>,
    /// When a person has to agree.
    pub approval: Approval,
    /// What has to hold before it goes on, after the canaries and after each wave.
    pub gates: Vec<Gate>,
    /// When nodes may be changed; always, when there is none.
    pub windows: Vec<Window>,
}

/// How long a wave is watched when nobody says.
pub const SOAK_DEFAULT: Millis = Millis(600_000);

impl PolicyPart {
    /// Returns the policy of a group that says this, where all groups have `common`.
    pub fn over(&self, common: &PolicyPart) -> Policy {
        fn either<T: Clone>(group: &Option<T>, common: &Option<T>) -> Option<T> {
            group.clone().or_else(|| common.clone())
        }
        Policy {
            canary: either(&self.canary, &common.canary).unwrap_or(Amount::Count(0)),
            waves: either(&self.waves, &common.waves).unwrap_or_default(),
            domains: either(&self.domains, &common.domains),
            max_unavailable: either(&self.max_unavailable, &common.max_unavailable)
                .unwrap_or(Amount::Count(1)),
            max_failures: either(&self.max_failures, &common.max_failures).unwrap_or(Amount::Count(0)),
            soak: either(&self.soak, &common.soak).unwrap_or(SOAK_DEFAULT),
            deadlines: either(&self.deadlines, &common.deadlines).unwrap_or_default(),
            on_failure: either(&self.on_failure, &common.on_failure),
            approval: either(&self.approval, &common.approval).unwrap_or_default(),
            gates: either(&self.gates, &common.gates).unwrap_or_default(),
            windows: either(&self.windows, &common.windows).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_of_nodes_and_a_share_is_one_at_least() {
        for (amount, nodes, of) in [
            (Amount::Count(3), 10, 3),
            (Amount::Count(3), 2, 2),
            (Amount::Percent(10), 25, 3),
            (Amount::Percent(1), 5, 1),
            (Amount::Percent(0), 5, 0),
            (Amount::Percent(100), 7, 7),
            (Amount::Percent(50), 0, 0),
        ] {
            assert_eq!(amount.of(nodes), of, "{amount} of {nodes}");
        }
    }

    #[test]
    fn a_group_says_less_than_all_and_wins_where_it_says_something() {
        let common =
            PolicyPart { canary: Some(Amount::Count(2)), soak: Some(Millis(1)), ..Default::default() };
        let group = PolicyPart { canary: Some(Amount::Percent(5)), ..Default::default() };
        let policy = group.over(&common);
        assert_eq!((policy.canary, policy.soak), (Amount::Percent(5), Millis(1)));
        assert_eq!((policy.max_unavailable, policy.max_failures), (Amount::Count(1), Amount::Count(0)));
        assert_eq!(PolicyPart::default().over(&PolicyPart::default()).soak, SOAK_DEFAULT);
    }
}
