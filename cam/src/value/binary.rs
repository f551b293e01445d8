//! The canonical binary form.
use super::Value;
use crate::ty::Ty;
impl Value {
    /// x
    pub fn to_binary(&self, _ty: &Ty) -> Vec<u8> {
        todo!()
    }
}
