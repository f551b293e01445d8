//! Talking to a node: requests over HTTP, answers of bounded size, problems as failures.

use std::io::Read;
use std::time::Duration;

use camshaft_agent::api::{Changed, Problem};
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use crate::exit::Exit;
use crate::failure::{Failure, chain};

/// No answer of a node is larger, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// How long to wait for the connection. A node on the same machine or network answers at once.
const CONNECT: Duration = Duration::from_secs(5);

/// What a node says is no more than this when it is shown as it is, in characters.
const SHOWN_MAX: usize = 400;

/// A node, as the command line reaches it.
#[derive(Debug)]
pub struct Node {
    base: Url,
    client: Client,
}

/// What a node answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What a request does on the node, and so what it means when no answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only looks.
    Looks,
    /// It may have been done.
    Changes,
}

impl Answer {
    /// Returns what the node says when it agrees.
    ///
    /// # Errors
    ///
    /// The node's problem, or an answer that is none of an agent.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        self.ok()?;
        serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("the node's answer is not understood: {error}");
            Failure::fault(message, "do the node and this program have the same version?")
        })
    }

    /// Returns the body as text when the node agrees.
    ///
    /// # Errors
    ///
    /// The node's problem, or an answer that is none of an agent.
    pub fn text(&self) -> Result<String, Failure> {
        self.ok()?;
        Ok(String::from_utf8_lossy(&self.body).into_owned())
    }

    fn ok(&self) -> Result<(), Failure> {
        match self.status {
            200..=299 => Ok(()),
            _ => Err(self.problem()),
        }
    }

    /// Returns what the node refused, or failed at, as a failure of this program.
    fn problem(&self) -> Failure {
        let Ok(problem) = serde_json::from_slice::<Problem>(&self.body) else {
            let shown: String = String::from_utf8_lossy(&self.body).chars().take(SHOWN_MAX).collect();
            let message = format!("HTTP status {}: {}", self.status, shown.trim());
            return Failure::fault(message, "is this the address of a Camshaft agent?");
        };
        let exit = match problem.changed {
            Changed::Undone => Exit::Undone,
            Changed::Unsettled => Exit::Unsettled,
            // Busy and held are refusals; every other 5xx is the node's own fault.
            Changed::No if matches!(self.status, 400..=499 | 503) => Exit::Refused,
            Changed::No => Exit::Fault,
        };
        let mut message = match problem.detail.is_empty() {
            true => problem.title.clone(),
            false if problem.detail.contains(&problem.title) => problem.detail.clone(),
            false => format!("{}: {}", problem.title, problem.detail),
        };
        let mut notes = problem.notes.clone();
        let failures = problem.trial.iter().flat_map(|trial| &trial.failures);
        notes.extend(failures.map(|failure| {
            format!(
                "{} at {}: {} ({})",
                failure.instance, failure.step, failure.reason, failure.capsule.value
            )
        }));
        for note in notes {
            message += &format!("\n  {note}");
        }
        let hint = if problem.hint.is_empty() { "ask with: camshaft node status" } else { &problem.hint };
        Failure::refused(message, hint).exit(exit).code(&problem.code).details(&problem)
    }
}

impl Node {
    /// Returns the node at an address such as `http://127.0.0.1:7101`.
    ///
    /// # Errors
    ///
    /// When there is no address, or it is none.
    pub fn at(address: Option<&str>) -> Result<Node, Failure> {
        let Some(address) = address else {
            return Err(Failure::refused(
                "which node? --node is missing",
                "add --node http://HOST:PORT, or set CAMSHAFT_NODE",
            ));
        };
        let refused = |why: &str| {
            Failure::refused(
                format!("`{address}` is no address of a node: {why}"),
                "an address is http://HOST:PORT, such as http://127.0.0.1:7101",
            )
        };
        let base = Url::parse(address).map_err(|error| refused(&error.to_string()))?;
        match base.scheme() {
            "http" => {}
            "https" => return Err(refused("TLS is not supported yet; nodes listen on loopback")),
            _ => return Err(refused("it does not begin with http://")),
        }
        if base.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no host"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refused("it carries a user name or password"));
        }
        if !matches!(base.path(), "" | "/") || base.query().is_some() || base.fragment().is_some() {
            return Err(refused("something stands after the port"));
        }
        let client = Client::builder()
            .connect_timeout(CONNECT)
            // A request says itself how long it waits; without that, for as long as the work takes.
            .timeout(None)
            .redirect(reqwest::redirect::Policy::none())
            // A node is reached directly; a proxy from the environment would see every state.
            .no_proxy()
            .user_agent(concat!("camshaft/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::fault(chain(&error), "this is a fault of ours; please report it"))?;
        Ok(Node { base, client })
    }

    /// Returns the address.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks for `path`, whose parts are encoded here.
    ///
    /// # Errors
    ///
    /// When no whole answer comes.
    pub fn get(&self, path: &[&str], query: &[(&str, &str)], patience: Duration) -> Result<Answer, Failure> {
        let request = self.client.request(Method::GET, self.asking(path, query)?).timeout(patience);
        self.run(request, Effect::Looks)
    }

    /// Asks for what may be of any size, to be read as it comes.
    ///
    /// # Errors
    ///
    /// When no answer comes, and the node's problem.
    pub fn stream(&self, path: &[&str]) -> Result<Response, Failure> {
        let request = self.client.request(Method::GET, self.asking(path, &[])?);
        let response = request.send().map_err(|error| self.no_answer(&error, Effect::Looks))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.answer(response, Effect::Looks)?.problem())
    }

    /// Posts a body to `path`. Without `patience` it waits for as long as the work takes.
    ///
    /// # Errors
    ///
    /// When no whole answer comes.
    pub fn post(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: Vec<u8>,
        patience: Option<Duration>,
        effect: Effect,
    ) -> Result<Answer, Failure> {
        let mut request = self.client.request(Method::POST, self.asking(path, query)?).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(patience) = patience {
            request = request.timeout(patience);
        }
        self.run(request, effect)
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    ///
    /// When no whole answer comes.
    pub fn delete(&self, path: &[&str], patience: Duration) -> Result<Answer, Failure> {
        let request = self.client.request(Method::DELETE, self.asking(path, &[])?).timeout(patience);
        self.run(request, Effect::Changes)
    }

    fn asking(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, Failure> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        // URLs resolve these away, in whatever way they are written.
        if let Some(dots) = path.iter().find(|part| matches!(**part, "." | "..")) {
            let message = format!("`{dots}` cannot stand in the path of a URL");
            return Err(Failure::refused(
                message,
                "an instance with this key is reached by other machines only",
            ));
        }
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.clear().extend(path);
        }
        Ok(url)
    }

    fn run(&self, request: RequestBuilder, effect: Effect) -> Result<Answer, Failure> {
        let response = request.send().map_err(|error| self.no_answer(&error, effect))?;
        self.answer(response, effect)
    }

    fn answer(&self, response: Response, effect: Effect) -> Result<Answer, Failure> {
        let status = response.status().as_u16();
        let mut body = Vec::new();
        response.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut body).map_err(|error| {
            self.settled(
                Failure::fault(format!("the answer of {} broke off: {error}", self.address()), ""),
                effect,
            )
        })?;
        if body.len() as u64 > ANSWER_BYTES_MAX {
            let message = format!("the answer of {} has more than {ANSWER_BYTES_MAX} bytes", self.address());
            return Err(Failure::fault(message, "is this the address of a Camshaft agent?"));
        }
        Ok(Answer { status, body })
    }

    fn no_answer(&self, error: &reqwest::Error, effect: Effect) -> Failure {
        let address = self.address();
        if error.is_builder() {
            let message = format!("cannot ask {address}: {}", chain(error));
            return Failure::refused(message, "check the address and the arguments for odd characters");
        }
        let message = format!("no answer from {address}: {}", chain(error));
        if error.is_connect() {
            return Failure::fault(
                message,
                "does the agent run there? start one with: camshaft agent --data DIR",
            );
        }
        self.settled(Failure::fault(message, ""), effect)
    }

    /// A request that changes something and has no answer may have been done.
    fn settled(&self, failure: Failure, effect: Effect) -> Failure {
        let (exit, hint) = match effect {
            Effect::Looks => (Exit::Fault, "try again; if it lasts, look at the agent's log"),
            Effect::Changes => (Exit::Unsettled, "it may have been done; ask with: camshaft node status"),
        };
        Failure { hint: hint.to_owned(), ..failure.exit(exit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (address, why) in [
            ("", "relative URL without a base"),
            ("localhost:7101", "it does not begin with http://"),
            ("https://localhost", "TLS is not supported yet"),
            ("http://", "empty host"),
            ("http://u:p@localhost", "it carries a user name or password"),
            ("http://localhost/v1", "something stands after the port"),
            ("http://localhost:99999", "invalid port number"),
        ] {
            let failure = Node::at(Some(address)).expect_err(address);
            assert!(failure.message.contains(why), "{address}: {}", failure.message);
            assert_eq!(failure.exit, Exit::Refused);
        }
        assert_eq!(Node::at(None).expect_err("none").message, "which node? --node is missing");
    }

    #[test]
    fn the_parts_of_a_path_keep_their_odd_characters() {
        let node = Node::at(Some("http://127.0.0.1:1")).expect("an address");
        let url = |parts: &[&str]| node.url(parts).expect("no dots").as_str().to_owned();
        assert_eq!(url(&["v1", "apps", "a b", "x/y?#%"]), "http://127.0.0.1:1/v1/apps/a%20b/x%2Fy%3F%23%25");
        assert!(node.url(&["v1", ".."]).expect_err("dots").message.starts_with("`..` cannot stand"));
    }
}
