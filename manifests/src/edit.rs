//! Changes of documents that keep everything else as its author wrote it: comments, order, blanks.

use toml_edit::{Array, DocumentMut, Formatted, Item, Value};

use crate::version::Version;

/// Why a text was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is not TOML.
    #[error("it is not TOML")]
    Syntax,
    /// It has no version to change.
    #[error("it has no `version`")]
    NoVersion,
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|_| EditError::Syntax)
}

/// Returns a document with another `version`.
///
/// # Errors
///
/// When it is not TOML or has none.
pub fn with_version(text: &str, version: &Version) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let value = document.get_mut("version").and_then(Item::as_value_mut).ok_or(EditError::NoVersion)?;
    // What stands around the value, a comment behind it, stays.
    let decor = value.decor().clone();
    *value = Value::String(Formatted::new(version.to_string()));
    *value.decor_mut() = decor;
    Ok(document.to_string())
}

/// Returns a release document that comes from these versions and from no others.
///
/// # Errors
///
/// When it is not TOML.
pub fn with_from(text: &str, from: &[Version]) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let list = Value::Array(from.iter().map(Version::to_string).collect::<Array>());
    match document.get_mut("from").and_then(Item::as_value_mut) {
        Some(value) => {
            let decor = value.decor().clone();
            *value = list;
            *value.decor_mut() = decor;
        }
        None => drop(document.insert("from", Item::Value(list))),
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn what_is_not_changed_stays_byte_for_byte() {
        let text = "# head\nname  =  'shop'\nversion = '1.0.0'   # why\nfrom = [ # all\n '0.9.0',\n]  # end\n\n# apps\n[apps]\n\
                    a = {path='a'}\n";
        let after = with_version(text, &version("1.1.0")).expect("TOML");
        assert_eq!(after, text.replace("'1.0.0'", "\"1.1.0\""));
        let after = with_from(&after, &[version("1.0.0")]).expect("TOML");
        assert_eq!(
            after,
            "# head\nname  =  'shop'\nversion = \"1.1.0\"   # why\nfrom = [\"1.0.0\"]  # end\n\n# apps\n[apps]\n\
             a = {path='a'}\n"
        );
    }

    #[test]
    fn a_document_without_predecessors_gets_some_where_its_keys_end() {
        let text = "name = 'shop'\nversion = '1.0.0' # why\n\n# apps\n[apps]\na.path = 'a'\n";
        let after = with_from(text, &[version("0.9.0"), version("1.0.0")]).expect("TOML");
        assert_eq!(
            after,
            "name = 'shop'\nversion = '1.0.0' # why\nfrom = [\"0.9.0\", \"1.0.0\"]\n\n# apps\n[apps]\na.path = 'a'\n"
        );
    }

    #[test]
    fn what_cannot_be_changed_is_told() {
        assert_eq!(with_version("name = ", &version("1.0.0")), Err(EditError::Syntax));
        assert_eq!(with_version("name = 'a'", &version("1.0.0")), Err(EditError::NoVersion));
        assert_eq!(with_version("[version]", &version("1.0.0")), Err(EditError::NoVersion));
    }
}
