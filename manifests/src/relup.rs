//! `relup/VERSION.toml`: every instruction from one release to another, up and down.
//!
//! Computed, never written by hand. Everything that an agent needs stands in it, so that the
//! agent decides nothing. This document says what an instruction looks like; which lists of
//! them make sense is judged by the checker of the crate `releases`.

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;

use crate::address::{Key, MachineAddress};
use crate::bundle::read_format;
use crate::name::{AppName, ReleaseName};
use crate::reader::{Field, Reader, Table, check_canonical};
use crate::version::Version;
use crate::writer::Writer;

/// The format of relups that this version writes and reads.
pub const FORMAT: u64 = 1;

/// The greatest length of an input that an instruction carries, in bytes of JSON.
pub(crate) const INPUT_BYTES_MAX: usize = 1 << 20;

/// The instructions from one release to another, and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relup {
    /// The name of both releases.
    pub release: ReleaseName,
    /// The release that it starts from.
    pub from: RelupFrom,
    /// The version that it leads to. Its digest cannot stand here: the relup is part of the
    /// bundle that the digest covers.
    pub to: Version,
    /// From `from` to `to`.
    pub up: Vec<Instruction>,
    /// From `to` back to `from`.
    pub down: Vec<Instruction>,
}

/// The release that a relup starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelupFrom {
    /// The version; a label.
    pub version: Version,
    /// The digest of the bundle; what counts.
    pub digest: Digest,
}

/// One step of a relup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Has a piece of code ready in memory.
    Load(CodeOf),
    /// Verifies a piece of code that was loaded.
    Verify(CodeOf),
    /// Runs the migration of a machine over all its live instances and throws the results away.
    Try(Change),
    /// Goes over from one release to the other: the one durable record.
    Switch(Vec<Pair>),
    /// Starts an application that the switch added.
    Start(AppName),
    /// Stops an application that the switch removed.
    Stop(AppName),
    /// Gives an instance an input, recorded like any other; `inverse` undoes it.
    Apply(Apply),
    /// Migrates all instances of a machine now and not when they are next used.
    Migrate(Change),
    /// Waits until the nodes of the rollout have come to the barrier of this name.
    Barrier(String),
    /// Makes the release permanent.
    MakePermanent,
    /// Starts an application anew and gives up its state, because a person chose to.
    Restart(AppName),
}

/// A piece of code, and the machine on whose behalf it is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeOf {
    /// The machine; the sender, for a link.
    pub machine: MachineAddress,
    /// The code.
    pub code: Code,
}

/// A piece of code, by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A machine.
    Machine(Digest),
    /// An edge.
    Edge(Digest),
    /// A link.
    Link(Digest),
}

/// A machine that changes its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The machine.
    pub machine: MachineAddress,
    /// The digest that runs before.
    pub from: Digest,
    /// The digest that runs after.
    pub to: Digest,
    /// The digest of the edge between both.
    pub edge: Digest,
}

/// A machine in a switch. At least one of `from` and `to` is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The machine, as it is called after the switch; before it, for one that the switch removes.
    pub machine: MachineAddress,
    /// What it is called before the switch, where that is something else.
    pub was: Option<MachineAddress>,
    /// The digest that runs before; `None`: the switch adds the machine.
    pub from: Option<Digest>,
    /// The digest that runs after; `None`: the switch removes the machine.
    pub to: Option<Digest>,
    /// The edge between both, when they differ.
    pub edge: Option<Digest>,
}

/// An input that a relup gives to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apply {
    /// The machine.
    pub machine: MachineAddress,
    /// The key of the instance, when the machine is keyed.
    pub key: Option<Key>,
    /// The input, in the JSON form of values of the machine that runs after the switch.
    pub input: String,
    /// The input that undoes it, in the JSON form of values of the machine that runs before the
    /// switch; it is given there after going back. None for a machine that goes away then.
    pub inverse: Option<String>,
}

impl Pair {
    /// Returns what the machine is called before the switch.
    pub fn before(&self) -> &MachineAddress {
        self.was.as_ref().unwrap_or(&self.machine)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Load,
    Verify,
    Try,
    Switch,
    Start,
    Stop,
    Apply,
    Migrate,
    Barrier,
    MakePermanent,
    Restart,
}

/// The words for the kinds of instruction.
const KINDS: [(&str, Kind); 11] = [
    ("load", Kind::Load),
    ("verify", Kind::Verify),
    ("try", Kind::Try),
    ("switch", Kind::Switch),
    ("start", Kind::Start),
    ("stop", Kind::Stop),
    ("apply", Kind::Apply),
    ("migrate", Kind::Migrate),
    ("barrier", Kind::Barrier),
    ("make_permanent", Kind::MakePermanent),
    ("restart", Kind::Restart),
];

impl Instruction {
    /// Returns the word for the kind of instruction.
    pub fn word(&self) -> &'static str {
        match self {
            Instruction::Load(_) => "load",
            Instruction::Verify(_) => "verify",
            Instruction::Try(_) => "try",
            Instruction::Switch(_) => "switch",
            Instruction::Start(_) => "start",
            Instruction::Stop(_) => "stop",
            Instruction::Apply(_) => "apply",
            Instruction::Migrate(_) => "migrate",
            Instruction::Barrier(_) => "barrier",
            Instruction::MakePermanent => "make_permanent",
            Instruction::Restart(_) => "restart",
        }
    }
}

/// Reads a relup.
///
/// # Errors
///
/// All faults of the text; a text that is not as [`write`] writes it.
pub fn read(source: &Source) -> Result<Relup, Vec<Diagnostic>> {
    let relup = read_loosely(source)?;
    check_canonical(source, &write(&relup))?;
    Ok(relup)
}

/// Reads a relup whoever wrote it, for those who judge it: also one that is not as [`write`] writes it.
///
/// # Errors
///
/// All faults of the text.
pub fn read_loosely(source: &Source) -> Result<Relup, Vec<Diagnostic>> {
    Reader::read(source, |_, table| {
        let format = read_format(table, FORMAT);
        let release = table.required("release").and_then(|field| field.word());
        let from = table.required("from").and_then(|field| {
            field.table_with(|table| {
                let version = table.required("version").and_then(|field| field.word());
                let digest = table.required("digest").and_then(|field| field.word());
                Some(RelupFrom { version: version?, digest: digest? })
            })
        });
        let to = table.required("to").and_then(|field| {
            field.table_with(|table| table.required("version").and_then(|field| field.word()))
        });
        let up = read_instructions(table.optional("up"));
        let down = read_instructions(table.optional("down"));
        format?;
        Some(Relup { release: release?, from: from?, to: to?, up: up?, down: down? })
    })
}

fn read_instructions(field: Option<Field<'_, '_>>) -> Option<Vec<Instruction>> {
    let Some(field) = field else { return Some(Vec::new()) };
    let read: Vec<Option<Instruction>> =
        field.items()?.iter().map(|item| item.table_with(read_instruction)).collect();
    read.into_iter().collect()
}

fn read_instruction(table: &Table<'_, '_>) -> Option<Instruction> {
    let Some(kind) = table.required("do").and_then(|field| field.one_of(&KINDS)) else {
        // Which keys are known depends on the kind.
        table.forgive_unknown();
        return None;
    };
    let app = || table.required("app").and_then(|field| field.word());
    Some(match kind {
        Kind::Load => Instruction::Load(read_code(table)?),
        Kind::Verify => Instruction::Verify(read_code(table)?),
        Kind::Try => Instruction::Try(read_change(table)?),
        Kind::Switch => {
            let read: Vec<Option<Pair>> = match table.optional("machine") {
                Some(field) => field.items()?.iter().map(|item| item.table_with(read_pair)).collect(),
                None => Vec::new(),
            };
            Instruction::Switch(read.into_iter().collect::<Option<_>>()?)
        }
        Kind::Start => Instruction::Start(app()?),
        Kind::Stop => Instruction::Stop(app()?),
        Kind::Apply => Instruction::Apply(read_apply(table)?),
        Kind::Migrate => Instruction::Migrate(read_change(table)?),
        Kind::Barrier => Instruction::Barrier(table.required("name").and_then(|field| field.prose(64))?),
        Kind::MakePermanent => Instruction::MakePermanent,
        Kind::Restart => Instruction::Restart(app()?),
    })
}

pub(crate) fn read_apply(table: &Table<'_, '_>) -> Option<Apply> {
    let machine = read_machine(table);
    let key = match table.optional("key") {
        Some(field) => match field.text()?.parse() {
            Ok(key) => Some(Some(key)),
            Err(error) => {
                let error: crate::address::AddressError = error;
                field.refuse("M0113", error.to_string());
                None
            }
        },
        None => Some(None),
    };
    let input = table.required("input").and_then(|field| field.prose(INPUT_BYTES_MAX));
    let inverse = match table.optional("inverse") {
        Some(field) => field.prose(INPUT_BYTES_MAX).map(Some),
        None => Some(None),
    };
    Some(Apply { machine: machine?, key: key?, input: input?, inverse: inverse? })
}

pub(crate) fn write_apply(writer: &mut Writer, apply: &Apply) {
    writer.text("machine", &apply.machine);
    writer.text_if("key", apply.key.as_ref());
    writer.text("input", &apply.input);
    writer.text_if("inverse", apply.inverse.as_ref());
}

fn read_machine(table: &Table<'_, '_>) -> Option<MachineAddress> {
    table.required("machine").and_then(|field| field.word())
}

fn read_digest_if(table: &Table<'_, '_>, key: &'static str) -> Option<Option<Digest>> {
    match table.optional(key) {
        Some(field) => field.word().map(Some),
        None => Some(None),
    }
}

fn read_code(table: &Table<'_, '_>) -> Option<CodeOf> {
    let machine = read_machine(table);
    let code = read_digest_if(table, "code");
    let edge = read_digest_if(table, "edge");
    let link = read_digest_if(table, "link");
    let code = match (code?, edge?, link?) {
        (Some(digest), None, None) => Code::Machine(digest),
        (None, Some(digest), None) => Code::Edge(digest),
        (None, None, Some(digest)) => Code::Link(digest),
        _ => {
            let message = "an instruction names one piece of code: `code`, `edge` or `link`";
            table.reader.refuse("M0119", table.span.clone(), message);
            return None;
        }
    };
    Some(CodeOf { machine: machine?, code })
}

fn read_change(table: &Table<'_, '_>) -> Option<Change> {
    let machine = read_machine(table);
    let from = table.required("from").and_then(|field| field.word());
    let to = table.required("to").and_then(|field| field.word());
    let edge = table.required("edge").and_then(|field| field.word());
    Some(Change { machine: machine?, from: from?, to: to?, edge: edge? })
}

fn read_pair(table: &Table<'_, '_>) -> Option<Pair> {
    let machine = table.required("name").and_then(|field| field.word());
    let was = match table.optional("was") {
        Some(field) => field.word().map(Some),
        None => Some(None),
    };
    let from = read_digest_if(table, "from");
    let to = read_digest_if(table, "to");
    let edge = read_digest_if(table, "edge");
    let pair = Pair { machine: machine?, was: was?, from: from?, to: to?, edge: edge? };
    if pair.from.is_none() && pair.to.is_none() {
        let message = format!("machine {} neither runs before nor after the switch", pair.machine);
        table.reader.refuse("M0119", table.span.clone(), message);
        return None;
    }
    Some(pair)
}

/// Writes a relup.
pub fn write(relup: &Relup) -> String {
    let mut writer = Writer::default();
    writer.raw("format", FORMAT);
    writer.text("release", &relup.release);
    writer.table("from");
    writer.text("version", &relup.from.version);
    writer.text("digest", relup.from.digest);
    writer.table("to");
    writer.text("version", &relup.to);
    for (direction, instructions) in [("up", &relup.up), ("down", &relup.down)] {
        for instruction in instructions {
            writer.item(direction);
            write_instruction(&mut writer, direction, instruction);
        }
    }
    writer.end()
}

fn write_instruction(writer: &mut Writer, direction: &str, instruction: &Instruction) {
    writer.text("do", instruction.word());
    match instruction {
        Instruction::Load(CodeOf { machine, code }) | Instruction::Verify(CodeOf { machine, code }) => {
            writer.text("machine", machine);
            match code {
                Code::Machine(digest) => writer.text("code", digest),
                Code::Edge(digest) => writer.text("edge", digest),
                Code::Link(digest) => writer.text("link", digest),
            }
        }
        Instruction::Try(change) | Instruction::Migrate(change) => {
            writer.text("machine", &change.machine);
            writer.text("from", change.from);
            writer.text("to", change.to);
            writer.text("edge", change.edge);
        }
        Instruction::Switch(pairs) => {
            for pair in pairs {
                writer.item(format_args!("{direction}.machine"));
                writer.text("name", &pair.machine);
                writer.text_if("was", pair.was.as_ref());
                writer.text_if("from", pair.from);
                writer.text_if("to", pair.to);
                writer.text_if("edge", pair.edge);
            }
        }
        Instruction::Start(app) | Instruction::Stop(app) | Instruction::Restart(app) => {
            writer.text("app", app);
        }
        Instruction::Apply(apply) => write_apply(writer, apply),
        Instruction::Barrier(name) => writer.text("name", name),
        Instruction::MakePermanent => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::testing::check;

    fn example() -> Relup {
        let machine: MachineAddress = "shop/stock".parse().expect("an address");
        let app: AppName = "shop".parse().expect("a name");
        let [from, to, edge] = ["from", "to", "edge"].map(|text| Digest::of(text.as_bytes()));
        let change = Change { machine: machine.clone(), from, to, edge };
        let of = |code| CodeOf { machine: machine.clone(), code };
        let pair = |from, to, edge| Pair { machine: machine.clone(), was: None, from, to, edge };
        let renamed = Pair { was: "shop/store".parse().ok(), ..pair(Some(from), Some(to), None) };
        Relup {
            release: "shop".parse().expect("a name"),
            from: RelupFrom { version: "1.0.0".parse().expect("a version"), digest: Digest::of(b"") },
            to: "2.0.0".parse().expect("a version"),
            up: vec![
                Instruction::Load(of(Code::Machine(to))),
                Instruction::Load(of(Code::Edge(edge))),
                Instruction::Load(of(Code::Link(edge))),
                Instruction::Verify(of(Code::Machine(to))),
                Instruction::Try(change.clone()),
                Instruction::Barrier("all here".to_owned()),
                Instruction::Switch(vec![
                    pair(Some(from), Some(to), Some(edge)),
                    pair(Some(from), None, None),
                    pair(None, Some(to), None),
                    renamed,
                ]),
                Instruction::Start(app.clone()),
                Instruction::Stop(app.clone()),
                Instruction::Apply(Apply {
                    machine: machine.clone(),
                    key: Some("a \"key\"".parse().expect("a key")),
                    input: "\"Open\"".to_owned(),
                    inverse: Some("\"Close\"".to_owned()),
                }),
                Instruction::Migrate(change),
                Instruction::Restart(app),
                Instruction::MakePermanent,
            ],
            down: vec![Instruction::Switch(vec![])],
        }
    }

    #[test]
    fn a_relup_reads_back_what_it_writes() {
        let text = write(&example());
        assert_eq!(read(&Source::new("relup/1.0.0.toml", text)), Ok(example()));
        let empty = Relup { up: vec![], down: vec![], ..example() };
        assert_eq!(read(&Source::new("relup/1.0.0.toml", write(&empty))), Ok(empty));
    }

    #[test]
    fn the_example_has_every_kind_of_instruction() {
        let words: std::collections::BTreeSet<&str> = example().up.iter().map(Instruction::word).collect();
        assert_eq!(words, KINDS.iter().map(|(word, _)| *word).collect());
    }

    #[test]
    fn each_fault_is_named_and_placed() {
        let head = write(&Relup { up: vec![], down: vec![], ..example() });
        let refused = |text: &str, expect: &str| check(&format!("{head}\n[[up]]\n{text}"), read, expect);
        let digest = Digest::of(b"");
        refused(
            "do = 'suspend'\nmachine = 'a/b'",
            "M0111 `'suspend'` `up.do` is one of `load`, `verify`, `try`, `switch`, `start`, `stop`, `apply`, \
             `migrate`, `barrier`, `make_permanent`, `restart`, found `suspend`",
        );
        refused(
            "do = 'load'\nmachine = 'a/b'",
            "M0119 `[[up]]` an instruction names one piece of code: `code`, `edge` or `link`",
        );
        refused(
            &format!("do = 'load'\nmachine = 'a/b'\ncode = '{digest}'\nlink = '{digest}'"),
            "M0119 `[[up]]` an instruction names one piece of code: `code`, `edge` or `link`",
        );
        refused(
            "do = 'start'\napp = 'a'\nedge = 'x'",
            "M0102 `edge` `[up]` has no key `edge`\nhelp: it has `do`, `app`",
        );
        refused("do = 'start'", "M0103 `[[up]]` `[up]` needs the key `app`");
        refused(
            "do = 'switch'\nmachine = [{ name = 'a/b' }]",
            "M0119 `{ name = 'a/b' }` machine a/b neither runs before nor after the switch",
        );
        refused(
            &format!("do = 'load'\nmachine = 'a'\ncode = '{digest}'"),
            "M0125 `'a'` the address of a machine is `app/machine`",
        );
        refused(
            "do = 'stop'\napp = 'a'",
            "M0120 `` this is not as the tool writes it: it was edited by hand or garbled",
        );
    }
}
