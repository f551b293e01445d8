//! The contents of the sections.

use super::reader::Reader;
use super::{DecodeError, MEMBERS_IN_ALL_MAX, NESTING_MAX, OPS_MAX, RETIRED_MAX, TYPES_MAX, VALUE_BYTES_MAX};
use crate::code::op::Count;
use crate::code::{
    Answer, Block, Channel, ChannelEdge, ConstIx, Debug, Edge, EffectKind, Entry, FuncIx, Function, Link,
    Machine, Op, Port, Retired, TypeIx,
};
use crate::digest::Digest;
use crate::for_each_op;
use crate::ty::{Case, Field, Kind, MEMBERS_MAX, Record, Ty, Variant};
use crate::value::Value;

/// What was read so far, and how much of the limits it used up.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) types: Vec<Ty>,
    pub(super) constants: Vec<(TypeIx, Value)>,
    pub(super) functions: Vec<Function>,
    function_count: usize,
    /// Instructions and blocks.
    op_count: usize,
    member_count: usize,
    value_bytes: usize,
}

impl Parts {
    /// Reads types, each made of types before it, and adds them to those read so far.
    pub(super) fn types(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let count = reader.count("types", TYPES_MAX - self.types.len())?;
        for _ in 0..count {
            let offset = reader.offset();
            let kind = self.kind(reader)?;
            self.types.push(Ty::new(kind).map_err(|error| DecodeError::Type { offset, error })?);
        }
        Ok(())
    }

    fn kind(&mut self, reader: &mut Reader<'_>) -> Result<Kind, DecodeError> {
        let offset = reader.offset();
        Ok(match reader.byte("type")? {
            0 => Kind::Unit,
            1 => Kind::Bool,
            2 => Kind::Int { lo: reader.signed()?, hi: reader.signed()? },
            3 => Kind::Text { max: reader.limit()? },
            4 => Kind::Bytes { max: reader.limit()? },
            5 => Kind::Duration,
            6 => Kind::Option(self.part(reader)?),
            7 => Kind::List { item: self.part(reader)?, max: reader.limit()? },
            8 => Kind::Map { key: self.part(reader)?, value: self.part(reader)? },
            9 => {
                let count = self.members(reader, "members")?;
                Kind::Tuple((0..count).map(|_| self.part(reader)).collect::<Result<_, _>>()?)
            }
            10 => {
                let count = self.members(reader, "fields")?;
                let fields = (0..count).map(|_| self.field(reader)).collect::<Result<_, _>>()?;
                // Below MEMBERS_MAX, so within 16 bits.
                let declared = (0..count).map(|_| Ok(reader.index("field", count)? as u16));
                Kind::Record(Record { fields, declared: declared.collect::<Result<_, _>>()? })
            }
            11 => {
                let count = self.members(reader, "cases")?;
                let cases = (0..count).map(|_| {
                    Ok(Case {
                        label: reader.text()?,
                        ordinal: reader.number32()?,
                        payload: self.part(reader)?,
                    })
                });
                Kind::Variant(Variant { cases: cases.collect::<Result<_, _>>()? })
            }
            12 => Kind::Secret(self.part(reader)?),
            found => return Err(DecodeError::Tag { offset, expected: "type", found }),
        })
    }

    fn members(&mut self, reader: &mut Reader<'_>, what: &'static str) -> Result<usize, DecodeError> {
        let count = reader.count(what, MEMBERS_MAX.min(MEMBERS_IN_ALL_MAX - self.member_count))?;
        self.member_count += count;
        Ok(count)
    }

    fn field(&mut self, reader: &mut Reader<'_>) -> Result<Field, DecodeError> {
        let (label, ordinal, ty) = (reader.text()?, reader.number32()?, self.part(reader)?);
        let default = match reader.flag("default")? {
            false => None,
            true => Some(self.value(reader, &ty)?),
        };
        Ok(Field { label, ordinal, ty, default })
    }

    /// Reads the index of a type that was read already, and returns that type.
    fn part(&self, reader: &mut Reader<'_>) -> Result<Ty, DecodeError> {
        Ok(self.types[self.ty(reader)?.0 as usize].clone())
    }

    fn ty(&self, reader: &mut Reader<'_>) -> Result<TypeIx, DecodeError> {
        reader.index("type", self.types.len()).map(TypeIx)
    }

    fn constant(&self, reader: &mut Reader<'_>) -> Result<ConstIx, DecodeError> {
        reader.index("constant", self.constants.len()).map(ConstIx)
    }

    /// Reads the index of any function: which ones may be called is a rule of the verifier.
    fn function_index(&self, reader: &mut Reader<'_>) -> Result<FuncIx, DecodeError> {
        reader.index("function", self.function_count).map(FuncIx)
    }

    fn value(&mut self, reader: &mut Reader<'_>, ty: &Ty) -> Result<Value, DecodeError> {
        let start = reader.offset();
        let mut inner = reader.inner("value")?;
        let offset = inner.offset();
        let bytes = inner.rest();
        let max = VALUE_BYTES_MAX - self.value_bytes;
        if bytes.len() > max {
            let count = bytes.len() as u64;
            return Err(DecodeError::Count { offset: start, what: "bytes of values", count, max });
        }
        self.value_bytes += bytes.len();
        Value::from_binary(bytes, ty).map_err(|error| DecodeError::Value { offset, error })
    }

    pub(super) fn constants(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        for _ in 0..reader.count("constants", VALUE_BYTES_MAX)? {
            let index = self.ty(reader)?;
            let ty = self.types[index.0 as usize].clone();
            let value = self.value(reader, &ty)?;
            self.constants.push((index, value));
        }
        Ok(())
    }

    pub(super) fn functions(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.function_count = reader.count("functions", OPS_MAX)?;
        for _ in 0..self.function_count {
            let count = reader.count("parameters", MEMBERS_MAX)?;
            let params = (0..count).map(|_| self.ty(reader)).collect::<Result<_, _>>()?;
            let result = self.ty(reader)?;
            let body = self.block(reader, NESTING_MAX)?;
            self.functions.push(Function { params, result, body });
        }
        Ok(())
    }

    /// Reads a block in which further ones may nest `levels - 1` deep.
    fn block(&mut self, reader: &mut Reader<'_>, levels: u32) -> Result<Block, DecodeError> {
        let offset = reader.offset();
        let Some(inner) = levels.checked_sub(1) else { return Err(DecodeError::TooDeep { offset }) };
        // The block counts too: a CASE may hold very many that are empty.
        self.op_count = (self.op_count + 1).min(OPS_MAX);
        let count = reader.count("instructions", OPS_MAX - self.op_count)?;
        self.op_count += count;
        // Below OPS_MAX over all blocks together, since `op_count` has them already.
        let mut ops = Vec::with_capacity(count);
        for _ in 0..count {
            ops.push(self.op(reader, inner)?);
        }
        Ok(Block(ops))
    }

    pub(super) fn entry(&mut self, reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
        let offset = reader.offset();
        match reader.byte("entry")? {
            1 => Ok(Entry::Machine(self.machine(reader)?)),
            2 => Ok(Entry::Edge(self.edge(reader)?)),
            3 => Ok(Entry::Link(Link {
                sender: digest(reader)?,
                channel: reader.text()?,
                receiver: digest(reader)?,
                message: self.function_index(reader)?,
                answer: match reader.flag("answer")? {
                    false => None,
                    true => Some(self.function_index(reader)?),
                },
            })),
            found => Err(DecodeError::Tag { offset, expected: "machine, edge or link", found }),
        }
    }

    fn machine(&mut self, reader: &mut Reader<'_>) -> Result<Machine, DecodeError> {
        let keyed = reader.flag("flag")?;
        let [config, state, input, output] =
            [self.ty(reader)?, self.ty(reader)?, self.ty(reader)?, self.ty(reader)?];
        let count = reader.count("cases", MEMBERS_MAX)?;
        let internal = (0..count).map(|_| reader.flag("flag")).collect::<Result<_, _>>()?;
        let init = self.function_index(reader)?;
        let count = reader.count("cases", MEMBERS_MAX)?;
        let step = (0..count).map(|_| self.function_index(reader)).collect::<Result<_, _>>()?;
        let count = reader.count("invariants", MEMBERS_MAX)?;
        let invariants = (0..count)
            .map(|_| Ok((reader.text()?, self.function_index(reader)?)))
            .collect::<Result<_, DecodeError>>()?;
        let count = reader.count("channels", MEMBERS_MAX)?;
        let channels = (0..count).map(|_| self.channel(reader)).collect::<Result<_, _>>()?;
        let ports = self.ports(reader)?;
        Ok(Machine { keyed, config, state, input, internal, output, init, step, invariants, channels, ports })
    }

    /// Reads the ports, which are left out where there are none.
    fn ports(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Port>, DecodeError> {
        if reader.left() == 0 {
            return Ok(vec![]);
        }
        let count = reader.count("ports", MEMBERS_MAX)?;
        if count == 0 {
            return Err(DecodeError::NotCanonical { what: "the ports are written though there are none" });
        }
        (0..count).map(|_| self.port(reader)).collect()
    }

    fn port(&mut self, reader: &mut Reader<'_>) -> Result<Port, DecodeError> {
        Ok(Port {
            name: reader.text()?,
            keyed: reader.flag("flag")?,
            message: self.ty(reader)?,
            answer: self.answer(reader)?,
        })
    }

    fn answer(&mut self, reader: &mut Reader<'_>) -> Result<Option<Answer>, DecodeError> {
        match reader.flag("answer")? {
            false => Ok(None),
            true => Ok(Some(Answer { case: reader.number32()?, ty: self.ty(reader)? })),
        }
    }

    fn channel(&mut self, reader: &mut Reader<'_>) -> Result<Channel, DecodeError> {
        Ok(Channel {
            name: reader.text()?,
            target: reader.text()?,
            keyed: reader.flag("flag")?,
            message: self.ty(reader)?,
            answer: self.answer(reader)?,
        })
    }

    fn edge(&mut self, reader: &mut Reader<'_>) -> Result<Edge, DecodeError> {
        let (from, to) = (digest(reader)?, digest(reader)?);
        let mut arrow = || self.function_index(reader);
        let (up, down, lift, unlift, lower, raise) =
            (arrow()?, arrow()?, arrow()?, arrow()?, arrow()?, arrow()?);
        let count = reader.count("channels", MEMBERS_MAX)?;
        let channels = (0..count).map(|_| {
            Ok(ChannelEdge {
                name: reader.text()?,
                up: self.function_index(reader)?,
                down: self.function_index(reader)?,
            })
        });
        let channels = channels.collect::<Result<_, DecodeError>>()?;
        let keep = match reader.left() {
            0 => None,
            _ => Some(self.function_index(reader)?),
        };
        Ok(Edge { from, to, up, down, lift, unlift, lower, raise, channels, keep })
    }

    /// Reads names. Types that only names use stand here, after those of the code.
    pub(super) fn debug(&mut self, reader: &mut Reader<'_>) -> Result<Debug, DecodeError> {
        self.types(reader)?;
        let name = reader.text()?;
        let count = reader.count("names", TYPES_MAX)?;
        let types =
            (0..count).map(|_| Ok((reader.text()?, self.ty(reader)?))).collect::<Result<_, DecodeError>>()?;
        let count = reader.count("names", self.function_count)?;
        let functions = (0..count).map(|_| reader.text()).collect::<Result<_, _>>()?;
        let retired = match reader.left() {
            0 => vec![],
            _ => self.retired(reader)?,
        };
        Ok(Debug { name, types, functions, retired })
    }

    fn retired(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Retired>, DecodeError> {
        let count = reader.count("retired names", RETIRED_MAX)?;
        let one = |_| {
            Ok(Retired {
                name: reader.text()?,
                path: reader.text()?,
                case: reader.flag("kind of a retired name")?,
                label: reader.text()?,
                ordinal: reader.number32()?,
                ty: self.ty(reader)?,
            })
        };
        (0..count).map(one).collect()
    }
}

fn digest(reader: &mut Reader<'_>) -> Result<Digest, DecodeError> {
    let bytes = reader.take(32, "digest")?;
    Ok(Digest::from_bytes(bytes.try_into().expect("32 bytes were taken")))
}

/// A Rust type that stands as an operand in the table of instructions.
trait Read: Sized {
    /// Reads the operand; blocks in it may nest `levels` deep.
    fn read(parts: &mut Parts, reader: &mut Reader<'_>, levels: u32) -> Result<Self, DecodeError>;
}

macro_rules! read {
    ($($ty:ty: ($parts:pat, $reader:ident, $levels:pat) => $read:expr;)*) => {
        $(impl Read for $ty {
            fn read($parts: &mut Parts, $reader: &mut Reader<'_>, $levels: u32) -> Result<Self, DecodeError> {
                $read
            }
        })*
    };
}

read! {
    u32: (_, reader, _) => reader.number32();
    TypeIx: (parts, reader, _) => parts.ty(reader);
    ConstIx: (parts, reader, _) => parts.constant(reader);
    FuncIx: (parts, reader, _) => parts.function_index(reader);
    EffectKind: (_, reader, _) => effect(reader);
    Block: (parts, reader, levels) => parts.block(reader, levels);
    Vec<Block>: (parts, reader, levels) => {
        let count = reader.count("blocks", MEMBERS_MAX.min(OPS_MAX - parts.op_count))?;
        let mut blocks = Vec::with_capacity(count);
        for _ in 0..count {
            blocks.push(parts.block(reader, levels)?);
        }
        Ok(blocks)
    };
}

fn effect(reader: &mut Reader<'_>) -> Result<EffectKind, DecodeError> {
    let offset = reader.offset();
    match reader.byte("effect")? {
        0 => Ok(EffectKind::Stop),
        1 => Ok(EffectKind::Log),
        2 => Ok(EffectKind::Cancel),
        3 => Ok(EffectKind::Timer),
        4 => Ok(EffectKind::Send(reader.number32()?)),
        5 => Ok(EffectKind::Call(reader.number32()?)),
        found => Err(DecodeError::Tag { offset, expected: "effect", found }),
    }
}

type ReadOp = fn(&mut Parts, &mut Reader<'_>, u32) -> Result<Op, DecodeError>;

macro_rules! define_decoder {
    ($($name:ident = $code:literal, $fuel:literal, ($($operand:ident: $ty:ty),*), $rule:literal, $doc:literal;)*) => {
        impl Parts {
            /// Chooses a function per opcode and then calls it: a single function that reads them
            /// all would have a frame that is too great for a recursion.
            fn op(&mut self, reader: &mut Reader<'_>, levels: u32) -> Result<Op, DecodeError> {
                let offset = reader.offset();
                let read: ReadOp = match reader.byte("block")? {
                    $($code => |_parts, _reader, _levels| {
                        Ok(Op::$name { $($operand: <$ty as Read>::read(_parts, _reader, _levels)?),* })
                    },)*
                    opcode => return Err(DecodeError::UnknownOpcode { offset, opcode }),
                };
                read(self, reader, levels)
            }
        }
    };
}

for_each_op!(define_decoder);
