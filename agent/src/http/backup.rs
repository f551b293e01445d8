//! `GET /v1/node/backup`: a backup of the node, sent while it is served.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Sender, channel};

use super::node::blocking;
use super::{Failed, Shared};
use crate::api::{BACKUP_BYTES_HEADER, BACKUP_TYPE};

/// How large a piece of the answer is.
const PIECE: usize = 256 << 10;

/// How many pieces wait for the client.
const AHEAD: usize = 4;

/// How long a client may take for a piece. While it reads, the log is kept from where the backup begins.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn backup(State(shared): State<Shared>) -> Result<Response, Failed> {
    let operator = shared.operator.clone();
    let making = blocking(move || operator.backup()).await?;
    let bytes = making.prepared.bytes();
    let (out, mut pieces) = channel::<io::Result<Bytes>>(AHEAD);
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { out, handle, piece: Vec::with_capacity(PIECE) };
        match making.prepared.write(&making.about, &mut pieces) {
            Ok(Ok(())) => tracing::info!(position = making.about.position, "a backup was made"),
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "a backup was broken off: the data folder cannot be read");
            }
            Err(error) => {
                tracing::warn!(%error, "a backup was broken off: nobody takes it");
                // An end without an error would look like the end of the file.
                let _ = pieces.out.try_send(Err(error));
            }
        }
    });
    let pieces = futures_util::stream::poll_fn(move |context| pieces.poll_recv(context));
    let headers = [
        (header::CONTENT_TYPE, BACKUP_TYPE.to_owned()),
        (header::HeaderName::from_static(BACKUP_BYTES_HEADER), bytes.to_string()),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// What is written, in pieces on their way to the client.
struct Pieces {
    out: Sender<io::Result<Bytes>>,
    handle: Handle,
    piece: Vec<u8>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        let sent = self.handle.block_on(tokio::time::timeout(PATIENCE, self.out.send(Ok(piece))));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.piece.len();
        let taken = room.min(bytes.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() { Ok(()) } else { self.send() }
    }
}
