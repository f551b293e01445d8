//! Addresses of machines, `app/machine`, and of instances, `app/machine` or `app/machine/key`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::name::{AppName, MachineName, NameError};

/// The greatest length of a key in bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// The key of an instance: any text that is not empty, of at most [`KEY_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key as shared text.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl FromStr for Key {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Key, AddressError> {
        match text.len() {
            0 => Err(AddressError::EmptyKey),
            1..=KEY_BYTES_MAX => Ok(Key(text.into())),
            length => Err(AddressError::LongKey(length)),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A machine of a release: `app/machine`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineAddress {
    /// The application.
    pub app: AppName,
    /// The machine.
    pub machine: MachineName,
}

impl FromStr for MachineAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<MachineAddress, AddressError> {
        let (app, machine) = text.split_once('/').ok_or(AddressError::MachineForm)?;
        Ok(MachineAddress {
            app: app.parse().map_err(AddressError::App)?,
            machine: machine.parse().map_err(AddressError::Machine)?,
        })
    }
}

impl fmt::Display for MachineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.machine)
    }
}

impl serde::Serialize for MachineAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for MachineAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<MachineAddress, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where an instance is reached on its node.
///
/// The written form is `app/machine` or `app/machine/key`. All after the second slash is the
/// key, slashes included; nothing is escaped here: a transport that cannot carry every text
/// does that at its rim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceAddress {
    /// The application.
    pub app: AppName,
    /// The machine.
    pub machine: MachineName,
    /// The key, when the machine is keyed.
    pub key: Option<Key>,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No slash in the address of a machine.
    #[error("the address of a machine is `app/machine`")]
    MachineForm,
    /// No slash.
    #[error("an address is `app/machine` or `app/machine/key`")]
    Form,
    /// The application's name.
    #[error("the application of the address: {0}")]
    App(NameError),
    /// The machine's name.
    #[error("the machine of the address: {0}")]
    Machine(NameError),
    /// A slash and nothing after it.
    #[error("a key is not empty")]
    EmptyKey,
    /// Above [`KEY_BYTES_MAX`].
    #[error("a key has at most {KEY_BYTES_MAX} bytes, this one has {0}")]
    LongKey(usize),
}

impl InstanceAddress {
    /// Returns the instance of the same key at another machine.
    pub fn at(&self, machine: &MachineAddress) -> InstanceAddress {
        InstanceAddress { app: machine.app.clone(), machine: machine.machine.clone(), key: self.key.clone() }
    }

    /// Returns the machine that the instance is one of.
    pub fn machine_address(&self) -> MachineAddress {
        MachineAddress { app: self.app.clone(), machine: self.machine.clone() }
    }
}

impl FromStr for InstanceAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<InstanceAddress, AddressError> {
        let (app, rest) = text.split_once('/').ok_or(AddressError::Form)?;
        let (machine, key) = match rest.split_once('/') {
            Some((machine, key)) => (machine, Some(key)),
            None => (rest, None),
        };
        Ok(InstanceAddress {
            app: app.parse().map_err(AddressError::App)?,
            machine: machine.parse().map_err(AddressError::Machine)?,
            key: key.map(str::parse).transpose()?,
        })
    }
}

impl fmt::Display for InstanceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.machine)?;
        match &self.key {
            Some(key) => write!(f, "/{key}"),
            None => Ok(()),
        }
    }
}

impl serde::Serialize for InstanceAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for InstanceAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<InstanceAddress, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_what_it_writes() {
        for text in
            ["counter/counter", "shop/stock/nut", "shop/stock/a/b", "shop/stock/é %2F\n", "shop/stock//"]
        {
            assert_eq!(
                text.parse::<InstanceAddress>().map(|address| address.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn a_machine_has_an_address_without_key() {
        let reason = |text: &str| text.parse::<MachineAddress>().expect_err(text);
        assert_eq!("a/b".parse::<MachineAddress>().map(|address| address.to_string()), Ok("a/b".to_owned()));
        assert_eq!(reason("a"), AddressError::MachineForm);
        assert_eq!(reason("a/b/c"), AddressError::Machine(NameError::Snake("b/c".to_owned())));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let reason = |text: &str| text.parse::<InstanceAddress>().expect_err(text);
        assert_eq!(reason("counter"), AddressError::Form);
        assert_eq!(reason("/a"), AddressError::App(NameError::Empty));
        assert_eq!(reason("a/"), AddressError::Machine(NameError::Empty));
        assert_eq!(reason("a/b/"), AddressError::EmptyKey);
        assert_eq!(reason(&format!("a/b/{}", "k".repeat(257))), AddressError::LongKey(257));
    }
}
