//! Where a registry is: a folder, or an address.

use std::path::{Path, PathBuf};

use crate::client::HttpRegistry;
use crate::error::RegistryError;
use crate::folder::Folder;
use crate::http::Token;
use crate::source::Registry;

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// An address, as it was written.
    Address(String),
}

/// What becomes of a folder that is no registry yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It becomes one, if it is empty or not there.
    Create,
    /// It is refused.
    Refuse,
}

impl Place {
    /// Returns the place that a text names: `file://PATH`, an address with `https://` or `http://`, or a path.
    ///
    /// # Errors
    ///
    /// When it is an address of another kind.
    pub fn of(text: &str) -> Result<Place, RegistryError> {
        let refused =
            |reason: &str| RegistryError::Address { address: text.to_owned(), reason: reason.to_owned() };
        match text.split_once("://") {
            None if text.is_empty() => Err(refused("it is empty")),
            None => Ok(Place::Folder(Path::new(text).to_owned())),
            Some(("file", path)) if path.starts_with('/') => Ok(Place::Folder(Path::new(path).to_owned())),
            Some(("file", _)) => Err(refused("a path behind file:// begins with a slash")),
            Some(("http" | "https", _)) => Ok(Place::Address(text.to_owned())),
            Some(_) => Err(refused("it is no path, and begins with none of file://, https:// and http://")),
        }
    }

    /// Returns the registry there.
    ///
    /// # Errors
    ///
    /// When there is none. An address is not asked yet.
    pub fn open(&self, token: Option<Token>, absent: Absent) -> Result<Box<dyn Registry>, RegistryError> {
        Ok(match self {
            Place::Folder(path) if absent == Absent::Create => Box::new(Folder::create(path)?),
            Place::Folder(path) => Box::new(Folder::open(path)?),
            Place::Address(address) => Box::new(HttpRegistry::at(address, token)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_an_address() {
        let folder = |path: &str| Place::Folder(path.into());
        assert_eq!(Place::of("../registry").expect("a path"), folder("../registry"));
        assert_eq!(Place::of("file:///srv/x y").expect("a path"), folder("/srv/x y"));
        assert_eq!(Place::of("https://x/y").expect("an address"), Place::Address("https://x/y".to_owned()));
        let refused = |text: &str| Place::of(text).expect_err(text).to_string();
        assert_eq!(refused(""), "`` is no address of a registry: it is empty");
        assert_eq!(
            refused("file://srv"),
            "`file://srv` is no address of a registry: a path behind file:// begins with a slash"
        );
        assert_eq!(
            refused("ftp://x"),
            "`ftp://x` is no address of a registry: it is no path, and begins with none of file://, https:// and http://"
        );
    }
}
