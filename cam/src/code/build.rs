//! Building modules, for the compiler and for derived arrows.
//!
//! The builder hands out indices at once and in any order; [`ModuleBuilder::finish`] brings the
//! module into the one canonical form, so that the order of building never shows in a digest.

use std::collections::HashMap;
use std::sync::Arc;

use super::canonical::{RangeError, TypeTable, canonical};
use super::operand::OperandMut;
use super::{Block, ConstIx, Debug, Entry, FuncIx, Function, Module, Retired, TypeIx};
use crate::check::line;
use crate::ty::Ty;
use crate::value::Value;

/// A module in the making.
#[derive(Debug, Default)]
pub struct ModuleBuilder {
    types: TypeTable,
    constants: Vec<(TypeIx, Value)>,
    constant_index: HashMap<(TypeIx, Value), ConstIx>,
    functions: Vec<Function>,
    debug: Debug,
}

impl ModuleBuilder {
    /// Returns an empty builder. `name` is the name of the machine, for people.
    pub fn new(name: &str) -> ModuleBuilder {
        ModuleBuilder { debug: Debug { name: name.into(), ..Debug::default() }, ..ModuleBuilder::default() }
    }

    /// Returns the index of a type; the same type always has the same index.
    pub fn ty(&mut self, ty: &Ty) -> TypeIx {
        self.types.intern(ty)
    }

    /// Returns the index of a constant. The verifier refuses a value that is not of the type.
    pub fn constant(&mut self, ty: &Ty, value: Value) -> ConstIx {
        let entry = (self.ty(ty), value);
        if let Some(&index) = self.constant_index.get(&entry) {
            return index;
        }
        let index = ConstIx(u32::try_from(self.constants.len()).expect("fewer than 2^32 constants"));
        self.constants.push(entry.clone());
        self.constant_index.insert(entry, index);
        index
    }

    /// Adds a function. It may call the functions that were added before it.
    pub fn function(&mut self, name: &str, params: &[Ty], result: &Ty, body: Block) -> FuncIx {
        let params = params.iter().map(|ty| self.ty(ty)).collect();
        let result = self.ty(result);
        let index = FuncIx(u32::try_from(self.functions.len()).expect("fewer than 2^32 functions"));
        self.functions.push(Function { params, result, body });
        self.debug.functions.push(name.into());
        index
    }

    /// Adds all functions of another module; returns their indices here, in its order. It has to be a
    /// verified one.
    ///
    /// # Panics
    ///
    /// When the module names something that it does not have.
    pub(crate) fn import(&mut self, module: &Module) -> Vec<FuncIx> {
        let mut functions: Vec<FuncIx> = Vec::with_capacity(module.functions.len());
        for (index, function) in module.functions.iter().enumerate() {
            let mut body = function.body.clone();
            body.each_op_mut(&mut |op| {
                op.each_operand_mut(|operand| match operand {
                    OperandMut::Type(ty) => *ty = self.ty(module.ty(*ty)),
                    OperandMut::Constant(constant) => {
                        let (ty, value) = &module.constants[constant.0 as usize];
                        *constant = self.constant(module.ty(*ty), value.clone());
                    }
                    OperandMut::Function(callee) => *callee = functions[callee.0 as usize],
                    OperandMut::Plain | OperandMut::Blocks(_) => {}
                });
            });
            let params: Vec<Ty> = function.params.iter().map(|ty| module.ty(*ty).clone()).collect();
            let name = module.debug.functions.get(index).cloned().unwrap_or_default();
            functions.push(self.function(&name, &params, module.ty(function.result), body));
        }
        functions
    }

    /// Records a declared type under its name; the next version takes its ordinals from it.
    /// Debug information: outside the digest, also when no code uses the type.
    pub fn declare(&mut self, name: impl Into<Arc<str>>, ty: &Ty) {
        let index = self.ty(ty);
        self.debug.types.push((name.into(), index));
    }

    /// Records a name that an earlier release had. Debug information, as [`Self::declare`].
    pub(crate) fn retire(&mut self, (name, ty): &line::Retired) {
        let ty = self.ty(ty);
        let (of, path) = name.place.clone();
        let (case, label, ordinal) = (name.case, name.label.clone(), name.ordinal);
        self.debug.retired.push(Retired { name: of, path, case, label, ordinal, ty });
    }

    /// Returns the parameters and the result of a function that was added.
    pub fn signature(&self, function: FuncIx) -> Option<(Vec<Ty>, Ty)> {
        let function = self.functions.get(function.0 as usize)?;
        let ty = |index: TypeIx| self.types.types[index.0 as usize].clone();
        Some((function.params.iter().map(|&index| ty(index)).collect(), ty(function.result)))
    }

    /// Returns the module in canonical form. Functions and constants that the entry does not
    /// reach are left out.
    ///
    /// # Errors
    ///
    /// When code or entry name something that the builder did not give out.
    pub fn finish(self, entry: Entry) -> Result<Module, RangeError> {
        canonical(&Module {
            types: self.types.types,
            constants: self.constants,
            functions: self.functions,
            entry,
            debug: self.debug,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{Link, Op};
    use crate::digest::Digest;

    fn link(message: FuncIx) -> Entry {
        let digest = Digest::of(b"");
        Entry::Link(Link { sender: digest, channel: "c".into(), receiver: digest, message, answer: None })
    }

    #[test]
    fn the_order_of_building_does_not_show() {
        let pair = Ty::new(crate::ty::Kind::Tuple(vec![Ty::int(), Ty::bool()])).unwrap();
        let body = |one, yes, ty| {
            Block(vec![Op::Quote { constant: one }, Op::Push {}, Op::Quote { constant: yes }, Op::Rec { ty }])
        };

        let mut builder = ModuleBuilder::new("m");
        let ty = builder.ty(&pair);
        let one = builder.constant(&Ty::int(), Value::Int(1));
        let yes = builder.constant(&Ty::bool(), Value::Bool(true));
        let function = builder.function("f", &[Ty::unit()], &pair, body(one, yes, ty));
        let first = builder.finish(link(function)).unwrap();

        let mut builder = ModuleBuilder::new("m");
        let yes = builder.constant(&Ty::bool(), Value::Bool(true));
        builder.constant(&Ty::text(), Value::text("unused"));
        builder.function("unused", &[], &Ty::text(), Block::default());
        let one = builder.constant(&Ty::int(), Value::Int(1));
        let ty = builder.ty(&pair);
        let function = builder.function("f", &[Ty::unit()], &pair, body(one, yes, ty));
        let second = builder.finish(link(function)).unwrap();

        assert_eq!(first, second);
        assert_eq!(first.types, [Ty::unit(), Ty::int(), Ty::bool(), pair]);
        assert_eq!(canonical(&first).as_ref(), Ok(&first));
    }

    #[test]
    fn what_was_not_given_out_is_refused() {
        let mut builder = ModuleBuilder::new("m");
        let function =
            builder.function("f", &[], &Ty::unit(), Block(vec![Op::Quote { constant: ConstIx(7) }]));
        assert_eq!(builder.finish(link(function)), Err(RangeError::Constant(7)));
        assert_eq!(ModuleBuilder::new("m").finish(link(FuncIx(0))), Err(RangeError::Function(0)));
    }
}
