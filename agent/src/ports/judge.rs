//! What an answer means: whether a call has ended by it, or is tried again.
//!
//! A receiver that says why it cannot take a message now is asked again; one that says that it does not
//! want it is not. What has no status (no connection, no answer in time, one that breaks off) is tried again: the
//! message may have arrived, and then its key tells the receiver that it has it already.

use std::time::{SystemTime, UNIX_EPOCH};

/// The longest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What a receiver said is shown up to this length, in characters.
pub const SHOWN_MAX: usize = 200;

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took the message and answered this.
    Answered(String),
    /// The receiver took the message; nobody asks what it answered.
    Delivered,
    /// It may pass.
    Again {
        /// The reason.
        why: String,
        /// How long the receiver asks to be left alone, in milliseconds.
        rest_ms: Option<u64>,
    },
    /// It will not pass.
    Refused {
        /// The reason.
        why: String,
    },
}

/// What a status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took the message.
    Taken,
    /// It could not take it now.
    Again,
    /// It does not take it.
    Refused,
}

/// What statuses say. The first row that a status is in holds.
pub const RULES: [Rule; 8] = [
    rule(
        200,
        299,
        Verdict::Taken,
        "the message has arrived; the body is the answer, where the port has answers",
    ),
    rule(300, 399, Verdict::Refused, "redirects are not followed: bind the port to where they lead"),
    rule(408, 408, Verdict::Again, "the receiver waited for too long"),
    rule(425, 425, Verdict::Again, "the receiver does not take it this early"),
    rule(429, 429, Verdict::Again, "too many at once; `Retry-After` is followed"),
    rule(400, 499, Verdict::Refused, "the receiver has looked at the message and does not take it"),
    rule(503, 503, Verdict::Again, "the receiver is busy or away; `Retry-After` is followed"),
    rule(500, 599, Verdict::Again, "the receiver failed"),
];

/// What some statuses say, and why.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The first status.
    pub first: u16,
    /// The last status.
    pub last: u16,
    /// What they say.
    pub verdict: Verdict,
    /// Why that is so.
    pub why: &'static str,
}

const fn rule(first: u16, last: u16, verdict: Verdict, why: &'static str) -> Rule {
    Rule { first, last, verdict, why }
}

/// Returns what a status says. What is no status of HTTP is refused.
pub fn verdict(status: u16) -> Verdict {
    let rule = RULES.iter().find(|rule| (rule.first..=rule.last).contains(&status));
    rule.map_or(Verdict::Refused, |rule| rule.verdict)
}

/// Returns for how long a receiver asks to be left alone, in milliseconds.
///
/// RFC 9110, section 10.2.3: a number of seconds, or a date. Of the statuses that are tried again, the
/// header has a meaning with 429 and 503. What cannot be read is as if it was not there.
pub fn rest_ms(status: u16, retry_after: Option<&str>, now: SystemTime) -> Option<u64> {
    let text = retry_after.filter(|_| matches!(status, 429 | 503))?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are a very long time.
        return Some(text.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let rest = date.duration_since(now.max(UNIX_EPOCH)).unwrap_or_default();
    Some(u64::try_from(rest.as_millis()).unwrap_or(u64::MAX))
}

/// Returns what people are shown of a status and a body: one line.
pub fn shown(status: u16, body: &[u8]) -> String {
    let text = one_line(&String::from_utf8_lossy(body));
    if text.is_empty() { format!("status {status}") } else { format!("status {status}: {text}") }
}

/// Returns a text without what leads out of its line, cut at [`SHOWN_MAX`].
pub(super) fn one_line(text: &str) -> String {
    let words = |c: char| c.is_whitespace() || c.is_control();
    let joined = text.split(words).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &joined[..end]),
        None => joined,
    }
}

#[cfg(test)]
mod tests;
