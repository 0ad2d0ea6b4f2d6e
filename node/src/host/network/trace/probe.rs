//! One packet of a trace, on a socket of its own, and what the error queue of that socket says.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::course::{Answer, Meaning};

/// Where nobody listens, by the custom of traceroute.
const PORT: u16 = 33_434;
/// Room for one error and the address of who sent it.
const CONTROL_BYTES: usize = 512;
const ORIGIN_LOCAL: u8 = 1;

/// A packet that is not sent yet.
pub(super) struct Probe {
    socket: UdpSocket,
    target: SocketAddr,
}

impl Probe {
    /// A packet that lives for `ttl` hops; its number decides over its port.
    pub(super) fn new(target: IpAddr, ttl: u32, number: u32) -> io::Result<Self> {
        let domain = if target.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if target.is_ipv4() {
            socket.set_ttl_v4(ttl)?;
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        } else {
            socket.set_unicast_hops_v6(ttl)?;
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
        }
        let port = PORT.saturating_add(u16::try_from(number).unwrap_or(u16::MAX));
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, target: SocketAddr::new(target, port) })
    }

    /// Sends it, and waits for what comes back.
    pub(super) async fn answer(self, patience: Duration) -> Answer {
        let began = Instant::now();
        let outcome = timeout_at(began + patience, self.exchange()).await;
        let rtt_ms = began.elapsed().as_secs_f32() * 1_000.0;
        match outcome {
            Err(_) => Answer { address: None, rtt_ms: None, meaning: Meaning::Silence },
            Ok(Ok((address, meaning))) => Answer { address: Some(address), rtt_ms: Some(rtt_ms), meaning },
            // This host itself has no way there.
            Ok(Err(error)) => {
                Answer { address: None, rtt_ms: None, meaning: Meaning::NoWay(format!("not sent: {error}")) }
            }
        }
    }

    async fn exchange(&self) -> io::Result<(IpAddr, Meaning)> {
        self.socket.connect(self.target).await?;
        self.socket.send(&[0x40; 32]).await?;
        loop {
            let ready = self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
            if let Some(told) = self.error()? {
                return Ok(told);
            }
            if ready.is_readable() && self.is_answered()? {
                return Ok((self.target.ip(), Meaning::Target));
            }
        }
    }

    /// Whether somebody listens at that port after all, and answered.
    fn is_answered(&self) -> io::Result<bool> {
        match self.socket.try_recv(&mut [0; 64]) {
            Ok(_) => Ok(true),
            // The error that the queue tells in full.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
            Err(error) if is_of_the_way(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The first error of the queue; `None` if it is empty.
    fn error(&self) -> io::Result<Option<(IpAddr, Meaning)>> {
        let read = self.socket.try_io(Interest::ERROR, || queued(self.socket.as_raw_fd(), self.target.ip()));
        match read {
            Ok(told) => Ok(told),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What routers on the way may have the kernel say.
fn is_of_the_way(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)
}

fn queued(socket: std::os::fd::RawFd, target: IpAddr) -> io::Result<Option<(IpAddr, Meaning)>> {
    let mut data = [0; 64];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut control = vec![0; CONTROL_BYTES];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = match recvmsg::<SockaddrStorage>(socket, &mut data, Some(&mut control), flags) {
        Ok(message) => message,
        Err(Errno::EAGAIN) => return Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => return Err(error.into()),
    };
    for told in message.cmsgs()? {
        let (error, address) = match told {
            ControlMessageOwned::Ipv4RecvErr(error, address) => {
                let address =
                    address.map(|from| IpAddr::from(Ipv4Addr::from(from.sin_addr.s_addr.to_ne_bytes())));
                (error, address)
            }
            ControlMessageOwned::Ipv6RecvErr(error, address) => {
                (error, address.map(|from| IpAddr::from(Ipv6Addr::from(from.sin6_addr.s6_addr))))
            }
            _ => continue,
        };
        if error.ee_origin == ORIGIN_LOCAL {
            return Err(io::Error::from_raw_os_error(error.ee_errno.cast_signed()));
        }
        let Some(address) = address else { continue };
        return Ok(Some((address, meaning(target, address, (error.ee_type, error.ee_code)))));
    }
    Ok(None)
}

/// What an ICMP message of this kind and code means.
fn meaning(target: IpAddr, from: IpAddr, (kind, code): (u8, u8)) -> Meaning {
    let no_way = |reason: &str| Meaning::NoWay(reason.to_owned());
    let is_v4 = target.is_ipv4();
    match (is_v4, kind, code) {
        (true, 11, _) | (false, 3, _) => Meaning::OnTheWay,
        (true, 3, 3) | (false, 1, 4) if from == target => Meaning::Target,
        (true, 3, 3) | (false, 1, 4) => no_way("port unreachable"),
        (true, 3, 0) | (false, 1, 0) => no_way("network unreachable"),
        (true, 3, 1) | (false, 1, 3) => no_way("host unreachable"),
        (true, 3, 2) => no_way("protocol unreachable"),
        (true, 3, 9 | 10 | 13) | (false, 1, 1) => no_way("forbidden by a firewall"),
        (_, kind, code) => Meaning::NoWay(format!("ICMP {kind}, code {code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_targets_own_word_means_that_it_is_reached() {
        let (target, router): (IpAddr, IpAddr) = ("192.0.2.9".parse().unwrap(), "192.0.2.1".parse().unwrap());
        assert_eq!(meaning(target, target, (3, 3)), Meaning::Target);
        assert_eq!(meaning(target, router, (11, 0)), Meaning::OnTheWay);
        assert!(matches!(meaning(target, router, (3, 3)), Meaning::NoWay(_)));
        assert!(
            matches!(meaning(target, router, (3, 13)), Meaning::NoWay(reason) if reason.contains("firewall"))
        );
        let target: IpAddr = "2001:db8::9".parse().unwrap();
        assert_eq!(meaning(target, target, (1, 4)), Meaning::Target);
        assert_eq!(meaning(target, "2001:db8::1".parse().unwrap(), (3, 0)), Meaning::OnTheWay);
    }
}
