//! What the ports of a node are bound to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use camshaft_manifests::address::MachineAddress;
use camshaft_manifests::agent::{PortAddress, PortBinding, Retry};

use super::secret::{SecretError, Secrets};

/// What the ports of a node are bound to. Secrets were read: what is wrong with one is known at the start.
#[derive(Debug, Clone, Default)]
pub struct Bindings(BTreeMap<PortAddress, Bound>);

/// What one port is bound to.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) url: reqwest::Url,
    pub(super) secrets: Option<Secrets>,
    pub(super) timeout: Duration,
    pub(super) retry: Retry,
}

/// Why a port cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Its secret.
    #[error("{port}: the secret in {}", path.display())]
    Secret {
        /// The port.
        port: PortAddress,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        reason: SecretError,
    },
    /// Its address. It is not repeated: paths and queries of webhooks often hold what is not shown.
    #[error("{port}: `webhook` is no URL that requests can be sent to: {reason}")]
    Url {
        /// The port.
        port: PortAddress,
        /// The reason.
        reason: String,
    },
}

/// Ports that machines call and that are not bound, each with its machine; never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbound(Vec<(MachineAddress, String)>);

impl Unbound {
    /// Returns the ports, each with its machine.
    pub fn ports(&self) -> &[(MachineAddress, String)] {
        &self.0
    }

    /// Returns the lines that bind them, for `agent.toml`.
    pub fn lines(&self) -> String {
        let lines = |(machine, port): &(MachineAddress, String)| {
            let MachineAddress { app, machine } = machine;
            format!("[ports.{app}.{machine}.{port}]\nwebhook = \"https://HOST/PATH\"\n")
        };
        self.0.iter().map(lines).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Unbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.0.iter().map(|(machine, port)| format!("the port {port} of {machine}"));
        let are = if self.0.len() == 1 { "is" } else { "are" };
        let named = named.collect::<Vec<_>>().join(", ");
        write!(f, "{named} {are} not bound on this node; add to its agent.toml:\n\n{}", self.lines())
    }
}

impl std::error::Error for Unbound {}

impl Bindings {
    /// Reads what ports are bound to. Paths are those of documents in `folder`.
    ///
    /// # Errors
    ///
    /// The first port that cannot be bound.
    pub fn read(ports: &BTreeMap<PortAddress, PortBinding>, folder: &Path) -> Result<Bindings, BindError> {
        let bound = |(port, binding): (&PortAddress, &PortBinding)| {
            let PortBinding { webhook, secret_file, timeout, retry } = binding;
            let url = reqwest::Url::parse(webhook.as_str())
                .map_err(|error| BindError::Url { port: port.clone(), reason: error.to_string() })?;
            let secrets = secret_file.as_ref().map(|file| {
                let path = folder.join(file.as_str());
                Secrets::read(&path).map_err(|reason| BindError::Secret { port: port.clone(), path, reason })
            });
            let timeout = Duration::from_millis(timeout.0);
            Ok((port.clone(), Bound { url, secrets: secrets.transpose()?, timeout, retry: *retry }))
        };
        ports.iter().map(bound).collect::<Result<_, _>>().map(Bindings)
    }

    /// Looks whether every port that is called is bound: of each machine its ports, by name.
    ///
    /// # Errors
    ///
    /// All that are not.
    pub fn check<'a>(
        &self,
        called: impl IntoIterator<Item = (&'a MachineAddress, &'a str)>,
    ) -> Result<(), Unbound> {
        let bound = |(machine, port): &(&MachineAddress, &str)| {
            // A name that no document can say is bound nowhere.
            let address = port.parse().map(|port| PortAddress { machine: (*machine).clone(), port });
            address.is_ok_and(|address| self.0.contains_key(&address))
        };
        let missing = called.into_iter().filter(|called| !bound(called));
        let missing: Vec<_> = missing.map(|(machine, port)| (machine.clone(), port.to_owned())).collect();
        if missing.is_empty() { Ok(()) } else { Err(Unbound(missing)) }
    }

    /// Returns true when no port is bound.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, port: &PortAddress) -> Option<&Bound> {
        self.0.get(port)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PortAddress, &Bound)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use camshaft_cam::diagnostic::Source;

    use super::*;

    fn read(text: &str, folder: &Path) -> Result<Bindings, BindError> {
        let agent = camshaft_manifests::agent::read(&Source::new("agent.toml", text)).expect("a document");
        Bindings::read(&agent.ports, folder)
    }

    fn machine(text: &str) -> MachineAddress {
        text.parse().expect("an address")
    }

    #[test]
    fn ports_are_bound_as_the_document_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = format!("whsec_{}\n", "A".repeat(32));
        std::fs::write(folder.path().join("mail.secret"), secret).expect("writable");
        let text = "[ports.shop.till.mail]\nwebhook = 'https://a.example/x?y=1'\nsecret_file = 'mail.secret'\n\
                    timeout = '5s'\nretry = { attempts = 3 }\n[ports.shop.till.print]\nwebhook = 'http://[::1]:9'\n";
        let bindings = read(text, folder.path()).expect("good ports");
        let of = |port: &str| {
            let port = port.parse().expect("a name");
            bindings.get(&PortAddress { machine: machine("shop/till"), port }).expect("bound")
        };
        assert_eq!(of("mail").url.as_str(), "https://a.example/x?y=1");
        assert_eq!(of("mail").timeout, Duration::from_secs(5));
        assert_eq!(of("mail").retry.attempts, Some(3));
        assert!(of("mail").secrets.is_some() && of("print").secrets.is_none());
        assert!(!bindings.is_empty() && Bindings::default().is_empty());
    }

    #[test]
    fn a_port_that_cannot_be_bound_is_named_with_its_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("short"), "c2hvcnQ=").expect("writable");
        let refused = |text: &str| {
            let error = read(&format!("[ports.shop.till.mail]\n{text}"), folder.path()).expect_err(text);
            let reason = error.source().map(|reason| format!(": {reason}")).unwrap_or_default();
            error.to_string().replace(&folder.path().display().to_string(), "FOLDER") + &reason
        };
        assert_eq!(
            refused("webhook = 'http://a'\nsecret_file = 'none'"),
            "port mail of shop/till: the secret in FOLDER/none: cannot read it"
        );
        assert_eq!(
            refused("webhook = 'http://a'\nsecret_file = 'short'"),
            "port mail of shop/till: the secret in FOLDER/short: line 1 is a secret of 5 bytes; it has 24 to 64"
        );
        assert_eq!(
            refused("webhook = 'http://256.0.0.1/hooks/T0PSECRET'"),
            "port mail of shop/till: `webhook` is no URL that requests can be sent to: invalid IPv4 address"
        );
    }

    #[test]
    fn every_port_that_is_called_and_not_bound_is_named_with_the_lines_to_add() {
        let bindings =
            read("[ports.shop.till.mail]\nwebhook = 'http://a'", Path::new("")).expect("a good port");
        let [till, stock] = ["shop/till", "shop/stock"].map(machine);
        assert_eq!(bindings.check([]), Ok(()));
        assert_eq!(bindings.check([(&till, "mail")]), Ok(()));
        let unbound = bindings.check([(&till, "mail"), (&stock, "mail")]).expect_err("another machine");
        assert_eq!(unbound.ports(), [(stock.clone(), "mail".to_owned())]);
        assert_eq!(
            unbound.to_string(),
            "the port mail of shop/stock is not bound on this node; add to its agent.toml:\n\n\
             [ports.shop.stock.mail]\nwebhook = \"https://HOST/PATH\"\n"
        );
        let unbound = bindings.check([(&till, "print"), (&stock, "mail")]).expect_err("two");
        let expected = "the port print of shop/till, the port mail of shop/stock are not bound on this node";
        assert!(unbound.to_string().starts_with(expected), "{unbound}");
        // The lines are a document that binds them.
        let text = unbound.lines().replace("HOST/PATH", "a.example/");
        assert_eq!(
            read(&text, Path::new("")).expect("ports").check([(&till, "print"), (&stock, "mail")]),
            Ok(())
        );
    }
}
