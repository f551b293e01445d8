//! The end of a function: for a step, what it changes of the state.

use std::rc::Rc;

use super::{Env, Lower, Lowered, Root, TooLarge};
use crate::run::t1::code::{Arg, Base, Commit, Ins, Ints, Out, Place, Store};
use crate::run::t1::sym::{Change, Sym, Typed, members};
use crate::ty::Ty;

/// The parameter of a step that holds the state.
const STATE: Base = Base::Param(1);

impl Lower<'_> {
    /// Lowers the end of the function.
    pub(super) fn finish(&mut self, mut env: Env) -> Lowered<()> {
        self.settle_up()?;
        let v = env.v.clone();
        let (state, output) = match self.root {
            Root::Function => {
                let arg = self.arg(&mut env, &v.sym, &v.ty)?;
                let arg = self.add_arg(arg)?;
                self.emit(Ins::Leave { arg })?;
                return Ok(());
            }
            Root::Internal => (v, None),
            Root::Step => {
                let types = members(&v.ty).expect("a step leaves state and output");
                let part = |index: u32| Typed {
                    sym: Self::member(&v.sym, index),
                    ty: types[index as usize].clone(),
                };
                (part(0), Some(part(1)))
            }
        };
        let output = match output {
            None => Out::Nothing,
            Some(output) => match self.output(&mut env, &output)? {
                Arg::Case(case) => Out::Case(case),
                arg => Out::Value(arg),
            },
        };
        let mut stores = vec![];
        self.stores(&mut env, &state.sym, &state.ty, &mut vec![], &mut stores)?;
        let commit = u16::try_from(self.code.commits.len()).map_err(|_| TooLarge)?;
        let (ints, stores) = split(stores);
        self.code.commits.push(Commit { output, ints, stores });
        self.emit(Ins::Return { commit })?;
        Ok(())
    }

    fn output(&mut self, env: &mut Env, output: &Typed) -> Lowered<Arg> {
        let arg = self.arg(env, &output.sym, &output.ty)?;
        if self.metered {
            let weighed = self.add_arg(arg.clone())?;
            self.emit(Ins::PayOutput { arg: weighed })?;
        }
        Ok(arg)
    }

    /// Finds out what differs from the state as it was.
    fn stores(
        &mut self,
        env: &mut Env,
        sym: &Sym,
        ty: &Ty,
        path: &mut Vec<u32>,
        stores: &mut Vec<Store>,
    ) -> Lowered<()> {
        let unchanged = Place { base: STATE, path: path.clone() };
        match sym {
            Sym::Place(place) if **place == unchanged => Ok(()),
            Sym::Product(parts) => {
                let types = members(ty).expect("a product has a product's type");
                for ((part, ty), index) in parts.iter().zip(types).zip(0..) {
                    path.push(index);
                    self.stores(env, part, ty, path, stores)?;
                    path.pop();
                }
                Ok(())
            }
            Sym::Changed(change) if self.in_place(env, change, &unchanged) => {
                self.entries(env, change, path, stores)
            }
            _ => {
                let arg = self.arg(env, sym, ty)?;
                let arg = self.apart(arg)?;
                stores.push(Store::Set { path: path.clone(), arg });
                Ok(())
            }
        }
    }

    /// Returns true when the change is one of the map at this place, and was not made yet.
    fn in_place(&self, env: &Env, change: &Rc<Change>, place: &Place) -> bool {
        !env.made.contains_key(&Rc::as_ptr(change))
            && match &change.map {
                Sym::Place(map) => **map == *place,
                Sym::Changed(earlier) => self.in_place(env, earlier, place),
                _ => false,
            }
    }

    fn entries(
        &mut self,
        env: &mut Env,
        change: &Change,
        path: &[u32],
        stores: &mut Vec<Store>,
    ) -> Lowered<()> {
        if let Sym::Changed(earlier) = &change.map {
            self.entries(env, earlier, path, stores)?;
        }
        let key = self.arg(env, &change.key.sym, &change.key.ty)?;
        let key = self.apart(key)?;
        let value = match &change.value {
            Some(value) => {
                let arg = self.arg(env, &value.sym, &value.ty)?;
                Some(self.apart(arg)?)
            }
            None => None,
        };
        stores.push(Store::Entry { path: path.to_vec(), key, value });
        Ok(())
    }

    /// Returns an argument that does not read the state, which is being changed when it is made.
    fn apart(&mut self, arg: Arg) -> Lowered<Arg> {
        if !self.reads_state(&arg) {
            return Ok(arg);
        }
        let (to, arg) = (self.new_ref()?, self.add_arg(arg)?);
        self.emit(Ins::Make { to, arg })?;
        Ok(Arg::Copy(self.place(&Place { base: Base::Ref(to), path: vec![] })?))
    }

    fn reads_state(&self, arg: &Arg) -> bool {
        match arg {
            Arg::Unit | Arg::Int(_) | Arg::Bool(_) | Arg::Case(_) | Arg::Take(_) => false,
            Arg::Copy(_) => self.code.place_of(arg).is_some_and(|place| place.base == STATE),
            Arg::Product(parts) | Arg::Choice(_, parts) => parts.iter().any(|part| self.reads_state(part)),
            Arg::Sum(_, payload) => self.reads_state(payload),
            Arg::Changed(map, key, value) => {
                let value = value.as_ref().is_some_and(|value| self.reads_state(value));
                self.reads_state(map) || self.reads_state(key) || value
            }
        }
    }
}

/// Parts what becomes of numbers from the rest.
fn split(stores: Vec<Store>) -> (Ints, Vec<Store>) {
    if let [Store::Set { path, arg: Arg::Int(word) }] = &*stores
        && path.is_empty()
    {
        return (Ints::State(*word), vec![]);
    }
    let mut ints = vec![];
    let mut others = vec![];
    for store in stores {
        let member = match &store {
            Store::Set { path, arg: Arg::Int(word) } => match &**path {
                [member] => u16::try_from(*member).ok().map(|member| (member, *word)),
                _ => None,
            },
            _ => None,
        };
        match member {
            Some(member) => ints.push(member),
            None => others.push(store),
        }
    }
    (Ints::Members(ints), others)
}
