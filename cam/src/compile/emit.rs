//! From the typed tree to instructions.
//!
//! The value of an expression ends in the value register. Operands wait on the stack, variables
//! stand in the environment; every block leaves both as deep as it found them.

use std::collections::BTreeMap;

use crate::code::build::ModuleBuilder;
use crate::code::{Block, FuncIx, Op};
use crate::hir::{
    Binary, Decision, Each, Expr, ExprKind, Function, FunctionId, Local, Match, Step, Unary, Update,
};
use crate::ty::{Kind, Ty};
use crate::value::Value;

/// The code that follows cannot be reached: a `fail` stands before it.
struct Diverged;

type Emitted = Result<(), Diverged>;

/// Emits one function into a module.
pub(crate) fn function(
    builder: &mut ModuleBuilder,
    known: &BTreeMap<FunctionId, FuncIx>,
    function: &Function,
) -> FuncIx {
    let mut emitter = Emitter {
        builder,
        known,
        environment: function.params.iter().map(|(local, _)| *local).collect(),
        aliases: BTreeMap::new(),
        ops: Vec::new(),
    };
    // A body that always fails has no value to return; its code ends in FAIL.
    let _ = emitter.expr(&function.body);
    let body = Block(emitter.ops);
    let params: Vec<Ty> = function.params.iter().map(|(_, ty)| ty.clone()).collect();
    builder.function(&function.name, &params, &function.result, body)
}

struct Emitter<'b> {
    builder: &'b mut ModuleBuilder,
    known: &'b BTreeMap<FunctionId, FuncIx>,
    /// The variables by level.
    environment: Vec<Local>,
    /// Names that patterns give to parts that have a variable already.
    aliases: BTreeMap<Local, Local>,
    ops: Vec<Op>,
}

impl Emitter<'_> {
    fn op(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Emits a block; what it binds ends with it.
    fn block(&mut self, inside: impl FnOnce(&mut Self) -> Emitted) -> (Block, bool) {
        let outer = std::mem::take(&mut self.ops);
        let depth = self.environment.len();
        let diverged = inside(self).is_err();
        self.environment.truncate(depth);
        (Block(std::mem::replace(&mut self.ops, outer)), diverged)
    }

    fn bind(&mut self, local: Local) {
        self.op(Op::Let {});
        self.environment.push(local);
    }

    fn unbind(&mut self, count: usize) {
        if count > 0 {
            self.op(Op::Unlet { count: index(count) });
            self.environment.truncate(self.environment.len() - count);
        }
    }

    fn load(&mut self, local: Local) {
        let mut local = local;
        while let Some(other) = self.aliases.get(&local) {
            local = *other;
        }
        let level = self.environment.iter().rposition(|bound| *bound == local);
        let level = level.expect("the checker resolves names to variables in scope");
        self.op(Op::Acc { level: index(level) });
    }

    fn constant(&mut self, ty: &Ty, value: Value) {
        let constant = self.builder.constant(ty, value);
        self.op(Op::Quote { constant });
    }

    fn expr(&mut self, expr: &Expr) -> Emitted {
        match &expr.kind {
            // `secret ()` is another type than `()`.
            ExprKind::Const(Value::Unit) if expr.ty == Ty::unit() => self.op(Op::Unit {}),
            ExprKind::Const(value) => self.constant(&expr.ty, value.clone()),
            ExprKind::Local(local) => self.load(*local),
            ExprKind::Ctx(field) => self.op(Op::Ctx { field: *field }),
            ExprKind::Product(members) => {
                for (position, member) in members.iter().enumerate() {
                    if position > 0 {
                        self.op(Op::Push {});
                    }
                    self.expr(member)?;
                }
                let ty = self.builder.ty(&expr.ty);
                let pair = matches!(expr.ty.kind(), Kind::Tuple(items) if items.len() == 2);
                self.op(if pair { Op::Cons {} } else { Op::Rec { ty } });
            }
            ExprKind::Field(base, member) => {
                self.expr(base)?;
                let pair = matches!(base.ty.kind(), Kind::Tuple(items) if items.len() == 2);
                self.op(match (pair, member) {
                    (true, 0) => Op::Fst {},
                    (true, _) => Op::Snd {},
                    _ => Op::Fld { index: *member },
                });
            }
            ExprKind::Update(base, updates) => {
                self.expr(base)?;
                for update in updates {
                    self.update(update)?;
                }
            }
            ExprKind::Inject(case, payload) => {
                self.expr(payload)?;
                let ty = self.builder.ty(&expr.ty);
                self.op(Op::Inj { ty, case: *case });
            }
            ExprKind::If(condition, yes, no) => {
                self.expr(condition)?;
                let (yes, yes_diverged) = self.block(|emitter| emitter.expr(yes));
                let (no, no_diverged) = self.block(|emitter| emitter.expr(no));
                self.op(Op::If { yes, no });
                if yes_diverged && no_diverged {
                    return Err(Diverged);
                }
            }
            ExprKind::Let(local, bound, body) => {
                self.expr(bound)?;
                self.bind(*local);
                self.expr(body)?;
                self.unbind(1);
            }
            ExprKind::Match(chosen) => self.choice(chosen)?,
            ExprKind::Unary(op, operand) => {
                self.expr(operand)?;
                self.unary(*op, &operand.ty, &expr.ty);
            }
            ExprKind::Binary(op, left, right) => {
                self.expr(left)?;
                self.op(Op::Push {});
                self.expr(right)?;
                self.op(instruction(*op));
            }
            ExprKind::Put(map, key, value) => {
                self.expr(map)?;
                self.op(Op::Push {});
                self.expr(key)?;
                self.op(Op::Push {});
                self.expr(value)?;
                self.op(if matches!(map.ty.kind(), Kind::List { .. }) { Op::Set {} } else { Op::Put {} });
            }
            ExprKind::Slice(whole, from, to) => {
                self.expr(whole)?;
                self.op(Op::Push {});
                self.expr(from)?;
                self.op(Op::Push {});
                self.expr(to)?;
                self.op(Op::Slice {});
            }
            ExprKind::List(items) => {
                let ty = self.builder.ty(&expr.ty);
                self.op(Op::Nil { ty });
                for item in items {
                    self.op(Op::Push {});
                    self.expr(item)?;
                    self.op(Op::Append {});
                }
            }
            ExprKind::MapOf(entries) => {
                let ty = self.builder.ty(&expr.ty);
                self.op(Op::Nil { ty });
                for (key, value) in entries {
                    self.op(Op::Push {});
                    self.expr(key)?;
                    self.op(Op::Push {});
                    self.expr(value)?;
                    self.op(Op::Put {});
                }
            }
            ExprKind::Fold { over, start, so_far, item, body } => {
                self.expr(over)?;
                self.op(Op::Push {});
                self.expr(start)?;
                let mut bound = vec![*so_far];
                bound.extend(item);
                let body = self.body(&bound, body);
                self.op(Op::Fold { body });
            }
            ExprKind::Each { each, over, item, body } => {
                self.expr(over)?;
                let body = self.body(item, body);
                let ty = self.builder.ty(&expr.ty);
                self.op(match each {
                    Each::Map => Op::Map { ty, body },
                    Each::Filter => Op::Filter { body },
                    Each::Find => Op::Find { body },
                });
            }
            ExprKind::Loop { start, times, so_far, test, body } => {
                self.expr(start)?;
                self.op(Op::Push {});
                self.expr(times)?;
                let test = self.body(&[*so_far], test);
                let body = self.body(&[*so_far], body);
                self.op(Op::Loop { test, body });
            }
            ExprKind::Call(callee, args) => {
                for (position, arg) in args.iter().enumerate() {
                    if position > 0 {
                        self.op(Op::Push {});
                    }
                    self.expr(arg)?;
                }
                let function = self.known[callee];
                self.op(Op::Call { function });
            }
            ExprKind::Emit(effect, payload) => {
                self.expr(payload)?;
                self.op(Op::Emit { effect: *effect });
            }
            ExprKind::Block(steps, end) => {
                let mut bound = 0;
                for step in steps {
                    match step {
                        Step::Let(local, value) => {
                            self.expr(value)?;
                            self.bind(*local);
                            bound += 1;
                        }
                        Step::Do(effect) => self.expr(effect)?,
                    }
                }
                self.expr(end)?;
                self.unbind(bound);
            }
            ExprKind::Fail(why) => {
                self.expr(why)?;
                self.op(Op::Fail {});
                return Err(Diverged);
            }
            ExprKind::Convert(from, edits) => {
                self.expr(from)?;
                let level = self.environment.len();
                let (code, goes_on) = crate::derive::convert(self.builder, &from.ty, &expr.ty, edits, level);
                self.ops.extend(code);
                if !goes_on {
                    return Err(Diverged);
                }
            }
        }
        Ok(())
    }

    /// Emits the body of a fold or map, whose variables the instruction binds itself.
    fn body(&mut self, bound: &[Local], body: &Expr) -> Block {
        let (block, _) = self.block(|emitter| {
            emitter.environment.extend(bound);
            emitter.expr(body)
        });
        block
    }

    fn unary(&mut self, op: Unary, operand: &Ty, ty: &Ty) {
        let op = match op {
            Unary::Neg => Op::Neg {},
            Unary::Not => Op::Not {},
            Unary::Len => Op::Len {},
            Unary::Show => Op::Show {},
            Unary::Parse => Op::Parse {},
            Unary::Entries => Op::Entries {},
            Unary::Hash => Op::Hash { ty: self.builder.ty(operand) },
            Unary::Edit(how) => Op::Edit { how },
            Unary::Encode => Op::Encode {},
            Unary::Decode => Op::Decode {},
            Unary::Octets => Op::Octets {},
            Unary::Pack => Op::Pack {},
            Unary::Outer(end) => Op::Outer { end },
            Unary::Seal => Op::Seal {},
            Unary::Reveal => Op::Reveal {},
            Unary::Fit => Op::Fit { ty: self.builder.ty(ty) },
        };
        self.op(op);
    }

    /// Emits one update of the record in the value register.
    fn update(&mut self, update: &Update) -> Emitted {
        let (Some((last, way)), types) = (update.path.split_last(), &update.types) else {
            unreachable!("a path has at least one member")
        };
        debug_assert_eq!(types.len(), update.path.len() + 1, "a type per record and one for the member");
        // Go in: each record on the way stays on the stack, for the UPD on the way back.
        for member in way {
            self.op(Op::Push {});
            self.op(Op::Fld { index: *member });
        }
        self.op(Op::Push {});
        match &update.key {
            None => self.expr(&update.value)?,
            Some(key) => {
                self.op(Op::Fld { index: *last });
                self.op(Op::Push {});
                self.expr(key)?;
                self.op(Op::Push {});
                self.expr(&update.value)?;
                self.op(Op::Put {});
            }
        }
        for member in update.path.iter().rev() {
            self.op(Op::Upd { index: *member });
        }
        Ok(())
    }

    fn choice(&mut self, chosen: &Match) -> Emitted {
        self.expr(&chosen.scrutinee)?;
        self.bind(chosen.root);
        self.decision(&chosen.tree, &chosen.arms)?;
        self.unbind(1);
        Ok(())
    }

    fn decision(&mut self, tree: &Decision, arms: &[(Option<Expr>, Expr)]) -> Emitted {
        match tree {
            Decision::Arm(arm, names) => {
                self.aliases.extend(names.iter().copied());
                self.expr(&arms[*arm].1)
            }
            Decision::Guarded(arm, names, otherwise) => {
                self.aliases.extend(names.iter().copied());
                let (guard, body) = &arms[*arm];
                self.expr(guard.as_ref().expect("a guarded leaf belongs to an arm with a guard"))?;
                let yes = self.block(|emitter| emitter.expr(body));
                let no = self.block(|emitter| emitter.decision(otherwise, arms));
                self.branch(yes, no)
            }
            Decision::Members(subject, members, rest) => {
                for (member, local) in members {
                    self.load(*subject);
                    self.op(Op::Fld { index: *member });
                    self.bind(*local);
                }
                self.decision(rest, arms)?;
                self.unbind(members.len());
                Ok(())
            }
            Decision::Case(subject, branches) => {
                self.load(*subject);
                let mut blocks = Vec::new();
                let mut all_diverged = true;
                for (payload, tree) in branches {
                    let (block, diverged) = self.block(|emitter| {
                        emitter.bind(*payload);
                        emitter.decision(tree, arms)?;
                        emitter.unbind(1);
                        Ok(())
                    });
                    all_diverged &= diverged;
                    blocks.push(block);
                }
                self.op(Op::Case { blocks });
                if all_diverged { Err(Diverged) } else { Ok(()) }
            }
            Decision::Bool(subject, yes, no) => {
                self.load(*subject);
                let yes = self.block(|emitter| emitter.decision(yes, arms));
                let no = self.block(|emitter| emitter.decision(no, arms));
                self.branch(yes, no)
            }
            Decision::Equal(subject, ty, value, yes, no) => {
                // A constant outside the limits of the type is compared without limits.
                let compared = if value.has_type(ty) { ty.clone() } else { crate::check::widened(ty) };
                self.load(*subject);
                if compared != *ty {
                    let ty = self.builder.ty(&compared);
                    self.op(Op::Fit { ty });
                }
                self.op(Op::Push {});
                self.constant(&compared, value.clone());
                self.op(Op::Eq {});
                let yes = self.block(|emitter| emitter.decision(yes, arms));
                let no = self.block(|emitter| emitter.decision(no, arms));
                self.branch(yes, no)
            }
            Decision::Within(subject, lo, hi, yes, no) => {
                let int = self.builder.ty(&Ty::int());
                self.constant(&Ty::int(), Value::Int(*lo));
                self.op(Op::Push {});
                self.load(*subject);
                self.op(Op::Fit { ty: int });
                self.op(Op::Le {});
                let (above, _) = self.block(|emitter| {
                    emitter.load(*subject);
                    emitter.op(Op::Fit { ty: int });
                    emitter.op(Op::Push {});
                    emitter.constant(&Ty::int(), Value::Int(*hi));
                    emitter.op(Op::Le {});
                    Ok(())
                });
                let (below, _) = self.block(|emitter| {
                    emitter.constant(&Ty::bool(), Value::Bool(false));
                    Ok(())
                });
                self.op(Op::If { yes: above, no: below });
                let yes = self.block(|emitter| emitter.decision(yes, arms));
                let no = self.block(|emitter| emitter.decision(no, arms));
                self.branch(yes, no)
            }
        }
    }

    fn branch(&mut self, (yes, yes_diverged): (Block, bool), (no, no_diverged): (Block, bool)) -> Emitted {
        self.op(Op::If { yes, no });
        if yes_diverged && no_diverged { Err(Diverged) } else { Ok(()) }
    }
}

fn instruction(op: Binary) -> Op {
    match op {
        Binary::Add => Op::Add {},
        Binary::Sub => Op::Sub {},
        Binary::Mul => Op::Mul {},
        Binary::Div => Op::Div {},
        Binary::Mod => Op::Mod {},
        Binary::Lt => Op::Lt {},
        Binary::Le => Op::Le {},
        Binary::Eq => Op::Eq {},
        Binary::Cat => Op::Cat {},
        Binary::Get => Op::Get {},
        Binary::Del => Op::Del {},
        Binary::Append => Op::Append {},
        Binary::Take => Op::Take {},
        Binary::Drop => Op::Drop {},
        Binary::Range => Op::Range {},
        Binary::Search => Op::Search {},
        Binary::Split => Op::Split {},
        Binary::Join => Op::Join {},
        Binary::Bits(how) => Op::Bits { how },
    }
}

/// Returns a count as an operand. The checker bounds source text far below `u32::MAX`.
fn index(count: usize) -> u32 {
    u32::try_from(count).expect("a function has fewer variables than its source has bytes")
}
