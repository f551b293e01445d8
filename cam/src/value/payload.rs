//! The payload of a case.

use std::fmt;
use std::ops::Deref;

use triomphe::Arc;

use super::Value;

/// What a case of a variant or option holds. `()` takes no memory of its own, and has no second
/// form: a payload is made by [`Payload::new`] alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payload(Option<Arc<Value>>);

static UNIT: Value = Value::Unit;

impl Payload {
    /// The payload of a case without one.
    pub const UNIT: Payload = Payload(None);

    /// Returns the payload with this value.
    pub fn new(value: Value) -> Payload {
        match value {
            Value::Unit => Payload::UNIT,
            value => Payload(Some(Arc::new(value))),
        }
    }

    /// Returns true for `()`.
    pub fn is_unit(&self) -> bool {
        self.0.is_none()
    }

    /// Returns true when both are the same at a glance, see [`Value::is_same`].
    pub(crate) fn is_same(&self, other: &Payload) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a.is_same(b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// Makes it this Int if it is an Int already that no other payload shares; returns whether it did.
    #[inline]
    pub(crate) fn set_int(&mut self, new: i64) -> bool {
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(Value::Int(int)) => {
                *int = new;
                true
            }
            _ => false,
        }
    }

    /// Returns the value; copies nothing when no other payload shares it.
    pub fn into_value(self) -> Value {
        self.0.map_or(Value::Unit, Arc::unwrap_or_clone)
    }
}

impl Deref for Payload {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.0.as_deref().unwrap_or(&UNIT)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
