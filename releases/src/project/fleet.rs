//! `fleet.toml` beside the project that it stands in: names, overlays of configuration, and the order of
//! groups beside the order that channels between nodes need.
//!
//! No part of a bundle: a fleet may change while its releases do not. So `check` looks at it, and
//! `build` does not.

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::value::Value;
use camshaft_manifests::fleet::{self, Fleet, Group};
use camshaft_manifests::release::ReleaseManifest;
use camshaft_manifests::setting::{Settings, to_json};
use camshaft_manifests::{AppName, MachineAddress, Step, locate};

use super::{Built, Files, Find, at_value, documents};
use crate::open::OpenedRelease;
use crate::routes::{Order, Route, routes};

/// The path of a fleet's document in a project.
pub const FLEET_PATH: &str = "fleet.toml";

/// Holds the fleet's document, if the project has one, against what was built.
///
/// # Errors
///
/// All faults of the document, or else all that does not fit the project.
pub fn check_fleet(files: &Files, find: Find<'_>, built: &Built) -> Result<Option<Fleet>, Vec<Diagnostic>> {
    let Some(text) = files.get(FLEET_PATH) else { return Ok(None) };
    let source = Source::new(FLEET_PATH, text.as_str());
    let fleet = fleet::read(&source)?;
    let (_, manifest) = documents::release(files)?;
    let beside = Beside { source: &source, fleet: &fleet, manifest: &manifest, release: &built.release };
    let mut faults = beside.names();
    faults.extend(beside.overlays());
    for version in &manifest.from {
        if let Some(before) = find.release(&manifest.name, version) {
            faults.extend(beside.order(&before));
        }
    }
    if faults.is_empty() { Ok(Some(fleet)) } else { Err(faults) }
}

/// A fleet and the project that it stands in.
struct Beside<'p> {
    source: &'p Source,
    fleet: &'p Fleet,
    manifest: &'p ReleaseManifest,
    release: &'p OpenedRelease,
}

impl Beside<'_> {
    fn at(&self, code: &'static str, path: &[Step<'_>], message: String, label: &str) -> Diagnostic {
        at_value(self.source, code, path, message, label)
    }

    /// Returns the groups that run this release, with their places. Of others the types are not known here.
    fn groups(&self) -> impl Iterator<Item = (usize, &Group)> {
        let here =
            |group: &Group| group.version.as_ref().is_none_or(|version| *version == self.manifest.version);
        self.fleet.groups.iter().enumerate().filter(move |(_, group)| here(group))
    }

    /// Looks for the release and the applications that the fleet names.
    fn names(&self) -> Vec<Diagnostic> {
        let mut faults = vec![];
        if self.fleet.release != self.manifest.name {
            let message =
                format!("this project is the release {}, not {}", self.manifest.name, self.fleet.release);
            faults.push(self.at("R0140", &[Step::Key("release")], message, "another release"));
        }
        for (index, group) in self.groups() {
            for (item, app) in group.serves.iter().flatten().enumerate() {
                if !self.manifest.apps.contains_key(app) {
                    let place =
                        [Step::Key("group"), Step::Item(index), Step::Key("serves"), Step::Item(item)];
                    let message = format!("the release has no application {app}");
                    faults.push(self.at("R0141", &place, message, "served by nobody"));
                }
            }
        }
        faults
    }

    /// Types what groups lay over the release's configuration.
    fn overlays(&self) -> Vec<Diagnostic> {
        let mut faults = vec![];
        for (index, group) in self.groups() {
            for (app, machines) in &group.config {
                for (machine, settings) in machines {
                    let address = MachineAddress { app: app.clone(), machine: machine.clone() };
                    faults.extend(self.overlay(index, &address, settings));
                }
            }
        }
        faults
    }

    fn overlay(&self, index: usize, address: &MachineAddress, settings: &Settings) -> Option<Diagnostic> {
        let (app, machine) = (address.app.as_str(), address.machine.as_str());
        let group = [Step::Key("group"), Step::Item(index)];
        let place = [group[0], group[1], Step::Key("config"), Step::Key(app), Step::Key(machine)];
        let Some(resolved) = self.release.resolved.machine(address) else {
            let message = format!("the release has no machine {address} to configure");
            return Some(self.at("R0113", &place, message, "for no machine"));
        };
        let ty = self.release.machines[&resolved.digest].config();
        if ty.as_record().is_none() {
            let message = format!("{address} takes no configuration");
            return Some(self.at("R0113", &place, message, "not taken"));
        }
        let of_app = self.manifest.config.get(&address.app);
        let mut merged =
            of_app.and_then(|machines| machines.get(&address.machine)).cloned().unwrap_or_default();
        merged.extend(settings.iter().map(|(key, value)| (key.clone(), value.clone())));
        let error = Value::from_json(&to_json(&merged), ty).err()?;
        let message =
            format!("the configuration of {address} in the group {}: {error}", self.fleet.groups[index].name);
        let inner = error.path.trim_start_matches('$').split('.').skip(1);
        let place: Vec<Step<'_>> = place.into_iter().chain(inner.map(Step::Key)).collect();
        Some(self.at("R0113", &place, message, "here").help(format!("its type is {ty}")))
    }

    /// Holds the order of groups against what the channels between their applications need while nodes
    /// come over from a release. Only groups that say what they serve can be judged.
    fn order(&self, before: &OpenedRelease) -> Vec<Diagnostic> {
        let version = &before.resolved.version;
        let routes = routes(before, self.release);
        let mut faults = vec![];
        for route in &routes.channels {
            let (sender, receiver) = (&route.sender.app, &route.receiver.app);
            let (first, then) = match route.order() {
                Order::Any => continue,
                Order::SendersFirst => (sender, receiver),
                Order::ReceiversFirst | Order::Neither => (receiver, sender),
            };
            for (a, b) in self.apart(first, then) {
                let (first_group, then_group) = (&self.fleet.groups[a].name, &self.fleet.groups[b].name);
                let needs = match route.order() {
                    Order::Neither => format!("no order of {first_group} and {then_group} does"),
                    _ if self.fleet.comes_before(first_group, then_group) => continue,
                    _ => format!("{first_group} has to be done before {then_group} begins"),
                };
                faults.push(self.conflict(&needs, (a, first), (b, then), route, version));
            }
        }
        faults
    }

    /// Returns the pairs of groups of which one serves the first application without the second, and one
    /// the second without the first: nodes that serve both have no channel between them to cross.
    fn apart(&self, first: &AppName, then: &AppName) -> Vec<(usize, usize)> {
        let serving = |app: &AppName, without: &AppName| -> Vec<usize> {
            let serves = |group: &Group| {
                group.serves.as_ref().is_some_and(|apps| apps.contains(app) && !apps.contains(without))
            };
            self.groups().filter(|(_, group)| serves(group)).map(|(index, _)| index).collect()
        };
        let thens = serving(then, first);
        serving(first, then).into_iter().flat_map(|a| thens.iter().map(move |b| (a, *b))).collect()
    }

    fn conflict(
        &self,
        needs: &str,
        (a, first): (usize, &AppName),
        (b, then): (usize, &AppName),
        route: &Route,
        version: &camshaft_manifests::Version,
    ) -> Diagnostic {
        let place = |group: usize, app: &AppName| {
            let served = self.fleet.groups[group].serves.as_ref();
            let item = served.and_then(|apps| apps.iter().position(|other| other == app)).unwrap_or(0);
            [Step::Key("group"), Step::Item(group), Step::Key("serves"), Step::Item(item)]
        };
        let message = format!(
            "from {version} to {}, {needs}, for the channel {} of {} to {}",
            self.manifest.version, route.channel, route.sender, route.receiver
        );
        let fault = self.at("R0142", &place(b, then), message, &format!("{then} is served here"));
        let fault = fault.related(locate(self.source, &place(a, first)), format!("and {first} here"));
        let between = route.between();
        fault.help(match (route.order(), between.first()) {
            (Order::Neither, Some(first)) => format!("a release in between is needed, in which {first}"),
            (Order::Neither, None) => "a release in between is needed; camshaft diff tells which".to_owned(),
            _ => format!(
                "write `after = [\"{}\"]` in the group {}, or put it below",
                self.fleet.groups[a].name, self.fleet.groups[b].name
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{Locking, build};

    fn built(version: &str, cents: &str) -> Built {
        let till = format!(
            "machine till\ntype State = {{ sold: Int = 0 }}\ntype Bill = | Charge {{ cents: {cents} }}\ntype Input = | Sell\n\
             type Output = | Ok\nchannel billing = bank/account(Bill)\ninit = {{ sold: 0 }}\non Sell {{\n  send billing \
             Charge {{ cents: {} }}\n  (state, Ok)\n}}\n",
            if cents == "Int" { "7" } else { "\"7\"" }
        );
        let account = format!(
            "machine account\ntype State = {{ n: Int = 0 }}\ntype Input = | Charge {{ cents: {cents} }}\ntype Output = | Paid\n\
             init = {{ n: 0 }}\non Charge {{ cents }} => (state, Paid)\n"
        );
        let app = |name: &str, machine: &str, more: &str| {
            format!("name = \"{name}\"\nversion = \"{version}\"\n{more}machines = [\"{machine}\"]\n")
        };
        let files: Files = [
            (
                "release.toml",
                format!(
                    "name = \"shop\"\nversion = \"{version}\"\n\n[apps]\nbank = {{ path = \"apps/bank\" }}\n\
                     till = {{ path = \"apps/till\" }}\n"
                ),
            ),
            ("apps/bank/app.toml", app("bank", "account", "")),
            ("apps/till/app.toml", app("till", "till", "depends = { bank = \"*\" }\n")),
            ("apps/bank/machines/account.cam", account),
            ("apps/till/machines/till.cam", till),
        ]
        .map(|(path, text)| (path.to_owned(), text))
        .into();
        build(&files, &crate::project::Alone, Locking::Update).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    #[test]
    fn where_no_order_does_what_the_release_in_between_needs_is_said() {
        let (before, after) = (built("1.0.0", "Int"), built("2.0.0", "Text"));
        let text = "release = \"shop\"\n[[group]]\nname = \"banks\"\nselect = \"role=bank\"\nserves = [\"bank\"]\n\
                    [[group]]\nname = \"tills\"\nselect = \"role=till\"\nserves = [\"till\"]\n";
        let source = Source::new(FLEET_PATH, text);
        let fleet = fleet::read(&source).expect("good");
        let release =
            Source::new("release.toml", "name = \"shop\"\nversion = \"2.0.0\"\napps.a.path = \"a\"\n");
        let manifest = camshaft_manifests::release::read(&release).expect("good");
        let beside = Beside { source: &source, fleet: &fleet, manifest: &manifest, release: &after.release };
        let faults = beside.order(&before.release);
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert_eq!(
            (fault.code, fault.message.as_str()),
            (
                "R0142",
                "from 1.0.0 to 2.0.0, no order of banks and tills does, for the channel billing of till/till to bank/account"
            )
        );
        let help = fault.help.as_deref().unwrap_or_default();
        assert!(help.starts_with("a release in between is needed, in which bank/account takes"), "{help}");
        assert_eq!(&text[fault.span.clone()], "\"till\"");
        assert_eq!(&text[fault.related[0].0.clone()], "\"bank\"");
    }
}
