//! Inputs in lines: how they are read, and how their answers are written.

use std::borrow::Cow;
use std::io::Write as _;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Failed, INPUT_BYTES_MAX, apps, check_name};
use crate::api::{IDEMPOTENCY_HEADER, MESSAGE_HEADER, Problem};
use crate::engine::{Identity, Reply};
use crate::host::Input;
use crate::problem;
use crate::speech::Says;

/// A line, as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'l> {
    #[serde(borrow)]
    to: Cow<'l, str>,
    #[serde(borrow)]
    input: &'l RawValue,
    message: Option<Cow<'l, str>>,
    key: Option<Cow<'l, str>>,
    speaks: Option<Cow<'l, str>>,
}

/// What holds for lines that do not say it themselves.
pub(super) struct Common {
    says: Says,
    trace: Option<String>,
}

impl Common {
    /// Returns what the headers say.
    pub(super) fn of(headers: &HeaderMap) -> Result<Common, Failed> {
        if apps::identity(headers)?.is_some() {
            let reason = format!(
                "{MESSAGE_HEADER} and {IDEMPOTENCY_HEADER} name one input: here each line has its own, \
                 as `message` or `key`"
            );
            return Err(Failed(problem::BAD_REQUEST.problem(reason)));
        }
        Ok(Common { says: apps::says(headers)?, trace: apps::trace(headers) })
    }

    /// Returns the input of a line.
    pub(super) fn read(&self, line: &[u8]) -> Result<Input, Box<Problem>> {
        let refuse = |reason: String| problem::BAD_REQUEST.problem(reason);
        let line: Line = serde_json::from_slice(line).map_err(|error| {
            refuse(format!("the line is not {{\"to\":…,\"input\":…}} in JSON: {}", place_left_out(&error)))
        })?;
        let address = line.to.parse().map_err(|error| {
            problem::NOT_FOUND.problem(format!("`to` is app/machine or app/machine/key: {error}"))
        })?;
        for (field, text) in [("message", &line.message), ("key", &line.key), ("speaks", &line.speaks)] {
            if let Some(text) = text {
                check_name(text).map_err(|reason| refuse(format!("`{field}` {reason}")))?;
            }
        }
        let identity = match (line.message, line.key) {
            (None, None) => None,
            (None, Some(key)) => Some(Identity::Key(key.into())),
            (Some(_), Some(_)) => {
                return Err(refuse("`message` and `key` both name the input; send one of them".to_owned()));
            }
            (Some(message), None) => Some(
                apps::message_identity(&message)
                    .ok_or_else(|| refuse(format!("`message` is {}", apps::MESSAGE_FORM)))?,
            ),
        };
        let says = line.speaks.map_or_else(|| self.says.clone(), |version| apps::said(&version));
        let json = line.input.get().to_owned();
        Ok(Input { address, json, says, identity, trace: self.trace.clone() })
    }
}

/// Returns what is wrong, with the column and without the line, which is always the first.
fn place_left_out(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ").replace(" at line 0 column 0", "")
}

/// Lines, as they come.
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where no end of a line was found.
    searched: usize,
    /// The number of the last line.
    number: u64,
    /// What is still to come.
    body: Option<BodyDataStream>,
}

impl Lines {
    /// Returns the lines of a body that is here.
    pub(super) fn whole(buffer: Vec<u8>) -> Lines {
        Lines { buffer, start: 0, searched: 0, number: 0, body: None }
    }

    /// Returns the lines of a body that comes.
    pub(super) fn coming(body: Body) -> Lines {
        Lines { body: Some(body.into_data_stream()), ..Lines::whole(vec![]) }
    }

    /// Returns the number and the bytes of the first line that is too long.
    pub(super) fn too_long(&self) -> Option<(u64, usize)> {
        let lines = (1..).zip(self.buffer.split(|byte| *byte == b'\n'));
        lines.map(|(number, line)| (number, line.len())).find(|(_, bytes)| *bytes > INPUT_BYTES_MAX)
    }

    /// Returns the next line that is here and not blank, with its number from 1.
    pub(super) fn next(&mut self) -> Option<(u64, &[u8])> {
        loop {
            let (start, end) = match self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                Some(found) => (self.start, self.searched + found),
                // The last line needs no end.
                None if self.body.is_none() && self.start < self.buffer.len() => {
                    (self.start, self.buffer.len())
                }
                None => {
                    self.searched = self.buffer.len();
                    return None;
                }
            };
            self.start = (end + 1).min(self.buffer.len());
            self.searched = self.start;
            self.number += 1;
            if !self.buffer[start..end].iter().all(u8::is_ascii_whitespace) {
                return Some((self.number, &self.buffer[start..end]));
            }
        }
    }

    /// Returns true when no line is left and none will come.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_none() && self.start >= self.buffer.len()
    }

    /// Takes nothing more in. Part of a line is none.
    pub(super) fn close(&mut self) {
        self.body = None;
        self.start = self.buffer.len();
        self.searched = self.start;
    }

    /// Waits for more. When it ends or breaks off, that is noted; never to be called when nothing
    /// is to come.
    pub(super) async fn more(&mut self) -> Result<(), Box<Problem>> {
        let Some(body) = &mut self.body else { return std::future::pending().await };
        match body.next().await {
            None => self.body = None,
            Some(Ok(bytes)) => {
                self.buffer.drain(..self.start);
                self.searched -= self.start;
                self.start = 0;
                self.buffer.extend_from_slice(&bytes);
            }
            Some(Err(error)) => {
                return Err(problem::BAD_REQUEST.problem(format!("the lines broke off: {error}")));
            }
        }
        // What came in one piece may have several lines, and its last one may go on.
        let last = self.buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let first = self.buffer.iter().position(|byte| *byte == b'\n').unwrap_or(self.buffer.len());
        if first.max(self.buffer.len() - last) > INPUT_BYTES_MAX {
            let number = self.number + 1;
            let reason =
                format!("line {number}, or one soon after it, has more than {INPUT_BYTES_MAX} bytes");
            return Err(problem::TOO_LARGE.problem(reason));
        }
        Ok(())
    }
}

/// Writes the answer to a line.
pub(super) fn write_reply(out: &mut Vec<u8>, number: u64, reply: &Reply) {
    match reply {
        Reply::Answered { answer, repeated, speaks } => {
            match answer {
                Ok(json) => {
                    begin(out, number);
                    out.extend_from_slice(b",\"output\":");
                    out.extend_from_slice(json.as_bytes());
                }
                Err((kind, reason)) => begin_problem(out, number, &problem::of_trap(kind, reason)),
            }
            if *repeated {
                out.extend_from_slice(b",\"repeated\":true");
            }
            // Versions are of letters, digits, dots and hyphens.
            out.extend_from_slice(b",\"speaks\":\"");
            out.extend_from_slice(speaks.as_bytes());
            out.extend_from_slice(b"\"}\n");
        }
        Reply::Refused(refusal) => write_problem(out, number, &problem::of_refusal(refusal)),
    }
}

/// Writes why a line has no answer.
pub(super) fn write_problem(out: &mut Vec<u8>, number: u64, problem: &Problem) {
    begin_problem(out, number, problem);
    out.extend_from_slice(b"}\n");
}

/// Writes why the answers end here: a problem without a line.
pub(super) fn write_end(out: &mut Vec<u8>, problem: &Problem) {
    out.extend_from_slice(b"{\"problem\":");
    json(out, problem);
    out.extend_from_slice(b"}\n");
}

fn begin(out: &mut Vec<u8>, number: u64) {
    // Writing into memory cannot fail.
    let _ = write!(out, "{{\"line\":{number}");
}

fn begin_problem(out: &mut Vec<u8>, number: u64, problem: &Problem) {
    begin(out, number);
    out.extend_from_slice(b",\"problem\":");
    json(out, problem);
}

fn json(out: &mut Vec<u8>, problem: &Problem) {
    // A problem has nothing that JSON lacks a form for.
    let _ = serde_json::to_writer(out, problem);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common() -> Common {
        Common { says: Says::Nothing, trace: None }
    }

    #[test]
    fn a_line_is_an_address_an_input_and_what_it_says_of_itself() {
        let read = |text: &str| common().read(text.as_bytes()).expect("a line");
        let input = read(r#"{"to":"shop/cart/a b","input": {"Add": 1 } ,"message":"till/7/12"}"#);
        assert_eq!(input.address.to_string(), "shop/cart/a b");
        assert_eq!(input.json, r#"{"Add": 1 }"#);
        assert_eq!(input.identity, Some(Identity::Client { sender: "till/7".into(), seq: 12 }));
        assert_eq!(input.says, Says::Nothing);
        let input = read(r#"{"input":"Read","to":"shop\/cart","key":"k","speaks":"1.0.0"}"#);
        assert_eq!((input.address.to_string().as_str(), input.json.as_str()), ("shop/cart", "\"Read\""));
        assert_eq!(input.identity, Some(Identity::Key("k".into())));
        assert_eq!(input.says, Says::Version("1.0.0".into()));
        assert_eq!(read(r#"{"to":"a/b","input":1,"speaks":"running"}"#).says, Says::Running);
        assert!(read(r#"{"to":"a/b","input":null}"#).identity.is_none());
    }

    #[test]
    fn what_is_no_line_is_refused_with_the_reason() {
        let form = "the line is not {\"to\":…,\"input\":…} in JSON: ";
        for (text, code, reason) in [
            ("x", "bad-request", format!("{form}expected value at column 1")),
            ("{}", "bad-request", format!("{form}missing field `to` at column 2")),
            (r#"{"to":"a/b"}"#, "bad-request", format!("{form}missing field `input` at column 12")),
            (r#"{"to":"a/b","input":1} x"#, "bad-request", format!("{form}trailing characters at column 24")),
            (
                r#"{"to":"a/b","input":1,"speak":"1.0.0"}"#,
                "bad-request",
                format!(
                    "{form}unknown field `speak`, expected one of `to`, `input`, `message`, `key`, `speaks` \
                     at column 29"
                ),
            ),
            (
                r#"{"to":"a/b","input":1,"message":"a/1","key":"k"}"#,
                "bad-request",
                "`message` and `key` both name the input; send one of them".to_owned(),
            ),
            (
                r#"{"to":"a/b","input":1,"message":"a/01"}"#,
                "bad-request",
                "`message` is sender/seq, such as till-7/1042; seq counts from 1".to_owned(),
            ),
            (r#"{"to":"a/b","input":1,"key":""}"#, "bad-request", "`key` has 1 to 200 characters".to_owned()),
            (
                r#"{"to":"a/b","input":1,"key":"a b"}"#,
                "bad-request",
                "`key` has characters outside visible ASCII".to_owned(),
            ),
        ] {
            let problem = common().read(text.as_bytes()).expect_err(text);
            assert_eq!((problem.code.as_str(), &problem.detail), (code, &reason), "{text}");
        }
        let problem = common().read(br#"{"to":"nowhere","input":1}"#).expect_err("no address");
        assert_eq!(problem.code, "not-found");
        assert!(problem.detail.starts_with("`to` is app/machine or app/machine/key: "), "{}", problem.detail);
        let problem = common().read(b"{\"to\":\"a/b\",\"input\":\"\xff\"}").expect_err("no UTF-8");
        assert_eq!(problem.code, "bad-request");
    }

    #[test]
    fn lines_keep_their_numbers_and_the_last_needs_no_end() {
        let mut lines = Lines::whole(b"one\n\n \r\ntwo\r\nthree".to_vec());
        assert_eq!(lines.next(), Some((1, &b"one"[..])));
        assert_eq!(lines.next(), Some((4, &b"two\r"[..])));
        assert!(!lines.is_over());
        assert_eq!(lines.next(), Some((5, &b"three"[..])));
        assert!(lines.is_over());
        assert_eq!(lines.next(), None);
        assert!(Lines::whole(vec![]).is_over());
    }

    #[tokio::test]
    async fn lines_that_come_in_pieces_are_those_that_come_whole() {
        let text = "{\"a\":1}\nüber\n\nlast";
        for size in 1..=text.len() {
            let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
                text.as_bytes().chunks(size).map(|piece| Ok(piece.to_vec())).collect();
            let mut lines = Lines::coming(Body::from_stream(futures_util::stream::iter(pieces)));
            let mut found = vec![];
            while !lines.is_over() {
                while let Some((number, line)) = lines.next() {
                    found.push((number, String::from_utf8(line.to_vec()).expect("text")));
                }
                if !lines.is_over() {
                    lines.more().await.expect("nothing breaks off");
                }
            }
            let expected = [(1, "{\"a\":1}"), (2, "über"), (4, "last")];
            assert_eq!(found, expected.map(|(number, line)| (number, line.to_owned())), "{size}");
        }
    }

    #[tokio::test]
    async fn a_line_that_never_ends_is_too_large() {
        let pieces = std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
        let mut lines = Lines::coming(Body::from_stream(futures_util::stream::iter(pieces)));
        let problem = loop {
            assert!(lines.next().is_none());
            if let Err(problem) = lines.more().await {
                break problem;
            }
        };
        assert_eq!((problem.code.as_str(), problem.status), ("too-large", 413));
        assert!(lines.buffer.len() <= INPUT_BYTES_MAX + (64 << 10));
    }
}
