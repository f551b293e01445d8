//! What it takes to hold the edges of a build against the laws. Nothing runs here: whoever builds runs them.

use camshaft_cam::derive::DownClass;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::suite::laws::{Broken, Ends, Law, LawOptions, Stuck};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedEdge, VerifiedMachine};
use camshaft_manifests::appup::Waiver;
use camshaft_manifests::resolved::ResolvedEdge;
use camshaft_manifests::{MachineAddress, Version};

use super::documents::App;
use super::joints::{EdgeOf, Machines};
use super::ways::Ways;
use super::{at, span_of};
use crate::open::OpenedRelease;

/// An edge that was made, with the machines at its ends and their configurations.
#[derive(Debug, Clone)]
pub struct BuiltEdge {
    /// The machine.
    pub machine: MachineAddress,
    /// The version of the application that it comes from.
    pub version: Version,
    /// How states find their way down.
    pub class: DownClass,
    edge: VerifiedEdge,
    old: (VerifiedMachine, Value),
    new: (VerifiedMachine, Value),
    preserves: bool,
    /// The reason, where a person set a law aside.
    waived: Vec<Waiver>,
    /// The migration, or the machine where nothing was written.
    source: Source,
    /// True when the newer release is built already, so that its documents stay as they are.
    released: bool,
}

/// Returns the edges that were made of code at hand.
pub(super) fn edges(
    apps: &[App],
    compiled: &Machines,
    (found, ways): (&[OpenedRelease], &Ways),
    release: &OpenedRelease,
    edges: Vec<EdgeOf>,
) -> Vec<BuiltEdge> {
    let made = edges.into_iter().filter(|edge| edge.resolved.over.is_none());
    made.filter_map(|made| {
        let address = made.resolved.machine;
        let before = found.iter().find_map(|release| {
            let said = ways.from(release);
            let machine = release.resolved.machine(&said.was(&address)?)?;
            // States that are given up do not go along it.
            let kept = !said.restarts.contains_key(&address.app);
            (kept && machine.digest == made.resolved.from).then_some((release, machine))
        });
        let (before, old) = before?;
        let config = |release: &OpenedRelease, digest, json: &str| {
            let machine: &VerifiedMachine = &release.machines[&digest];
            let value = Value::from_json(json, machine.config()).ok()?;
            Some((machine.clone(), value))
        };
        let new = release.resolved.machine(&address)?;
        let app = apps.iter().find(|app| app.manifest.name == address.app)?;
        let appup = app.appup.as_ref();
        let from = appup.and_then(|appup| appup.of(&made.version));
        let waivers = appup.map(|appup| appup.waivers.clone()).unwrap_or_default();
        let source = made
            .migration
            .unwrap_or_else(|| compiled[&(address.app.clone(), address.machine.clone())].source.clone());
        Some(BuiltEdge {
            class: made.resolved.class.unwrap_or(DownClass::D4),
            old: config(before, old.digest, &old.config)?,
            new: config(release, new.digest, &new.config)?,
            preserves: from.is_some_and(|from| from.preserves(&address.machine)),
            waived: waivers,
            edge: made.edge,
            version: made.version,
            machine: address,
            source,
            released: false,
        })
    })
    .collect()
}

impl BuiltEdge {
    /// Returns an edge that was made for a node that no build foresaw; `None` where a configuration is not of
    /// its type.
    pub(crate) fn of_crossing(
        resolved: &ResolvedEdge,
        edge: &VerifiedEdge,
        version: Version,
        old: (&VerifiedMachine, &str),
        new: (&VerifiedMachine, &str),
        waived: Vec<Waiver>,
        source: Source,
    ) -> Option<BuiltEdge> {
        let configured = |(machine, json): (&VerifiedMachine, &str)| {
            let value = Value::from_json(json, machine.config()).ok()?;
            Some((machine.clone(), value))
        };
        Some(BuiltEdge {
            machine: resolved.machine.clone(),
            version,
            class: resolved.class.unwrap_or(DownClass::D4),
            edge: edge.clone(),
            old: configured(old)?,
            new: configured(new)?,
            preserves: false,
            waived,
            source,
            released: true,
        })
    }

    /// Returns what the laws are asked of.
    pub fn ends(&self) -> Ends<'_> {
        Ends {
            old: &self.old.0,
            old_config: &self.old.1,
            new: &self.new.0,
            new_config: &self.new.1,
            edge: &self.edge,
        }
    }

    /// Returns how they are asked. The same edge is always asked in the same way.
    pub fn options(&self, cases: u32) -> LawOptions {
        LawOptions { seed: 0, cases, exact: self.class == DownClass::D0, preserves: self.preserves }
    }

    /// Returns true when a person set a law aside for it.
    pub fn waives(&self, law: Law) -> bool {
        self.waived.iter().any(|waiver| waiver.sets_aside(law.id(), &self.machine.machine, &self.version))
    }

    /// Returns the fault of a law that does not hold.
    pub fn fault(&self, broken: &Broken) -> Diagnostic {
        let law = broken.law;
        let arrow = match law {
            Law::Back | Law::Forth => "down",
            Law::Behaviour => "lower",
        };
        let message =
            format!("law {law} does not hold of {} from {}: {}", self.machine, self.version, law.words());
        let head = self.head();
        let needle = if span_of(&self.source, arrow).is_empty() { &head } else { arrow };
        let fault = at(&self.source, "R0128", needle, message, "shown by the state below");
        let mut lines = vec![format!("s = {}", broken.state)];
        if !broken.inputs.is_empty() {
            let inputs = broken.inputs.join(", ");
            lines.push(match law {
                Law::Behaviour => format!("i = {inputs}"),
                Law::Back | Law::Forth => format!("s' is what {inputs} makes of up(s)"),
            });
        }
        lines.push(match law {
            Law::Behaviour => {
                format!("{} was {}, and is {}", broken.expected.0, broken.expected.1, broken.found.1)
            }
            Law::Back | Law::Forth => {
                format!("{} is {}, not {}", broken.found.0, broken.found.1, broken.expected.1)
            }
        });
        if self.released {
            lines.push(format!("write a migration of {} for which it holds", self.machine));
            return fault.help(lines.join("\n"));
        }
        let app = &self.machine.app;
        lines.push(format!(
            "mend the migration; or set the law aside in the appup.toml of {app}:\n[[waive]]\nrule = \"{law}\"\nreason = \"...\"\n\
             machine = \"{}\"\nfrom = \"{}\"",
            self.machine.machine, self.version
        ));
        fault.help(lines.join("\n"))
    }

    /// Returns how the file begins.
    fn head(&self) -> String {
        let machine = format!("machine {}", self.machine.machine);
        let migration = format!("migration {}", self.machine.machine);
        if self.source.text.contains(&migration) { migration } else { machine }
    }

    /// Says that some generated states have no way over, with one of them.
    pub fn stuck(&self, count: u32, of: u32, example: &Stuck) -> Diagnostic {
        let Stuck { arrow, state, reason } = example;
        let which = match *arrow {
            "invariant" => "break an invariant of the new version",
            "down" => "have no way down",
            _ => "have no way up",
        };
        let message = format!(
            "{} from {}: {count} of {of} generated states {which}, such as {state}: {reason}",
            self.machine, self.version
        );
        at(&self.source, "R0129", &self.head(), message, "such states would refuse the upgrade")
    }
}
