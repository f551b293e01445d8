//! Modules as text, for people: `inspect --code`.
//!
//! A listing for reading, not a language: nothing reads it back. It shows any module, verified
//! or not, so an index that names nothing is printed as such.

use std::fmt::{self, Write as _};

use super::operand::Operand;
use super::{
    Answer, Block, ConstIx, EffectKind, Entry, FuncIx, Function, Module, Op, Retired, TypeIx,
    decode::NESTING_MAX,
};
use crate::ty::{Kind, Ty};
use crate::value::Value;
use crate::verify::{VerifiedModule, types_left};

/// A type is cut where its text gets longer than this many characters; the table shows more.
const TYPE_WIDTH: usize = 60;
/// As much of a type or value as the tables show.
const TABLE_WIDTH: usize = 400;

/// The column of the types that instructions leave.
const LEFT_COLUMN: usize = 40;

/// Returns the listing: entry points, types, constants and functions.
pub fn disassemble(module: &Module) -> String {
    let mut listing = Listing { module, verified: None, left: vec![].into_iter(), out: String::new() };
    listing.all();
    listing.out
}

/// Returns the listing with what the verifier found out: what each function costs, the traps that it
/// may end in, and beside each instruction the type of the value register after it.
pub fn disassemble_verified(module: &VerifiedModule) -> String {
    let mut listing = Listing::verified(module);
    listing.all();
    listing.out
}

/// Returns the listing of one function, with what the verifier found out about it.
///
/// # Panics
///
/// When the module has no such function.
pub fn function(module: &VerifiedModule, index: FuncIx) -> String {
    let mut listing = Listing::verified(module);
    listing.function(index, module.module().function(index));
    listing.out.trim_start().to_owned()
}

struct Listing<'m> {
    module: &'m Module,
    verified: Option<&'m VerifiedModule>,
    /// What the instructions of the function leave, in the order of the listing.
    left: std::vec::IntoIter<Option<Ty>>,
    out: String,
}

impl<'m> Listing<'m> {
    fn verified(module: &'m VerifiedModule) -> Listing<'m> {
        let left = vec![].into_iter();
        Listing { module: module.module(), verified: Some(module), left, out: String::new() }
    }

    fn all(&mut self) {
        self.head();
        self.types();
        self.retired();
        self.constants();
        for (index, function) in (0..).zip(&self.module.functions) {
            self.function(FuncIx(index), function);
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = depth * 2);
    }

    fn head(&mut self) {
        let name = &self.module.debug.name;
        match &self.module.entry {
            Entry::Machine(machine) => {
                let keyed = if machine.keyed { " keyed" } else { "" };
                self.line(0, &format!("machine {name}{keyed}"));
                for (what, ty) in [
                    ("config", machine.config),
                    ("state", machine.state),
                    ("input", machine.input),
                    ("output", machine.output),
                ] {
                    self.line(1, &format!("{what} = {}", self.ty(ty)));
                }
                self.line(1, &format!("init = {}", self.function_name(machine.init)));
                let input = self.module.types.get(machine.input.0 as usize).and_then(Ty::as_variant);
                for (index, step) in machine.step.iter().enumerate() {
                    let internal = machine.internal.get(index).copied().unwrap_or(false);
                    let internal = if internal { "internal " } else { "" };
                    let case = input.and_then(|input| input.cases.get(index));
                    let case = case.map_or("?", |case| &case.label);
                    self.line(1, &format!("on {internal}{case} = {}", self.function_name(*step)));
                }
                for (text, function) in &machine.invariants {
                    self.line(1, &format!("invariant {text:?} = {}", self.function_name(*function)));
                }
                let answer = |listing: &Self, answer: Option<Answer>| {
                    let Some(answer) = answer else { return String::new() };
                    let case = input.and_then(|input| input.cases.get(answer.case as usize));
                    format!(" -> {}({})", case.map_or("?", |case| &case.label), listing.ty(answer.ty))
                };
                let keyed = |keyed| if keyed { " keyed" } else { "" };
                for (index, channel) in machine.channels.iter().enumerate() {
                    let (name, target, keyed) = (&channel.name, &channel.target, keyed(channel.keyed));
                    let (message, answer) = (self.ty(channel.message), answer(self, channel.answer));
                    self.line(1, &format!("channel {index} {name} = {target}{keyed}({message}){answer}"));
                }
                for (index, port) in machine.ports.iter().enumerate() {
                    let (name, keyed) = (&port.name, keyed(port.keyed));
                    let (message, answer) = (self.ty(port.message), answer(self, port.answer));
                    self.line(1, &format!("port {index} {name}{keyed}({message}){answer}"));
                }
            }
            Entry::Edge(edge) => {
                self.line(0, &format!("edge {name}"));
                self.line(1, &format!("from = {}", edge.from));
                self.line(1, &format!("to = {}", edge.to));
                let mut arrows = vec![
                    ("up".to_owned(), edge.up),
                    ("down".to_owned(), edge.down),
                    ("lift".to_owned(), edge.lift),
                    ("unlift".to_owned(), edge.unlift),
                    ("lower".to_owned(), edge.lower),
                    ("raise".to_owned(), edge.raise),
                ];
                arrows.extend(edge.keep.map(|keep| ("keep".to_owned(), keep)));
                for channel in &edge.channels {
                    arrows.push((format!("channel {} up", channel.name), channel.up));
                    arrows.push((format!("channel {} down", channel.name), channel.down));
                }
                for (what, function) in arrows {
                    self.line(1, &format!("{what} = {}", self.function_name(function)));
                }
            }
            Entry::Link(link) => {
                self.line(0, &format!("link {}", link.channel));
                self.line(1, &format!("sender = {}", link.sender));
                self.line(1, &format!("receiver = {}", link.receiver));
                self.line(1, &format!("message = {}", self.function_name(link.message)));
                if let Some(answer) = link.answer {
                    self.line(1, &format!("answer = {}", self.function_name(answer)));
                }
            }
        }
    }

    fn types(&mut self) {
        self.line(0, "\ntypes");
        for (index, ty) in self.module.types.iter().enumerate() {
            let names = self.module.debug.types.iter().filter(|(_, named)| named.0 as usize == index);
            let names: Vec<&str> = names.map(|(name, _)| &**name).collect();
            let names = if names.is_empty() { String::new() } else { format!("  ; {}", names.join(", ")) };
            self.line(1, &format!("t{index} = {}{names}", type_at_most(ty, TABLE_WIDTH)));
        }
    }

    fn retired(&mut self) {
        if self.module.debug.retired.is_empty() {
            return;
        }
        self.line(0, "\nretired");
        for retired in &self.module.debug.retired {
            let Retired { name, path, label, ordinal, ty, .. } = retired;
            self.line(1, &format!("{name}{path}.{label}: {}, ordinal {ordinal}", self.ty(*ty)));
        }
    }

    fn constants(&mut self) {
        if self.module.constants.is_empty() {
            return;
        }
        self.line(0, "\nconstants");
        for (index, (ty, value)) in self.module.constants.iter().enumerate() {
            let value = self.value(*ty, value, TABLE_WIDTH);
            self.line(1, &format!("c{index} = {value} : {}", self.ty(*ty)));
        }
    }

    fn function(&mut self, index: FuncIx, function: &Function) {
        let params: Vec<String> =
            function.params.iter().enumerate().map(|(n, ty)| format!("{n}: {}", self.ty(*ty))).collect();
        let (name, params) = (self.function_name(index), params.join(", "));
        self.line(0, &format!("\nfn {name}({params}) -> {}", self.ty(function.result)));
        if let Some(module) = self.verified {
            self.left = types_left(module, index).into_iter();
            let traps: Vec<&str> = module.facts(index).may_trap.iter().map(|kind| kind.word()).collect();
            let traps = if traps.is_empty() { "nothing".to_owned() } else { traps.join(", ") };
            self.line(1, &format!("; fuel {}, may trap: {traps}", module.cost(index)));
        }
        self.block(&function.body, 1, NESTING_MAX);
    }

    fn block(&mut self, block: &Block, depth: usize, levels: u32) {
        let Some(levels) = levels.checked_sub(1) else { return self.line(depth, "…") };
        for op in &block.0 {
            self.op(op, depth, levels);
        }
    }

    /// An instruction on a line, and the blocks in it below, each under its name.
    fn op(&mut self, op: &Op, depth: usize, levels: u32) {
        let mut line = format!("{:<7}", op.name());
        let mut blocks: Vec<(String, &Block)> = vec![];
        let mut variant = None;
        op.each_operand(|name, operand| {
            let shown = match operand {
                Operand::Count(count) => self.case(variant, count).unwrap_or_else(|| count.to_string()),
                Operand::Type(ty) => {
                    variant = Some(ty);
                    self.ty(ty)
                }
                Operand::Constant(constant) => self.constant(constant),
                Operand::Function(function) => self.function_name(function),
                Operand::Effect(effect) => self.effect(effect),
                Operand::Block(block) => return blocks.push((name.to_owned(), block)),
                Operand::Blocks(all) => {
                    let named = all.iter().enumerate().map(|(index, block)| (format!("case {index}"), block));
                    return blocks.extend(named);
                }
            };
            line.push(' ');
            line.push_str(&shown);
        });
        if self.verified.is_some() {
            let left = match self.left.next().flatten() {
                Some(ty) => self.ty_left(&ty),
                None => "ends here".to_owned(),
            };
            let width = LEFT_COLUMN.saturating_sub(depth * 2);
            line = format!("{line:<width$} ; {left}");
        }
        self.line(depth, line.trim_end());
        for (name, block) in blocks {
            self.line(depth + 1, &format!("{name}:"));
            self.block(block, depth + 2, levels);
        }
    }

    /// A declared record or variant by its name; `Int` is more telling than what somebody calls
    /// it. Long ones are cut, and carry the index under which the table shows more.
    fn ty(&self, index: TypeIx) -> String {
        let Some(ty) = self.module.types.get(index.0 as usize) else { return format!("t{}?", index.0) };
        let mut names = self.module.debug.types.iter().filter(|(_, named)| *named == index);
        if let (Kind::Record(_) | Kind::Variant(_), Some((name, _))) = (ty.kind(), names.next()) {
            return name.to_string();
        }
        match type_at_most(ty, TYPE_WIDTH) {
            cut if cut.ends_with('…') => format!("t{}: {cut}", index.0),
            whole => whole,
        }
    }

    /// A type that an instruction leaves: by its name where the module names it.
    fn ty_left(&self, ty: &Ty) -> String {
        let known = self.module.types.iter().position(|other| other == ty);
        match known.and_then(|index| u32::try_from(index).ok()) {
            Some(index) => self.ty(TypeIx(index)),
            None => type_at_most(ty, TYPE_WIDTH),
        }
    }

    fn constant(&self, index: ConstIx) -> String {
        match self.module.constants.get(index.0 as usize) {
            None => format!("c{}?", index.0),
            Some((ty, value)) => self.value(*ty, value, TYPE_WIDTH),
        }
    }

    /// The name of a case, where the operand before the number is a variant or option.
    fn case(&self, variant: Option<TypeIx>, case: u32) -> Option<String> {
        let ty = self.module.types.get(variant?.0 as usize)?;
        match (ty.kind(), case) {
            (Kind::Option(_), Value::NONE_INDEX) => Some("None".to_owned()),
            (Kind::Option(_), Value::SOME_INDEX) => Some("Some".to_owned()),
            _ => Some(ty.as_variant()?.cases.get(case as usize)?.label.to_string()),
        }
    }

    fn value(&self, ty: TypeIx, value: &Value, width: usize) -> String {
        let ty = self.module.types.get(ty.0 as usize).filter(|ty| value.has_type(ty));
        match ty {
            None => "(no value of its type)".to_owned(),
            Some(ty) => match (ty.kind(), value) {
                (Kind::Unit, _) => "()".to_owned(),
                _ => shorten(value.to_json_redacted(ty), width),
            },
        }
    }

    fn function_name(&self, index: FuncIx) -> String {
        let known = (index.0 as usize) < self.module.functions.len();
        match self.module.debug.functions.get(index.0 as usize) {
            Some(name) if !name.is_empty() => format!("f{} {name:?}", index.0),
            _ => format!("f{}{}", index.0, if known { "" } else { "?" }),
        }
    }

    fn effect(&self, effect: EffectKind) -> String {
        match effect {
            EffectKind::Stop => "stop".to_owned(),
            EffectKind::Log => "log".to_owned(),
            EffectKind::Cancel => "cancel".to_owned(),
            EffectKind::Timer => "timer".to_owned(),
            EffectKind::Send(index) => {
                let channel = match &self.module.entry {
                    Entry::Machine(machine) => machine.channels.get(index as usize),
                    _ => None,
                };
                format!("send {}", channel.map_or("?", |channel| &channel.name))
            }
            EffectKind::Call(index) => {
                let port = match &self.module.entry {
                    Entry::Machine(machine) => machine.ports.get(index as usize),
                    _ => None,
                };
                format!("call {}", port.map_or("?", |port| &port.name))
            }
        }
    }
}

fn shorten(text: String, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Returns a type as text, cut after so many characters. It is never written out whole: a type
/// may have 65,536 parts, and a module names thousands of them.
pub(crate) fn type_at_most(ty: &Ty, width: usize) -> String {
    struct Cut {
        text: String,
        left: usize,
    }
    impl fmt::Write for Cut {
        fn write_str(&mut self, more: &str) -> fmt::Result {
            let taken = more.chars().take(self.left);
            let before = self.text.len();
            self.text.extend(taken);
            let written = &self.text[before..];
            self.left -= written.chars().count();
            if written.len() < more.len() { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut cut = Cut { text: String::new(), left: width };
    match write!(cut, "{ty}") {
        Ok(()) => cut.text,
        Err(_) => cut.text + "…",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::generate::{any_module, small_machine};
    use proptest::prelude::*;

    #[test]
    fn a_listing_is_typed_and_readable() {
        let mut module = small_machine();
        module.debug.name = "small".into();
        module.debug.types = vec![("Input".into(), TypeIx(2)), ("State".into(), TypeIx(1))];
        module.debug.functions = vec!["init".into()];
        let listing = disassemble(&module);
        let (head, functions) = listing.split_once("\nfn f1").expect("there is a second function");
        assert_eq!(
            head,
            "\
machine small keyed
  config = ()
  state = Int
  input = Input
  output = Bool
  init = f0 \"init\"
  on Go = f1
  on internal End = f2
  invariant \"no debt\" = f3

types
  t0 = ()
  t1 = Int  ; State
  t2 = Go(Int) | End  ; Input
  t3 = Bool
  t4 = (Int, Bool)

constants
  c0 = 0 : Int

fn f0 \"init\"(0: ()) -> Int
  QUOTE   0
"
        );
        assert!(
            functions.contains("\n  IF\n    yes:\n      QUOTE   0\n    no:\n      ACC     0\n"),
            "{functions}"
        );
        assert!(functions.contains("\n  EMIT    stop\n"), "{functions}");
    }

    #[test]
    fn a_type_is_cut_in_time() {
        let mut ty = Ty::bool();
        for _ in 0..14 {
            ty = Ty::new(Kind::Tuple(vec![ty.clone(), ty])).expect("below the limits");
        }
        assert_eq!(type_at_most(&ty, 20), "((((((((((((((Bool, …");
        assert_eq!(type_at_most(&Ty::bool(), 4), "Bool");
    }

    proptest! {
        #[test]
        fn any_module_has_a_listing(module in any_module()) {
            let listing = disassemble(&module);
            prop_assert!(listing.lines().count() > module.functions.len());
        }
    }
}
