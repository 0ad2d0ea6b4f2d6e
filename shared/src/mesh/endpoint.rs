//! How our endpoints are set: the limits on all that a peer can make us hold.
//!
//! The numbers are those of SECURITY, section 5, each of which differs from quinn's default for a reason
//! that was measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig,
    VarInt,
};
use tokio::runtime::Handle;

use super::cid::Ids;
use super::failure::{DialError, DialFailure, LinkError};
use super::link::{Expected, Link, Local};
use super::path::{BYTES_MAX, datagram_bytes_max};
use super::pool::{Dial, Target};
use super::runtime::PinnedRuntime;
use crate::rpc::frame::ALPN;
use crate::tls::{self, Credentials, Trust};

/// Streams that a peer may have open towards us: an idle connection holds 39 KiB at 100, 371 at 4,096.
const BIDI_STREAMS_MAX: u32 = 100;
/// We open none; a few are allowed for later versions.
const UNI_STREAMS_MAX: u32 = 4;
/// What a peer may have sent and we not yet read, on one stream.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// The same over a connection; quinn's default is unlimited.
const RECEIVE_WINDOW_BYTES: u32 = 512 << 10;
/// What we keep for a peer that does not read.
const SEND_WINDOW_BYTES: u64 = 1 << 20;
/// After this long without a packet a connection is given up.
pub const IDLE_TIMEOUT_MS: u32 = 20_000;
/// How often an idle connection says that it lives. Whoever accepted it does; the answers tell the same of whoever
/// dialled, who so sleeps twice as long.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// A guess for the first flight, right for a LAN.
const INITIAL_RTT: Duration = Duration::from_millis(50);
/// Handshakes that wait to be accepted.
const INCOMING_MAX: usize = 256;
const INCOMING_BUFFER_BYTES: u64 = 64 << 10;
const INCOMING_BUFFER_TOTAL_BYTES: u64 = 4 << 20;
/// How long one address may take before the next one is tried beside it (as in RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// Which end of a connection.
#[derive(Clone, Copy)]
enum End {
    Accepting,
    Dialling,
}

/// The limits of one connection with `address`; of one with whoever comes if there is none.
fn transport(end: End, address: Option<SocketAddr>) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))))
        .keep_alive_interval(matches!(end, End::Accepting).then_some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .datagram_receive_buffer_size(None);
    if let Some(bytes_max) = address.and_then(datagram_bytes_max) {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(bytes_max);
        config.mtu_discovery_config(Some(discovery));
        if address.is_some_and(|address| address.ip().to_canonical().is_loopback()) {
            // Nothing is between a machine and itself, so that there is nothing to find out by probes.
            config.initial_mtu(bytes_max);
        }
    }
    Arc::new(config)
}

/// How a node listens.
pub fn server_config(credentials: &Credentials, trust: Arc<Trust>) -> ServerConfig {
    let crypto = QuicServerConfig::try_from(tls::server_config(credentials, trust, ALPN))
        .expect("the provider has the initial cipher suite of QUIC");
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(transport(End::Accepting, None))
        .migration(false)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BUFFER_BYTES)
        .incoming_buffer_size_total(INCOMING_BUFFER_TOTAL_BYTES);
    config
}

/// How a node or a console dials.
pub fn client_config(credentials: &Credentials, trust: Arc<Trust>) -> ClientConfig {
    let crypto = QuicClientConfig::try_from(tls::client_config(credentials, trust, ALPN))
        .expect("the provider has the initial cipher suite of QUIC");
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport(End::Dialling, None));
    config
}

/// `config` for a connection that came from `address`.
pub fn accepting(mut config: ServerConfig, address: SocketAddr) -> Arc<ServerConfig> {
    config.transport_config(transport(End::Accepting, Some(address)));
    Arc::new(config)
}

/// `config` for a connection to `address`.
pub fn dialling(mut config: ClientConfig, address: SocketAddr) -> ClientConfig {
    config.transport_config(transport(End::Dialling, Some(address)));
    config
}

/// An endpoint over a bound socket, whose tasks and timers all run on `handle`; it takes datagrams as large as any
/// path of ours brings.
///
/// # Errors
/// If the socket cannot be used.
pub fn endpoint(
    socket: std::net::UdpSocket,
    server: Option<ServerConfig>,
    handle: Handle,
) -> std::io::Result<Endpoint> {
    let ids = Ids::default();
    let mut config = EndpointConfig::default();
    config.cid_generator(move || Box::new(ids.clone()));
    config.max_udp_payload_size(BYTES_MAX).expect("within what UDP carries");
    Endpoint::new(config, server, socket, Arc::new(PinnedRuntime::new(handle)))
}

/// Tries the addresses of a target, the first at once and each next a little later or when one failed; the
/// first that leads to it wins, and the others are given up.
///
/// # Errors
/// What happened at each address.
pub async fn dial_any<F, Fut>(target: &Target, connect: F) -> Result<Link, DialError>
where
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<Link, LinkError>>,
{
    let mut waiting = target.addresses.iter().copied();
    let mut trying = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            let attempt = connect(address);
            trying.push(async move { (address, attempt.await) });
        }
        let stagger = tokio::time::sleep(STAGGER);
        tokio::select! {
            tried = trying.next() => match tried {
                Some((_, Ok(link))) => return Ok(link),
                Some((address, Err(error))) => failures.push(DialFailure { address, error }),
                None => return Err(DialError { target: target.to_string(), failures }),
            },
            () = stagger, if waiting.len() > 0 => {}
        }
    }
}

/// An endpoint that only dials: the console's.
#[derive(Clone, Debug)]
pub struct ClientEndpoint {
    endpoint: Endpoint,
    config: ClientConfig,
    local: Arc<Local>,
}

impl ClientEndpoint {
    /// Binds an ephemeral port on all addresses; everything runs on `handle`.
    ///
    /// # Errors
    /// If no socket can be had.
    pub fn new(credentials: &Credentials, local: Local, handle: Handle) -> std::io::Result<Self> {
        let config = client_config(credentials, credentials.trust());
        let any_v6: SocketAddr = (std::net::Ipv6Addr::UNSPECIFIED, 0).into();
        let any_v4: SocketAddr = (std::net::Ipv4Addr::UNSPECIFIED, 0).into();
        // Without IPv6 in the kernel there is only the other one.
        let socket = std::net::UdpSocket::bind(any_v6).or_else(|_| std::net::UdpSocket::bind(any_v4))?;
        Ok(Self { endpoint: endpoint(socket, None, handle)?, config, local: Arc::new(local) })
    }

    /// Ends all connections, and waits until the other sides were told.
    pub async fn close(&self) {
        self.endpoint.close(super::failure::CloseCode::Done.to_wire(), b"");
        self.endpoint.wait_idle().await;
    }
}

impl Dial for ClientEndpoint {
    async fn dial(&self, target: Target) -> Result<Link, DialError> {
        let expected = Expected::from(&target);
        let connect =
            |address| Link::dial(&self.endpoint, self.config.clone(), address, &expected, &self.local);
        dial_any(&target, connect).await
    }
}
