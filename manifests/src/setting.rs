//! Configuration values as a release document writes them.
//!
//! They get their types later, from the machine; here they are only what JSON of values can say,
//! so that floats, dates and infinities never get any further.

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::reader::{Field, Table};
use crate::writer::{bare_or_quoted, quoted};

/// A configuration value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// A whole number.
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Setting>),
    /// Settings by name.
    Table(Settings),
}

/// Settings by name.
pub type Settings = BTreeMap<String, Setting>;

/// The greatest whole number that JSON readers keep exact; beyond it the JSON form of values is
/// a decimal text.
const JSON_INT_MAX: u64 = (1 << 53) - 1;

/// Returns settings in the JSON form of values.
pub fn to_json(settings: &Settings) -> String {
    let mut out = String::new();
    json_table(&mut out, settings);
    out
}

fn json(out: &mut String, setting: &Setting) {
    match setting {
        Setting::Int(int) if int.unsigned_abs() <= JSON_INT_MAX => out.push_str(&int.to_string()),
        Setting::Int(int) => json_text(out, &int.to_string()),
        Setting::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Setting::Text(text) => json_text(out, text),
        Setting::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                json(out, item);
            }
            out.push(']');
        }
        Setting::Table(settings) => json_table(out, settings),
    }
}

fn json_table(out: &mut String, settings: &Settings) {
    out.push('{');
    for (index, (name, setting)) in settings.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json_text(out, name);
        out.push(':');
        json(out, setting);
    }
    out.push('}');
}

fn json_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a text is always JSON"));
}

/// Returns a setting as inline TOML.
pub(crate) fn to_toml(setting: &Setting) -> String {
    match setting {
        Setting::Int(int) => int.to_string(),
        Setting::Bool(truth) => truth.to_string(),
        Setting::Text(text) => quoted(text),
        Setting::List(items) => {
            let items: Vec<String> = items.iter().map(to_toml).collect();
            format!("[{}]", items.join(", "))
        }
        Setting::Table(settings) if settings.is_empty() => "{}".to_owned(),
        Setting::Table(settings) => {
            let entries: Vec<String> = settings
                .iter()
                .map(|(name, setting)| format!("{} = {}", bare_or_quoted(name), to_toml(setting)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Reads every entry of a table as a setting.
pub(crate) fn read_settings(table: &Table<'_, '_>) -> Option<Settings> {
    // Each entry is read even when one before it failed: all faults are reported.
    let read: Vec<Option<(String, Setting)>> =
        table.raw().map(|(name, field)| Some((name.to_owned(), read_setting(&field)?))).collect();
    read.into_iter().collect()
}

/// The TOML reader bounds how deep values nest, so that this ends.
fn read_setting(field: &Field<'_, '_>) -> Option<Setting> {
    match field.value() {
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(int) => Some(Setting::Int(int)),
            Err(_) => {
                field.refuse("M0113", format!("`{}` does not fit 64 bits", field.path));
                None
            }
        },
        DeValue::Boolean(truth) => Some(Setting::Bool(*truth)),
        DeValue::String(text) => Some(Setting::Text(text.to_string())),
        DeValue::Array(_) => {
            let items: Vec<Option<Setting>> = field.items()?.iter().map(read_setting).collect();
            items.into_iter().collect::<Option<_>>().map(Setting::List)
        }
        DeValue::Table(_) => read_settings(&field.table()?).map(Setting::Table),
        DeValue::Float(_) | DeValue::Datetime(_) => {
            field.wrong_kind("a whole number, text, truth value, list or table");
            None
        }
    }
}
