//! Worlds: a few releases in a row, mixed by a seed from a pool of machines.
//!
//! Each release has some of the pool's applications. From one to the next an application stays, goes on to its
//! next version, is called otherwise, gives up its states, goes away or comes (back), and inputs may be
//! applied. What traps lead to is declared in some, and changes. All that a release says it has is true: a world has no bad bundles, whose refusal other
//! tests look at.

pub mod build;
pub mod pool;

use camshaft_cam::digest::Digest;
use camshaft_manifests::app::{After, Intensity, OnTrap, Strategy, Supervision};
use camshaft_manifests::duration::Millis;
use camshaft_manifests::relup::Apply;
use camshaft_manifests::transition::Transition;
use camshaft_manifests::{AppName, MachineAddress, MachineName, Version};

use crate::rng::Rng;
use build::{Edition, Part, Wanted, edition};
use pool::{FAMILIES, Family, Input};

/// The keys of instances.
pub const KEYS: [&str; 3] = ["k0", "k1", "k2"];

/// The names of timers.
const TIMERS: [&str; 3] = ["t0", "t1", "t2"];

/// Releases in a row.
#[derive(Debug)]
pub struct World {
    /// The releases, the oldest first.
    pub editions: Vec<Edition>,
    /// The applications of each.
    present: Vec<Vec<Present>>,
}

/// An application in a release.
#[derive(Debug, Clone)]
struct Present {
    family: &'static Family,
    variant: usize,
    app: String,
    machines: Vec<String>,
    care: Care,
}

/// What an application declares of traps.
#[derive(Debug, Clone, Default)]
struct Care {
    strategy: Strategy,
    intensity: Option<Intensity>,
    /// By machine.
    on_trap: Vec<OnTrap>,
}

impl Care {
    /// Mostly nothing is declared: what is held takes no part in what else may happen.
    fn of(rng: &mut Rng, machines: usize) -> Care {
        let on_trap = |rng: &mut Rng| {
            let after = if rng.percent(45) { After::First } else { After::Within(intensity(rng, 3, 4_000)) };
            match rng.below(100) {
                0..30 => OnTrap::Refuse,
                30..60 => OnTrap::Hold(after),
                _ => OnTrap::Reset(after),
            }
        };
        if rng.percent(55) {
            return Care { on_trap: vec![OnTrap::Refuse; machines], ..Care::default() };
        }
        let strategies = [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll];
        Care {
            strategy: *rng.pick(&strategies),
            intensity: rng.percent(50).then(|| intensity(rng, 2, 2_500)),
            on_trap: (0..machines).map(|_| on_trap(rng)).collect(),
        }
    }
}

fn intensity(rng: &mut Rng, more: u64, within_ms: u64) -> Intensity {
    let traps = u32::try_from(2 + rng.below(more)).unwrap_or(2);
    Intensity { traps, within: Millis(1 + rng.below(within_ms)) }
}

impl Present {
    fn supervision(&self) -> Supervision {
        let names = self.machines.iter().map(|name| name.parse().expect("the pool has good names"));
        let machines = names.zip(self.care.on_trap.iter().copied());
        Supervision {
            strategy: self.care.strategy,
            intensity: self.care.intensity,
            machines: machines.filter(|(_, on_trap)| *on_trap != OnTrap::Refuse).collect(),
        }
    }

    fn address(&self, machine: usize) -> MachineAddress {
        let app: AppName = self.app.parse().expect("the pool has good names");
        let machine: MachineName = self.machines[machine].parse().expect("the pool has good names");
        MachineAddress { app, machine }
    }

    fn wanted(&self, config: &str) -> Vec<Wanted> {
        let variant = &self.family.variants[self.variant];
        let want = |(machine, text): (usize, &&str)| {
            let mut text = (*text).to_owned();
            for (other, name) in self.family.machines.iter().enumerate() {
                text = text.replace(&format!("@{name}("), &format!("{}(", self.address(other)));
            }
            let migration = variant.migrations[machine];
            Wanted { address: self.address(machine), text, migration, config: config.to_owned() }
        };
        variant.texts.iter().enumerate().map(want).collect()
    }
}

/// A request that a client may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The instance, as it is called in the release whose words the client uses.
    pub address: String,
    /// The input.
    pub json: String,
}

fn begin(rng: &mut Rng, family: &'static Family) -> Present {
    let last = family.variants.len() as u64;
    // Mostly the oldest version: there is more to come then.
    let variant = if rng.percent(70) { 0 } else { rng.below(last) };
    Present {
        family,
        variant: usize::try_from(variant).unwrap_or(0),
        app: family.app.to_owned(),
        machines: family.machines.iter().map(|name| (*name).to_owned()).collect(),
        care: Care::of(rng, family.machines.len()),
    }
}

impl World {
    /// Mixes the world of a seed.
    pub fn of(seed: u64) -> World {
        let mut rng = Rng::of(seed, u64::MAX);
        let mut pool: Vec<&'static Family> = FAMILIES.iter().collect();
        let mut present = vec![];
        for _ in 0..2 + rng.below(3) {
            let place = rng.below(pool.len() as u64);
            let family = pool.swap_remove(usize::try_from(place).unwrap_or(0));
            present.push(begin(&mut rng, family));
        }
        let mut world = World { editions: vec![], present: vec![] };
        world.add(&mut rng, present, Transition::default());
        for _ in 0..2 + rng.below(3) {
            let before = world.present.last().expect("there is a first release").clone();
            let (present, said) = next(&mut rng, &before);
            world.add(&mut rng, present, said);
        }
        world
    }

    fn add(&mut self, rng: &mut Rng, present: Vec<Present>, said: Transition) {
        let number = self.editions.len() + 1;
        let version: Version = format!("{number}.0.0").parse().expect("a version");
        let wanted: Vec<Wanted> = present
            .iter()
            .flat_map(|app| {
                let config = match app.family.app {
                    "time" => format!("{{\"grace\":{}}}", rng.below(5) * 500),
                    "count" => format!("{{\"most\":{}}}", 5 + rng.below(20)),
                    _ => "{}".to_owned(),
                };
                app.wanted(&config)
            })
            .collect();
        let from = self.editions.last();
        let default = match from {
            Some(from) if rng.percent(50) => from.version.clone(),
            _ => version.clone(),
        };
        let care = present.iter().map(|app| (app.address(0).app, app.supervision())).collect();
        self.editions.push(edition(version, &wanted, from, said, default, &care));
        self.present.push(present);
    }

    /// Returns the machine of this digest.
    pub fn part(&self, digest: Digest) -> Option<&Part> {
        let parts =
            self.editions.iter().flat_map(|edition| edition.members.values()).map(|member| &*member.part);
        parts.into_iter().find(|part| part.digest() == digest)
    }

    /// Returns what the releases have, a line each.
    pub fn lines(&self) -> Vec<String> {
        let line = |(edition, present): (&Edition, &Vec<Present>)| {
            let apps = present.iter().map(|app| {
                let names: Vec<String> =
                    (0..app.machines.len()).map(|machine| app.address(machine).to_string()).collect();
                let care = match app.supervision() {
                    care if care == Supervision::default() => String::new(),
                    care => format!(" with {care:?}"),
                };
                format!("{} in variant {} of {}{care}", names.join(" and "), app.variant + 1, app.family.app)
            });
            let mut words: Vec<String> = apps.collect();
            let Transition { restarts, applies, .. } = &edition.said;
            words.extend(restarts.keys().map(|app| format!("{app} restarts")));
            words.extend(applies.iter().map(|apply| format!("{} gets {}", apply.machine, apply.input)));
            if edition.default != edition.version {
                words.push(format!("speaks {} by default", edition.default));
            }
            format!("{}: {}", edition.version, words.join("; "))
        };
        self.editions.iter().zip(&self.present).map(line).collect()
    }

    /// Returns a request in the words of a release.
    pub fn draft(&self, rng: &mut Rng, words: usize) -> Draft {
        let app = rng.pick(&self.present[words]);
        let variant = &app.family.variants[app.variant];
        let input: &Input = rng.weighted(variant.inputs, |input| input.weight);
        let mut address = app.address(input.machine).to_string();
        if self.editions[words].members[&app.address(input.machine)].part.checked.keyed {
            address = format!("{address}/{}", rng.pick(&KEYS));
        }
        let json = filled(rng, input.json);
        Draft { address, json }
    }
}

/// Fills in what a seed chooses.
fn filled(rng: &mut Rng, json: &str) -> String {
    let json = json.replace("$n", &rng.below(12).to_string());
    let json = json.replace("$k", rng.pick::<&str>(&KEYS));
    let json = json.replace("$t", rng.pick::<&str>(&TIMERS));
    json.replace("$d", &(rng.below(8) * 700).to_string())
}

/// Returns the next release, and what is said of the way to it.
fn next(rng: &mut Rng, before: &[Present]) -> (Vec<Present>, Transition) {
    let mut said = Transition::default();
    let mut present = vec![];
    for old in before {
        if before.len() > 1 && rng.percent(8) {
            continue;
        }
        let mut new = old.clone();
        if rng.percent(60) && new.variant + 1 < new.family.variants.len() {
            new.variant += 1;
        }
        if rng.percent(30) {
            new.care = Care::of(rng, new.machines.len());
        }
        if rng.percent(8) {
            new.app = if new.app == new.family.app {
                format!("{}_too", new.app)
            } else {
                new.family.app.to_owned()
            };
            let app = |name: &str| name.parse::<AppName>().expect("the pool has good names");
            said.renamed_apps.insert(app(&new.app), app(&old.app));
        }
        if rng.percent(6) {
            let machine = usize::try_from(rng.below(new.machines.len() as u64)).unwrap_or(0);
            let name = new.family.machines[machine];
            new.machines[machine] =
                if new.machines[machine] == name { format!("{name}_too") } else { name.to_owned() };
            said.renamed_machines.insert(new.address(machine), old.address(machine));
        }
        if rng.percent(10) {
            said.restarts.insert(new.app.parse().expect("a name"), "the seed says so".to_owned());
        } else if !new.family.applies.is_empty() && rng.percent(25) {
            let apply = rng.pick(new.family.applies);
            said.applies.push(applied(rng, &new, apply));
        }
        present.push(new);
    }
    let absent: Vec<&'static Family> =
        FAMILIES.iter().filter(|family| before.iter().all(|old| old.family.app != family.app)).collect();
    if !absent.is_empty() && (present.is_empty() || rng.percent(30)) {
        let family = rng.pick(&absent);
        present.push(begin(rng, family));
    }
    (present, said)
}

fn applied(rng: &mut Rng, app: &Present, apply: &pool::Apply) -> Apply {
    let keyed = app.family.variants[0].texts[apply.machine]
        .lines()
        .next()
        .is_some_and(|line| line.contains(" keyed "));
    let key = keyed.then(|| rng.pick(&KEYS).parse().expect("a key"));
    Apply {
        machine: app.address(apply.machine),
        key,
        input: apply.input.to_owned(),
        inverse: Some(apply.inverse.to_owned()),
    }
}
