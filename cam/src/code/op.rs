//! The instructions of CAM/2, in one table.
//!
//! [`for_each_op!`] is the table: name, opcode, fuel, operands, meaning. The enum [`Op`], the
//! encoder, the decoder, the disassembler and the reference page all come from it, so they
//! cannot disagree. Opcodes are append-only: a number never changes its meaning.
//!
//! Notation: `v` is the value register, `K` the operand stack (top at the left, after `;`), `E`
//! the environment. `A ; B.K => C ; K` reads: with an `A` in `v` and a `B` on top of the stack,
//! the instruction leaves a `C` in `v` and takes the `B` away.

use super::{ConstIx, FuncIx, TypeIx};

/// A sequence of instructions with one way in and one way out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block(pub Vec<Op>);

/// Which effect an `EMIT` emits, and so which type it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectKind {
    /// Ends the instance after this step. Takes `()`.
    Stop,
    /// Writes a line to the log. Takes `Text`.
    Log,
    /// Cancels the timer of this name. Takes `Text`.
    Cancel,
    /// Starts or replaces a timer. Takes `(Text, Duration, Input)`: name, delay, what it fires.
    Timer,
    /// Sends on the channel of this index. Takes the message, or `(Text, message)` when keyed.
    Send(u32),
    /// Calls the port of this index. Takes the message, or `(Text, message)` when keyed.
    Call(u32),
}

/// Calls `$use!` with the table of instructions.
///
/// A row is: `Name = opcode, fuel, (operand: Type, ...), "type rule", "meaning";`
#[macro_export]
macro_rules! for_each_op {
    ($use:ident) => {
        $use! {
            Push = 0x01, 1, (), "A ; K => A ; A.K", "copies the value register onto the operand stack";
            Swap = 0x02, 1, (), "A ; B.K => B ; A.K", "exchanges the value register and the top of the stack";
            Cons = 0x03, 1, (), "B ; A.K => (A, B) ; K", "makes a pair";
            Fst = 0x04, 1, (), "(A, B) => A", "takes the left of a pair";
            Snd = 0x05, 1, (), "(A, B) => B", "takes the right of a pair";
            Unit = 0x06, 1, (), "A => ()", "sets the value register to ()";
            Let = 0x07, 1, (), "A => A, E := E.A", "binds the value register at the end of the environment";
            Unlet = 0x08, 1, (count: Count), "A => A, E.B1..Bn := E", "drops the last n bindings";
            Acc = 0x09, 1, (level: Count), "A => E(n)", "reads binding n, counted from the first";
            Quote = 0x0A, 1, (constant: ConstIx), "A => type of the constant", "loads a constant";
            Rec = 0x0B, 2, (ty: TypeIx), "An ; A(n-1)..A1.K => T ; K", "makes a tuple or record T from its members in order; the last is in v";
            Fld = 0x0C, 1, (index: Count), "T => Ai", "reads member i of a tuple or record";
            Upd = 0x0D, 2, (index: Count), "Ai ; T.K => T ; K", "replaces member i of a tuple or record";
            Inj = 0x0E, 1, (ty: TypeIx, case: Count), "Ac => T", "makes case c of the variant or option T";
            Case = 0x0F, 1, (blocks: Vec<Block>), "T => B", "runs the block of the case, with its payload in v; one block per case";
            If = 0x10, 1, (yes: Block, no: Block), "Bool => B", "runs one of two blocks, with () in v";
            Add = 0x11, 1, (), "Int ; Int.K => Int ; K", "adds v to the top; traps on overflow";
            Sub = 0x12, 1, (), "Int ; Int.K => Int ; K", "subtracts v from the top; traps on overflow";
            Mul = 0x13, 1, (), "Int ; Int.K => Int ; K", "multiplies; traps on overflow";
            Div = 0x14, 2, (), "Int ; Int.K => Int ; K", "divides the top by v, Euclidean; traps on zero and overflow";
            Mod = 0x15, 2, (), "Int ; Int.K => Int ; K", "the Euclidean remainder, never negative; traps on zero";
            Neg = 0x16, 1, (), "Int => Int", "negates; traps on overflow";
            Lt = 0x17, 1, (), "A ; A.K => Bool ; K", "is the top below v, in the canonical order; no secrets";
            Le = 0x18, 1, (), "A ; A.K => Bool ; K", "is the top at most v, in the canonical order; no secrets";
            Eq = 0x19, 1, (), "A ; A.K => Bool ; K", "are both equal";
            Not = 0x1A, 1, (), "Bool => Bool", "negates";
            Fit = 0x1B, 1, (ty: TypeIx), "A => T", "changes the limits of an Int, Text, Bytes or List; Int and Duration convert into each other; traps `range` when the value does not fit";
            Cat = 0x1C, 2, (), "A ; A.K => A ; K", "appends v to the top: Text, Bytes or List without limits";
            Len = 0x1D, 1, (), "A => Int", "the length of a Text (in scalar values), Bytes, List or Map";
            Show = 0x1E, 2, (), "A => Text", "writes an Int, Bool, Duration (in ms) or Text as text";
            Parse = 0x1F, 2, (), "Text => Option(Int)", "reads a decimal number";
            Nil = 0x20, 1, (ty: TypeIx), "A => T", "the empty list or map of type T";
            Append = 0x21, 2, (), "A ; List(A).K => List(A) ; K", "adds v at the end of a list";
            Get = 0x22, 2, (), "Key ; T.K => Option(A) ; K", "looks up an index of a list or a key of a map";
            Put = 0x23, 3, (), "A ; Key.Map(Key, A).K => Map(Key, A) ; K", "sets a key of a map";
            Del = 0x24, 3, (), "Key ; Map.K => Map ; K", "removes a key of a map";
            Fold = 0x25, 1, (body: Block), "B ; T.K => B ; K", "folds a list or map from v; the body sees E.B.item or E.B.key.value and leaves the next B";
            Map = 0x26, 1, (ty: TypeIx, body: Block), "T => T'", "maps a list or the values of a map; the body sees E.item or E.key.value";
            Filter = 0x27, 1, (body: Block), "T => T", "keeps the items or entries for which the body leaves true; it sees E.item or E.key.value";
            Find = 0x28, 1, (body: Block), "List(A) => Option(A)", "the first item for which the body leaves true; it sees E.item";
            Entries = 0x29, 2, (), "Map(K, A) => List((K, A))", "the entries of a map in key order";
            Range = 0x2A, 1, (), "Int ; Int.K => List(Int) ; K", "the numbers from the top up to, and without, v";
            Call = 0x2B, 2, (function: FuncIx), "An ; A(n-1)..A1.K => B ; K", "calls a function before this one; the last argument is in v";
            Emit = 0x2C, 2, (effect: EffectKind), "A => ()", "emits an effect; in step functions only";
            Fail = 0x2D, 1, (), "Text => any", "ends the step: trap `fail` with the text; the block ends here";
            Guard = 0x2E, 1, (), "Bool => ()", "traps `guard` when false";
            Ctx = 0x2F, 1, (field: Count), "A => Int or Text", "reads the context: 0 now (Int, ms), 1 seq (Int), 2 self (Text), 3 seed (Int); in step functions only";
            Hash = 0x30, 4, (ty: TypeIx), "T => Bytes", "the SHA-256 of the canonical form of a T; no secrets";
            Take = 0x31, 2, (), "Int ; List.K => List ; K", "the first v items";
            Drop = 0x32, 2, (), "Int ; List.K => List ; K", "all but the first v items";
            Set = 0x33, 3, (), "A ; Int.List(A).K => List(A) ; K", "replaces the item at an index; without such an item the list stays";
            Slice = 0x34, 2, (), "Int ; Int.T.K => T ; K", "the part of a Text, Bytes or List from an index up to, and without, v; what lies outside is left out";
            Search = 0x35, 2, (), "Text ; Text.K => Option(Int) ; K", "where v first stands in the top, in scalar values";
            Split = 0x36, 2, (), "Text ; Text.K => List(Text) ; K", "the parts of the top between which v stands; by the empty Text, its scalar values";
            Join = 0x37, 2, (), "Text ; List(Text).K => Text ; K", "the items of the top one after another, with v between them";
            Edit = 0x38, 2, (how: Count), "Text => Text", "0: ASCII letters to upper case, 1: to lower case; without ASCII white space 2: at both ends, 3: at the start, 4: at the end";
            Encode = 0x39, 2, (), "Text => Bytes", "the Text in UTF-8";
            Decode = 0x3A, 2, (), "Bytes => Option(Text)", "the Text, where the Bytes are UTF-8";
            Octets = 0x3B, 2, (), "Bytes => List(Int)", "the octets as numbers";
            Pack = 0x3C, 2, (), "List(Int) => Option(Bytes)", "the Bytes of these octets, where all are from 0 to 255";
            Bits = 0x3D, 1, (how: Count), "Int ; Int.K => Int ; K", "bit by bit, in two's complement, 0: and, 1: or, 2: exclusive or";
            Outer = 0x3E, 2, (end: Count), "Map(K, A) => Option((K, A))", "the entry with the least key (0) or the greatest (1)";
            Loop = 0x3F, 1, (test: Block, body: Block), "Int ; B.K => B ; K", "at most v times: while the test leaves true, the body leaves the next B; both see E.B";
            Seal = 0x40, 1, (), "A => secret A", "makes a secret";
            Reveal = 0x41, 1, (), "secret A => A", "takes what a secret holds";
        }
    };
}

/// A plain number as operand.
pub type Count = u32;

macro_rules! define_ops {
    ($($name:ident = $code:literal, $fuel:literal, ($($operand:ident: $ty:ty),*), $rule:literal, $doc:literal;)*) => {
        /// An instruction.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Op {
            $(
                #[doc = concat!("`", $rule, "`: ", $doc, ".")]
                $name {
                    $(
                        #[allow(missing_docs, reason = "the table's row says what each operand is")]
                        $operand: $ty
                    ),*
                },
            )*
        }

        impl Op {
            /// Returns the byte that stands for the instruction.
            pub fn opcode(&self) -> u8 {
                match self { $(Op::$name { .. } => $code,)* }
            }

            /// Returns the name in upper case, as the disassembler prints it.
            pub fn name(&self) -> String {
                match self { $(Op::$name { .. } => stringify!($name).to_uppercase(),)* }
            }

            /// Returns the fuel that the instruction itself costs. What it does per item or per
            /// byte is charged on top, see [`crate::run`].
            pub fn fuel(&self) -> u64 {
                match self { $(Op::$name { .. } => $fuel,)* }
            }
        }

        /// One row of the table, for documents and listings.
        #[derive(Debug, Clone, Copy)]
        pub struct OpRow {
            /// The name in the enum.
            pub name: &'static str,
            /// The opcode.
            pub opcode: u8,
            /// The fuel.
            pub fuel: u64,
            /// The type rule.
            pub rule: &'static str,
            /// The meaning.
            pub meaning: &'static str,
        }

        /// The table as data.
        pub const OPS: &[OpRow] = &[
            $(OpRow { name: stringify!($name), opcode: $code, fuel: $fuel, rule: $rule, meaning: $doc },)*
        ];
    };
}

for_each_op!(define_ops);
