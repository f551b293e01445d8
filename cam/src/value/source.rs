//! Values as the language writes them, for people.
//!
//! What is written reads back as the same value of the type, with one exception: the language has
//! no literal for Bytes, which are shown as `<bytes 00ff>`. Secrets are written in plain: this form
//! is for values that somebody made up, in tests and at a prompt, and never for those of a node.

use std::fmt::Write;

use super::Value;
use crate::ty::{Kind, Ty};

/// The units of a duration, the largest first.
const UNITS: [(i64, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];

impl Value {
    /// Returns the value as the language writes it.
    ///
    /// # Panics
    ///
    /// When this is no value of the type, see [`Value::has_type`].
    pub fn to_source(&self, ty: &Ty) -> String {
        let mut out = String::new();
        write(&mut out, self, ty);
        out
    }
}

/// Returns a duration in the largest unit that writes it exactly.
pub fn duration(ms: i64) -> String {
    let (size, unit) = UNITS.into_iter().find(|(size, _)| ms % size == 0).unwrap_or((1, "ms"));
    match ms {
        0 => "0ms".to_owned(),
        _ => format!("{}{unit}", ms / size),
    }
}

/// Returns a text in quotes.
pub fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' | '"' | '{' | '}' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() || is_invisible(letter) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Letters that a reader does not see, or that reorder what stands around them.
fn is_invisible(letter: char) -> bool {
    matches!(u32::from(letter), 0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe000..=0xf8ff)
}

fn write(out: &mut String, value: &Value, ty: &Ty) {
    match (ty.unsealed().kind(), value) {
        (Kind::Unit, _) => out.push_str("()"),
        (Kind::Bool, Value::Bool(bool)) => out.push_str(if *bool { "true" } else { "false" }),
        (Kind::Int { .. }, Value::Int(int)) => out.push_str(&int.to_string()),
        (Kind::Duration, Value::Int(ms)) => out.push_str(&duration(*ms)),
        (Kind::Text { .. }, Value::Text(letters)) => out.push_str(&text(letters)),
        (Kind::Bytes { .. }, Value::Bytes(bytes)) => {
            out.push_str("<bytes ");
            bytes.iter().for_each(|byte| out.push_str(&format!("{byte:02x}")));
            out.push('>');
        }
        (Kind::Option(_), Value::Sum(Value::NONE_INDEX, _)) => out.push_str("None"),
        (Kind::Option(item), Value::Sum(_, payload)) => write_case(out, "Some", payload, item),
        (Kind::List { item, .. }, Value::List(items)) => {
            all(out, ["[", "]"], items, |out, value| write(out, value, item));
        }
        (Kind::Map { .. }, Value::Map(map)) if map.is_empty() => out.push_str("[:]"),
        (Kind::Map { key, value }, Value::Map(map)) => {
            all(out, ["[", "]"], map, |out, (k, v)| {
                write(out, &k, key);
                out.push_str(": ");
                write(out, v, value);
            });
        }
        (Kind::Tuple(types), Value::Product(values)) => {
            all(out, ["(", ")"], types.iter().zip(values.iter()), |out, (ty, value)| write(out, value, ty));
        }
        (Kind::Record(record), Value::Product(values)) => {
            all(out, ["{ ", " }"], record.in_declared_order(), |out, (index, field)| {
                let _ = write!(out, "{}: ", field.label);
                write(out, &values[index], &field.ty);
            });
        }
        (Kind::Variant(variant), Value::Sum(index, payload)) => {
            let case = &variant.cases[*index as usize];
            write_case(out, &case.label, payload, &case.payload);
        }
        (_, value) => panic!("a value is written with its own type: {value:?} is no {ty}"),
    }
}

fn write_case(out: &mut String, label: &str, payload: &Value, ty: &Ty) {
    out.push_str(label);
    match ty.unsealed().kind() {
        // `Some(())` holds something, `Ok` does not.
        Kind::Unit if label != "Some" => {}
        Kind::Record(_) => {
            out.push(' ');
            write(out, payload, ty);
        }
        // Its parentheses are those of the case.
        Kind::Tuple(_) => write(out, payload, ty),
        _ => {
            out.push('(');
            write(out, payload, ty);
            out.push(')');
        }
    }
}

fn all<T>(
    out: &mut String,
    [open, close]: [&str; 2],
    parts: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push_str(open);
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(out, part);
    }
    out.push_str(close);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compile;
    use crate::diagnostic::Source;
    use crate::run::{self, Limits};
    use crate::testing::any_typed_value;
    use crate::verify::verify;

    #[test]
    fn durations_texts_and_cases() {
        let shown: Vec<String> =
            [0, 1, 250, 1_000, 90_000, 900_000, 7_200_000, 86_400_000, -5_000].map(duration).to_vec();
        assert_eq!(shown, ["0ms", "1ms", "250ms", "1s", "90s", "15m", "2h", "1d", "-5s"]);
        assert_eq!(text("a\"{x}\\\n\u{202e}é"), r#""a\"\{x\}\\\n\u{202e}é""#);
        let unit = Ty::option(Ty::unit()).unwrap();
        assert_eq!(Value::some(Value::Unit).to_source(&unit), "Some(())");
        let pair = Ty::option(Ty::new(Kind::Tuple(vec![Ty::int(), Ty::bool()])).unwrap()).unwrap();
        let value = Value::some(Value::product([Value::Int(1), Value::Bool(true)]));
        assert_eq!(value.to_source(&pair), "Some(1, true)");
    }

    fn is_writable(ty: &Ty) -> bool {
        !matches!(ty.kind(), Kind::Bytes { .. }) && crate::ty::children(ty.kind()).all(is_writable)
    }

    /// Writes a type as the language does.
    fn declared(ty: &Ty) -> String {
        let limit = |name: &str, max: &Option<u32>| match max {
            Some(max) => format!("{name}(..={max})"),
            None => name.to_owned(),
        };
        match ty.kind() {
            Kind::Unit => "()".to_owned(),
            Kind::Bool => "Bool".to_owned(),
            Kind::Int { lo, hi } => format!("Int({lo}..={hi})"),
            Kind::Text { max } => limit("Text", max),
            Kind::Bytes { max } => limit("Bytes", max),
            Kind::Duration => "Duration".to_owned(),
            Kind::Option(item) => format!("Option({})", declared(item)),
            Kind::List { item, max } => match max {
                Some(max) => format!("List({}, ..={max})", declared(item)),
                None => format!("List({})", declared(item)),
            },
            Kind::Map { key, value } => format!("Map({}, {})", declared(key), declared(value)),
            Kind::Tuple(items) => {
                format!("({})", items.iter().map(declared).collect::<Vec<_>>().join(", "))
            }
            Kind::Record(record) => {
                let fields = record
                    .in_declared_order()
                    .map(|(_, field)| format!("{}: {}", field.label, declared(&field.ty)));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
            Kind::Secret(item) => format!("secret {}", declared(item)),
            Kind::Variant(_) => "Bool".to_owned(),
        }
    }

    fn has_variant(ty: &Ty) -> bool {
        matches!(ty.kind(), Kind::Variant(_)) || crate::ty::children(ty.kind()).any(has_variant)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_value((ty, value) in any_typed_value()) {
            // The cases of generated variants have names that the language has not.
            prop_assume!(is_writable(&ty) && !has_variant(&ty));
            let text = format!(
                "machine m\ntype State = {}\ntype Input = | Go\ninit = {}\non Go => (state, ())\n",
                declared(&ty), value.to_source(&ty),
            );
            let module = compile::machine(&Source::new("m.cam", text.as_str()), None);
            let module = module.unwrap_or_else(|errors| panic!("{}\n{text}", errors[0].one_line()));
            let machine = verify(module).unwrap().into_machine().unwrap();
            let state = run::init(&machine, &Value::Unit, Limits::MIGRATION).unwrap();
            prop_assert_eq!(state.to_source(machine.state()), value.to_source(&ty));
        }
    }
}
