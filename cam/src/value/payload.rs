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
