//! `camshaft node send --batch FILE`: many inputs, sent a part at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use camshaft_agent::api::{Changed, Problem, SPEAKS_HEADER};
use camshaft_cam::words::{counted, were};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::{Answer, Effect, Node};
use crate::talk::Talk;

/// How many lines are sent at once, and how many bytes; the agent takes 16 MiB.
const LINES: u64 = 4_000;
const BYTES: usize = 8 << 20;

/// The agent takes lines of at most this size.
const LINE_BYTES_MAX: usize = 1 << 20;

/// How often a busy node is asked again in a row.
const ATTEMPTS: u32 = 60;

/// An answer as the agent gives it: the number of the line in its part, and the rest.
#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    speaks: Option<String>,
}

/// What became of all of them.
#[derive(Debug, Default, Serialize)]
struct Told {
    answered: u64,
    refused: u64,
    /// Only with `--json`: else they are printed as they come.
    answers: Vec<Answered>,
}

/// A part of the lines: its bytes, and how many lines were before it.
struct Part {
    bytes: Vec<u8>,
    before: u64,
    lines: u64,
}

/// Sends the lines of a file and prints the answers, a line each.
pub fn run(
    file: &Path,
    speaks: &str,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let mut lines: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(file).map_err(|error| unread(file, &error))?))
    };
    let node = node()?;
    let (mut told, mut before) = (Told::default(), 0);
    while let Some(part) = part(&mut *lines, file, before)? {
        before = part.before + part.lines;
        let what = format!("{} lines answered", told.answered + told.refused);
        let answer = talk.while_waiting(&what, || send(&node, speaks, &part.bytes))?;
        take(&answer, &part, &mut told, talk)?;
    }
    if talk.json {
        talk.result(&told, "");
    }
    match told.refused {
        0 => Ok(()),
        refused => {
            let message = format!(
                "{refused} of {} {} refused",
                counted(told.answered + refused, "input"),
                were(refused)
            );
            Err(Failure::refused(message, "their answers say why; the others are applied"))
        }
    }
}

fn unread(file: &Path, error: &std::io::Error) -> Failure {
    Failure::refused(
        format!("cannot read {}: {error}", file.display()),
        "name a file with a line for each input, or - for stdin",
    )
}

/// Reads the next part.
fn part(lines: &mut dyn BufRead, file: &Path, before: u64) -> Result<Option<Part>, Failure> {
    let mut part = Part { bytes: Vec::new(), before, lines: 0 };
    while part.lines < LINES && part.bytes.len() < BYTES {
        let start = part.bytes.len();
        // One byte for the end of the line, and one to see that it is too long.
        let most = LINE_BYTES_MAX as u64 + 2;
        let read = (&mut *lines).take(most).read_until(b'\n', &mut part.bytes);
        if read.map_err(|error| unread(file, &error))? == 0 {
            break;
        }
        part.lines += 1;
        let line = part.bytes[start..].strip_suffix(b"\n").unwrap_or(&part.bytes[start..]);
        if line.len() > LINE_BYTES_MAX {
            let number = before + part.lines;
            let message = format!("line {number} has more than {LINE_BYTES_MAX} bytes");
            let hint = match before {
                0 => "an input is one small JSON value; nothing was sent".to_owned(),
                before => format!("an input is one small JSON value; lines up to {before} were sent"),
            };
            let exit = if before == 0 { Exit::Refused } else { Exit::Unsettled };
            return Err(Failure::refused(message, hint).exit(exit));
        }
    }
    Ok((part.lines > 0).then_some(part))
}

/// Sends a part. A node that is too busy has taken nothing of it, and is asked again.
fn send(node: &Node, speaks: &str, bytes: &[u8]) -> Result<Answer, Failure> {
    let headers = [("content-type", "application/x-ndjson"), (SPEAKS_HEADER, speaks)];
    let mut attempt = 0;
    loop {
        let answer = node.post(&["v1", "batch"], &[], &headers, bytes.to_vec(), None, Effect::Changes)?;
        attempt += 1;
        if answer.status != 429 || attempt >= ATTEMPTS {
            return Ok(answer);
        }
        let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
        let after = problem.and_then(|problem| problem.more.get("retry_after")?.parse().ok());
        std::thread::sleep(Duration::from_secs(after.unwrap_or(1)));
    }
}

/// Takes the answers of a part in.
fn take(answer: &Answer, part: &Part, told: &mut Told, talk: &mut Talk) -> Result<(), Failure> {
    let mut printed = String::new();
    let mut end = None;
    for line in answer.text().map_err(|failure| after(failure, part))?.lines() {
        let mut answered: Answered = serde_json::from_str(line).map_err(|error| {
            let message = format!("the node's answer is not understood: {error}");
            let failure = Failure::fault(message, "do the node and this program have the same version?");
            failure.exit(Exit::Unsettled)
        })?;
        let Some(number) = &mut answered.line else {
            end = answered.problem;
            break;
        };
        *number += part.before;
        match answered.problem {
            None => told.answered += 1,
            Some(_) => told.refused += 1,
        }
        if talk.json {
            told.answers.push(answered);
        } else {
            printed += &serde_json::to_string(&answered).unwrap_or_else(|_| line.to_owned());
            printed.push('\n');
        }
    }
    talk.out(&printed);
    let Some(end) = end else { return Ok(()) };
    let message = format!("{}: {} lines were answered", end.detail, told.answered + told.refused);
    let exit = if end.changed == Changed::No && told.answered == 0 { Exit::Refused } else { Exit::Unsettled };
    let hint = "send the rest again, each line with its `message` or `key`: none is applied twice";
    Err(Failure::refused(message, hint).code(&end.code).exit(exit).details(&end))
}

/// A part that is refused leaves those before it applied.
fn after(failure: Failure, part: &Part) -> Failure {
    if part.before == 0 {
        return failure;
    }
    let message = format!("{} (lines up to {} were sent)", failure.message, part.before);
    Failure { message, exit: Exit::Unsettled, ..failure }
}
