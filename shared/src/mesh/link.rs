//! A connection to one peer, after both certificates and both hellos were accepted.
//!
//! A [`Link`] exists only then, so who holds one knows who the peer is and how to speak with it. Calls leave
//! through it; streams that the peer opens are for the owner of the connection to take.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout};

use super::endpoint::dialling;
use super::ends::Sending;
use super::failure::{CloseCode, LinkError};
use super::hello::{Agreement, Described, Hello, MAJOR, MINOR};
use super::pool::Target;
use super::stream::{FrameReader, StreamError, write_frame};
use crate::id::{MeshName, NodeId, NodeName};
use crate::rpc::frame::{FrameKind, StreamKind, put_frame};
use crate::services;
use crate::time::{Millis, UnixMillis};
use crate::tls::{self, PeerIdentity, Refusal};

/// How long the handshake and both hellos may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Dialled in the handshake; no certificate names it and no verifier looks at it.
const SERVER_NAME: &str = "p2p-admin";

/// What this process says in every hello.
#[derive(Clone, Debug)]
pub struct Local {
    /// Own mesh, from the own certificate.
    pub mesh: MeshName,
    /// Version of the program.
    pub version: String,
    /// Random at each start.
    pub instance: u64,
    /// The methods that it knows.
    pub described: Described,
}

impl Local {
    /// For a process of `mesh` that starts now.
    pub fn new(mesh: MeshName) -> Self {
        let mut instance = [0; 8];
        aws_lc_rs::rand::fill(&mut instance).expect("the system has randomness");
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let hashes = services::schema_hashes().iter();
        let described = Described::new(hashes.map(|(&name, &hash)| (name.to_owned(), hash)).collect());
        Self { mesh, version, instance: u64::from_be_bytes(instance), described }
    }

    fn hello(&self, observed: SocketAddr) -> Hello {
        Hello {
            protocol: (MAJOR, MINOR),
            mesh: self.mesh.clone(),
            version: self.version.clone(),
            instance: self.instance,
            features: 0,
            observed: Some(observed),
            methods: BTreeMap::new(),
            clock: Some(wall()),
            digest: Some(self.described.digest()),
        }
    }

    /// The hello that says `brief`, with the methods that the other side asked for by telling another digest.
    fn listing(&self, brief: Hello) -> Hello {
        Hello { methods: self.described.methods().clone(), ..brief }
    }
}

/// Whom a dialler means to reach. What is `None` is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The name in the certificate.
    pub name: Option<NodeName>,
    /// The hash of the key.
    pub id: Option<NodeId>,
}

impl From<&Target> for Expected {
    fn from(target: &Target) -> Self {
        Self { name: target.name.clone(), id: target.id }
    }
}

impl Expected {
    fn judge(&self, found: &PeerIdentity) -> Result<(), Refusal> {
        let wrong = |expected: String, found: String| Refusal::WrongPeer { expected, found };
        match (&self.name, self.id) {
            (Some(name), _) if *name != found.name => Err(wrong(name.to_string(), found.name.to_string())),
            (_, Some(id)) if id != found.id => Err(wrong(id.to_string(), found.id.to_string())),
            _ => Ok(()),
        }
    }
}

/// Which side dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This process did.
    Dialler,
    /// The peer did.
    Listener,
}

/// An accepted connection. Clones are the same one; dropping them does not close it (see [`Link::close`]).
#[derive(Clone, Debug)]
pub struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connection: Connection,
    peer: PeerIdentity,
    side: Side,
    version: String,
    instance: u64,
    observed: Option<SocketAddr>,
    agreement: Agreement,
    clock_ahead_ms: Option<i64>,
    since: Instant,
    /// Closed here because nothing was heard.
    given_up: AtomicBool,
}

impl Link {
    /// Dials `address`, and is there once the peer's hello was accepted.
    ///
    /// # Errors
    /// Why not, also if somebody else than `expected` answers.
    pub async fn dial(
        endpoint: &Endpoint,
        config: ClientConfig,
        address: SocketAddr,
        expected: &Expected,
        local: &Local,
    ) -> Result<Self, LinkError> {
        let address = for_socket(endpoint, address);
        let connecting = endpoint.connect_with(dialling(config, address), address, SERVER_NAME)?;
        let meet = async {
            let connection = connecting.await?;
            let peer = peer_of(&connection)?;
            let judged = expected.judge(&peer);
            let guard = CloseOnDrop(Some(connection.clone()));
            judged.map_err(|refusal| refuse(&connection, &refusal))?;
            let link = greet(connection, peer, local).await?;
            guard.disarm();
            Ok(link)
        };
        timeout(CONNECT_TIMEOUT, meet).await.unwrap_or(Err(LinkError::TimedOut))
    }

    /// Takes a connection whose handshake is done, and is there once the dialler's hello was answered.
    ///
    /// # Errors
    /// Why not; the connection is closed with the reason then.
    pub async fn accept(connection: Connection, local: &Local) -> Result<Self, LinkError> {
        let guard = CloseOnDrop(Some(connection.clone()));
        let meet = async {
            let peer = peer_of(&connection)?;
            answer(connection.clone(), peer, local).await
        };
        let link = timeout(CONNECT_TIMEOUT, meet).await.unwrap_or(Err(LinkError::TimedOut))?;
        guard.disarm();
        Ok(link)
    }

    /// Who is at the other end, by the certificate of this connection.
    pub fn peer(&self) -> &PeerIdentity {
        &self.0.peer
    }

    /// Which side dialled.
    pub fn side(&self) -> Side {
        self.0.side
    }

    /// Version of the peer's program, as it says.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Which run of the peer's program this is.
    pub fn instance(&self) -> u64 {
        self.0.instance
    }

    /// Where the peer sees this process.
    pub fn observed(&self) -> Option<SocketAddr> {
        self.0.observed
    }

    /// Which encoding both sides understand of a method.
    pub fn agreement(&self) -> &Agreement {
        &self.0.agreement
    }

    /// How far the clock of this machine was ahead of the peer's when it was accepted; `None` if the peer did not tell.
    pub fn clock_ahead_ms(&self) -> Option<i64> {
        self.0.clock_ahead_ms
    }

    /// When it was accepted.
    pub fn since(&self) -> Instant {
        self.0.since
    }

    /// The connection underneath: its statistics, its streams.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The peer's address, an IPv4 one as such.
    pub fn address(&self) -> SocketAddr {
        canonical(self.0.connection.remote_address())
    }

    /// Whether it still stands, as far as is known here.
    pub fn is_open(&self) -> bool {
        self.0.connection.close_reason().is_none()
    }

    /// Whether both are the same connection.
    pub fn is(&self, other: &Self) -> bool {
        self.0.connection.stable_id() == other.0.connection.stable_id()
    }

    /// Ends it and tells the peer why.
    pub fn close(&self, code: CloseCode, detail: &str) {
        self.0.connection.close(code.to_wire(), detail.as_bytes());
    }

    /// Ends it because nothing was heard over it: whoever waits for something learns that, and not that it was
    /// closed here.
    pub fn give_up(&self) {
        self.0.given_up.store(true, Ordering::Release);
        self.close(CloseCode::Silent, "");
    }

    /// Why it ended, from what whoever used it was told.
    #[must_use]
    pub fn why(&self, told: LinkError) -> LinkError {
        match told {
            LinkError::Local if self.0.given_up.load(Ordering::Acquire) => LinkError::TimedOut,
            told => told,
        }
    }

    /// Opens a stream of `kind` and writes `frames` to it at once.
    ///
    /// # Errors
    /// If the connection is gone or a frame is over its limit.
    pub async fn open(
        &self,
        kind: StreamKind,
        frames: &[(FrameKind, &[u8])],
    ) -> Result<(SendStream, RecvStream), StreamError> {
        let mut wire = BytesMut::with_capacity(256);
        wire.extend_from_slice(&[kind.to_wire()]);
        for (frame, payload) in frames {
            put_frame(&mut wire, *frame, payload)?;
        }
        let (mut send, receive) = self.0.connection.open_bi().await.map_err(LinkError::from)?;
        send.write_chunk(wire.freeze()).await?;
        Ok((send, receive))
    }

    /// Sends one message of hello, DHT or membership and waits for the one that answers it.
    ///
    /// # Errors
    /// If the connection is gone, or the peer gives the stream up: it does not know the message.
    pub async fn ask(&self, kind: StreamKind, message: &[u8]) -> Result<Bytes, StreamError> {
        let (mut send, receive) = self.open(kind, &[(FrameKind::Message, message)]).await?;
        // The stream may be reset already; then reading says so.
        let _ = send.finish();
        let mut reader = FrameReader::new(receive);
        let answer = reader.expect_frame(FrameKind::Message).await;
        reader.take_end();
        answer
    }
}

/// Closes a connection whose hello was never finished: given up, timed out or refused.
struct CloseOnDrop(Option<Connection>);

impl CloseOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.close(CloseCode::Done.to_wire(), b"");
        }
    }
}

async fn greet(connection: Connection, peer: PeerIdentity, local: &Local) -> Result<Link, LinkError> {
    let ours = local.hello(canonical(connection.remote_address()));
    let gone = |error| from_stream(&connection, error);
    let mut wire = BytesMut::new();
    wire.extend_from_slice(&[StreamKind::Hello.to_wire()]);
    put_frame(&mut wire, FrameKind::Message, &ours.to_bytes()).map_err(|error| gone(error.into()))?;
    let (mut send, receive) = connection.open_bi().await?;
    send.write_chunk(wire.freeze()).await.map_err(|error| gone(error.into()))?;
    let record = FrameReader::new(receive).expect_frame(FrameKind::Message).await.map_err(gone)?;
    let theirs = read_hello(&connection, &record, &ours)?;
    let agreement = if ours.describes_alike(&theirs) {
        Agreement::default()
    } else {
        // A side of an older version got no list, reads no second record, and speaks JSON.
        let listing = local.listing(ours).to_bytes();
        let _ = write_frame(&mut send.into(), FrameKind::Message, listing.into()).await;
        Agreement::of(local.described.methods(), &theirs.methods)
    };
    Ok(link(connection, peer, Side::Dialler, (theirs, agreement)))
}

async fn answer(connection: Connection, peer: PeerIdentity, local: &Local) -> Result<Link, LinkError> {
    let ours = local.hello(canonical(connection.remote_address()));
    let gone = |error| from_stream(&connection, error);
    let (send, receive) = connection.accept_bi().await?;
    let (mut send, mut reader) = (Sending::from(send), FrameReader::new(receive));
    let kind = reader.read_kind().await;
    if kind.ok().and_then(StreamKind::from_wire) != Some(StreamKind::Hello) {
        connection.close(CloseCode::Protocol.to_wire(), b"the first stream must be the hello");
        return Err(LinkError::Failed("the peer did not begin with a hello".into()));
    }
    let record = reader.expect_frame(FrameKind::Message).await.map_err(gone)?;
    let theirs = read_hello(&connection, &record, &ours)?;
    let alike = ours.describes_alike(&theirs);
    // The dialler may have taken its time.
    let ours = Hello { clock: Some(wall()), ..ours };
    let ours = if alike { ours } else { local.listing(ours) };
    write_frame(&mut send, FrameKind::Message, ours.to_bytes().into()).await.map_err(gone)?;
    send.finish();
    let agreement = if alike {
        Agreement::default()
    } else {
        let methods = match theirs.digest {
            Some(_) if theirs.methods.is_empty() => {
                let listing = reader.expect_frame(FrameKind::Message).await.map_err(gone)?;
                read_hello(&connection, &listing, &ours)?.methods
            }
            _ => theirs.methods.clone(),
        };
        Agreement::of(local.described.methods(), &methods)
    };
    Ok(link(connection, peer, Side::Listener, (theirs, agreement)))
}

fn read_hello(connection: &Connection, record: &[u8], ours: &Hello) -> Result<Hello, LinkError> {
    let theirs = Hello::from_bytes(record).map_err(|error| {
        let error = LinkError::from(error);
        if let LinkError::Refused { detail, .. } = &error {
            connection.close(CloseCode::Refused.to_wire(), detail.as_bytes());
        }
        error
    })?;
    ours.judge(&theirs).map_err(|refusal| refuse(connection, &refusal))?;
    Ok(theirs)
}

fn link(
    connection: Connection,
    peer: PeerIdentity,
    side: Side,
    (theirs, agreement): (Hello, Agreement),
) -> Link {
    let Hello { version, instance, observed, clock, .. } = theirs;
    let clock_ahead_ms = clock.map(|clock| ahead_ms(wall(), clock, connection.rtt()));
    Link(Arc::new(Inner {
        connection,
        peer,
        side,
        version,
        instance,
        observed,
        agreement,
        clock_ahead_ms,
        since: Instant::now(),
        given_up: AtomicBool::new(false),
    }))
}

/// How far a clock that says `now` is ahead of one that said `told` half a round trip ago.
pub fn ahead_ms(now: UnixMillis, told: UnixMillis, rtt: Duration) -> i64 {
    let told = told.plus(Millis::from(rtt / 2));
    let (ahead, behind) = (now.since(told).0, told.since(now).0);
    i64::try_from(ahead).unwrap_or(i64::MAX).saturating_sub(i64::try_from(behind).unwrap_or(i64::MAX))
}

/// What the clock of this machine says, for those who compare it with theirs.
fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(Millis::from(since).0)
}

/// Who holds the key of this connection. The verifier of the handshake has judged the certificate already.
fn peer_of(connection: &Connection) -> Result<PeerIdentity, LinkError> {
    let chain = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok())
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| LinkError::refused(&Refusal::NoCertificate))?;
    tls::identity(&chain[0]).map_err(|refusal| LinkError::refused(&refusal))
}

fn refuse(connection: &Connection, refusal: &Refusal) -> LinkError {
    connection.close(CloseCode::Refused.to_wire(), refusal.to_string().as_bytes());
    LinkError::refused(refusal)
}

/// A stream that failed because the connection is gone says less than the close of the connection.
fn from_stream(connection: &Connection, error: StreamError) -> LinkError {
    match (connection.close_reason(), error) {
        (Some(reason), _) => reason.into(),
        (None, StreamError::Link(error)) => error,
        (None, other) => LinkError::Failed(format!("hello: {other}")),
    }
}

/// An IPv4 address that came through a socket of both families, as itself.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The form that the endpoint's socket takes: mapped if it is one of IPv6.
fn for_socket(endpoint: &Endpoint, address: SocketAddr) -> SocketAddr {
    match (endpoint.local_addr(), address) {
        (Ok(SocketAddr::V6(_)), SocketAddr::V4(v4)) => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_or_behind_by_what_the_way_does_not_explain() {
        let (now, way) = (UnixMillis(1_795_404_123_000), Duration::from_millis(40));
        assert_eq!(ahead_ms(now, UnixMillis(now.0 - 20), way), 0);
        assert_eq!(ahead_ms(now, UnixMillis(now.0 - 3_600_020), way), 3_600_000);
        assert_eq!(ahead_ms(now, UnixMillis(now.0 + 3_600_000), way), -3_600_020);
        assert_eq!(ahead_ms(now, UnixMillis(u64::MAX), way), -i64::MAX);
    }
}
