//! A composition with its applications and machines by name.
//!
//! Looking one up in the lists takes as long as they are, and doing that for each of them takes the square
//! of it: for whoever goes through thousands of machines, and for documents of strangers, there is
//! this.

use std::collections::BTreeMap;

use crate::address::MachineAddress;
use crate::name::AppName;
use crate::resolved::{ComposedApp, ComposedMachine, Composition};

/// A composition that is looked up often.
#[derive(Debug, Clone)]
pub struct Lookup<'c> {
    /// The composition.
    pub composition: &'c Composition,
    apps: BTreeMap<&'c AppName, &'c ComposedApp>,
    machines: BTreeMap<MachineAddress, &'c ComposedMachine>,
}

impl<'c> Lookup<'c> {
    /// Returns the composition by names. Of two with one name the first is found, as in the lists.
    pub fn new(composition: &'c Composition) -> Lookup<'c> {
        let mut found = Lookup { composition, apps: BTreeMap::new(), machines: BTreeMap::new() };
        for app in &composition.apps {
            found.apps.entry(&app.name).or_insert(app);
        }
        for (address, machine) in composition.machines() {
            found.machines.entry(address).or_insert(machine);
        }
        found
    }

    /// Returns the machine at an address.
    pub fn machine(&self, address: &MachineAddress) -> Option<&'c ComposedMachine> {
        self.machines.get(address).copied()
    }

    /// Returns the application of this name.
    pub fn app(&self, name: &AppName) -> Option<&'c ComposedApp> {
        self.apps.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use camshaft_cam::digest::Digest;

    use super::*;

    #[test]
    fn what_is_found_is_what_the_lists_have() {
        let machine = |name: &str| ComposedMachine {
            name: name.parse().expect("a name"),
            keyed: false,
            digest: Digest::of(name.as_bytes()),
        };
        let app = |name: &str, version: &str, machines: &[&str]| ComposedApp {
            name: name.parse().expect("a name"),
            version: version.parse().expect("a version"),
            depends: BTreeSet::new(),
            machines: machines.iter().map(|name| machine(name)).collect(),
        };
        let apps = vec![app("a", "1.0.0", &["m", "n"]), app("b", "1.0.0", &["m"]), app("a", "2.0.0", &["m"])];
        let composition = Composition { apps, links: BTreeSet::new() };
        let lookup = Lookup::new(&composition);
        for name in ["a", "b", "c"] {
            let name = name.parse().expect("a name");
            assert_eq!(lookup.app(&name), composition.app(&name));
        }
        for address in ["a/m", "a/n", "b/m", "b/n", "c/m"] {
            let address = address.parse().expect("an address");
            assert_eq!(lookup.machine(&address), composition.machine(&address));
        }
    }
}
