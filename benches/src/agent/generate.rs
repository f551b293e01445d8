//! A generator of load, as a process of its own: requests that are made in advance, over connections that stay.
//!
//! Without a rate each connection sends when it was answered. With one, requests are due at fixed times whether or
//! not answers came, and their time runs from when they were due: waiting in the client counts. A request is an
//! input, or a batch of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::measure::process_cpu_time;
use crate::node::{INCR, TALLY_ADDRESS};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// `generate ADDRESS CONNECTIONS MILLISECONDS RATE LINES`; a rate of 0: as fast as answers come; no lines: a request
/// is an input.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let [address, connections, time, rate, lines] = words else { bail!("five words are expected") };
    let address: SocketAddr = address.parse()?;
    let (connections, rate): (usize, u32) = (connections.parse()?, rate.parse()?);
    let lines: usize = lines.parse()?;
    let time = Duration::from_millis(time.parse()?);
    let (started, spent) = (Instant::now(), process_cpu_time());
    let mut took = match (rate, lines) {
        (0, 0) => closed(address, connections, time)?,
        (0, lines) => batches(address, connections, time, lines)?,
        (rate, 0) => open(address, connections, time, rate)?,
        _ => bail!("batches come as fast as answers do"),
    };
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), process_cpu_time() - spent);
    took.sort_unstable();
    ensure!(!took.is_empty(), "nothing was answered");
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)] as f64 / 1e3;
    let found = json!({
        "answered": took.len() * lines.max(1), "seconds": seconds, "cpu": cpu.as_secs_f64(),
        "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0),
    });
    println!("{found}");
    Ok(())
}

fn request(connection: usize) -> Vec<u8> {
    let length = INCR.len();
    format!(
        "POST /v1/apps/{TALLY_ADDRESS}/c{connection} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{INCR}"
    )
    .into_bytes()
}

/// How many counters the lines of a batch are for, in turn: those that connections of single inputs have.
const COUNTERS: usize = 64;

/// How an answer begins that is no refusal.
const OK: &[u8] = b"HTTP/1.1 200 ";

fn batch(lines: usize) -> Vec<u8> {
    let line =
        |number: usize| format!("{{\"to\":\"{TALLY_ADDRESS}/c{}\",\"input\":{INCR}}}\n", number % COUNTERS);
    let body: String = (0..lines).map(line).collect();
    let length = body.len();
    format!("POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// The same as [`closed`], with batches.
fn batches(address: SocketAddr, connections: usize, time: Duration, lines: usize) -> Result<Vec<u64>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            tasks.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let request = batch(lines);
                let (mut took, mut buffer, mut answer) = (vec![], vec![0; 256 << 10], vec![]);
                let until = Instant::now() + time;
                loop {
                    let sent = Instant::now();
                    if sent >= until {
                        return Ok::<_, anyhow::Error>(took);
                    }
                    stream.write_all(&request).await?;
                    answer.clear();
                    while !answer.ends_with(b"\r\n0\r\n\r\n") {
                        let read = stream.read(&mut buffer).await?;
                        ensure!(read > 0, "the agent went away");
                        answer.extend_from_slice(&buffer[..read]);
                        let begin = &answer[..answer.len().min(OK.len())];
                        ensure!(OK.starts_with(begin), "refused: {}", String::from_utf8_lossy(&answer));
                    }
                    took.push(nanoseconds(sent.elapsed()));
                    let answered = answer.windows(2).filter(|end| end == b"}\n").count();
                    ensure!(answered == lines, "{answered} lines were answered of {lines}");
                }
            });
        }
        let mut all = vec![];
        while let Some(done) = tasks.join_next().await {
            all.extend(done??);
        }
        Ok(all)
    })
}

/// Returns true when an answer is there as a whole.
fn is_whole(bytes: &[u8]) -> Result<bool> {
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(false) };
    ensure!(bytes.starts_with(OK), "refused: {}", String::from_utf8_lossy(bytes));
    let name = b"content-length: ";
    let place = bytes[..head].windows(name.len()).position(|line| line == name);
    let digits = &bytes[place.context("an answer has a length")? + name.len()..head];
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Ok(bytes.len() >= head + 4 + length)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// All connections in one thread.
fn closed(address: SocketAddr, connections: usize, time: Duration) -> Result<Vec<u64>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for connection in 0..connections {
            tasks.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let request = request(connection);
                let (mut took, mut buffer) = (vec![], [0; 4096]);
                let until = Instant::now() + time;
                loop {
                    let sent = Instant::now();
                    if sent >= until {
                        return Ok::<_, anyhow::Error>(took);
                    }
                    stream.write_all(&request).await?;
                    let mut filled = 0;
                    while !is_whole(&buffer[..filled])? {
                        let read = stream.read(&mut buffer[filled..]).await?;
                        ensure!(read > 0, "the agent went away");
                        filled += read;
                    }
                    took.push(nanoseconds(sent.elapsed()));
                }
            });
        }
        let mut all = vec![];
        while let Some(done) = tasks.join_next().await {
            all.extend(done??);
        }
        Ok(all)
    })
}

/// A thread for each connection, which sleeps until a request is due: more exact than a timer of a runtime.
fn open(address: SocketAddr, connections: usize, time: Duration, rate: u32) -> Result<Vec<u64>> {
    let each = Duration::from_secs(1) * u32::try_from(connections)? / rate;
    let begin = Instant::now() + Duration::from_millis(50);
    let one = move |connection: usize| -> Result<Vec<u64>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = request(connection);
        let (mut took, mut buffer) = (vec![], [0; 4096]);
        // They take turns, and do not all send at once.
        let mut due = begin + each * u32::try_from(connection)? / u32::try_from(connections)?;
        while due < begin + time {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            stream.write_all(&request)?;
            let mut filled = 0;
            while !is_whole(&buffer[..filled])? {
                let read = stream.read(&mut buffer[filled..])?;
                ensure!(read > 0, "the agent went away");
                filled += read;
            }
            took.push(nanoseconds(due.elapsed()));
            due += each;
        }
        Ok(took)
    };
    let threads: Vec<_> =
        (0..connections).map(|connection| std::thread::spawn(move || one(connection))).collect();
    let mut all = vec![];
    for thread in threads {
        all.extend(thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??);
    }
    Ok(all)
}
