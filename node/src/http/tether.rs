//! Connections whose client showed a certificate: they end when it ends, and within a second of its revocation.
//!
//! Accepted TLS connections enter; the same leave, on a tether where there is a certificate. What runs for such a
//! client over its connection is dropped with it. Who shows none is not looked at again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::tls::{PeerIdentity, Trust, identity};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_rustls::server::TlsStream;

use super::admission::Admitted;
use crate::clock;

/// How often a certificate is judged again while its connection stands.
const JUDGED_EVERY: Duration = Duration::from_millis(500);

/// Puts connections on a tether once their handshake is through.
#[derive(Clone, Debug)]
pub(super) struct Tether<A> {
    inner: A,
    trust: Option<Arc<Trust>>,
}

impl<A> Tether<A> {
    pub(super) const fn new(inner: A, trust: Option<Arc<Trust>>) -> Self {
        Self { inner, trust }
    }
}

impl<A, S> Accept<TcpStream, S> for Tether<A>
where
    A: Accept<TcpStream, S, Stream = TlsStream<Admitted>>,
    A::Future: Send + 'static,
{
    type Stream = Tethered<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, A::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (accepted, trust) = (self.inner.accept(stream, service), self.trust.clone());
        async move {
            let (stream, service) = accepted.await?;
            let shown =
                stream.get_ref().1.peer_certificates().and_then(|chain| identity(chain.first()?).ok());
            let hold = trust.zip(shown).map(|(trust, peer)| Hold::new(trust, peer));
            Ok((Tethered { stream, hold }, service))
        }
        .boxed()
    }
}

/// What a connection hangs on.
#[derive(Debug)]
struct Hold {
    trust: Arc<Trust>,
    peer: PeerIdentity,
    ticks: Interval,
}

impl Hold {
    fn new(trust: Arc<Trust>, peer: PeerIdentity) -> Self {
        let mut ticks = interval(JUDGED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { trust, peer, ticks }
    }

    /// Whether it has given way; if not, whoever polls is woken to ask again.
    fn judge(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.ticks.poll_tick(cx).is_ready() {}
        if self.trust.is_revoked(&self.peer.id) || self.peer.not_after <= clock::wall() {
            tracing::info!(client = %self.peer.name, "cut: its certificate is no longer good");
            return Err(io::Error::other("the client's certificate is no longer good"));
        }
        Ok(())
    }
}

/// A connection, perhaps on a tether.
#[derive(Debug)]
pub(super) struct Tethered<S> {
    stream: S,
    hold: Option<Hold>,
}

impl<S> Tethered<S> {
    fn judge(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.hold.as_mut().map_or(Ok(()), |hold| hold.judge(cx))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tethered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.judge(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tethered<S> {
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
