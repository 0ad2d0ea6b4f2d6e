//! Ping: echo requests, one after the other.
//!
//! Linux lets groups within `net.ipv4.ping_group_range` do that without rights; else it takes CAP_NET_RAW. Who has
//! neither is told so.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use p2p_shared::services::network::{PingOutcome, PingReply};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::error::NetworkError;
use super::icmp::Echo;

/// Least bytes of data: they hold what tells a request from those of others.
pub const SIZE_MIN: u32 = 8;
/// Longest answer that is looked at.
const ANSWER_BYTES_MAX: usize = 2_048;

/// How a target is pinged.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests.
    pub count: u32,
    /// From one to the next, at least.
    pub interval: Duration,
    /// How long one is waited for.
    pub patience: Duration,
    /// Bytes of data.
    pub size: usize,
}

/// Requests to one target.
#[derive(Debug)]
pub struct Pings {
    socket: UdpSocket,
    target: IpAddr,
    bounds: Bounds,
    id: u16,
    token: u64,
    sent: u32,
    due: Instant,
}

impl Pings {
    /// Gets ready; nothing is sent yet.
    pub fn new(target: IpAddr, bounds: Bounds) -> Result<Self, NetworkError> {
        let socket = socket(target).map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => NetworkError::PingForbidden,
            _ => NetworkError::Probe { address: target, source },
        })?;
        let token = RandomState::new().build_hasher().finish();
        let id = u16::try_from(token & 0xffff).unwrap_or_default();
        Ok(Self { socket, target, bounds, id, token, sent: 0, due: Instant::now() })
    }

    /// Sends the next request when it is due, and waits for its answer; `None` after the last one.
    pub async fn next(&mut self) -> Option<PingReply> {
        if self.sent >= self.bounds.count {
            return None;
        }
        sleep_until(self.due).await;
        let began = Instant::now();
        self.due = began + self.bounds.interval;
        let seq = self.sent;
        self.sent += 1;
        let mut reply = PingReply {
            seq,
            address: self.target,
            outcome: PingOutcome::Lost,
            rtt_ms: None,
            note: String::new(),
        };
        match timeout_at(began + self.bounds.patience, self.exchange(seq)).await {
            Ok(Ok(())) => {
                reply.outcome = PingOutcome::Reply;
                reply.rtt_ms = Some(began.elapsed().as_secs_f32() * 1_000.0);
            }
            Ok(Err(error)) => {
                reply.outcome = PingOutcome::Unreachable;
                reply.note = error.to_string();
            }
            Err(_) => {}
        }
        Some(reply)
    }

    async fn exchange(&self, seq: u32) -> io::Result<()> {
        let sequence = u16::try_from(seq & 0xffff).unwrap_or_default();
        let echo = Echo { id: self.id, sequence, token: self.token };
        self.socket.send(&echo.request(self.target, self.bounds.size)).await?;
        let mut buffer = [0; ANSWER_BYTES_MAX];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            if echo.is_answered_by(&buffer[..length], self.target, self.bounds.size) {
                return Ok(());
            }
        }
    }
}

/// A socket for echo requests to one target alone.
fn socket(target: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))
        .or_else(|_| Socket::new(domain, Type::RAW, Some(protocol)))?;
    socket.set_nonblocking(true)?;
    socket.connect(&SocketAddr::new(target, 0).into())?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both families, where this host lets us.
    #[tokio::test]
    async fn the_loopback_answers_or_the_refusal_says_what_is_missing() {
        let bounds = Bounds {
            count: 3,
            interval: Duration::from_millis(1),
            patience: Duration::from_secs(5),
            size: 56,
        };
        for target in ["127.0.0.1", "::1"] {
            let mut pings = match Pings::new(target.parse().unwrap(), bounds) {
                Ok(pings) => pings,
                Err(NetworkError::PingForbidden) => continue,
                // A host without IPv6 has no such socket, or no such address.
                Err(error) => {
                    assert!(target.contains(':'), "{error}");
                    continue;
                }
            };
            let mut replies = Vec::new();
            while let Some(reply) = pings.next().await {
                replies.push(reply);
            }
            assert_eq!(replies.len(), 3);
            let all = replies.iter().all(|reply| reply.outcome == PingOutcome::Reply);
            assert!(all || target.contains(':'), "{replies:?}");
        }
    }
}
