//! What the verifier refuses, one variant a rule.

use std::fmt;
use std::sync::Arc;

use crate::code::decode::DecodeError;
use crate::code::disassemble::type_at_most;
use crate::ty::{Ty, TyError};

/// Why a module cannot run: the rule it breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault} ({})", .fault.rule())]
pub struct VerifyError {
    /// Where.
    pub place: Place,
    /// The rule that is broken.
    pub fault: Fault,
}

/// A place in a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The module as a whole, or its tables.
    Module,
    /// The entry points.
    Entry,
    /// A function.
    Function {
        /// Its index.
        index: u32,
        /// Its name, if it has one.
        name: Arc<str>,
        /// The instruction, counted from 0 through all nested blocks in the order of the bytes;
        /// `None`: the function as a whole.
        op: Option<u32>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Module => write!(f, "module"),
            Place::Entry => write!(f, "entry points"),
            Place::Function { index, name, op } => {
                write!(f, "function {index}")?;
                if !name.is_empty() {
                    write!(f, " `{name}`")?;
                }
                op.map_or(Ok(()), |op| write!(f, ", instruction {op}"))
            }
        }
    }
}

/// A type in a message, cut where it gets long.
pub(super) fn short(ty: &Ty) -> String {
    type_at_most(ty, 160)
}

macro_rules! faults {
    ($($(#[$meta:meta])* $rule:literal $name:ident { $($(#[$field_meta:meta])* $field:ident: $ty:ty),* };)*) => {
        /// A broken rule of the verifier.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Fault {
            $($(#[$meta])* $name { $($(#[$field_meta])* $field: $ty),* },)*
        }

        impl Fault {
            /// Returns the number of the rule in the head of [`crate::verify`].
            pub fn rule(&self) -> &'static str {
                match self { $(Fault::$name { .. } => $rule,)* }
            }
        }

        /// The numbers of all rules.
        pub const RULES: &[&str] = &[$($rule),*];
    };
}

faults! {
    /// An index that names nothing.
    #[error("there is no {what} {index}, only {count}")]
    "V01" Index {
        /// What is named.
        what: &'static str,
        /// The index.
        index: u32,
        /// How many there are.
        count: usize
    };
    /// A limit of modules.
    #[error("more than {max} {what}")]
    "V02" Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        max: usize
    };
    /// Another numbering than the canonical one.
    #[error("the module is not in canonical form")]
    "V03" NotCanonical {};
    /// A constant of another type than it says.
    #[error("constant {index} is no {ty}")]
    "V04" Constant {
        /// The constant.
        index: u32,
        /// The type that it should have.
        ty: String
    };
    /// A call of a function that does not stand before the caller.
    #[error("calls function {callee}, and only functions before it may be called")]
    "V05" Call {
        /// The function that is called.
        callee: u32
    };
    /// An operand of the wrong type.
    #[error("{op} takes {expected}, found {found}")]
    "V06" Operand {
        /// The instruction.
        op: String,
        /// What the instruction takes.
        expected: String,
        /// What there is.
        found: String
    };
    /// A type that an instruction would make does not exist.
    #[error("{op} makes a type that cannot be: {error}")]
    "V07" Made {
        /// The instruction.
        op: String,
        /// The rule of types.
        error: TyError
    };
    /// An instruction that takes an operand from outside its block, or from nowhere.
    #[error("{op} takes an operand that its block did not push")]
    "V08" StackReach {
        /// The instruction.
        op: String
    };
    /// UNLET of bindings from outside its block, or of parameters.
    #[error("UNLET {count} drops more than the {own} bindings of its block")]
    "V09" UnletReach {
        /// How many it drops.
        count: u32,
        /// How many the block has bound.
        own: usize
    };
    /// A block that does not clean up.
    #[error("a block ends with {bindings} bindings and {operands} operands of its own")]
    "V10" BlockDepth {
        /// The bindings that are left.
        bindings: usize,
        /// The operands that are left.
        operands: usize
    };
    /// The branches of an instruction, or the body of a loop, leave different types.
    #[error("{op} joins {first} and {second}")]
    "V11" Join {
        /// The instruction.
        op: String,
        /// What was left first, or is demanded.
        first: String,
        /// What another block leaves.
        second: String
    };
    /// A CASE with more or fewer blocks than its type has cases.
    #[error("CASE has {blocks} blocks for {cases} cases")]
    "V12" Cases {
        /// The blocks.
        blocks: usize,
        /// The cases.
        cases: usize
    };
    /// Instructions that nothing leads to.
    #[error("{op} stands where nothing leads to: a FAIL stands before it")]
    "V13" AfterFail {
        /// The first such instruction.
        op: String
    };
    /// A body that leaves another type than the function promises.
    #[error("the body leaves {found}, the function promises {expected}")]
    "V14" Result {
        /// The promise.
        expected: String,
        /// What the body leaves.
        found: String
    };
    /// EMIT or CTX outside a step function.
    #[error("{op} stands outside a step function")]
    "V15" StepOnly {
        /// The instruction.
        op: String
    };
    /// A step function that is used for something else too.
    #[error("function {index} is a step function and is also called, or also another entry point")]
    "V16" StepReused {
        /// The function.
        index: u32
    };
    /// A signature of an entry point.
    #[error("{what} has the type {found}, and should have {expected}")]
    "V17" Signature {
        /// The entry point.
        what: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String
    };
    /// The input of a machine is no variant, or something does not stand once per case of it.
    #[error("a machine has a variant as input, and per case of it one {what}")]
    "V18" PerCase {
        /// What does not.
        what: &'static str
    };
    /// Two channels or ports of the same name.
    #[error("a channel or port of the name `{name}` stands twice")]
    "V19" DoubledChannel {
        /// The name.
        name: Arc<str>
    };
    /// A channel or port whose answers cannot come back.
    #[error("the answers of `{name}` cannot come back: {why}")]
    "V20" Answer {
        /// The channel or port.
        name: Arc<str>,
        /// Why not.
        why: &'static str
    };
    /// A module that could not be read back.
    #[error("the module does not come back from its bytes: {error}")]
    "V21" ByteForm {
        /// What the decoder says.
        error: DecodeError
    };
    /// A secret in the configuration.
    #[error("the configuration holds a secret, and stands in the release for all to read")]
    "V22" SecretConfig {};
}
