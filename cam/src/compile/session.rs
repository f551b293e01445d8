//! Parts of programs as modules: one function of a file, ready to be verified and called.
//!
//! The module is a link whose message arrow takes the arguments as one value and calls the
//! function; what the function does not need is left out of it.

use std::collections::BTreeMap;

use super::{emit, emit_functions, finish};
use crate::check::session::{CheckedExpression, CheckedFunctions};
use crate::code::build::ModuleBuilder;
use crate::code::{Block, Entry, FuncIx, Link, Module, Op};
use crate::digest::Digest;
use crate::hir::FunctionId;
use crate::ty::{Kind, Ty, TyError};
use crate::value::Value;

/// A module with one function to call.
#[derive(Debug, Clone)]
pub struct Callable {
    /// The module.
    pub module: Module,
    /// The function in it.
    pub function: FuncIx,
}

/// Compiles an expression into a function of its bindings.
///
/// # Errors
///
/// When the bindings together are too large for one type.
pub fn expression(checked: &CheckedExpression) -> Result<Callable, TyError> {
    let mut builder = ModuleBuilder::new("session");
    let known = emit_functions(&mut builder, &checked.functions);
    let entry = emit::function(&mut builder, &known, &checked.expression);
    callable(builder, entry)
}

/// Compiles a function of a file; `None` when there is none of this name.
///
/// # Errors
///
/// When the parameters together are too large for one type.
pub fn function(checked: &CheckedFunctions, name: &str) -> Option<Result<Callable, TyError>> {
    let (id, _) = checked.functions.iter().find(|(_, function)| &*function.name == name)?;
    let mut builder = ModuleBuilder::new("session");
    let known: BTreeMap<FunctionId, FuncIx> = emit_functions(&mut builder, &checked.functions);
    Some(callable(builder, known[id]))
}

/// Returns the one value that stands for arguments.
pub fn arguments(mut values: Vec<Value>) -> Value {
    match (values.pop(), values.is_empty()) {
        (None, _) => Value::Unit,
        (Some(only), true) => only,
        (Some(last), false) => Value::product(values.into_iter().chain([last])),
    }
}

fn callable(mut builder: ModuleBuilder, function: FuncIx) -> Result<Callable, TyError> {
    let (params, result) = builder.signature(function).expect("the builder gave the index out");
    let all = match params.as_slice() {
        [] => Ty::unit(),
        [only] => only.clone(),
        _ => Ty::new(Kind::Tuple(params.clone()))?,
    };
    let mut ops = Vec::new();
    for index in (0..).take(params.len()) {
        if index > 0 {
            ops.push(Op::Push {});
        }
        ops.push(Op::Acc { level: 0 });
        match (params.len(), index) {
            (1, _) => {}
            (2, 0) => ops.push(Op::Fst {}),
            (2, _) => ops.push(Op::Snd {}),
            _ => ops.push(Op::Fld { index }),
        }
    }
    ops.push(Op::Call { function });
    let message = builder.function("(arguments)", &[all], &result, Block(ops));
    let nobody = Digest::of(b"");
    let link = Link { sender: nobody, channel: "session".into(), receiver: nobody, message, answer: None };
    let module = finish(builder, Entry::Link(link));
    let Entry::Link(Link { message, .. }) = &module.entry else { unreachable!("a link stays one") };
    // The arrow calls nothing but the function, and callees come first.
    let function = FuncIx(message.0.checked_sub(1).expect("the function stands before its arrow"));
    Ok(Callable { module, function })
}
