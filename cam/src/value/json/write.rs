//! Values to JSON text.

use super::super::Value;
use super::{NUMBER_MAX, base64};
use crate::ty::{Kind, Ty};

/// What stands in the place of a secret.
const REDACTED: &str = "[secret]";

/// How secrets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secrets {
    Plain,
    Redacted,
}

impl Value {
    /// Returns the value as JSON, without spaces, secrets in plain: for whoever asked for the value.
    ///
    /// # Panics
    ///
    /// When this is no value of the type, see [`Value::has_type`]; values that come from
    /// decoding or from verified code are.
    pub fn to_json(&self, ty: &Ty) -> String {
        let mut out = String::new();
        write(&mut out, self, ty, Secrets::Plain);
        out
    }

    /// Returns the value as JSON, without spaces, `"[secret]"` in the place of each secret: for what
    /// is kept or shown. It cannot be read back.
    ///
    /// # Panics
    ///
    /// When this is no value of the type, see [`Value::has_type`].
    pub fn to_json_redacted(&self, ty: &Ty) -> String {
        let mut out = String::new();
        write(&mut out, self, ty, Secrets::Redacted);
        out
    }
}

fn write(out: &mut String, value: &Value, ty: &Ty, secrets: Secrets) {
    match (ty.kind(), value) {
        (Kind::Unit, Value::Unit) => out.push_str("[]"),
        (Kind::Bool, Value::Bool(bool)) => out.push_str(if *bool { "true" } else { "false" }),
        (Kind::Int { .. } | Kind::Duration, Value::Int(int)) => match int.unsigned_abs() {
            0..=NUMBER_MAX => out.push_str(&int.to_string()),
            _ => out.push_str(&format!("\"{int}\"")),
        },
        (Kind::Text { .. }, Value::Text(text)) => write_text(out, text),
        (Kind::Bytes { .. }, Value::Bytes(bytes)) => write_text(out, &base64::encode(bytes)),
        (Kind::Option(_), Value::Sum(Value::NONE_INDEX, _)) => out.push_str("null"),
        (Kind::Option(item), Value::Sum(Value::SOME_INDEX, payload)) => match item.unsealed().kind() {
            Kind::Option(_) => write_case(out, "Some", payload, item, secrets),
            _ => write(out, payload, item, secrets),
        },
        (Kind::List { item, .. }, Value::List(items)) => {
            write_all(out, ['[', ']'], items, |out, value| write(out, value, item, secrets));
        }
        (Kind::Map { key, value }, Value::Map(map)) => match key.kind() {
            Kind::Text { .. } => write_all(out, ['{', '}'], map, |out, (k, v)| {
                write(out, &k, key, secrets);
                out.push(':');
                write(out, v, value, secrets);
            }),
            _ => write_all(out, ['[', ']'], map, |out, (k, v)| {
                write_all(out, ['[', ']'], [(&*k, key), (v, value)], |out, (part, ty)| {
                    write(out, part, ty, secrets)
                });
            }),
        },
        (Kind::Tuple(items), Value::Product(values)) if items.len() == values.len() => {
            write_all(out, ['[', ']'], items.iter().zip(values.iter()), |out, (ty, value)| {
                write(out, value, ty, secrets);
            });
        }
        (Kind::Record(record), Value::Product(values)) if record.fields.len() == values.len() => {
            write_all(out, ['{', '}'], record.in_declared_order(), |out, (index, field)| {
                write_text(out, &field.label);
                out.push(':');
                write(out, &values[index], &field.ty, secrets);
            });
        }
        (Kind::Variant(variant), Value::Sum(index, payload)) if (*index as usize) < variant.cases.len() => {
            let case = &variant.cases[*index as usize];
            match case.payload.kind() {
                Kind::Unit => write_text(out, &case.label),
                _ => write_case(out, &case.label, payload, &case.payload, secrets),
            }
        }
        (Kind::Secret(_), _) if secrets == Secrets::Redacted => write_text(out, REDACTED),
        (Kind::Secret(item), value) => write(out, value, item, secrets),
        (_, value) => panic!("a value is written with its own type: {value:?} is no {ty}"),
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("every text has a JSON form"));
}

fn write_case(out: &mut String, label: &str, payload: &Value, ty: &Ty, secrets: Secrets) {
    out.push('{');
    write_text(out, label);
    out.push(':');
    write(out, payload, ty, secrets);
    out.push('}');
}

/// Writes parts between brackets with commas.
fn write_all<T>(
    out: &mut String,
    [open, close]: [char; 2],
    parts: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, part);
    }
    out.push(close);
}
