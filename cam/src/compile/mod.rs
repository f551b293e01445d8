//! From source text to bytecode: machines and edges.

mod emit;
mod said;
pub mod session;
mod suite;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::check::Modules;
pub use crate::check::line::Returned;
use crate::check::line::{self, TooMuch};
use crate::check::machine::CheckedMachine;
use crate::check::migration::CheckedMigration;
use crate::check::{machine as check_machine, migration as check_migration};
use crate::code::build::ModuleBuilder;
use crate::code::{Answer, Channel, ChannelEdge, Edge, Entry, FuncIx, Machine, Module, Port};
use crate::derive::{
    DownClass, Effect, Rule, Verdict, Way, arrow, compare, down_arrow, judge, judge_state, judge_way,
    keep_arrow, kept,
};
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::hir::{Function, FunctionId};
use crate::syntax::{ast, parse_file};
use crate::ty::Ty;
use crate::verify::{VerifiedMachine, taken_by_down};

pub use suite::{suite, suite_with};
pub use template::template;

/// What the first line of a migration file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationHeader {
    /// The name of the machine.
    pub machine: Arc<str>,
    /// The version of the app that the migration comes from, as written.
    pub from: Arc<str>,
}

/// Compiles a machine file.
///
/// `predecessor` is the module of the same machine in the locked predecessor; ordinals of fields
/// and cases that it has are kept.
///
/// # Errors
///
/// All faults of the text.
pub fn machine(source: &Source, predecessor: Option<&Module>) -> Result<Module, Vec<Diagnostic>> {
    machine_with(source, &Modules::default(), predecessor)
}

/// Compiles a machine file of an application with type modules. The bytes are those that the
/// machine would have if the declarations that it uses stood in it.
///
/// # Errors
///
/// All faults of the text.
pub fn machine_with(
    source: &Source,
    modules: &Modules,
    predecessor: Option<&Module>,
) -> Result<Module, Vec<Diagnostic>> {
    machine_in_line(source, modules, predecessor.as_slice()).map(|(module, _)| module)
}

/// As [`machine_with`], where a machine comes from several predecessors, the newest first: the newest
/// gives the ordinals, and the names that any of them has or had stay taken. Returns those of them
/// that come back, too; one that is of another type than it was has a new ordinal.
///
/// # Errors
///
/// All faults of the text.
pub fn machine_in_line(
    source: &Source,
    modules: &Modules,
    predecessors: &[&Module],
) -> Result<(Module, Vec<Returned>), Vec<Diagnostic>> {
    let checked = checked_machine(source, modules, predecessors)?;
    Ok((emit_machine(&checked), checked.returned))
}

/// Returns why predecessors of a machine cannot be of one line: an ordinal that means two names, or a
/// name with two ordinals.
pub fn conflict(predecessors: &[&Module]) -> Option<String> {
    line::conflict(predecessors)
        .unwrap_or_else(|TooMuch| Some("their types are too many to be compared".to_owned()))
}

fn checked_machine(
    source: &Source,
    modules: &Modules,
    predecessors: &[&Module],
) -> Result<CheckedMachine, Vec<Diagnostic>> {
    let file = match parse_file(source)? {
        ast::File::Machine(file) => file,
        ast::File::Migration(file) => return Err(no_machine(source, file.machine.span, "migration")),
        ast::File::Types(file) => return Err(no_machine(source, file.name.span, "type module")),
    };
    check_machine::check_with(source, &file, modules, predecessors)
}

fn no_machine(source: &Source, span: Span, what: &str) -> Vec<Diagnostic> {
    let wrong = Diagnostic::new("E0301", source, span, format!("this is a {what}, not a machine"), "here");
    vec![wrong.help("machines stand in `machines/`, migrations in `migrations/`, type modules in `types/`")]
}

fn emit_machine(checked: &CheckedMachine) -> Module {
    let mut builder = ModuleBuilder::new(&checked.name);
    let known = emit_functions(&mut builder, &checked.functions);
    let mut emit = |function: &Function| emit::function(&mut builder, &known, function);
    let init = emit(&checked.init);
    let step: Vec<FuncIx> = checked.handlers.iter().map(&mut emit).collect();
    let invariants =
        checked.invariants.iter().map(|(name, function)| (name.clone(), emit(function))).collect();
    let channels = checked
        .channels
        .iter()
        .map(|channel| Channel {
            name: channel.name.clone(),
            target: channel.target.clone(),
            keyed: channel.keyed,
            message: builder.ty(&channel.message),
            answer: channel.answer.as_ref().map(|(case, ty)| Answer { case: *case, ty: builder.ty(ty) }),
        })
        .collect();
    let ports = checked
        .ports
        .iter()
        .map(|port| Port {
            name: port.name.clone(),
            keyed: port.keyed,
            message: builder.ty(&port.message),
            answer: port.answer.as_ref().map(|(case, ty)| Answer { case: *case, ty: builder.ty(ty) }),
        })
        .collect();
    let entry = Machine {
        keyed: checked.keyed,
        config: builder.ty(&checked.config),
        state: builder.ty(&checked.state),
        input: builder.ty(&checked.input),
        internal: checked.internal.clone(),
        output: builder.ty(&checked.output),
        init,
        step,
        invariants,
        channels,
        ports,
    };
    for (name, ty) in &checked.types {
        builder.declare(name.clone(), ty);
    }
    checked.retired.iter().for_each(|retired| builder.retire(retired));
    finish(builder, Entry::Machine(entry))
}

/// Finishes a module whose every index came from its builder.
pub(crate) fn finish(builder: ModuleBuilder, entry: Entry) -> Module {
    builder.finish(entry).expect("the compiler uses the indices that the builder gave out")
}

fn emit_functions(
    builder: &mut ModuleBuilder,
    functions: &[(FunctionId, Function)],
) -> BTreeMap<FunctionId, FuncIx> {
    let mut known = BTreeMap::new();
    for (id, function) in functions {
        let index = emit::function(builder, &known, function);
        known.insert(*id, index);
    }
    known
}

/// Compiles the edge from one machine to another: what the migration writes, and what can be
/// derived for the rest.
///
/// # Errors
///
/// All faults of the migration, and everything that can neither be derived nor was written.
pub fn edge(
    from: &VerifiedMachine,
    to: &VerifiedMachine,
    migration: Option<&Source>,
) -> Result<Module, Vec<Diagnostic>> {
    edge_with(from, to, migration, &Modules::default())
}

/// Compiles the edge from one machine to another, where the migration may use type modules: those
/// that the new machine was compiled with.
///
/// # Errors
///
/// All faults of the migration, and everything that can neither be derived nor was written.
pub fn edge_with(
    from: &VerifiedMachine,
    to: &VerifiedMachine,
    migration: Option<&Source>,
    modules: &Modules,
) -> Result<Module, Vec<Diagnostic>> {
    edge_told(from, to, migration, modules).map(|edge| edge.module)
}

/// An edge, and what its code does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeTold {
    /// The edge.
    pub module: Module,
    /// What the migration says of answers, inputs and ways down that would break something if it were
    /// not said, each as [`Breach::id`](crate::derive::Breach::id) names it.
    pub said: Vec<String>,
    /// How states find their way down; `None` where a person wrote it.
    pub class: Option<DownClass>,
}

/// As [`edge_with`]; and what its code does not show.
///
/// # Errors
///
/// As [`edge_with`].
pub fn edge_told(
    from: &VerifiedMachine,
    to: &VerifiedMachine,
    migration: Option<&Source>,
    modules: &Modules,
) -> Result<EdgeTold, Vec<Diagnostic>> {
    let name = to.module().debug.name.clone();
    let nowhere = Source::new(format!("(edge of {name})"), "");
    let source = migration.unwrap_or(&nowhere);
    let written = match migration {
        None => CheckedMigration::default(),
        Some(source) => {
            let file = migration_file(source)?;
            check_migration::check(source, &file, modules, from, to)?
        }
    };
    let faults = reasons_not_derivable(source, from, to, &written);
    if !faults.is_empty() {
        return Err(faults);
    }

    let mut builder = ModuleBuilder::new(&name);
    let known = emit_functions(&mut builder, &written.functions);
    let (forth, back) = (&*written.edits, &written.edits.reversed());
    // What a derived `up` leaves out, a derived `down` puts back.
    let kept = kept(from.state(), to.state(), forth).filter(|_| written.up.is_none());
    let kept = kept.and_then(|kept| {
        let takes = taken_by_down(to.state(), &kept.ty).ok()?;
        Some((kept, takes))
    });
    type Ends<'t> = (&'t Ty, &'t Ty);
    let arrow_of =
        |builder: &mut ModuleBuilder, name: &str, written: &Option<Function>, ends: Ends<'_>, edits| {
            match written {
                Some(function) => emit::function(builder, &known, function),
                None => arrow(builder, name, ends.0, ends.1, edits),
            }
        };
    let up = arrow_of(&mut builder, "up", &written.up, (from.state(), to.state()), forth);
    let down = match kept.as_ref().filter(|_| written.down.is_none()) {
        None => arrow_of(&mut builder, "down", &written.down, (to.state(), from.state()), back),
        Some((kept, takes)) => down_arrow(&mut builder, to.state(), from.state(), kept, takes, back),
    };
    let lift = arrow_of(&mut builder, "lift", &written.lift, (from.input(), to.input()), forth);
    let unlift = arrow_of(&mut builder, "unlift", &written.unlift, (to.input(), from.input()), back);
    let lower = arrow_of(&mut builder, "lower", &written.lower, (to.output(), from.output()), back);
    let raise = arrow_of(&mut builder, "raise", &written.raise, (from.output(), to.output()), forth);
    let keep = match (&written.keep, &kept) {
        (Some(keep), _) => Some(emit::function(&mut builder, &known, keep)),
        (None, Some((kept, _))) if written.down.is_none() || written.down_takes_kept => {
            Some(keep_arrow(&mut builder, from.state(), kept))
        }
        _ => None,
    };
    let mut channels = Vec::new();
    let kept = from
        .channels()
        .iter()
        .filter_map(|channel| Some((&channel.name, channel.message, to.channel(&channel.name)?.message)));
    let kept_ports =
        from.ports().iter().filter_map(|port| Some((&port.name, port.message, to.port(&port.name)?.message)));
    for (name, old, new) in kept.chain(kept_ports) {
        let (old, new) = (from.module().ty(old), to.module().ty(new));
        let up = arrow(&mut builder, &format!("{name} up"), old, new, forth);
        let down = arrow(&mut builder, &format!("{name} down"), new, old, back);
        channels.push(ChannelEdge { name: name.clone(), up, down });
    }
    let said = if migration.is_some() { said::said(from, to, &written) } else { vec![] };
    let class = written.down.is_none().then(|| compare(from, to, &written.edits).down_class());
    let (from, to) = (from.digest(), to.digest());
    let edge = Edge { from, to, up, down, lift, unlift, lower, raise, channels, keep };
    Ok(EdgeTold { module: finish(builder, Entry::Edge(edge)), said, class })
}

/// Returns a fault for each arrow that has to be written.
fn reasons_not_derivable(
    source: &Source,
    from: &VerifiedMachine,
    to: &VerifiedMachine,
    written: &CheckedMigration,
) -> Vec<Diagnostic> {
    let name = &to.module().debug.name;
    let span = 0..source.text.lines().next().map_or(0, str::len);
    let mut faults = Vec::new();
    let mut fault = |code, message: String, reasons: Vec<String>, help: String| {
        let label = reasons.first().cloned().unwrap_or_default();
        let mut diagnostic = Diagnostic::new(code, source, span.clone(), message, label);
        let more = reasons.iter().skip(1).map(|reason| format!("also {reason}"));
        diagnostic.help = Some(more.chain([help]).collect::<Vec<_>>().join("\n"));
        faults.push(diagnostic);
    };
    let (old, new) = (from.state(), to.state());
    if written.up.is_none() {
        let verdict = judge_state(Way::Forth, old, new, &written.edits);
        if !verdict.is_lossless() {
            let reasons = verdict.problems().map(ToString::to_string);
            let losses = verdict.losses().map(ToString::to_string);
            fault(
                "E0401",
                format!("the state of `{name}` does not carry over by itself"),
                reasons.chain(losses).collect(),
                [edits_for(&verdict), format!("write `up (old) = ...`: it takes {old} to {new}")].concat(),
            );
        }
    }
    if written.down.is_none() {
        // What is merely new is forgotten on the way back, and a case that the old type lacks
        // fails its guard; a part that nothing can be made of has to be said by a person.
        let back = written.edits.reversed();
        // A written `up` keeps nothing aside.
        let verdict = match written.up {
            None => judge_state(Way::Back, new, old, &back),
            Some(_) => judge_way(Way::Back, new, old, &back, "State"),
        };
        let open: Vec<String> = verdict
            .changes
            .iter()
            .filter(|change| change.effect == Effect::Open)
            .map(ToString::to_string)
            .collect();
        if !open.is_empty() {
            fault(
                "E0402",
                format!("the state of `{name}` has no way back by itself"),
                open,
                format!(
                    "write `down (new) = ...`: it takes {new} to {old}; or say that there is none: `down (new) = fail \"...\"`"
                ),
            );
        }
    }
    if written.lift.is_none() {
        let verdict = judge(from.input(), to.input(), &written.edits, "Input");
        if !verdict.is_total() {
            fault(
                "E0403",
                format!("queued inputs of `{name}` do not carry over by themselves"),
                verdict.problems().map(ToString::to_string).collect(),
                "write what they become: `lift Old { x } => New { x }`, or keep the case".to_owned(),
            );
        }
    }
    faults
}

/// Returns the edits that would say what a verdict leaves open, as far as edits can: each on a line.
fn edits_for(verdict: &Verdict) -> String {
    let has =
        |rule| verdict.changes.iter().any(|change| change.rule == rule && change.effect >= Effect::Lost);
    let (needed, lost) = (has(Rule::FIELD_NEEDED), has(Rule::FIELD_REMOVED));
    let mut lines = String::new();
    if needed && lost {
        lines += "is it another name? `rename Type.old to new`\n";
    }
    if needed {
        lines += "say what a new field starts as: `add Type.field = value`; or give it a default\n";
    }
    if lost {
        lines += "say that a field is given up: `drop Type.field`; it is kept aside for the way back\n";
    }
    if lines.is_empty() { lines } else { lines + "or " }
}

/// Reads the first line of a migration file.
///
/// # Errors
///
/// All faults of the text.
pub fn migration_header(source: &Source) -> Result<MigrationHeader, Vec<Diagnostic>> {
    let file = migration_file(source)?;
    Ok(MigrationHeader { machine: file.machine.text, from: file.from.text })
}

fn migration_file(source: &Source) -> Result<ast::MigrationFile, Vec<Diagnostic>> {
    match parse_file(source)? {
        ast::File::Migration(file) => Ok(file),
        ast::File::Machine(file) => Err(no_migration(source, file.name.span, "machine")),
        ast::File::Types(file) => Err(no_migration(source, file.name.span, "type module")),
    }
}

fn no_migration(source: &Source, span: Span, what: &str) -> Vec<Diagnostic> {
    let wrong = Diagnostic::new("E0404", source, span, format!("this is a {what}, not a migration"), "here");
    vec![wrong.help("a migration begins with `migration NAME from \"VERSION\"`")]
}
