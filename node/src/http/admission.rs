//! Who may hold a connection open: so many in all, so many an address.
//!
//! Accepted sockets enter; those within the limits leave with a ticket that is given back when the connection
//! ends. A socket beyond them is closed at once, before a byte is read or a handshake is paid for.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::{Accept, LocalAddrAcceptor, LocalAddrService};
use p2p_shared::counters::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::arrivals::Arrived;
use super::tether::Hold;
use crate::auth::attempts::client_of;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub connections: usize,
    /// Of one IPv4 address, or one IPv6 network of 64 bits. Loopback may have three quarters of all: behind it stand
    /// proxies and scripts, and nobody who could not use up the machine in simpler ways, but who comes from
    /// elsewhere is not shut out by them.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 4096, connections_per_address: 16 }
    }
}

/// The door: shared by all connections of one face.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Door>);

#[derive(Debug)]
struct Door {
    limits: Limits,
    // A mutex and not a task: it is held for one look-up, and a ticket is given back from `drop`.
    open: Mutex<Open>,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one connection.
#[derive(Debug)]
struct Ticket {
    door: Arc<Door>,
    address: IpAddr,
}

impl Admission {
    /// A door with nobody inside.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Door { limits, open: Mutex::default(), refused: Counter::new() }))
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Connections refused so far.
    pub fn refused_total(&self) -> u64 {
        self.0.refused.get()
    }

    fn admit(&self, address: IpAddr) -> io::Result<Ticket> {
        let address = network_of(address);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = &self.0.limits;
        let of_address = open.by_address.get(&address).copied().unwrap_or(0);
        let of_address_max = if address.is_loopback() {
            limits.connections - limits.connections / 4
        } else {
            limits.connections_per_address
        };
        if of_address >= of_address_max || open.total >= limits.connections {
            self.0.refused.increment();
            return Err(io::Error::other("too many connections"));
        }
        open.total += 1;
        open.by_address.insert(address, of_address + 1);
        Ok(Ticket { door: self.0.clone(), address })
    }
}

/// What one client can be held responsible for.
fn network_of(address: IpAddr) -> IpAddr {
    // All addresses of loopback are the one machine.
    if address.to_canonical().is_loopback() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { client_of(address) }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.door.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

impl<S> Accept<Arrived, S> for Admission {
    type Stream = Admitted;
    type Service = LocalAddrService<S>;
    type Future = Ready<io::Result<(Admitted, LocalAddrService<S>)>>;

    fn accept(&self, arrived: Arrived, service: S) -> Self::Future {
        let Arrived { stream, place } = arrived;
        let admitted = stream.peer_addr().and_then(|peer| self.admit(peer.ip()));
        let ticket = match admitted {
            Ok(ticket) => ticket,
            Err(error) => return ready(Err(error)),
        };
        let local = LocalAddrAcceptor::new().accept(stream, service).into_inner();
        ready(local.and_then(|(stream, service)| {
            stream.set_nodelay(true)?;
            Ok((Admitted { stream, hold: None, _ticket: (ticket, place) }, service))
        }))
    }
}

/// A connection with its ticket, and its place if it lives with the mesh.
#[derive(Debug)]
pub struct Admitted {
    stream: TcpStream,
    /// What ends it before its time.
    pub(super) hold: Option<Hold>,
    _ticket: (Ticket, Option<OwnedSemaphorePermit>),
}

impl Admitted {
    fn judge(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.hold.as_mut().map_or(Ok(()), |hold| hold.judge(cx))
    }
}

impl AsyncRead for Admitted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.judge(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.judge(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.judge(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(connections: usize, connections_per_address: usize) -> Admission {
        Admission::new(Limits { connections, connections_per_address })
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let door = door(10, 2);
        let from = |text: &str| door.admit(text.parse().unwrap());
        let held = (from("192.0.2.1").unwrap(), from("192.0.2.1").unwrap());
        assert!(from("192.0.2.1").is_err() && from("::ffff:192.0.2.1").is_err());
        assert!(from("192.0.2.2").is_ok());
        assert_eq!((door.connections(), door.refused_total()), (2, 2));
        drop(held);
        assert!(from("192.0.2.1").is_ok());
        assert!(door.0.open.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let door = door(10, 1);
        let _held = door.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(door.admit("2001:db8::2".parse().unwrap()).is_err());
        assert!(door.admit("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn loopback_may_have_more_than_others_and_not_all() {
        let door = door(4, 1);
        let held: Vec<_> = (0..3).map(|_| door.admit("127.0.0.1".parse().unwrap()).unwrap()).collect();
        assert!(
            door.admit("127.0.0.2".parse().unwrap()).is_err() && door.admit("::1".parse().unwrap()).is_err()
        );
        let elsewhere = door.admit("192.0.2.1".parse().unwrap()).unwrap();
        assert!(door.admit("192.0.2.2".parse().unwrap()).is_err(), "it is full");
        drop((held, elsewhere));
        assert!(door.admit("::1".parse().unwrap()).is_ok());
    }
}
