//! What a difference means for channels between nodes.

use camshaft_cam::derive::route::Gap;
use camshaft_manifests::AppName;
use camshaft_releases::routes::{Demand, Order, Route, Routes};
use serde_json::{Value, json};

use super::change_to_json;

/// Returns the lines, each with its depth and mark; none where no channel leads from one
/// application to another.
pub(super) fn lines(routes: &Routes) -> Vec<(usize, char, String)> {
    if routes.channels.is_empty() {
        return vec![];
    }
    let summary = summary(routes);
    let mark = if summary.1 { ' ' } else { '!' };
    let mut lines = vec![(0, mark, format!("if routed to another node: {}", summary.0))];
    for route in routes.channels.iter().filter(|route| route.order() != Order::Any) {
        let (name, order) = (shown(route), route.order());
        let order = match order {
            Order::Neither => "no order does".to_owned(),
            order => order.to_string(),
        };
        lines.push((1, if route.order() == Order::Neither { '!' } else { '~' }, format!("{name}: {order}")));
        for (pair, gaps) in pairs(route) {
            for what in gaps.iter().flat_map(told) {
                lines.push((2, '~', format!("{pair}: {what}")));
            }
        }
        if route.order() == Order::Neither {
            lines.extend(route.between().into_iter().map(|line| (2, ' ', format!("in between: {line}"))));
        }
    }
    for circle in routes.contradictions() {
        lines.push((1, '!', "these contradict each other:".to_owned()));
        for demand in &circle {
            let channels: Vec<String> = demand.routes.iter().map(|route| shown(route)).collect();
            let (first, then) = (demand.first, demand.then);
            lines.push((2, '~', format!("{first} before {then}, for {}", channels.join(", "))));
            let between = demand.routes.iter().flat_map(|route| route.between());
            lines.extend(between.map(|line| (3, ' ', format!("or in between: {line}"))));
        }
    }
    lines
}

/// Says in which order nodes may be upgraded, and whether there is one.
fn summary(routes: &Routes) -> (String, bool) {
    let Some(stages) = routes.stages() else {
        return ("no order of nodes does, a release in between is needed".to_owned(), false);
    };
    let group = |stage: &Vec<&AppName>| stage.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let groups: Vec<String> = stages.iter().map(group).collect();
    match &groups[..] {
        [] => ("nodes in any order".to_owned(), true),
        groups => (format!("nodes with {}", groups.join(" before those with ")), true),
    }
}

fn shown(route: &Route) -> String {
    format!("channel {} of {} to {}", route.channel, route.sender, route.receiver)
}

fn pairs(route: &Route) -> [(&'static str, &[Gap]); 2] {
    [("old sender, new receiver", &route.old_sender), ("new sender, old receiver", &route.new_sender)]
}

fn told(gap: &Gap) -> Vec<String> {
    match gap {
        Gap::NoReceiver => vec!["there is no such machine".to_owned()],
        Gap::Keys { sent: true } => vec!["it sends to a key, and the machine has no keys".to_owned()],
        Gap::Keys { sent: false } => vec!["it sends without a key, and the machine has keys".to_owned()],
        Gap::Message { changes, .. } | Gap::Answer { changes, .. } => {
            changes.iter().map(|change| format!("{} {change}", change.rule)).collect()
        }
    }
}

/// Everything, for scripts.
pub(super) fn to_json(routes: &Routes) -> Value {
    let demands = |demands: &[Demand<'_>]| {
        let demand = |demand: &Demand<'_>| {
            json!({
                "first": demand.first.to_string(), "then": demand.then.to_string(),
                "channels": demand.routes.iter().map(|route| ends_to_json(route)).collect::<Vec<_>>(),
            })
        };
        demands.iter().map(demand).collect::<Vec<_>>()
    };
    let stages = routes.stages().map(|stages| {
        let names = |stage: Vec<&AppName>| stage.iter().map(ToString::to_string).collect::<Vec<_>>();
        stages.into_iter().map(names).collect::<Vec<_>>()
    });
    json!({
        "channels": routes.channels.iter().map(route_to_json).collect::<Vec<_>>(),
        "stages": stages,
        "demands": demands(&routes.demands()),
        "contradictions": routes.contradictions().iter().map(|circle| demands(circle)).collect::<Vec<_>>(),
    })
}

fn ends_to_json(route: &Route) -> Value {
    json!({
        "sender": route.sender.to_string(), "channel": route.channel.to_string(),
        "receiver": route.receiver.to_string(),
    })
}

fn route_to_json(route: &Route) -> Value {
    let order = match route.order() {
        Order::Any => "any",
        Order::ReceiversFirst => "receivers-first",
        Order::SendersFirst => "senders-first",
        Order::Neither => "neither",
    };
    let gaps = |gaps: &[Gap]| gaps.iter().map(gap_to_json).collect::<Vec<_>>();
    let mut document = ends_to_json(route);
    document["order"] = order.into();
    document["old_sender"] = gaps(&route.old_sender).into();
    document["new_sender"] = gaps(&route.new_sender).into();
    document["between"] = route.between().into();
    document
}

fn gap_to_json(gap: &Gap) -> Value {
    let of_case = |what: &str, case: &str, changes: &[_]| json!({ "what": what, "case": case, "changes": changes.iter().map(change_to_json).collect::<Vec<_>>() });
    match gap {
        Gap::NoReceiver => json!({ "what": "no-receiver" }),
        Gap::Keys { sent } => json!({ "what": "keys", "sent": sent }),
        Gap::Message { case, changes } => of_case("message", case, changes),
        Gap::Answer { case, changes } => of_case("answer", case, changes),
    }
}
