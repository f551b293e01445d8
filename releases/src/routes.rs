//! Channels between nodes: what meets while a fleet goes from one release to another.
//!
//! On one node all applications switch at once, and no version meets another. Where sender and
//! receiver are on different nodes, which only different applications can be, each of the two
//! mixed pairs is judged by types; from the pairs that break follows which nodes come first, or that
//! a release in between is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camshaft_cam::derive::route::{Ends, Gap, Passages, new_sender, old_sender};
use camshaft_cam::digest::Digest;
use camshaft_cam::verify::{VerifiedEdge, VerifiedMachine};
use camshaft_manifests::{AppName, ChannelName, MachineAddress};

use crate::open::OpenedRelease;

/// What becomes of the channels between applications, if they are routed to another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// The channels of either release, by sender, name and receiver.
    pub channels: Vec<Route>,
}

/// What becomes of a channel from one application to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The machine that sends.
    pub sender: MachineAddress,
    /// Its channel.
    pub channel: ChannelName,
    /// The machine that receives. A channel that leads elsewhere now is two.
    pub receiver: MachineAddress,
    /// What breaks when an old sender meets a new receiver.
    pub old_sender: Vec<Gap>,
    /// What breaks when a new sender meets an old receiver.
    pub new_sender: Vec<Gap>,
}

/// In which order the nodes of a channel's ends may be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// In any: both mixed pairs do.
    Any,
    /// Nodes with the receiver before those with the sender.
    ReceiversFirst,
    /// Nodes with the sender before those with the receiver.
    SendersFirst,
    /// In none: both mixed pairs break.
    Neither,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Any => "any order",
            Order::ReceiversFirst => "receivers first",
            Order::SendersFirst => "senders first",
            Order::Neither => "neither",
        })
    }
}

/// Nodes with one application have to be upgraded before those with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand<'r> {
    /// The application that comes first.
    pub first: &'r AppName,
    /// The one that comes after it.
    pub then: &'r AppName,
    /// The channels that ask for it.
    pub routes: Vec<&'r Route>,
}

/// Judges the channels of two releases between applications.
pub fn routes(before: &OpenedRelease, after: &OpenedRelease) -> Routes {
    let links = before.resolved.links.iter().chain(&after.resolved.links);
    let between = links.filter(|link| link.sender.app != link.receiver.app);
    let ends: BTreeSet<_> =
        between.map(|link| (link.sender.clone(), link.channel.clone(), link.receiver.clone())).collect();
    let route = |(sender, channel, receiver): (MachineAddress, ChannelName, MachineAddress)| {
        let [old, new] = [before, after].map(|release| ends_in(release, &sender, &channel, &receiver));
        let edge = |address| edge(before, after, address);
        let passages = Passages { sender: edge(&sender).map(|(edge, _)| edge), receiver: edge(&receiver) };
        Route {
            old_sender: old_sender(old, new, &passages),
            new_sender: new_sender(old, new, &passages),
            sender,
            channel,
            receiver,
        }
    };
    Routes { channels: ends.into_iter().map(route).collect() }
}

fn machine<'r>(release: &'r OpenedRelease, address: &MachineAddress) -> Option<&'r VerifiedMachine> {
    release.machines.get(&release.resolved.machine(address)?.digest)
}

fn ends_in<'r>(
    release: &'r OpenedRelease,
    sender: &MachineAddress,
    channel: &ChannelName,
    receiver: &MachineAddress,
) -> Ends<'r> {
    let links = release.resolved.links.iter();
    let mut links =
        links.filter(|link| (&link.sender, &link.channel, &link.receiver) == (sender, channel, receiver));
    let sender = links.next().and_then(|_| {
        let sender = machine(release, sender)?;
        Some((sender, sender.channel(channel.as_str())?))
    });
    Ends { sender, receiver: machine(release, receiver) }
}

/// Returns the newer release's edge of a machine, and what its migration says.
fn edge<'r>(
    before: &OpenedRelease,
    after: &'r OpenedRelease,
    address: &MachineAddress,
) -> Option<(&'r VerifiedEdge, &'r [String])> {
    let digest = |release: &OpenedRelease| -> Option<Digest> {
        release.resolved.machine(address).map(|machine| machine.digest)
    };
    let (from, to) = (digest(before)?, digest(after)?);
    let mut edges = after.resolved.edges.iter();
    let resolved = edges.find(|edge| edge.machine == *address && (edge.from, edge.to) == (from, to))?;
    Some((after.edges.get(&resolved.digest)?, &resolved.said))
}

impl Route {
    /// Returns in which order the nodes of its ends may be upgraded.
    pub fn order(&self) -> Order {
        match (self.old_sender.is_empty(), self.new_sender.is_empty()) {
            (true, true) => Order::Any,
            (true, false) => Order::ReceiversFirst,
            (false, true) => Order::SendersFirst,
            (false, false) => Order::Neither,
        }
    }

    /// Says what a release in between has to contain so that it can be reached in any order, one line
    /// each, and nothing where none is needed. From it to the newer release the other order is left at
    /// most: senders first, where none is possible now.
    pub fn between(&self) -> Vec<String> {
        let (sender, receiver) = (&self.sender, &self.receiver);
        match self.order() {
            Order::Any => vec![],
            Order::SendersFirst => {
                self.old_sender.iter().map(|gap| sent_no_more(sender, receiver, gap)).collect()
            }
            Order::ReceiversFirst => self.new_sender.iter().map(|gap| self.taken_already(gap)).collect(),
            Order::Neither => {
                let kept =
                    format!("{sender} is as in the older release, and {receiver} takes all of it still");
                let taken = self.new_sender.iter().map(|gap| self.taken_already(gap));
                taken.chain([kept]).collect()
            }
        }
    }

    /// Says what a receiver needs so that new senders may come.
    fn taken_already(&self, gap: &Gap) -> String {
        let (sender, receiver) = (&self.sender, &self.receiver);
        match gap {
            Gap::NoReceiver => format!("{receiver} is there already, and {sender} does not send to it yet"),
            Gap::Keys { .. } => another_machine(receiver),
            Gap::Message { case, .. } => {
                let same = |other: &Gap| matches!(other, Gap::Message { case: other, .. } if other == case);
                match self.old_sender.iter().any(same) {
                    true => format!(
                        "{receiver} takes what {case} holds in the newer release under another name, beside {case} as it was; \
                         the newer {sender} sends it under that name"
                    ),
                    false => format!("{receiver} takes {case} already, and {sender} does not send it yet"),
                }
            }
            Gap::Answer { case, .. } => {
                format!("{receiver} answers {} only as the newer {sender} takes it too", shown(case))
            }
        }
    }
}

/// Says what a sender must leave so that new receivers may come.
fn sent_no_more(sender: &MachineAddress, receiver: &MachineAddress, gap: &Gap) -> String {
    match gap {
        Gap::NoReceiver => {
            format!("{sender} does not send to {receiver} any more, and {receiver} is there still")
        }
        Gap::Keys { .. } => another_machine(receiver),
        Gap::Message { case, .. } => {
            format!(
                "{sender} sends {case} only as the newer {receiver} takes it too, and {receiver} takes all of it still"
            )
        }
        Gap::Answer { case, .. } => {
            format!("{sender} takes the answer {} already, and {receiver} does not give it yet", shown(case))
        }
    }
}

fn another_machine(receiver: &MachineAddress) -> String {
    format!(
        "a machine of another name stands beside {receiver}: with keys where that has none, without where it has"
    )
}

fn shown(case: &str) -> &str {
    if case.is_empty() { "with its output" } else { case }
}

impl Routes {
    /// Returns the channels for which both mixed pairs break.
    pub fn without_order(&self) -> impl Iterator<Item = &Route> {
        self.channels.iter().filter(|route| route.order() == Order::Neither)
    }

    /// Returns which applications come before which.
    pub fn demands(&self) -> Vec<Demand<'_>> {
        let mut found: BTreeMap<(&AppName, &AppName), Vec<&Route>> = BTreeMap::new();
        for route in &self.channels {
            let (sender, receiver) = (&route.sender.app, &route.receiver.app);
            let pair = match route.order() {
                Order::ReceiversFirst => (receiver, sender),
                Order::SendersFirst => (sender, receiver),
                Order::Any | Order::Neither => continue,
            };
            found.entry(pair).or_default().push(route);
        }
        found.into_iter().map(|((first, then), routes)| Demand { first, then, routes }).collect()
    }

    /// Returns the demands that no order meets together: circles, each beginning with the least name.
    pub fn contradictions(&self) -> Vec<Vec<Demand<'_>>> {
        let demands = self.demands();
        let circles = demands.iter().filter_map(|demand| {
            let mut circle = vec![demand.clone()];
            circle.extend(shortest(&demands, demand.then, demand.first)?);
            // Each circle is met once per demand of it.
            circle.iter().all(|other| demand.first <= other.first).then_some(circle)
        });
        circles.collect()
    }

    /// Returns the applications that some channel puts in an order, in groups: nodes with those of a
    /// group before nodes with those of the next. `None` where no order does.
    pub fn stages(&self) -> Option<Vec<Vec<&AppName>>> {
        if self.without_order().next().is_some() {
            return None;
        }
        let demands = self.demands();
        let mut left: BTreeSet<&AppName> =
            demands.iter().flat_map(|demand| [demand.first, demand.then]).collect();
        let mut stages = vec![];
        while !left.is_empty() {
            let waits = |app: &AppName| {
                demands.iter().any(|demand| demand.then == app && left.contains(demand.first))
            };
            let stage: Vec<&AppName> = left.iter().copied().filter(|app| !waits(app)).collect();
            if stage.is_empty() {
                return None;
            }
            left.retain(|app| !stage.contains(app));
            stages.push(stage);
        }
        Some(stages)
    }
}

/// Returns the fewest demands that lead from one application to another.
fn shortest<'r>(demands: &[Demand<'r>], from: &AppName, to: &AppName) -> Option<Vec<Demand<'r>>> {
    let mut paths: Vec<Vec<Demand<'r>>> = vec![vec![]];
    let mut seen: BTreeSet<&AppName> = [from].into();
    while !paths.is_empty() {
        let mut longer = vec![];
        for path in paths {
            let at = path.last().map_or(from, |demand: &Demand<'r>| demand.then);
            if at == to {
                return Some(path);
            }
            for demand in demands.iter().filter(|demand| demand.first == at) {
                if seen.insert(demand.then) {
                    longer.push(path.iter().cloned().chain([demand.clone()]).collect());
                }
            }
        }
        paths = longer;
    }
    None
}

#[cfg(test)]
mod tests;
