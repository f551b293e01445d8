//! A client of a node: inputs in, answers out, and nothing hidden about what did not arrive.

use std::time::Duration;

use reqwest::blocking::{Body, Client as Http};
use serde_json::Value;

/// A client of one node.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    http: Http,
}

/// What a node answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub kind: String,
    /// After how many seconds it is worth trying again, when the node says so.
    pub retry_after: Option<String>,
    /// The version that the answer is in, when the node says so.
    pub speaks: Option<String>,
    /// The body.
    pub body: String,
}

impl Client {
    /// Returns a client of the node at an address.
    ///
    /// # Panics
    ///
    /// When no client can be made.
    pub fn new(url: &str) -> Client {
        let http = Http::builder().no_proxy().timeout(Duration::from_secs(120)).build();
        Client { url: url.to_owned(), http: http.expect("an HTTP client without TLS needs nothing") }
    }

    /// Posts a body with headers.
    ///
    /// # Errors
    ///
    /// When no whole answer came: the request may or may not have been done.
    pub fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Result<Answered, reqwest::Error> {
        let mut request = self.http.post(format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answered(request)
    }

    /// Gets a path.
    ///
    /// # Errors
    ///
    /// When no whole answer came.
    pub fn get(&self, path: &str) -> Result<Answered, reqwest::Error> {
        answered(self.http.get(format!("{}{path}", self.url)))
    }

    /// Sends an input and expects its output.
    ///
    /// # Panics
    ///
    /// When the answer is anything else.
    #[track_caller]
    pub fn send(&self, address: &str, input: &str) -> Value {
        let answered =
            self.post(&format!("/v1/apps/{address}"), &[], input.to_owned()).expect("the node answers");
        assert_eq!(answered.status, 200, "{address} {input}: {answered:?}");
        answered.json()
    }

    /// Returns the status of the node.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[track_caller]
    pub fn node(&self) -> Value {
        let answered = self.get("/v1/node").expect("the node answers");
        assert_eq!(answered.status, 200, "{answered:?}");
        answered.json()
    }
}

impl Client {
    /// Returns the version that runs and whether it is provisional; `None` for an empty node.
    ///
    /// # Panics
    ///
    /// When the node does not answer.
    #[track_caller]
    pub fn release(&self) -> Option<(String, bool)> {
        let node = self.node();
        Some((node["running"]["version"].as_str()?.to_owned(), node["state"] == "provisional"))
    }
}

impl Answered {
    /// Returns the body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Expects a problem document (RFC 9457) with a status and a reason in its detail.
    ///
    /// # Panics
    ///
    /// When it is another.
    #[track_caller]
    pub fn problem(&self, status: u16, reason: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        let problem = self.json();
        for member in ["title", "detail", "code", "hint"] {
            assert!(problem[member].is_string(), "no `{member}` in {problem}");
        }
        let text = format!("{} {}", problem["title"], problem["detail"]);
        assert!(text.contains(reason), "no `{reason}` in {problem}");
        problem
    }
}

fn answered(request: reqwest::blocking::RequestBuilder) -> Result<Answered, reqwest::Error> {
    let response = request.send()?;
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let kind = header("content-type").unwrap_or_default();
    let speaks = header("camshaft-speaks");
    let retry_after = header("retry-after");
    let body = String::from_utf8_lossy(&response.bytes()?).into_owned();
    Ok(Answered { status, kind, retry_after, speaks, body })
}
