//! What goes between two agents: frames over a Unix socket, with open files beside them.
//!
//! A frame is the length of a message in JSON and that of the bytes behind it, 4 bytes each, then both. Files come with the
//! first byte of their frame.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use camshaft_store::ReleaseEntry;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::{Hello, Welcome};
use crate::api::Problem;

/// How many files go with one frame; systems take 253.
pub(super) const FILES_MAX: usize = 64;

/// The longest message, in bytes.
const MESSAGE_MAX: u32 = 1 << 20;

/// The most bytes behind a message: a bundle, or what clients have sent of their next requests.
const BYTES_MAX: u32 = 256 << 20;

/// What two agents say to each other; see [`super`] for the order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Message {
    Hello(Hello),
    Welcome(Welcome),
    /// The bundle of a release follows.
    Bundle(ReleaseEntry),
    /// The new agent can go on with the node.
    Verified,
    /// The number of the newest state snapshot; 0 when there is none.
    Saved(u64),
    /// The new agent has read everything that is there.
    Loaded,
    /// The folder's lock and the listening socket come with this.
    Yours,
    /// Connections come with this; each has sent so many of the bytes behind it.
    Connections(Vec<usize>),
    /// There are no more.
    All,
    /// The new agent has the node open, and goes on.
    Opened,
    /// It will not be.
    Refused(Box<Problem>),
}

/// Why a frame did not come, or could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other one is gone.
    #[error("the other agent has ended, or closed the connection")]
    Closed,
    /// The other one says nothing.
    #[error("the other agent takes too long")]
    Slow,
    /// What came is no frame, or not the one that comes next.
    #[error("the other agent says something else than was expected: {0}")]
    Unexpected(String),
    /// The system.
    #[error("the connection to the other agent failed")]
    System(#[source] io::Error),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> WireError {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
        match error.kind() {
            UnexpectedEof | BrokenPipe | ConnectionReset => WireError::Closed,
            WouldBlock | TimedOut => WireError::Slow,
            _ => WireError::System(error),
        }
    }
}

/// A frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) message: Message,
    pub(super) bytes: Vec<u8>,
    pub(super) files: Vec<OwnedFd>,
}

/// A connection between two agents.
#[derive(Debug)]
pub(super) struct Wire(UnixStream);

impl Wire {
    /// Takes a connection on.
    pub(super) fn new(stream: UnixStream) -> io::Result<Wire> {
        stream.set_nonblocking(false)?;
        // Who does not read for so long is as good as gone.
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        Ok(Wire(stream))
    }

    /// Says something.
    pub(super) fn say(&mut self, message: &Message) -> Result<(), WireError> {
        self.send(message, &[], &[])
    }

    /// Says something, with bytes and files.
    pub(super) fn send(
        &mut self,
        message: &Message,
        bytes: &[u8],
        files: &[BorrowedFd<'_>],
    ) -> Result<(), WireError> {
        assert!(files.len() <= FILES_MAX, "the caller sends no more at once");
        let text = serde_json::to_vec(message).map_err(io::Error::other)?;
        let too_long = |_| WireError::Unexpected("a frame that is too long".to_owned());
        let lengths = [u32::try_from(text.len()), u32::try_from(bytes.len())];
        let mut head = [0; 8];
        for (place, length) in head.chunks_mut(4).zip(lengths) {
            place.copy_from_slice(&length.map_err(too_long)?.to_le_bytes());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            let room = beside.push(SendAncillaryMessage::ScmRights(files));
            assert!(room, "there is room for as many as may be sent");
        }
        let parts = [IoSlice::new(&head)];
        // Whoever is gone is told by an error and not by a signal.
        let sent = retry_on_intr(|| sendmsg(&self.0, &parts, &mut beside, SendFlags::NOSIGNAL));
        let sent = sent.map_err(io::Error::from)?;
        self.0.write_all(&head[sent..])?;
        self.0.write_all(&text)?;
        Ok(self.0.write_all(bytes)?)
    }

    /// Waits for the next frame, so long and no longer.
    pub(super) fn receive(&mut self, patience: Duration) -> Result<Frame, WireError> {
        self.0.set_read_timeout(Some(patience))?;
        let mut head = [0; 8];
        let mut files = vec![];
        let got = self.begin(&mut head, &mut files)?;
        self.0.read_exact(&mut head[got..])?;
        let length = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("4 bytes"));
        let text = self.part(length(0), MESSAGE_MAX)?;
        let bytes = self.part(length(4), BYTES_MAX)?;
        let message =
            serde_json::from_slice(&text).map_err(|error| WireError::Unexpected(error.to_string()))?;
        Ok(Frame { message, bytes, files })
    }

    /// Reads the first bytes of a frame, and the files beside them.
    fn begin(&mut self, head: &mut [u8], files: &mut Vec<OwnedFd>) -> Result<usize, WireError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            // No process that is started meanwhile gets them.
            recvmsg(&self.0, &mut [IoSliceMut::new(head)], &mut beside, RecvFlags::CMSG_CLOEXEC)
        });
        let received = received.map_err(io::Error::from)?;
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(came) = message {
                files.extend(came);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            let reason = "it sends more files than this process may have open".to_owned();
            return Err(WireError::Unexpected(reason));
        }
        if received.bytes == 0 { Err(WireError::Closed) } else { Ok(received.bytes) }
    }

    fn part(&mut self, length: u32, max: u32) -> Result<Vec<u8>, WireError> {
        if length > max {
            return Err(WireError::Unexpected(format!("{length} bytes, where there may be {max}")));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Waits until the other one is gone.
    pub(super) fn wait_for_end(&mut self, patience: Duration) -> Result<(), WireError> {
        self.0.set_read_timeout(Some(patience))?;
        let mut rest = [0; 64];
        loop {
            match self.0.read(&mut rest) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => match WireError::from(error) {
                    WireError::Closed => return Ok(()),
                    error => return Err(error),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    fn pair() -> (Wire, Wire) {
        let (left, right) = UnixStream::pair().expect("the system gives two");
        (Wire::new(left).expect("it is one"), Wire::new(right).expect("it is one"))
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn messages_come_with_their_bytes_and_files() {
        let (mut left, mut right) = pair();
        let mut kept = tempfile::tempfile().expect("a file");
        kept.write_all(b"kept").expect("there is room");
        left.say(&Message::Verified).expect("it is sent");
        left.send(&Message::Connections(vec![2]), b"ab", &[kept.as_fd()]).expect("it is sent");
        let first = right.receive(LONG).expect("it came");
        assert!(matches!(first.message, Message::Verified) && first.files.is_empty());
        let second = right.receive(LONG).expect("it came");
        assert!(matches!(second.message, Message::Connections(sent) if sent == [2]));
        assert_eq!(second.bytes, b"ab");
        let file = std::fs::File::from(second.files.into_iter().next().expect("one file"));
        assert_eq!(file.metadata().expect("it is open").len(), 4);
        drop(left);
        assert!(matches!(right.receive(LONG), Err(WireError::Closed)));
        right.wait_for_end(LONG).expect("it is gone");
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let (mut left, mut right) = pair();
        left.0.write_all(&[0xff; 8]).expect("it is sent");
        let refused = right.receive(LONG).expect_err("too long").to_string();
        let expected = "the other agent says something else than was expected: 4294967295 bytes, where there may be 1048576";
        assert_eq!(refused, expected);
        let (mut left, mut right) = pair();
        left.0.write_all(b"\x01\0\0\0\0\0\0\0x").expect("it is sent");
        assert!(matches!(right.receive(LONG), Err(WireError::Unexpected(_))));
        let (_left, mut right) = pair();
        assert!(matches!(right.receive(Duration::from_millis(1)), Err(WireError::Slow)));
    }
}
