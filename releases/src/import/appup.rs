//! An `.appup` as OTP's `systools` reads it: `{Version, UpFrom, DownTo}`, and every instruction.
//!
//! The forms of instructions are those of `systools_rc`: what it takes is taken here, and what it refuses
//! is refused here, each with its place. (One difference: some forms that make `systools_rc` crash are
//! refused in words.) What an instruction becomes is the business of [`super::translate`].

use std::collections::BTreeSet;

use camshaft_cam::diagnostic::{Diagnostic, Source, Span, did_you_mean};

use super::instructions::INSTRUCTIONS;
use super::term::{self, Term, Value};
use super::versions::Pattern;

/// What an `.appup` says.
#[derive(Debug, Clone)]
pub struct Appup {
    /// The version of the application that it belongs to.
    pub version: String,
    /// Where that stands.
    pub span: Span,
    /// What is done to come from other versions, in the order of the file: the first that fits counts.
    pub up: Vec<Entry>,
    /// What is done to go back to other versions.
    pub down: Vec<Entry>,
}

/// What is done to come from some versions, or to go back to them.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Which versions.
    pub base: Base,
    /// The version or pattern as it is written.
    pub shown: String,
    /// Where it stands.
    pub span: Span,
    /// What is done.
    pub instructions: Vec<Instruction>,
}

/// Which versions an entry is for.
#[derive(Debug, Clone)]
pub enum Base {
    /// One version, a string.
    One(String),
    /// Those that a regular expression finds, a binary; or why it cannot be read here.
    Pattern(Result<Pattern, String>),
}

impl Base {
    /// Returns true when the entry is for a version, as Erlang writes it.
    pub fn is_for(&self, version: &str) -> bool {
        match self {
            Base::One(one) => one == version,
            Base::Pattern(pattern) => pattern.as_ref().is_ok_and(|pattern| pattern.is_for(version)),
        }
    }
}

/// An instruction.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// What it says.
    pub what: What,
    /// The instruction as it is written, on one line.
    pub shown: String,
    /// Where it stands.
    pub span: Span,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// `update`
    Update(Update),
    /// `load_module`
    LoadModule(Load),
    /// `add_module`
    AddModule(Load),
    /// `delete_module`
    DeleteModule(Load),
    /// `add_application`, and how it is started.
    AddApplication(String, StartType),
    /// `remove_application`
    RemoveApplication(String),
    /// `restart_application`
    RestartApplication(String),
    /// `load_object_code`, `load`, `remove`, `purge`, `suspend`, `resume`: about these modules, and
    /// nothing that a person here decides.
    Low(&'static str, Vec<String>),
    /// `code_change`: modules, and what is handed to each, as it is written.
    CodeChange(Vec<(String, String)>),
    /// `stop` or `start` of the processes of modules.
    Processes(&'static str, Vec<String>),
    /// `sync_nodes`
    SyncNodes,
    /// `apply`: module, function and arguments as they are written.
    Apply(String),
    /// `point_of_no_return`, `restart_new_emulator` or `restart_emulator`.
    Word(&'static str),
}

/// What `update` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The module.
    pub module: String,
    /// What becomes of the state.
    pub change: Change,
    /// `static` or `dynamic`, where it is said.
    pub kind: Option<String>,
    /// How long suspending may take, where it is said.
    pub timeout: Option<String>,
    /// What it has in common with `load_module`.
    pub load: Load,
}

/// What becomes of the state of the processes of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Soft,
    /// `code_change` with this as `Extra`, as it is written.
    Advanced(String),
    /// A supervisor reads what it starts anew.
    Supervisor,
}

/// How a module is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// The module.
    pub module: String,
    /// Whether purging before and after is said.
    pub purge: bool,
    /// The modules that it depends on.
    pub depends: Vec<String>,
}

/// How an application is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartType {
    /// `permanent`, `transient` or `temporary`.
    Started,
    /// `load` or `none`.
    NotStarted,
}

impl Appup {
    /// Returns the modules that instructions are about.
    pub fn modules(&self) -> BTreeSet<String> {
        let entries = self.up.iter().chain(&self.down);
        entries
            .flat_map(|entry| &entry.instructions)
            .flat_map(|instruction| instruction.what.modules())
            .collect()
    }
}

impl What {
    fn modules(&self) -> Vec<String> {
        match self {
            What::Update(update) => vec![update.module.clone()],
            What::LoadModule(load) | What::AddModule(load) | What::DeleteModule(load) => {
                vec![load.module.clone()]
            }
            What::Low(_, modules) | What::Processes(_, modules) => modules.clone(),
            What::CodeChange(changes) => changes.iter().map(|(module, _)| module.clone()).collect(),
            What::AddApplication(..)
            | What::RemoveApplication(_)
            | What::RestartApplication(_)
            | What::SyncNodes
            | What::Apply(_)
            | What::Word(_) => vec![],
        }
    }
}

/// Reads an `.appup`.
///
/// # Errors
///
/// All faults of it; the first, where it is not made of terms.
pub fn read(source: &Source) -> Result<Appup, Vec<Diagnostic>> {
    let terms = term::read(source).map_err(|fault| vec![*fault])?;
    let mut reader = Reader { source, faults: Vec::new() };
    let appup = reader.appup(&terms);
    match appup {
        Some(appup) if reader.faults.is_empty() => Ok(appup),
        _ => Err(reader.faults),
    }
}

struct Reader<'s> {
    source: &'s Source,
    faults: Vec<Diagnostic>,
}

/// What is wrong with an instruction: where, and in words.
type Wrong = (Span, String);

impl Reader<'_> {
    fn fault(&mut self, code: &'static str, span: &Span, message: impl Into<String>) -> &mut Diagnostic {
        self.faults.push(Diagnostic::new(code, self.source, span.clone(), message, "here"));
        self.faults.last_mut().expect("one was just added")
    }

    fn appup(&mut self, terms: &[Term]) -> Option<Appup> {
        let form =
            "an .appup is `{Version, [{UpFromVersion, [Instruction]}], [{DownToVersion, [Instruction]}]}.`";
        let [one] = terms else {
            let span = terms.get(1).map_or(0..0, |second| second.span.clone());
            let message = if terms.is_empty() {
                "there is no term here"
            } else {
                "an .appup is one term, and this is a second"
            };
            self.fault("R0204", &span, message).help = Some(form.to_owned());
            return None;
        };
        let Some([version, up, down]) = one.tuple() else {
            self.fault("R0204", &one.span, "this is no .appup").help = Some(form.to_owned());
            return None;
        };
        let text = version.text();
        if text.is_none() {
            self.fault("R0205", &version.span, "the version of an .appup is a string");
        }
        let (up, down) = (self.entries(up, "UpFrom"), self.entries(down, "DownTo"));
        Some(Appup { version: text?, span: version.span.clone(), up: up?, down: down? })
    }

    fn entries(&mut self, list: &Term, name: &str) -> Option<Vec<Entry>> {
        let Some(items) = list.list() else {
            self.fault("R0204", &list.span, format!("{name} is a list of `{{Version, [Instruction]}}`"));
            return None;
        };
        let entries: Vec<Option<Entry>> = items.iter().map(|item| self.entry(item)).collect();
        entries.into_iter().collect()
    }

    fn entry(&mut self, item: &Term) -> Option<Entry> {
        let Some([version, instructions]) = item.tuple() else {
            self.fault("R0204", &item.span, "an entry is `{Version, [Instruction]}`");
            return None;
        };
        let base = self.base(version);
        let Some(items) = instructions.list() else {
            self.fault("R0204", &instructions.span, "the instructions of an entry are a list");
            return None;
        };
        let read: Vec<Option<Instruction>> = items.iter().map(|item| self.instruction(item)).collect();
        let points = items.iter().filter(|item| item.atom() == Some("point_of_no_return"));
        if let Some(second) = points.clone().nth(1) {
            self.fault("R0207", &second.span, "`point_of_no_return` stands twice among these instructions");
        }
        let shown = version.shown(self.source);
        let instructions = read.into_iter().collect::<Option<_>>();
        Some(Entry { base: base?, shown, span: version.span.clone(), instructions: instructions? })
    }

    fn base(&mut self, version: &Term) -> Option<Base> {
        if let Value::Binary(bytes) = &version.value {
            let Ok(text) = std::str::from_utf8(bytes) else {
                self.fault("R0205", &version.span, "the regular expression of a version is UTF-8");
                return None;
            };
            return Some(Base::Pattern(Pattern::read(text)));
        }
        let text = version.text();
        if text.is_none() {
            let fault = self.fault(
                "R0205",
                &version.span,
                "a version is a string, or a binary with a regular expression",
            );
            fault.help = Some("such as \"1.0.0\" or <<\"1\\\\.0\\\\.[0-9]+\">>".to_owned());
        }
        text.map(Base::One)
    }

    fn instruction(&mut self, item: &Term) -> Option<Instruction> {
        let (name, parts) = match (&item.value, item.tuple()) {
            (Value::Atom(name), _) => (name.as_str(), &[][..]),
            (_, Some([first, parts @ ..])) if first.atom().is_some() => {
                (first.atom().unwrap_or_default(), parts)
            }
            _ => {
                self.fault("R0206", &item.span, "an instruction is an atom, or a tuple that begins with one");
                return None;
            }
        };
        let span = match item.tuple() {
            Some([first, ..]) => first.span.clone(),
            _ => item.span.clone(),
        };
        if name == "mnesia_backup" {
            let fault = self.fault("R0208", &span, "`mnesia_backup` was never implemented in OTP either");
            fault.help = Some("take it out".to_owned());
            return None;
        }
        let Some(known) = INSTRUCTIONS.iter().find(|known| known.name == name) else {
            let near = did_you_mean(name, INSTRUCTIONS.iter().map(|known| known.name));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            let shown: String = name.chars().take(60).collect();
            self.fault("R0206", &span, format!("there is no instruction `{shown}`")).help = help;
            return None;
        };
        // `{point_of_no_return}` is not `point_of_no_return`.
        let read = if parts.is_empty() && item.tuple().is_some() {
            no_form()
        } else {
            (known.read)(self.source, parts)
        };
        match read {
            Ok(what) => Some(Instruction { what, shown: item.shown(self.source), span: item.span.clone() }),
            Err((at, message)) => {
                let at = if at == (0..0) { item.span.clone() } else { at };
                let fault = self.fault("R0207", &at, format!("`{name}`: {message}"));
                fault.help = Some(format!("its forms: {}", known.forms.join(", ")));
                None
            }
        }
    }
}

/// What reads the parts of an instruction behind its name.
pub type Read = fn(&Source, &[Term]) -> Result<What, Wrong>;

fn no_form<T>() -> Result<T, Wrong> {
    Err((0..0, "this is none of its forms".to_owned()))
}

fn atom(term: &Term, what: &str) -> Result<String, Wrong> {
    term.atom().map(str::to_owned).ok_or_else(|| (term.span.clone(), format!("{what} is an atom")))
}

fn atoms(term: &Term, what: &str) -> Result<Vec<String>, Wrong> {
    let items = term.list().ok_or_else(|| (term.span.clone(), format!("{what}s are a list")))?;
    items.iter().map(|item| atom(item, &format!("a {what}"))).collect()
}

fn one_of(term: &Term, what: &str, words: &[&'static str]) -> Result<&'static str, Wrong> {
    let found = words.iter().find(|word| term.atom() == Some(**word));
    found.copied().ok_or_else(|| (term.span.clone(), format!("{what} is {}", words.join(" or "))))
}

fn purge(before: &Term, after: &Term) -> Result<(), Wrong> {
    for term in [before, after] {
        one_of(term, "purging", &["soft_purge", "brutal_purge"])?;
    }
    Ok(())
}

fn change(source: &Source, term: &Term) -> Result<Change, Wrong> {
    match term.tuple() {
        Some([word, extra]) if word.atom() == Some("advanced") => Ok(Change::Advanced(extra.shown(source))),
        None if term.atom() == Some("soft") => Ok(Change::Soft),
        _ => Err((term.span.clone(), "a change is soft or {advanced, Extra}".to_owned())),
    }
}

fn timeout(source: &Source, term: &Term) -> Result<Option<String>, Wrong> {
    match &term.value {
        Value::Atom(word) if word == "default" => Ok(None),
        Value::Atom(word) if word == "infinity" => Ok(Some(word.clone())),
        Value::Integer(number) if number.is_none_or(|number| number > 0) => Ok(Some(term.shown(source))),
        _ => Err((term.span.clone(), "a timeout is default, infinity or a number above 0".to_owned())),
    }
}

pub(super) fn update(source: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let is_list = |term: &Term| term.list().is_some();
    let [module, rest @ ..] = parts else { return no_form() };
    let module = atom(module, "a module")?;
    let mut load = Load { module: module.clone(), ..Load::default() };
    let mut update =
        Update { module, change: Change::Soft, kind: None, timeout: None, load: Load::default() };
    match rest {
        [] => {}
        [word] if word.atom() == Some("supervisor") => update.change = Change::Supervisor,
        [modules] if is_list(modules) => load.depends = atoms(modules, "module")?,
        [to] => update.change = change(source, to)?,
        [to, modules] if is_list(modules) => {
            update.change = change(source, to)?;
            load.depends = atoms(modules, "module")?;
        }
        [before @ .., to, pre, post, modules] if before.len() <= 2 => {
            match before {
                [] => {}
                [time] => update.timeout = timeout(source, time)?,
                [kind, time, ..] => {
                    update.kind =
                        Some(one_of(kind, "the kind of a module", &["static", "dynamic"])?.to_owned());
                    update.timeout = timeout(source, time)?;
                }
            }
            update.change = change(source, to)?;
            purge(pre, post)?;
            load.purge = true;
            load.depends = atoms(modules, "module")?;
        }
        _ => return no_form(),
    }
    update.load = load;
    Ok(What::Update(update))
}

pub(super) fn load_module(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    if let [module, pre, post, modules] = parts {
        purge(pre, post)?;
        let depends = atoms(modules, "module")?;
        return Ok(What::LoadModule(Load { module: atom(module, "a module")?, purge: true, depends }));
    }
    short_load(parts).map(What::LoadModule)
}

pub(super) fn add_module(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    short_load(parts).map(What::AddModule)
}

pub(super) fn delete_module(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    short_load(parts).map(What::DeleteModule)
}

fn short_load(parts: &[Term]) -> Result<Load, Wrong> {
    let (module, depends) = match parts {
        [module] => (module, vec![]),
        [module, modules] => (module, atoms(modules, "module")?),
        _ => return no_form(),
    };
    Ok(Load { module: atom(module, "a module")?, purge: false, depends })
}

const START_TYPES: [&str; 5] = ["permanent", "transient", "temporary", "load", "none"];

pub(super) fn add_application(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let (app, kind) = match parts {
        [app] => (app, "permanent"),
        [app, kind] => (app, one_of(kind, "how it is started", &START_TYPES)?),
        _ => return no_form(),
    };
    let kind = if ["load", "none"].contains(&kind) { StartType::NotStarted } else { StartType::Started };
    Ok(What::AddApplication(atom(app, "an application")?, kind))
}

pub(super) fn remove_application(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let [app] = parts else { return no_form() };
    atom(app, "an application").map(What::RemoveApplication)
}

pub(super) fn restart_application(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let [app] = parts else { return no_form() };
    atom(app, "an application").map(What::RestartApplication)
}

pub(super) fn load_object_code(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let [three] = parts else { return no_form() };
    let Some([app, version, modules]) = three.tuple() else { return no_form() };
    atom(app, "an application")?;
    if version.text().is_none() {
        return Err((version.span.clone(), "the version of an application is a string".to_owned()));
    }
    Ok(What::Low("load_object_code", atoms(modules, "module")?))
}

/// `load` and `remove`.
fn loads(name: &'static str, parts: &[Term]) -> Result<What, Wrong> {
    let [three] = parts else { return no_form() };
    let Some([module, pre, post]) = three.tuple() else { return no_form() };
    purge(pre, post)?;
    Ok(What::Low(name, vec![atom(module, "a module")?]))
}

pub(super) fn load(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    loads("load", parts)
}

pub(super) fn remove(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    loads("remove", parts)
}

fn modules(parts: &[Term]) -> Result<Vec<String>, Wrong> {
    let [modules] = parts else { return no_form() };
    atoms(modules, "module")
}

pub(super) fn purged(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    Ok(What::Low("purge", modules(parts)?))
}

pub(super) fn resume(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    Ok(What::Low("resume", modules(parts)?))
}

pub(super) fn stop(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    Ok(What::Processes("stop", modules(parts)?))
}

pub(super) fn start(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    Ok(What::Processes("start", modules(parts)?))
}

pub(super) fn suspend(source: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let [list] = parts else { return no_form() };
    let items = list.list().ok_or_else(|| (list.span.clone(), "modules are a list".to_owned()))?;
    let one = |item: &Term| match item.tuple() {
        Some([module, time]) => {
            timeout(source, time)?;
            atom(module, "a module")
        }
        _ => atom(item, "a module"),
    };
    Ok(What::Low("suspend", items.iter().map(one).collect::<Result<_, _>>()?))
}

pub(super) fn code_change(source: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let list = match parts {
        [list] => list,
        [mode, list] => {
            one_of(mode, "the direction", &["up", "down"])?;
            list
        }
        _ => return no_form(),
    };
    let items = list.list().ok_or_else(|| (list.span.clone(), "what changes is a list".to_owned()))?;
    let one = |item: &Term| match item.tuple() {
        Some([module, extra]) => Ok((atom(module, "a module")?, extra.shown(source))),
        _ => Err((item.span.clone(), "what changes is {Module, Extra}".to_owned())),
    };
    Ok(What::CodeChange(items.iter().map(one).collect::<Result<_, _>>()?))
}

/// Reads `{Module, Function, Arguments}`.
fn call(term: &Term) -> Result<(), Wrong> {
    let Some([module, function, arguments]) = term.tuple() else { return no_form() };
    atom(module, "a module")?;
    atom(function, "a function")?;
    match arguments.list() {
        Some(_) => Ok(()),
        None => Err((arguments.span.clone(), "arguments are a list".to_owned())),
    }
}

pub(super) fn sync_nodes(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let [_, nodes] = parts else { return no_form() };
    match nodes.tuple() {
        Some(_) => call(nodes)?,
        None => drop(atoms(nodes, "node")?),
    }
    Ok(What::SyncNodes)
}

pub(super) fn apply(source: &Source, parts: &[Term]) -> Result<What, Wrong> {
    let [function] = parts else { return no_form() };
    call(function)?;
    Ok(What::Apply(function.shown(source)))
}

/// Returns what reads an instruction that is one word.
macro_rules! word {
    ($name:ident) => {
        pub(super) fn $name(_: &Source, parts: &[Term]) -> Result<What, Wrong> {
            if parts.is_empty() { Ok(What::Word(stringify!($name))) } else { no_form() }
        }
    };
}

word!(point_of_no_return);
word!(restart_new_emulator);
word!(restart_emulator);
