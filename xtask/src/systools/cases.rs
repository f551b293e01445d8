//! Pairs of releases, made by chance from a number: what both worlds are built from.

use std::collections::{BTreeMap, BTreeSet};

/// A pair of releases.
#[derive(Debug, Clone)]
pub struct Case {
    /// The number that it was made from.
    pub seed: u64,
    /// The applications of either release, by name.
    pub apps: BTreeMap<String, App>,
    /// The order of applications in the old .rel file.
    pub old_rel: Vec<String>,
    /// The same of the new one.
    pub new_rel: Vec<String>,
}

/// An application, in the release or releases that have it.
#[derive(Debug, Clone, Default)]
pub struct App {
    /// As the old release has it.
    pub old: Option<Side>,
    /// As the new release has it.
    pub new: Option<Side>,
    /// What the instruction of a module says that it depends on. A module that changed and is not here
    /// was forgotten.
    pub instructions: BTreeMap<String, Vec<String>>,
}

/// An application in one release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// Its version.
    pub version: String,
    /// What it depends on.
    pub depends: BTreeSet<String>,
    /// The modules, and a number that is another where the code is another.
    pub modules: BTreeMap<String, u64>,
}

impl App {
    /// Returns true when both releases have it, in different versions.
    pub fn is_changed(&self) -> bool {
        matches!((&self.old, &self.new), (Some(old), Some(new)) if old.version != new.version)
    }
}

/// Numbers by chance, the same for the same seed (SplitMix64).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Returns the numbers of a seed.
    pub fn of(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Returns one of several.
    pub fn one_of(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len() as u64) as usize]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Returns a number below another.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns true so many times of a hundred.
    pub fn percent(&mut self, of: u64) -> bool {
        self.below(100) < of
    }

    fn shuffled(&mut self, mut names: Vec<String>) -> Vec<String> {
        for last in (1..names.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            names.swap(last, other);
        }
        names
    }
}

/// What becomes of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Same,
    Changed,
    Added,
    Removed,
}

/// Makes a pair of releases.
pub fn case(seed: u64) -> Case {
    let mut chance = Chance::of(seed);
    // Names in another order than dependencies, because both planners look at names somewhere.
    let letters: Vec<String> = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu"].map(str::to_owned).into();
    let count = 3 + chance.below(5) as usize;
    let mut names = chance.shuffled(letters);
    names.truncate(count);
    let mut fates: Vec<Fate> = (0..count)
        .map(|_| match chance.below(10) {
            0 | 1 => Fate::Same,
            2..=5 => Fate::Changed,
            6 | 7 => Fate::Added,
            _ => Fate::Removed,
        })
        .collect();
    // Each release has an application, and there is something to come from.
    fates[0] = Fate::Changed;
    let mut apps: BTreeMap<String, App> = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        let wanted: BTreeSet<String> = names[..at].iter().filter(|_| chance.percent(45)).cloned().collect();
        let app = app(&mut chance, name, fates[at], &wanted, &apps);
        apps.insert(name.clone(), app);
    }
    let of = |side: fn(&App) -> &Option<Side>| {
        let have = names.iter().filter(|name| side(&apps[*name]).is_some());
        have.cloned().collect::<Vec<_>>()
    };
    let (old_rel, new_rel) = (chance.shuffled(of(|app| &app.old)), chance.shuffled(of(|app| &app.new)));
    Case { seed, apps, old_rel, new_rel }
}

fn app(
    chance: &mut Chance,
    name: &str,
    fate: Fate,
    wanted: &BTreeSet<String>,
    apps: &BTreeMap<String, App>,
) -> App {
    let within = |side: fn(&App) -> &Option<Side>| {
        wanted.iter().filter(|name| side(&apps[*name]).is_some()).cloned().collect::<BTreeSet<_>>()
    };
    let (before, after) = (within(|app| &app.old), within(|app| &app.new));
    // Who loses or gains something to depend on has changed.
    let fate = if fate == Fate::Same && before != after { Fate::Changed } else { fate };
    let modules: Vec<String> = (0..1 + chance.below(3)).map(|at| format!("{name}_m{at}")).collect();
    let code = |chance: &mut Chance| {
        modules.iter().map(|module| (module.clone(), chance.below(1000))).collect::<BTreeMap<_, _>>()
    };
    let side = |version: &str, depends: &BTreeSet<String>, modules| Side {
        version: version.to_owned(),
        depends: depends.clone(),
        modules,
    };
    match fate {
        Fate::Added => App { new: Some(side("1.0.0", &after, code(chance))), ..App::default() },
        Fate::Removed => App { old: Some(side("1.0.0", &before, code(chance))), ..App::default() },
        Fate::Same => {
            let same = side("1.0.0", &before, code(chance));
            App { old: Some(same.clone()), new: Some(same), ..App::default() }
        }
        Fate::Changed => {
            let old = code(chance);
            let new = changed(chance, name, &old);
            let mut app = App {
                old: Some(side("1.0.0", &before, old)),
                new: Some(side("2.0.0", &after, new)),
                ..App::default()
            };
            app.instructions = instructions(chance, &app, apps);
            app
        }
    }
}

/// Returns the modules of the next version: some changed, perhaps one more or one less.
fn changed(chance: &mut Chance, name: &str, old: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut new = old.clone();
    for code in new.values_mut() {
        if chance.percent(70) {
            *code += 1000;
        }
    }
    if chance.percent(25) {
        new.insert(format!("{name}_more"), chance.below(1000));
    }
    if chance.percent(25) && old.len() > 1 {
        new.remove(&format!("{name}_m0"));
    }
    new
}

/// Returns the instructions for what changed, with what each depends on: of the same application, and of
/// those that it needs in both releases.
fn instructions(
    chance: &mut Chance,
    app: &App,
    apps: &BTreeMap<String, App>,
) -> BTreeMap<String, Vec<String>> {
    let (Some(old), Some(new)) = (&app.old, &app.new) else { return BTreeMap::new() };
    let all: BTreeSet<&String> = old.modules.keys().chain(new.modules.keys()).collect();
    let changed: Vec<&String> =
        all.into_iter().filter(|module| old.modules.get(*module) != new.modules.get(*module)).collect();
    let forgotten = if chance.percent(8) { changed.first().copied() } else { None };
    let others: Vec<&String> = old
        .depends
        .intersection(&new.depends)
        .flat_map(|name| apps[name].instructions.keys().filter(|module| apps[name].is_in_both(module)))
        .collect();
    let mut instructions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for module in changed.into_iter().filter(|module| Some(*module) != forgotten) {
        let mut depends: Vec<String> = Vec::new();
        if app.is_in_both(module) {
            let before: Vec<String> =
                instructions.keys().filter(|other| app.is_in_both(other)).cloned().collect();
            depends.extend(before.into_iter().filter(|_| chance.percent(40)));
            depends.extend(others.iter().filter(|_| chance.percent(15)).map(|other| (*other).clone()));
        }
        instructions.insert(module.clone(), depends);
    }
    instructions
}

impl App {
    /// Returns true when both versions have a module.
    pub fn is_in_both(&self, module: &str) -> bool {
        let has = |side: &Option<Side>| side.as_ref().is_some_and(|side| side.modules.contains_key(module));
        has(&self.old) && has(&self.new)
    }
}
