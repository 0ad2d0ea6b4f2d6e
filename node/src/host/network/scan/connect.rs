//! One connection of a scan.
//!
//! A socket that connects to a port of its own host may be given that very port as its own, and then meets
//! itself: nobody listens there, so that is closed.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, socket_error};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, connect, getpeername, getsockname, ipproto, socket_with,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// What a port is.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Somebody listens.
    Open(Connected),
    /// Nobody does.
    Closed,
    /// Nothing came in time, or it cannot be reached.
    Silent,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) socket: OwnedFd,
    pub(super) rtt_ms: f32,
}

/// How far a connection got at once.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It is known.
    Decided(Verdict),
    /// It takes time.
    Pending(Pending),
    /// There is no socket for it now.
    Later(io::Error),
}

/// A connection that is not decided yet.
#[derive(Debug)]
pub(super) struct Pending {
    socket: OwnedFd,
    began: Instant,
    patience: Duration,
}

/// Begins to connect.
pub(super) fn attempt(target: SocketAddr, patience: Duration) -> Attempt {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let began = Instant::now();
    let socket = match socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP)) {
        Ok(socket) => socket,
        Err(error) => return failed(error),
    };
    match connect(&socket, &target) {
        Ok(()) => Attempt::Decided(decided(socket, began)),
        Err(Errno::INPROGRESS | Errno::INTR) => {
            let pending = Pending { socket, began, patience };
            // Within this host the answer is there already.
            pending.look()
        }
        Err(error) => failed(error),
    }
}

fn failed(error: Errno) -> Attempt {
    match error {
        Errno::CONNREFUSED => Attempt::Decided(Verdict::Closed),
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN | Errno::ADDRNOTAVAIL => {
            Attempt::Later(error.into())
        }
        _ => Attempt::Decided(Verdict::Silent),
    }
}

/// A connection that stands.
fn decided(socket: OwnedFd, began: Instant) -> Verdict {
    let ends = (getsockname(&socket), getpeername(&socket));
    // Ended by a reset, not in TIME_WAIT: a scan leaves nothing behind.
    let _ = set_socket_linger(&socket, Some(Duration::ZERO));
    if matches!(ends, (Ok(own), Ok(other)) if Some(&own) == other.as_ref()) {
        return Verdict::Closed;
    }
    Verdict::Open(Connected { socket, rtt_ms: began.elapsed().as_secs_f32() * 1_000.0 })
}

impl Pending {
    fn look(self) -> Attempt {
        match self.state() {
            Some(Ok(())) => Attempt::Decided(decided(self.socket, self.began)),
            Some(Err(error)) => failed(error),
            None => Attempt::Pending(self),
        }
    }

    /// How it ended; `None` while it goes on.
    fn state(&self) -> Option<Result<(), Errno>> {
        match socket_error(&self.socket) {
            Ok(Err(error)) | Err(error) => Some(Err(error)),
            Ok(Ok(())) if getpeername(&self.socket).is_ok() => Some(Ok(())),
            Ok(Ok(())) => None,
        }
    }

    /// Waits for it, as long as it is to be waited for.
    pub(super) async fn verdict(self) -> Verdict {
        let Self { socket, began, patience } = self;
        let Ok(watched) = TcpStream::from_std(socket.into()) else { return Verdict::Silent };
        if timeout_at(began + patience, watched.writable()).await.is_err() {
            return Verdict::Silent;
        }
        let Ok(socket) = watched.into_std() else { return Verdict::Silent };
        let pending = Self { socket: socket.into(), began, patience };
        match pending.look() {
            Attempt::Decided(verdict) => verdict,
            Attempt::Pending(_) | Attempt::Later(_) => Verdict::Silent,
        }
    }
}
