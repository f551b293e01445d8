//! `POST /v1/batch` and `POST /v1/stream`: many inputs in one request, a line each, and a line for
//! each answer, in the order of the lines.
//!
//! The lines are inputs of their own: each is applied or refused by itself. Those of one instance are
//! applied in their order. An answer goes out when it is durable and all before it have gone.
//!
//! Nothing runs ahead of the client: only so many lines wait for their answers, and while nobody
//! reads those, no further line is read. Everything happens when the answer is asked for.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc::{UnboundedReceiver, WeakUnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::lines::{Common, Lines, write_end, write_problem, write_reply};
use super::{BATCH_BYTES_MAX, Failed, INPUT_BYTES_MAX, Shared, read_body};
use crate::api::{Changed, Problem};
use crate::engine::Reply;
use crate::host::{Host, Input};
use crate::problem;

/// The media type of lines of JSON.
const LINES_TYPE: &str = "application/x-ndjson";

/// How many lines may wait for their answers.
const LINES_MAX: usize = 4096;

/// How many bytes lines that wait for their answers may have together.
const BYTES_MAX: usize = 16 << 20;

/// How many inputs are handed to the node at once.
const HANDED_MAX: usize = 512;

/// How large a piece of the answer is when more is ready.
const PIECE: usize = 64 << 10;

/// When a busy node is asked again whether it takes more.
const AGAIN: Duration = Duration::from_millis(1);

pub(super) async fn batch(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let common = Common::of(&headers)?;
    let lines = Lines::whole(read_body(body, BATCH_BYTES_MAX).await?);
    if let Some((number, bytes)) = lines.too_long() {
        let reason = format!("line {number} has {bytes} bytes; a line may have {INPUT_BYTES_MAX}");
        return Err(Failed(problem::TOO_LARGE.problem(reason)));
    }
    let mut flow = Flow::new(shared.host, lines, common, None);
    // A node that is busy refuses the batch here, when nothing of it is applied.
    flow.read();
    flow.hand_over()?;
    Ok(flow.into_response())
}

pub(super) async fn stream(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let common = Common::of(&headers)?;
    let stopping = shared.host.stopping();
    Ok(Flow::new(shared.host, Lines::coming(body), common, Some(stopping)).into_response())
}

/// What a line came to.
enum Told {
    Reply(Reply),
    Problem(Box<Problem>),
}

/// A line whose answer was not written yet.
struct Place {
    number: u64,
    bytes: usize,
    told: Option<Told>,
}

/// The way of lines through the node.
struct Flow {
    host: Host,
    lines: Lines,
    common: Common,
    /// Inputs that the node has not taken yet.
    staged: Vec<(usize, Input)>,
    /// Lines whose answers were not written yet, in order.
    places: VecDeque<Place>,
    /// The number of the first of them, counted from 0.
    first: usize,
    /// The bytes of all of them.
    bytes: usize,
    /// How many inputs the node has that it has not answered.
    unanswered: usize,
    answers: UnboundedReceiver<(usize, Reply)>,
    answer: WeakUnboundedSender<(usize, Reply)>,
    /// Tells when the agent is about to stop: what could go on for ever ends then.
    stopping: Option<watch::Receiver<bool>>,
    /// Why no more lines are taken, to be told after the answers.
    end: Option<Box<Problem>>,
    out: Vec<u8>,
}

impl Flow {
    fn new(host: Host, lines: Lines, common: Common, stopping: Option<watch::Receiver<bool>>) -> Flow {
        let (sender, answers) = unbounded_channel();
        Flow {
            host,
            lines,
            common,
            staged: vec![],
            places: VecDeque::new(),
            first: 0,
            bytes: 0,
            unanswered: 0,
            answers,
            answer: sender.downgrade(),
            stopping,
            end: None,
            out: vec![],
        }
    }

    fn into_response(self) -> Response {
        let pieces = futures_util::stream::unfold(self, |mut flow| async {
            flow.next().await.map(|piece| (Ok::<_, std::convert::Infallible>(piece), flow))
        });
        ([(header::CONTENT_TYPE, LINES_TYPE)], Body::from_stream(pieces)).into_response()
    }

    /// Returns the next piece of the answer.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.is_stopped() {
                let reason = "the agent is stopping: what follows the lines before was not taken";
                self.fail(problem::STOPPING.problem(reason));
            }
            self.read();
            // A busy node takes them a little later.
            if let Err(problem) = self.hand_over()
                && problem.code != problem::BUSY.code
            {
                self.fail(problem);
            }
            self.take_answers();
            self.write();
            if !self.out.is_empty() {
                return Some(std::mem::take(&mut self.out).into());
            }
            if self.places.is_empty() && self.lines.is_over() {
                let end = self.end.take()?;
                write_end(&mut self.out, &end);
                continue;
            }
            if let Err(problem) = self.wait().await {
                self.fail(problem);
            }
        }
    }

    fn is_stopped(&self) -> bool {
        !self.lines.is_over() && self.stopping.as_ref().is_some_and(|stopping| *stopping.borrow())
    }

    fn has_room(&self) -> bool {
        self.places.len() < LINES_MAX && self.bytes < BYTES_MAX && self.staged.len() < HANDED_MAX
    }

    /// Reads the lines that are here, as far as there is room.
    fn read(&mut self) {
        while self.has_room() {
            let Some((number, line)) = self.lines.next() else { return };
            let bytes = line.len();
            let told = match self.common.read(line) {
                Ok(input) => {
                    self.staged.push((self.first + self.places.len(), input));
                    None
                }
                Err(problem) => Some(Told::Problem(problem)),
            };
            self.bytes += bytes;
            self.places.push_back(Place { number, bytes, told });
        }
    }

    /// Hands to the node what was read.
    fn hand_over(&mut self) -> Result<(), Box<Problem>> {
        if self.staged.is_empty() {
            return Ok(());
        }
        let answer = match self.answer.upgrade() {
            Some(answer) => answer,
            // The last sender went with the last answer.
            None => {
                self.take_answers();
                if self.unanswered > 0 {
                    return Err(lost());
                }
                let (answer, answers) = unbounded_channel();
                (self.answer, self.answers) = (answer.downgrade(), answers);
                answer
            }
        };
        let count = self.staged.len();
        match self.host.input_all(&mut self.staged, &answer) {
            Ok(()) => self.unanswered += count,
            Err(problem) if problem.code == problem::BUSY.code => return Err(problem),
            // A part of the node may have taken them.
            Err(_) => return Err(lost()),
        }
        Ok(())
    }

    /// Takes the answers that are there.
    fn take_answers(&mut self) {
        while let Ok((index, reply)) = self.answers.try_recv() {
            self.answered(index, reply);
        }
    }

    fn answered(&mut self, index: usize, reply: Reply) {
        self.unanswered -= 1;
        let place = index.checked_sub(self.first).and_then(|place| self.places.get_mut(place));
        if let Some(place) = place {
            place.told = Some(Told::Reply(reply));
        }
    }

    /// Writes the answers that are there, up to a piece.
    fn write(&mut self) {
        while self.out.len() < PIECE {
            let Some(place) = self.places.pop_front_if(|place| place.told.is_some()) else { return };
            match &place.told {
                Some(Told::Reply(reply)) => write_reply(&mut self.out, place.number, reply),
                Some(Told::Problem(problem)) => write_problem(&mut self.out, place.number, problem),
                None => {}
            }
            self.first += 1;
            self.bytes -= place.bytes;
        }
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) -> Result<(), Box<Problem>> {
        let has_room = self.has_room();
        let Flow { lines, answers, stopping, staged, unanswered, .. } = self;
        let (index, reply) = tokio::select! {
            biased;
            answer = answers.recv(), if *unanswered > 0 => answer.ok_or_else(lost)?,
            () = tokio::time::sleep(AGAIN), if !staged.is_empty() => return Ok(()),
            () = stops(stopping), if !lines.is_over() => return Ok(()),
            more = lines.more(), if has_room && !lines.is_over() => return more,
        };
        self.answered(index, reply);
        Ok(())
    }

    /// Takes no more lines in. What was not handed to the node will not be; what it has is answered
    /// before this is told, unless it is the node that failed.
    fn fail(&mut self, problem: Box<Problem>) {
        self.lines.close();
        let told = match self.staged.first() {
            _ if problem.changed == Changed::Unsettled => {
                self.unanswered = 0;
                self.places.iter().take_while(|place| place.told.is_some()).count()
            }
            Some((unsent, _)) => unsent - self.first,
            None => self.places.len(),
        };
        self.places.truncate(told);
        self.staged.clear();
        self.bytes = self.places.iter().map(|place| place.bytes).sum();
        self.end.get_or_insert(problem);
    }
}

/// Waits until the agent is about to stop.
async fn stops(stopping: &mut Option<watch::Receiver<bool>>) {
    if let Some(stopping) = stopping {
        let told = stopping.wait_for(|stopping| *stopping).await.is_ok();
        if told {
            return;
        }
    }
    // When nobody is left who could tell, the node's silence does.
    std::future::pending().await
}

/// The node ended with inputs that it had not answered.
fn lost() -> Box<Problem> {
    let mut problem =
        problem::STOPPING.problem("the agent stopped before it could say what became of these lines");
    problem.changed = Changed::Unsettled;
    problem
}
