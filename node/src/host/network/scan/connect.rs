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

/// A socket that was refused, for the next connection: one on Linux can be used again then, and to make and close
/// another costs almost as much as to connect.
#[derive(Debug, Default)]
pub(super) struct Spare(Option<(AddressFamily, OwnedFd)>);

impl Spare {
    fn take(&mut self, family: AddressFamily) -> Option<OwnedFd> {
        self.0.take_if(|(of, _)| *of == family).map(|(_, socket)| socket)
    }
}

/// Begins to connect.
pub(super) fn attempt(target: SocketAddr, patience: Duration, spare: &mut Spare) -> Attempt {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let began = Instant::now();
    let made = || socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP));
    let socket = match spare.take(family).map_or_else(made, Ok) {
        Ok(socket) => socket,
        Err(error) => return failed(error),
    };
    let begun = match connect(&socket, &target) {
        // Within this host the answer is there already. To ask for it so, and not by SO_ERROR, is what leaves a
        // socket that was refused fit for another connection (`sock_error` in net/ipv4/af_inet.c).
        Err(Errno::INPROGRESS | Errno::INTR) => connect(&socket, &target),
        begun => begun,
    };
    match begun {
        Ok(()) | Err(Errno::ISCONN) => Attempt::Decided(decided(socket, began)),
        Err(Errno::INPROGRESS | Errno::INTR | Errno::ALREADY) => {
            Attempt::Pending(Pending { socket, began, patience })
        }
        Err(Errno::CONNREFUSED) => {
            spare.0 = Some((family, socket));
            Attempt::Decided(Verdict::Closed)
        }
        Err(error) => failed(error),
    }
}

fn failed(error: Errno) -> Attempt {
    match error {
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
        match pending.state() {
            Some(Ok(())) => decided(pending.socket, began),
            Some(Err(Errno::CONNREFUSED)) => Verdict::Closed,
            Some(Err(_)) | None => Verdict::Silent,
        }
    }
}
