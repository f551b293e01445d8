//! `camshaft node send ADDRESS JSON`, and `send --batch FILE`.

use std::io::Read;
use std::path::PathBuf;

use camshaft_agent::api::{IDEMPOTENCY_HEADER, MESSAGE_HEADER, RUNNING, SPEAKS_HEADER};
use camshaft_manifests::InstanceAddress;

use super::batch;
use crate::failure::Failure;
use crate::http::{Effect, Node};
use crate::talk::Talk;

/// The agent takes inputs of at most this size; a larger one need not travel.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// Arguments of `send`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The instance: app/machine or app/machine/key
    #[arg(required_unless_present = "batch")]
    address: Option<String>,

    /// The input as JSON, such as '"Read"' or '{"Add":{"count":1}}'; - reads it from stdin
    #[arg(allow_hyphen_values = true, required_unless_present = "batch")]
    input: Option<String>,

    /// Send many inputs, a line each: {"to":"app/machine/key","input":…,"message":"SENDER/SEQ"};
    /// - reads them from stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["address", "input", "id", "idempotency_key", "no_wait"])]
    batch: Option<PathBuf>,

    /// Be told that the input is durable, and not its output; needs --id or --idempotency-key
    #[arg(long)]
    no_wait: bool,

    /// The identity of the message: repeating it gives the same answer and applies nothing twice
    #[arg(long, value_name = "SENDER/SEQ", conflicts_with = "idempotency_key")]
    id: Option<String>,

    /// The same for a single request
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// The version that the input is written in, and the answer is wanted in; without it, that
    /// which runs
    #[arg(long, value_name = "VERSION", default_value = RUNNING, hide_default_value = true)]
    speaks: String,
}

/// Sends the input and prints the output.
pub fn run(args: &Args, node: impl Fn() -> Result<Node, Failure>, talk: &mut Talk) -> Result<(), Failure> {
    let speaks = check_header("--speaks", &args.speaks)?;
    if let Some(file) = &args.batch {
        return batch::run(file, speaks, node, talk);
    }
    // They are required where there is no batch.
    let (address, input) = (args.address.as_deref().unwrap_or(""), args.input.as_deref().unwrap_or(""));
    let address: InstanceAddress =
        address.parse().map_err(|error: camshaft_manifests::address::AddressError| {
            let message = format!("`{address}` is no address: {error}");
            Failure::refused(message, "camshaft node instances lists the addresses of a node")
        })?;
    if args.no_wait && args.id.is_none() && args.idempotency_key.is_none() {
        return Err(Failure::refused(
            "--no-wait is for inputs whose output can be asked for later, and this one has no identity",
            "add --id SENDER/SEQ or --idempotency-key KEY",
        ));
    }
    let input = if input == "-" { from_stdin()? } else { input.as_bytes().to_vec() };
    let mut headers = vec![("content-type", "application/json"), (SPEAKS_HEADER, speaks)];
    if let Some(id) = &args.id {
        headers.push((MESSAGE_HEADER, check_id(id)?));
    }
    if let Some(key) = &args.idempotency_key {
        headers.push((IDEMPOTENCY_HEADER, check_header("--idempotency-key", key)?));
    }
    let mut path = vec!["v1", "apps", address.app.as_str(), address.machine.as_str()];
    path.extend(address.key.as_ref().map(camshaft_manifests::address::Key::as_str));
    let node = node()?;
    let query: &[(&str, &str)] = if args.no_wait { &[("wait", "no")] } else { &[] };
    let answer = node.post(&path, query, &headers, input, None, Effect::Changes)?;
    // The output is data in both forms.
    talk.out(&answer.text()?);
    Ok(())
}

fn from_stdin() -> Result<Vec<u8>, Failure> {
    let mut input = Vec::new();
    let read = std::io::stdin().lock().take(INPUT_BYTES_MAX + 1).read_to_end(&mut input);
    read.map_err(|error| {
        Failure::refused(format!("cannot read stdin: {error}"), "give the input as an argument")
    })?;
    if input.len() as u64 > INPUT_BYTES_MAX {
        let message = format!("the input has more than {INPUT_BYTES_MAX} bytes");
        return Err(Failure::refused(message, "an input is one small JSON value"));
    }
    Ok(input)
}

/// Returns the identity if it is `SENDER/SEQ`.
fn check_id(id: &str) -> Result<&str, Failure> {
    let parts = id.rsplit_once('/').filter(|(sender, _)| !sender.is_empty());
    let number = parts.map(|(_, seq)| seq).filter(|seq| seq.bytes().all(|byte| byte.is_ascii_digit()));
    match number.and_then(|seq| seq.parse::<u64>().ok()) {
        Some(1..) => check_header("--id", id),
        _ => Err(Failure::refused(
            format!("`{id}` is no identity: it is SENDER/SEQ, a name and a number from 1"),
            "such as --id me/1, then me/2 for the next input",
        )),
    }
}

fn check_header<'t>(name: &str, text: &'t str) -> Result<&'t str, Failure> {
    if (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    let message = format!("`{text}` does not do for {name}");
    Err(Failure::refused(message, "use 1 to 200 visible ASCII characters without spaces"))
}
