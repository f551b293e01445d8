//! Short ways to write releases in tests. Digests are those of their names.

use std::collections::BTreeMap;

use camshaft_cam::diagnostic::Diagnostic;
use camshaft_cam::digest::Digest;
use camshaft_manifests::Version;
use camshaft_manifests::app::Supervision;
use camshaft_manifests::resolved::{
    Predecessor, ResolvedApp, ResolvedEdge, ResolvedLink, ResolvedMachine, ResolvedRelease,
};

use crate::project::{self, Built, Files, Locking};

pub(crate) fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// The short name whose digest this is.
pub(crate) fn name_of(found: Digest) -> String {
    let letters = 'a'..='z';
    let mut names = letters.flat_map(|letter| {
        let numbered = (0..10).map(move |number| format!("{letter}{number}"));
        std::iter::once(letter.to_string()).chain(numbered)
    });
    names.find(|name| digest(name) == found).expect("a short name")
}

/// Machines are written `app/machine=digest needed needed`, links `sender:digest`, edges
/// `machine from to digest`.
pub(crate) fn release(
    version: &str,
    machines: &[&str],
    links: &[&str],
    edges: &[&str],
    predecessors: &[&Predecessor],
) -> ResolvedRelease {
    let mut apps: Vec<ResolvedApp> = Vec::new();
    for text in machines {
        let (address, rest) = text.split_once('=').expect("a digest");
        let (app, machine) = address.split_once('/').expect("an address");
        let mut words = rest.split(' ');
        let machine = ResolvedMachine {
            name: machine.parse().expect("a name"),
            keyed: false,
            digest: digest(words.next().expect("a digest")),
            config: "[]".to_owned(),
        };
        let depends: BTreeMap<_, _> =
            words.map(|name| (name.parse().expect("a name"), "*".parse().expect("a range"))).collect();
        match apps.iter_mut().find(|found| found.name.as_str() == app) {
            Some(found) => found.machines.push(machine),
            None => apps.push(ResolvedApp {
                name: app.parse().expect("a name"),
                version: version.parse().expect("a version"),
                depends,
                supervision: Supervision::default(),
                machines: vec![machine],
                waivers: vec![],
                strictness: None,
            }),
        }
    }
    let link = |text: &&str| {
        let (sender, link) = text.split_once(':').expect("a digest");
        ResolvedLink {
            sender: sender.parse().expect("an address"),
            channel: "c".parse().expect("a name"),
            receiver: sender.parse().expect("an address"),
            digest: digest(link),
        }
    };
    let edge = |text: &&str| {
        let words: Vec<&str> = text.split(' ').collect();
        ResolvedEdge {
            machine: words[0].parse().expect("an address"),
            from: digest(words[1]),
            to: digest(words[2]),
            digest: digest(words[3]),
            said: vec![],
            class: None,
            checked: None,
            over: None,
        }
    };
    ResolvedRelease {
        name: "shop".parse().expect("a name"),
        version: version.parse().expect("a version"),
        api_default: None,
        strictness: Default::default(),
        apps,
        links: links.iter().map(link).collect(),
        edges: edges.iter().map(edge).collect(),
        predecessors: predecessors.iter().map(|one| (*one).clone()).collect(),
    }
}

pub(crate) fn predecessor(version: &str, machines: &[&str], links: &[&str]) -> Predecessor {
    Predecessor {
        version: version.parse().expect("a version"),
        digest: digest(version),
        composition: release(version, machines, links, &[], &[]).composition(),
        transition: Default::default(),
    }
}

/// A machine for [`built`].
pub(crate) const TILL: &str = "machine till
type State = { sum: Int = 0 }
type Input = Add { by: Int = 1 } | Get
type Output = Ok | Sum(Int)
init = { sum: 0 }
on Add { by } => ({ ..state, sum: state.sum + by }, Ok)
on Get => (state, Sum(state.sum))
";

/// Builds a version of the release `shop` with one machine, `shop/till`, from others. A file of `more` takes the
/// place of one that would be there.
pub(crate) fn built(version: &str, from: &[&Built], till: &str, more: &[(&str, &str)]) -> Built {
    let named: Vec<String> =
        from.iter().map(|built| format!("\"{}\"", built.release.resolved.version)).collect();
    let mut files: Files = [
        (
            "release.toml",
            format!(
                "name = \"shop\"\nversion = \"{version}\"\nfrom = [{}]\n\n[apps]\nshop = {{ path = \"apps/shop\" }}\n",
                named.join(", ")
            ),
        ),
        ("apps/shop/app.toml", format!("name = \"shop\"\nversion = \"{version}\"\nmachines = [\"till\"]\n")),
        ("apps/shop/machines/till.cam", till.to_owned()),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into();
    files.extend(more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    let find = |_: &_, version: &Version| {
        let found = from.iter().find(|built| built.release.resolved.version == *version);
        found.map(|built| built.release.clone())
    };
    project::build_unjudged(&files, &find, Locking::Update).unwrap_or_else(|faults| {
        let lines: Vec<String> = faults.iter().map(Diagnostic::one_line).collect();
        panic!("{}", lines.join("\n"))
    })
}
