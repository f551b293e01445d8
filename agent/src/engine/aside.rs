//! What is kept aside of a state on its way up an edge, for the way down.

use camshaft_cam::digest::Digest;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_store::AsideSnapshot;

use super::discard::{Discarded, LetGo};

/// What was kept aside of a state.
#[derive(Debug, Clone)]
pub struct KeptAside {
    /// The edge that it went up.
    edge: Digest,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// As a state snapshot has it: canonical bytes, in the type that the edge has for it.
    Bytes(Vec<u8>),
    /// As the edge gave it. It shares its parts with the state, and to write it takes time by its size.
    Value(Value, Ty),
}

impl LetGo for KeptAside {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        match self.form {
            Form::Value(value, _) => value.let_go(discarded),
            Form::Bytes(_) => {}
        }
    }
}

impl KeptAside {
    /// Returns what the edge kept; nothing where it keeps nothing.
    pub(super) fn of(edge: &VerifiedEdge, kept: Option<Value>) -> Option<KeptAside> {
        let (value, ty) = kept.zip(edge.kept())?;
        Some(KeptAside { edge: edge.digest(), form: Form::Value(value, ty.clone()) })
    }

    /// Returns what a state snapshot has.
    pub(super) fn load(saved: AsideSnapshot) -> KeptAside {
        KeptAside { edge: saved.edge, form: Form::Bytes(saved.kept) }
    }

    /// Returns the form for a state snapshot.
    pub(super) fn save(&self) -> AsideSnapshot {
        let kept = match &self.form {
            Form::Bytes(bytes) => bytes.clone(),
            Form::Value(value, ty) => value.to_binary(ty),
        };
        AsideSnapshot { edge: self.edge, kept }
    }

    /// Returns it for the way down this edge; nothing if it was kept on the way up another one.
    ///
    /// # Errors
    ///
    /// What is damaged, which only a fault of the disk could do. A default would hide the loss.
    pub(super) fn for_way_down(&self, edge: &VerifiedEdge) -> Result<Option<Value>, String> {
        let Some(ty) = edge.kept().filter(|_| self.edge == edge.digest()) else { return Ok(None) };
        match &self.form {
            Form::Value(value, _) => Ok(Some(value.clone())),
            Form::Bytes(bytes) => Value::from_binary(bytes, ty)
                .map(Some)
                .map_err(|error| format!("what was kept aside is damaged: {error}")),
        }
    }
}
