//! JSON Schema, draft 2020-12, from shapes.

use serde_json::{Map, Value, json};

use super::Document;
use super::form::Form;
use super::shape::{Choice, Key, Shape, Table};

/// Where the schema of a setting stands, which holds settings itself.
const SETTING: &str = "#/$defs/setting";

/// Returns the JSON Schema of a document.
pub(super) fn of(document: Document) -> String {
    let mut schema = table(&document.shape());
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(document.file()));
    schema.insert("description".to_owned(), json!(document.meaning()));
    let text =
        |schema| serde_json::to_string_pretty(&Value::Object(schema)).expect("a schema is always JSON");
    if text(schema.clone()).contains(SETTING) {
        schema.insert("$defs".to_owned(), json!({ "setting": setting() }));
    }
    let text = text(schema);
    format!("{text}\n")
}

/// Returns the schema of a setting: no floats, no dates.
fn setting() -> Value {
    json!({
        "description": "A whole number, text, truth value, list or table.",
        "anyOf": [
            { "type": ["integer", "string", "boolean"] },
            { "type": "array", "items": { "$ref": SETTING } },
            { "type": "object", "additionalProperties": { "$ref": SETTING } },
        ],
    })
}

fn table(table: &Table) -> Map<String, Value> {
    let properties: Map<String, Value> =
        table.keys.iter().map(|key| (key.name.to_owned(), described(key))).collect();
    let required: Vec<&str> = table.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    let each = |names: &[&str]| names.iter().map(|name| json!({ "required": [name] })).collect::<Vec<_>>();
    match table.choice {
        Choice::Free => {}
        Choice::One(names) => drop(schema.insert("oneOf".to_owned(), json!(each(names)))),
        Choice::Some(names) => drop(schema.insert("anyOf".to_owned(), json!(each(names)))),
    }
    schema
}

/// Returns the schema of a key's value, with what the key says.
fn described(key: &Key) -> Value {
    let mut value = shape(&key.shape);
    let otherwise = match key.otherwise {
        "" => String::new(),
        otherwise => format!(" When it is left out: {otherwise}."),
    };
    // What is said of the words of a list is said beside what is said of the key.
    let text = match value.remove("description") {
        Some(Value::String(words)) => format!("{}{otherwise} {words}", key.meaning),
        _ => format!("{}{otherwise}", key.meaning),
    };
    value.insert("description".to_owned(), json!(text));
    Value::Object(value)
}

fn shape(of: &Shape) -> Map<String, Value> {
    let value = match of {
        Shape::Word(form) => word(form),
        // At least one character that is no blank.
        Shape::Prose(most) => json!({ "type": "string", "pattern": "\\S", "maxLength": most }),
        Shape::OneOf(words) => {
            let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
            let told = words.iter().filter(|(_, meaning)| !meaning.is_empty());
            let told: Vec<String> = told.map(|(name, meaning)| format!("`{name}`: {meaning}.")).collect();
            match told.is_empty() {
                true => json!({ "enum": names }),
                false => json!({ "enum": names, "description": told.join(" ") }),
            }
        }
        Shape::Number(least, greatest) => {
            json!({ "type": "integer", "minimum": least, "maximum": greatest })
        }
        Shape::Truth => json!({ "type": "boolean" }),
        Shape::List { item, unique, least } => {
            let mut list = json!({ "type": "array", "items": shape(item) });
            if *unique {
                list["uniqueItems"] = json!(true);
            }
            if *least > 0 {
                list["minItems"] = json!(least);
            }
            list
        }
        Shape::Table(of) => Value::Object(table(of)),
        Shape::Map { key, value, least, .. } => {
            let mut map = json!({
                "type": "object",
                "propertyNames": { "pattern": key.pattern, "maxLength": key.chars_max },
                "additionalProperties": shape(value),
            });
            if *least > 0 {
                map["minProperties"] = json!(least);
            }
            map
        }
        Shape::Either(shapes) => {
            json!({ "anyOf": shapes.iter().map(shape).collect::<Vec<_>>() })
        }
        Shape::Settings => json!({ "type": "object", "additionalProperties": { "$ref": SETTING } }),
    };
    match value {
        Value::Object(map) => map,
        _ => unreachable!("every shape is described by an object"),
    }
}

fn word(form: &Form) -> Value {
    json!({
        "type": "string",
        "pattern": form.pattern,
        "maxLength": form.chars_max,
        "examples": form.examples,
    })
}
