//! Knocking at one address: two sockets, a bare packet of QUIC and a real handshake.
//!
//! The packet asks for a version of QUIC that nobody speaks, which every server answers without keeping
//! anything; and its socket is connected, so the kernel tells when nothing listens. The handshake shows both
//! certificates, and ends when the peer has taken ours or said why not.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use p2p_shared::mesh::endpoint;
use p2p_shared::mesh::failure::{CloseCode, LinkError};
use p2p_shared::tls::{self, Credentials};
use quinn::{ClientConfig, Connection, Endpoint};
use rustls::pki_types::CertificateDer;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::time::{Instant, interval, timeout, timeout_at};

use super::{ANSWER_MAX, Answer, Met};

/// Dialled in the handshake; nobody looks at it.
const SERVER_NAME: &str = "p2p-admin";
/// A server need not answer a smaller packet (RFC 9000, section 14.1).
const PACKET_BYTES: usize = 1200;
/// A version that is reserved for this (RFC 9000, section 15).
const NO_VERSION: [u8; 4] = [0x1a, 0x2a, 0x3a, 0x4a];
/// The packet may be lost.
const PACKET_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether the peer has taken our certificate.
const CONFIRMED_EVERY: Duration = Duration::from_millis(2);
/// How long the good-byes may take.
const CLOSE_MAX: Duration = Duration::from_millis(100);

/// Knocks at addresses, with one endpoint for all.
#[derive(Debug)]
pub struct Knocker {
    dialling: Option<(Endpoint, ClientConfig)>,
}

impl Knocker {
    /// One that shows these credentials. Without any it only asks whether something answers. Needs a runtime.
    pub fn new(credentials: Option<&Credentials>) -> Self {
        let dialling = credentials.and_then(|credentials| {
            let endpoint =
                bind().and_then(|socket| endpoint::endpoint(socket, None, Handle::current())).ok()?;
            Some((endpoint, endpoint::client_config(credentials, credentials.trust())))
        });
        Self { dialling }
    }

    /// What the address answers, within [`ANSWER_MAX`].
    pub async fn knock(&self, address: SocketAddr) -> Answer {
        let end = Instant::now() + ANSWER_MAX;
        let heard = Cell::new(false);
        let dialling = async {
            match &self.dialling {
                Some((endpoint, config)) => timeout_at(end, dial(endpoint, config, address)).await.ok(),
                None => {
                    // Only the packet is left, and it says all that it can once something was heard.
                    let _ = timeout_at(end, answered(&heard)).await;
                    None
                }
            }
        };
        let dialled = tokio::select! {
            dialled = dialling => dialled,
            Err(error) = ask(address, &heard) => return no_answer(&error),
        };
        match (dialled, heard.get()) {
            (Some(answer), _) => answer,
            (None, true) if self.dialling.is_some() => Answer::Stuck,
            (None, true) => Answer::Quic,
            (None, false) => Answer::Silent,
        }
    }

    /// Lets the good-byes out.
    pub async fn close(&self) {
        if let Some((endpoint, _)) = &self.dialling {
            endpoint.close(CloseCode::Done.to_wire(), b"");
            let _ = timeout(CLOSE_MAX, endpoint.wait_idle()).await;
        }
    }
}

/// Without IPv6 in the kernel there is only the other family.
fn bind() -> io::Result<StdSocket> {
    StdSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).or_else(|_| StdSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))
}

async fn dial(endpoint: &Endpoint, config: &ClientConfig, address: SocketAddr) -> Answer {
    let mapped = match (endpoint.local_addr(), address.ip()) {
        (Ok(SocketAddr::V6(_)), IpAddr::V4(v4)) => (v4.to_ipv6_mapped(), address.port()).into(),
        _ => address,
    };
    let connection = match endpoint.connect_with(config.clone(), mapped, SERVER_NAME) {
        Ok(connecting) => match connecting.await {
            Ok(connection) => connection,
            Err(error) => return Answer::Turned(error.into()),
        },
        Err(error) => return Answer::NoWay(error.to_string()),
    };
    // The client believes itself connected before the server has judged it (TLS 1.3).
    let answer = tokio::select! {
        error = connection.closed() => Answer::Turned(error.into()),
        () = confirmed(&connection) => met(&connection),
    };
    connection.close(CloseCode::Done.to_wire(), b"");
    answer
}

/// Returns when the server has said that the handshake is done: it took our certificate.
async fn confirmed(connection: &Connection) {
    let mut ticks = interval(CONFIRMED_EVERY);
    while connection.stats().frame_rx.handshake_done == 0 {
        ticks.tick().await;
    }
}

fn met(connection: &Connection) -> Answer {
    let chain =
        connection.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let leaf = chain.as_ref().and_then(|chain| chain.first());
    match leaf.map(|leaf| tls::identity(leaf)) {
        Some(Ok(peer)) => {
            Answer::Accepted(Met { id: peer.id, name: peer.name, round_trip: connection.rtt() })
        }
        Some(Err(refusal)) => Answer::Turned(LinkError::refused(&refusal)),
        None => Answer::Turned(LinkError::Failed("it showed no certificate".into())),
    }
}

/// Sends the packet again and again. Ends only with the kernel's word that it does not get there.
async fn ask(address: SocketAddr, heard: &Cell<bool>) -> io::Result<()> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    let (packet, mut ticks, mut answer) = (packet(), interval(PACKET_EVERY), [0; 256]);
    while !heard.get() {
        tokio::select! {
            _ = ticks.tick() => { socket.send(&packet).await?; }
            received = socket.recv(&mut answer) => { received?; heard.set(true); }
        }
    }
    pending().await
}

async fn answered(heard: &Cell<bool>) {
    let mut ticks = interval(CONFIRMED_EVERY);
    while !heard.get() {
        ticks.tick().await;
    }
}

/// A long header with two connection ids of eight zero bytes each, filled up.
fn packet() -> [u8; PACKET_BYTES] {
    const ID_BYTES: u8 = 8;
    let mut packet = [0; PACKET_BYTES];
    packet[0] = 0xc0;
    packet[1..5].copy_from_slice(&NO_VERSION);
    packet[5] = ID_BYTES;
    packet[14] = ID_BYTES;
    packet
}

fn no_answer(error: &io::Error) -> Answer {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Answer::Nobody,
        _ => Answer::NoWay(error.to_string()),
    }
}
