//! What a supervisor such as systemd is told, when there is one: nothing happens where `NOTIFY_SOCKET` is not set.

use std::io;
use std::net::TcpListener;

use sd_notify::NotifyState;

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the supervisor could not be told how the agent is");
    }
}

/// Tells that the agent serves.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells that the agent stops.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells that another agent takes over; [`ready`] follows, by this one or the other.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Tells that from now on another process is the agent. The supervisor reads this before it hears of our end.
pub fn handed_over(process: u32) {
    tell(&[NotifyState::MainPid(process)]);
}

/// Returns the listening socket that the supervisor holds for the agent, if there is one.
///
/// # Errors
///
/// When there are several, or it is no TCP socket.
pub fn held_socket() -> io::Result<Option<TcpListener>> {
    let mut held = listenfd::ListenFd::from_env();
    match held.len() {
        0 => Ok(None),
        1 => held.take_tcp_listener(0),
        count => Err(io::Error::other(format!(
            "the supervisor hands over {count} sockets; an agent listens on one"
        ))),
    }
}
