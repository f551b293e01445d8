//! The byte form of modules, and their digest.
//!
//! ```text
//! module   = "CAM2" number(semantics) section*          one of each, in this order
//! section  = id number(length) content
//! types    = 1   count type*                             those that code and entry name
//! constants= 2   count (type-index length value)*        values in their canonical form
//! functions= 3   count (count type-index* type-index block)*   parameters, result, body
//! entry    = 4   kind ...
//! debug    = 5   types of its own, names, retired        left out when it says nothing
//! retired  = count (name path case label ordinal type-index)*   left out when there are none
//! block    = count (opcode operand*)*                    operands as the table of `op` lists them
//! number   = LEB128, minimal; signed ones in zigzag
//! ```
//!
//! What must stay true: equal modules have equal bytes and the other way round ([`super::decode`]
//! refuses everything else); the digest covers all bytes before the debug section.

use std::collections::HashMap;

use super::operand::Operand;
use super::{Answer, Block, Debug, EffectKind, Entry, Module, SEMANTICS, TypeIx};
use crate::digest::Digest;
use crate::ty::{Kind, Ty};
use crate::value::binary::{write_number, zigzag};

/// What every module begins with.
pub const MAGIC: &[u8; 4] = b"CAM2";

/// The sections of a module, in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The types.
    Types = 1,
    /// The constants.
    Constants = 2,
    /// The functions.
    Functions = 3,
    /// The entry points.
    Entry = 4,
    /// Names; outside the digest.
    Debug = 5,
}

/// Returns the byte form.
///
/// For a module that is not in canonical form, or names what it does not have, the result are
/// bytes that [`super::decode::decode`] refuses.
pub fn encode(module: &Module) -> Vec<u8> {
    encode_with(module, code_types(module))
}

/// As [`encode`], where it is known how many of the types code and entry name.
pub(super) fn encode_with(module: &Module, code_types: usize) -> Vec<u8> {
    let mut out = encode_digested(module, code_types);
    if module.debug != Debug::default() || code_types < module.types.len() {
        section(&mut out, Section::Debug, |out| debug(out, module, code_types));
    }
    out
}

/// Returns the digest: the identity of the machine, edge or link. Names for people do not count.
pub fn digest(module: &Module) -> Digest {
    digest_of(&module.entry, &encode_digested(module, code_types(module)))
}

/// Returns the digest of a module with this entry, of which these are the bytes before the debug
/// section.
pub(super) fn digest_of(entry: &Entry, bytes: &[u8]) -> Digest {
    let tag = match entry {
        Entry::Machine(_) => "cam2/machine",
        Entry::Edge(_) => "cam2/edge",
        Entry::Link(_) => "cam2/link",
    };
    Digest::tagged(tag, bytes)
}

fn encode_digested(module: &Module, code_types: usize) -> Vec<u8> {
    // A guess that is seldom short: an instruction takes two bytes or three.
    let mut out = Vec::with_capacity(4096 + 64 * module.functions.len());
    out.extend(MAGIC);
    write_number(&mut out, SEMANTICS.into());
    section(&mut out, Section::Types, |out| types(out, &module.types, 0..code_types));
    section(&mut out, Section::Constants, |out| {
        count(out, module.constants.len());
        for (ty, value) in &module.constants {
            index(out, ty.0);
            // A value that is not of its type has no bytes; an empty one is refused by `decode`.
            let ty = module.types.get(ty.0 as usize).filter(|ty| value.has_type(ty));
            bytes(out, &ty.map(|ty| value.to_binary(ty)).unwrap_or_default());
        }
    });
    section(&mut out, Section::Functions, |out| {
        count(out, module.functions.len());
        for function in &module.functions {
            count(out, function.params.len());
            function.params.iter().for_each(|ty| index(out, ty.0));
            index(out, function.result.0);
            block(out, &function.body);
        }
    });
    section(&mut out, Section::Entry, |out| entry(out, &module.entry));
    out
}

/// Returns how many of the types code and entry name, so that the rest are debug information:
/// in the canonical order these stand last.
pub(super) fn code_types(module: &Module) -> usize {
    let mut end = 0;
    let mut see = |ty: TypeIx| end = end.max(ty.0 as usize + 1);
    match &module.entry {
        Entry::Machine(machine) => {
            [machine.config, machine.state, machine.input, machine.output].into_iter().for_each(&mut see);
            for channel in &machine.channels {
                see(channel.message);
                channel.answer.iter().for_each(|answer| see(answer.ty));
            }
            for port in &machine.ports {
                see(port.message);
                port.answer.iter().for_each(|answer| see(answer.ty));
            }
        }
        Entry::Edge(_) | Entry::Link(_) => {}
    }
    module.constants.iter().for_each(|(ty, _)| see(*ty));
    for function in &module.functions {
        function.params.iter().chain([&function.result]).for_each(|ty| see(*ty));
        function.body.each_op(&mut |op| {
            op.each_operand(|_, operand| {
                if let Operand::Type(ty) = operand {
                    see(ty);
                }
            });
        });
    }
    end.min(module.types.len())
}

fn section(out: &mut Vec<u8>, id: Section, content: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = vec![];
    content(&mut inner);
    out.push(id as u8);
    bytes(out, &inner);
}

fn count(out: &mut Vec<u8>, count: usize) {
    write_number(out, count as u64);
}

fn index(out: &mut Vec<u8>, index: u32) {
    write_number(out, index.into());
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    count(out, bytes.len());
    out.extend(bytes);
}

fn text(out: &mut Vec<u8>, text: &str) {
    bytes(out, text.as_bytes());
}

/// A part that does not stand in the table gets an index that no module has.
fn types(out: &mut Vec<u8>, all: &[Ty], range: std::ops::Range<usize>) {
    let known: HashMap<Digest, u32> = all.iter().map(Ty::digest).zip(0..).collect();
    let part = |out: &mut Vec<u8>, ty: &Ty| index(out, known.get(&ty.digest()).copied().unwrap_or(u32::MAX));
    let limit =
        |out: &mut Vec<u8>, max: &Option<u32>| write_number(out, max.map_or(0, |max| u64::from(max) + 1));
    count(out, range.len());
    for ty in &all[range] {
        match ty.kind() {
            Kind::Unit => out.push(0),
            Kind::Bool => out.push(1),
            Kind::Int { lo, hi } => {
                out.push(2);
                write_number(out, zigzag(*lo));
                write_number(out, zigzag(*hi));
            }
            Kind::Text { max } => {
                out.push(3);
                limit(out, max);
            }
            Kind::Bytes { max } => {
                out.push(4);
                limit(out, max);
            }
            Kind::Duration => out.push(5),
            Kind::Option(item) => {
                out.push(6);
                part(out, item);
            }
            Kind::Secret(item) => {
                out.push(12);
                part(out, item);
            }
            Kind::List { item, max } => {
                out.push(7);
                part(out, item);
                limit(out, max);
            }
            Kind::Map { key, value } => {
                out.push(8);
                part(out, key);
                part(out, value);
            }
            Kind::Tuple(items) => {
                out.push(9);
                count(out, items.len());
                items.iter().for_each(|item| part(out, item));
            }
            Kind::Record(record) => {
                out.push(10);
                count(out, record.fields.len());
                for field in &record.fields {
                    text(out, &field.label);
                    index(out, field.ordinal);
                    part(out, &field.ty);
                    match &field.default {
                        None => out.push(0),
                        Some(value) => {
                            out.push(1);
                            bytes(out, &value.to_binary(&field.ty));
                        }
                    }
                }
                record.declared.iter().for_each(|place| index(out, (*place).into()));
            }
            Kind::Variant(variant) => {
                out.push(11);
                count(out, variant.cases.len());
                for case in &variant.cases {
                    text(out, &case.label);
                    index(out, case.ordinal);
                    part(out, &case.payload);
                }
            }
        }
    }
}

fn block(out: &mut Vec<u8>, Block(ops): &Block) {
    count(out, ops.len());
    for op in ops {
        out.push(op.opcode());
        op.each_operand(|_, operand| match operand {
            Operand::Count(count) => index(out, count),
            Operand::Type(ty) => index(out, ty.0),
            Operand::Constant(constant) => index(out, constant.0),
            Operand::Function(function) => index(out, function.0),
            Operand::Effect(effect) => match effect {
                EffectKind::Stop => out.push(0),
                EffectKind::Log => out.push(1),
                EffectKind::Cancel => out.push(2),
                EffectKind::Timer => out.push(3),
                EffectKind::Send(channel) => {
                    out.push(4);
                    index(out, channel);
                }
                EffectKind::Call(port) => {
                    out.push(5);
                    index(out, port);
                }
            },
            Operand::Block(inner) => block(out, inner),
            Operand::Blocks(blocks) => {
                count(out, blocks.len());
                blocks.iter().for_each(|inner| block(out, inner));
            }
        });
    }
}

fn entry(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Machine(machine) => {
            out.push(1);
            out.push(machine.keyed.into());
            for ty in [machine.config, machine.state, machine.input, machine.output] {
                index(out, ty.0);
            }
            count(out, machine.internal.len());
            out.extend(machine.internal.iter().map(|internal| u8::from(*internal)));
            index(out, machine.init.0);
            count(out, machine.step.len());
            machine.step.iter().for_each(|function| index(out, function.0));
            count(out, machine.invariants.len());
            for (said, function) in &machine.invariants {
                text(out, said);
                index(out, function.0);
            }
            count(out, machine.channels.len());
            for channel in &machine.channels {
                text(out, &channel.name);
                text(out, &channel.target);
                out.push(channel.keyed.into());
                index(out, channel.message.0);
                self::answer(out, channel.answer);
            }
            // Left out where there are none: a machine without ports keeps the bytes it had
            // before there were any.
            if !machine.ports.is_empty() {
                count(out, machine.ports.len());
                for port in &machine.ports {
                    text(out, &port.name);
                    out.push(port.keyed.into());
                    index(out, port.message.0);
                    self::answer(out, port.answer);
                }
            }
        }
        Entry::Edge(edge) => {
            out.push(2);
            out.extend(edge.from.as_bytes());
            out.extend(edge.to.as_bytes());
            for arrow in [edge.up, edge.down, edge.lift, edge.unlift, edge.lower, edge.raise] {
                index(out, arrow.0);
            }
            count(out, edge.channels.len());
            for channel in &edge.channels {
                text(out, &channel.name);
                index(out, channel.up.0);
                index(out, channel.down.0);
            }
            // Left out where nothing is kept aside: such an edge keeps the bytes it had before there
            // was anything of the kind.
            if let Some(keep) = edge.keep {
                index(out, keep.0);
            }
        }
        Entry::Link(link) => {
            out.push(3);
            out.extend(link.sender.as_bytes());
            text(out, &link.channel);
            out.extend(link.receiver.as_bytes());
            index(out, link.message.0);
            match link.answer {
                None => out.push(0),
                Some(function) => {
                    out.push(1);
                    index(out, function.0);
                }
            }
        }
    }
}

fn answer(out: &mut Vec<u8>, answer: Option<Answer>) {
    match answer {
        None => out.push(0),
        Some(answer) => {
            out.push(1);
            index(out, answer.case);
            index(out, answer.ty.0);
        }
    }
}

fn debug(out: &mut Vec<u8>, module: &Module, code_types: usize) {
    types(out, &module.types, code_types..module.types.len());
    text(out, &module.debug.name);
    count(out, module.debug.types.len());
    for (name, ty) in &module.debug.types {
        text(out, name);
        index(out, ty.0);
    }
    count(out, module.debug.functions.len());
    module.debug.functions.iter().for_each(|name| text(out, name));
    // Left out where there are none: a line without retired names keeps the bytes it had.
    if !module.debug.retired.is_empty() {
        count(out, module.debug.retired.len());
        for retired in &module.debug.retired {
            text(out, &retired.name);
            text(out, &retired.path);
            out.push(retired.case.into());
            text(out, &retired.label);
            index(out, retired.ordinal);
            index(out, retired.ty.0);
        }
    }
}
