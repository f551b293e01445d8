//! An interactive session: text in, result out.
//!
//! A session holds a program, an instance of its machine if there is one, and names for values.
//! [`Session::enter`] takes one piece of text ([`crate::syntax::entry::split`] finds them) and
//! gives back what came of it. Everything goes the way of every other program: check, compile,
//! verify, run; nothing is interpreted here.
//!
//! What must stay true: an entry that is refused changes nothing, whatever was wrong with it; and
//! every entry ends, since every run has its fuel. The session's clock goes only when told, so the
//! same entries give the same results.
//!
//! Where to look next: `program` keeps the texts, `evaluate` goes through compiler and verifier,
//! `instance` steps, [`Reply`] is what comes out.

mod command;
mod complete;
mod diff;
mod evaluate;
mod instance;
mod program;
mod reply;
mod show;

use std::sync::Arc;

use crate::check::modules::Modules;
use crate::code::Module;
use crate::diagnostic::{Source, Span};
use crate::run::{Limits, Trap, check_invariants};
use crate::syntax::ast::{Expr, ExprKind};
use crate::syntax::entry::{Entry, EntryWord, PieceKind, split};
use crate::ty::{Kind, Ty};
use crate::value::Value;
use crate::verify::VerifiedMachine;
use command::Command;
use instance::{ClockFault, Instance};
use program::Program;

pub use command::COMMANDS;
pub use diff::{Change, changes};
pub use instance::{Misfire, Step, TIMERS_MAX, Timer};
pub use reply::{Advanced, Fresh, Loading, Refusal, Reply, Request, Standing, Stepped, Typed, effect_text};

/// How many changes can be taken back.
pub const UNDO_MAX: usize = 100;

/// What an expression may use: ten milliseconds or so in steps' terms, a second at the outside.
const EXPRESSION: Limits = Limits { fuel: 10_000_000, memory: 256 << 20 };

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// A machine to load.
#[derive(Debug, Clone)]
pub struct Load {
    /// Its file.
    pub source: Source,
    /// The type modules that the file may use.
    pub modules: Arc<Modules>,
    /// The machine that ordinals are kept from.
    pub predecessor: Option<Arc<Module>>,
    /// The configuration as JSON; `None`: the defaults.
    pub config: Option<String>,
}

/// An interactive session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    now: Setup,
    before: Vec<Setup>,
}

/// Everything that an entry may change.
#[derive(Debug, Clone, Default)]
struct Setup {
    program: Program,
    machine: Option<VerifiedMachine>,
    config: Option<Value>,
    instance: Option<Instance>,
    /// Names for values, the last one of a name counts.
    names: Vec<(Arc<str>, Typed)>,
}

/// The instance with what it needs to run.
struct Live<'s> {
    machine: VerifiedMachine,
    config: Value,
    instance: &'s mut Instance,
}

impl Session {
    /// Returns a session on nothing.
    pub fn new() -> Session {
        Session::default()
    }

    /// Takes one piece of a text.
    ///
    /// # Errors
    ///
    /// Why it was not done. Nothing changed.
    pub fn enter(&mut self, source: &Source, piece: Span) -> Result<Reply> {
        let text = &source.text[piece.clone()];
        let Some(first) = split(text).pieces.into_iter().next() else {
            return Ok(Reply::Help(String::new()));
        };
        let mut next = self.now.clone();
        let reply = match first.kind {
            PieceKind::Command => return self.command(source, piece),
            PieceKind::Declarations => next.declare(source, piece)?,
            PieceKind::Entry(word) => next.entry(source, piece, word)?,
        };
        if !matches!(reply, Reply::Value(_) | Reply::Holds) {
            self.change(next);
        }
        Ok(reply)
    }

    /// Loads a machine. What was declared in the session is gone, names for values stay. The
    /// state stays when `keep` says so and its type is the same.
    ///
    /// # Errors
    ///
    /// Why it cannot be loaded. Nothing changed.
    pub fn load(&mut self, load: Load, keep: bool) -> Result<Reply> {
        let mut next = Setup { names: self.now.names.clone(), ..Setup::default() };
        if keep {
            (next.machine, next.config) = (self.now.machine.clone(), self.now.config.clone());
            next.instance = self.now.instance.clone();
        }
        next.program = Program::of(load.source, load.modules, load.predecessor);
        let had = next.instance.is_some();
        let fresh = next.compile(load.config.as_deref())?;
        let Some(machine) = &next.machine else { unreachable!("a machine was just compiled") };
        let loading = Loading {
            machine: machine.module().debug.name.clone(),
            keyed: machine.machine().keyed,
            inputs: reply::cases_of(machine),
            kept: had && fresh.is_none(),
            fresh,
        };
        self.change(next);
        Ok(Reply::Loaded(loading))
    }

    /// Returns the file that is loaded, as its [`Source`] calls it.
    pub fn loaded(&self) -> Option<&str> {
        self.now.program.loaded().map(|source| &*source.name)
    }

    fn change(&mut self, next: Setup) {
        self.before.push(std::mem::replace(&mut self.now, next));
        if self.before.len() > UNDO_MAX {
            self.before.remove(0);
        }
    }

    fn command(&mut self, source: &Source, piece: Span) -> Result<Reply> {
        let text = source.text[piece.clone()].trim_start_matches(':');
        let word: &str = text.trim_start().split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        let rest_at = piece.end - text.len() + (text.len() - text.trim_start().len()) + word.len();
        let rest = rest_at..piece.end;
        let argument = source.text[rest.clone()].trim();
        let Some(command) = Command::of(word) else {
            let near = crate::diagnostic::did_you_mean(word, COMMANDS.iter().map(|(word, ..)| *word));
            let hint =
                near.map_or_else(|| ":help lists them".to_owned(), |near| format!("did you mean `:{near}`?"));
            return Err(Refusal::new(format!("there is no command `:{word}`"), hint));
        };
        match command {
            Command::Help => Ok(Reply::Help(command::help())),
            Command::Quit => Ok(Reply::Asked(Request::Quit)),
            Command::Load => {
                let path = (!argument.is_empty()).then(|| argument.to_owned());
                Ok(Reply::Asked(Request::Load(path)))
            }
            Command::Undo => match self.before.pop() {
                Some(before) => {
                    self.now = before;
                    Ok(Reply::Undone(self.before.len()))
                }
                None => Err(Refusal::new("there is nothing to take back", "only changes can be taken back")),
            },
            Command::Type => self.now.type_of(source, rest),
            Command::Code => self.now.code(source, rest),
            Command::State => self.now.standing(),
            Command::Config if argument.is_empty() => self.now.shown_config(),
            Command::Config => {
                let mut next = self.now.clone();
                let reply = next.set_config(source, rest)?;
                self.change(next);
                Ok(reply)
            }
            Command::Reset => {
                let mut next = self.now.clone();
                let reply = next.reset(argument)?;
                self.change(next);
                Ok(reply)
            }
        }
    }
}

impl Setup {
    fn machine(&self) -> Result<&VerifiedMachine> {
        self.machine.as_ref().ok_or_else(|| {
            Refusal::new("there is no machine here", "load one: `:load FILE.cam`, or start with its file")
        })
    }

    fn live(&mut self) -> Result<Live<'_>> {
        let machine = self.machine()?.clone();
        match (&mut self.instance, &self.config) {
            (Some(instance), Some(config)) => Ok(Live { machine, config: config.clone(), instance }),
            (None, Some(_)) => Err(Refusal::new(
                "there is no instance: `init` trapped",
                "declare another `init`, or set another configuration with `:config`",
            )),
            (_, None) => Err(Refusal::new(
                "there is no instance: the configuration has fields without a default",
                "set it: `:config { ... }`",
            )),
        }
    }

    fn declare(&mut self, source: &Source, piece: Span) -> Result<Reply> {
        let before = self.program.clone();
        let keys = self.program.declare(source, piece);
        let whole = |word: &str| matches!(word, "type" | "const" | "fn" | "test" | "property");
        if self.machine.is_none()
            && let Some(key) = keys.iter().find(|key| !whole(&key.word) && !key.word.is_empty())
        {
            let message = format!("`{key}` is part of a machine, and there is none here");
            return Err(Refusal::new(
                message,
                "load one with `:load FILE.cam`; without, declare `type`, `const` and `fn`",
            ));
        }
        let fresh = if self.machine.is_some() {
            self.compile(None)?
        } else {
            let assembled = self.program.assemble(None);
            let file = assembled.file()?;
            let checked = assembled.amid(&file).declarations();
            checked.map_err(|faults| assembled.at_origin(faults))?;
            None
        };
        // A constant takes the place of a value of its name.
        let is_const = |name: &str| keys.iter().any(|key| &*key.word == "const" && &*key.name == name);
        self.names.retain(|(name, _)| !is_const(name));
        let keys = keys.into_iter().map(|key| {
            let again = before.has(&key);
            (key, again)
        });
        Ok(Reply::Declared(keys.collect(), fresh))
    }

    fn entry(&mut self, source: &Source, piece: Span, word: EntryWord) -> Result<Reply> {
        if matches!(word, EntryWord::Run | EntryWord::Advance) {
            self.live()?;
        }
        let assembled = self.program.assemble(Some((source, piece)));
        let (file, entry) = assembled.entry(word)?;
        let amid = evaluate::Amid { assembled: &assembled, file: &file };
        match entry {
            Entry::Expr(expr) => Ok(Reply::Value(self.value(&amid, &expr, None)?)),
            Entry::Let(name, expr) => {
                if self.machine.is_some() && matches!(&*name.text, "state" | "config") {
                    let message = format!("`{}` is the machine's", name.text);
                    return Err(Refusal::new(
                        message,
                        "choose another name; `:config` sets the configuration",
                    ));
                }
                let typed = self.value(&amid, &expr, None)?;
                self.names.retain(|(other, _)| *other != name.text);
                self.names.push((name.text.clone(), typed.clone()));
                Ok(Reply::Bound(name.text, typed))
            }
            Entry::Run(expr) => {
                let ty = self.machine()?.input().clone();
                let input = self.value(&amid, &expr, Some(ty))?;
                self.run(input.value)
            }
            Entry::Advance(expr) => {
                let by = self.value(&amid, &expr, Some(Ty::duration()))?;
                match by.value {
                    Value::Int(by_ms) if by_ms >= 0 => self.advance(by_ms),
                    _ => Err(Refusal::new("time does not run backwards", "`:undo` takes a change back")),
                }
            }
            Entry::Expect(expr) => match self.value(&amid, &expr, Some(Ty::bool()))?.value {
                Value::Bool(true) => Ok(Reply::Holds),
                _ => Err(Refusal::DoesNotHold { sides: self.sides(&amid, &expr) }),
            },
        }
    }

    /// Returns the two sides of a comparison, to say why it does not hold.
    fn sides(&self, amid: &evaluate::Amid<'_>, expr: &Expr) -> Option<(String, String)> {
        use crate::syntax::ast::BinaryOp::{Eq, Ge, Gt, Le, Lt, Ne};
        let ExprKind::Binary(Eq | Ne | Lt | Le | Gt | Ge, left, right) = &expr.kind else { return None };
        // One side may need the other's type; where neither tells, there is nothing to add.
        let (left, right) = match self.value(amid, left, None) {
            Ok(left) => {
                let right = self.value(amid, right, Some(left.ty.clone())).ok()?;
                (left, right)
            }
            Err(_) => {
                let right = self.value(amid, right, None).ok()?;
                (self.value(amid, left, Some(right.ty.clone())).ok()?, right)
            }
        };
        Some((left.value.to_source(&left.ty), right.value.to_source(&right.ty)))
    }

    fn run(&mut self, input: Value) -> Result<Reply> {
        let live = self.live()?;
        let step = live.instance.step(&live.machine, &live.config, None, input);
        let (step, machine) = (step.map_err(trapped)?, live.machine);
        let output_name = self.name_of_output(&machine);
        Ok(Reply::Stepped(Box::new(Stepped { step, machine, output_name })))
    }

    fn advance(&mut self, by_ms: i64) -> Result<Reply> {
        let live = self.live()?;
        let fired =
            live.instance.advance(&live.machine, &live.config, by_ms).map_err(|fault| match fault {
                ClockFault::Overflow => Refusal::new("the clock does not go that far", "advance by less"),
                ClockFault::Timers => Refusal::new(
                    format!("more than {TIMERS_MAX} timers came due"),
                    "advance by less; a timer that starts itself anew at once never ends",
                ),
            })?;
        let (now_ms, machine) = (live.instance.now_ms, live.machine);
        let output_name = self.name_of_output(&machine);
        Ok(Reply::Advanced(Box::new(Advanced { by_ms, now_ms, fired, machine, output_name })))
    }

    fn standing(&mut self) -> Result<Reply> {
        let live = self.live()?;
        let timers = live.instance.timers.iter().map(|(name, timer)| (name.clone(), timer.clone()));
        let (timers, instance, machine) = (timers.collect(), live.instance.clone(), live.machine);
        let state = self.typed(instance.state, machine.state());
        Ok(Reply::State(Box::new(Standing {
            state,
            key: instance.key,
            now_ms: instance.now_ms,
            seq: instance.seq,
            timers,
            input: machine.input().clone(),
            stopped: instance.stopped,
        })))
    }

    fn shown_config(&self) -> Result<Reply> {
        let machine = self.machine()?;
        match &self.config {
            Some(config) => Ok(Reply::Config(self.typed(config.clone(), machine.config()), None)),
            None => Err(Refusal::new(
                format!("the configuration is not set: it is a {}", self.name(machine.config())),
                "set it: `:config { ... }`",
            )),
        }
    }

    fn set_config(&mut self, source: &Source, piece: Span) -> Result<Reply> {
        let ty = self.machine()?.config().clone();
        let assembled = self.program.assemble(Some((source, piece)));
        let (file, entry) = assembled.entry(EntryWord::None)?;
        let Entry::Expr(expr) = entry else { unreachable!("an entry without a word is an expression") };
        let amid = evaluate::Amid { assembled: &assembled, file: &file };
        let config = self.value(&amid, &expr, Some(ty))?;
        self.config = Some(config.value.clone());
        let fresh = if self.instance.is_some() { None } else { self.begin("".into()) };
        Ok(Reply::Config(config, fresh))
    }

    fn reset(&mut self, key: &str) -> Result<Reply> {
        let machine = self.machine()?.clone();
        if !key.is_empty() && !machine.machine().keyed {
            return Err(Refusal::new("this machine has no keys", "`:reset` alone begins anew"));
        }
        let key: Arc<str> = match (key, &self.instance) {
            ("", Some(instance)) => instance.key.clone(),
            (key, _) => key.trim_matches('"').into(),
        };
        self.instance = None;
        if let Some(Fresh::NoInit(trap)) = self.begin(key) {
            return Err(trapped(trap));
        }
        let state = self.live()?.instance.state.clone();
        Ok(Reply::Reset(self.typed(state, machine.state())))
    }

    /// Begins an instance from `init`.
    fn begin(&mut self, key: Arc<str>) -> Option<Fresh> {
        let machine = self.machine.clone()?;
        let Some(config) = &self.config else { return Some(Fresh::NoConfig) };
        match Instance::born(&machine, config, key) {
            Ok(instance) => self.instance = Some(instance),
            Err(trap) => return Some(Fresh::NoInit(trap)),
        }
        None
    }

    /// Puts a machine that was compiled anew in the place of the one before. Configuration and
    /// state are kept where their types are the same.
    fn settle(&mut self, machine: VerifiedMachine, config: Option<Value>) -> Option<Fresh> {
        let before = self.machine.replace(machine.clone());
        let same =
            |of: fn(&VerifiedMachine) -> &Ty| before.as_ref().is_some_and(|old| of(old) == of(&machine));
        let kept = self.config.take().filter(|_| same(VerifiedMachine::config));
        self.config = config.or(kept).or_else(|| default_of(machine.config()));
        let Some(mut instance) = self.instance.take() else { return self.begin("".into()) };
        let fresh = if !same(VerifiedMachine::state) {
            Fresh::StateType
        } else if let Err(trap) = check_invariants(&machine, &instance.state, Limits::STEP) {
            Fresh::Invariant(trap)
        } else {
            let timers = !instance.timers.is_empty() && !same(VerifiedMachine::input);
            if timers {
                instance.timers.clear();
            }
            self.instance = Some(instance);
            return timers.then_some(Fresh::Timers);
        };
        self.begin(instance.key).or(Some(fresh))
    }
}

/// Returns the configuration that needs nobody to say it.
fn default_of(ty: &Ty) -> Option<Value> {
    match ty.kind() {
        Kind::Unit => Some(Value::Unit),
        Kind::Record(record) => {
            let defaults: Option<Vec<Value>> =
                record.fields.iter().map(|field| field.default.clone()).collect();
            defaults.map(Value::product)
        }
        _ => None,
    }
}

/// Returns the refusal of a step or an `init` that trapped.
fn trapped(trap: Trap) -> Refusal {
    refused_by_trap(trap, "a step", Limits::STEP, "the state is what it was")
}

fn refused_by_trap(trap: Trap, what: &str, limits: Limits, otherwise: &str) -> Refusal {
    let hint = match &trap {
        Trap::Fuel => format!("{what} may use {} units of fuel; `:code` shows what code costs", limits.fuel),
        Trap::Memory => format!("{what} may build up {} bytes", limits.memory),
        _ => otherwise.to_owned(),
    };
    Refusal::Trapped { trap, hint }
}
