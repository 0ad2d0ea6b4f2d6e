//! Connections whose client showed a certificate: they end when it ends, and within a second of its revocation.
//!
//! Accepted TLS connections enter; the same leave, with a [`Hold`] on their socket where there is a certificate: it is
//! judged whenever something is read or written, and twice a second. What runs for such a client over its connection
//! is dropped with it. Who shows none is not looked at again.

use std::io;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use axum_server::accept::Accept;
use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::tls::{PeerIdentity, Trust, identity};
use tokio::runtime::Handle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_rustls::server::TlsStream;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::admission::Admitted;
use super::arrivals::Arrived;
use crate::clock;

/// How often a certificate is judged again while its connection stands.
const JUDGED_EVERY: Duration = Duration::from_millis(500);

/// Puts a hold on connections once their handshake is through.
#[derive(Clone, Debug)]
pub(super) struct Tether<A> {
    inner: A,
    trust: Option<Arc<Trust>>,
    work: Handle,
    shaking: TaskTracker,
}

impl<A> Tether<A> {
    /// Around `inner`, whose handshakes are computed on `work`.
    pub(super) fn new(inner: A, trust: Option<Arc<Trust>>, work: Handle) -> Self {
        Self { inner, trust, work, shaking: TaskTracker::new() }
    }
}

impl<A, S> Accept<Arrived, S> for Tether<A>
where
    A: Accept<Arrived, S, Stream = TlsStream<Admitted>>,
    A::Service: Send + 'static,
    A::Future: Send + 'static,
{
    type Stream = A::Stream;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, A::Service)>>;

    fn accept(&self, stream: Arrived, service: S) -> Self::Future {
        let accepted = self.shaking.spawn_on(self.inner.accept(stream, service), &self.work);
        let (accepted, trust) = (AbortOnDropHandle::new(accepted), self.trust.clone());
        async move {
            let (mut stream, service) = accepted.await.map_err(io::Error::other)??;
            let (socket, session) = stream.get_mut();
            let shown = session.peer_certificates().and_then(|chain| identity(chain.first()?).ok());
            socket.hold = trust.zip(shown).map(|(trust, peer)| Hold::new(trust, peer));
            Ok((stream, service))
        }
        .boxed()
    }
}

/// What a connection hangs on.
#[derive(Debug)]
pub(super) struct Hold {
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
    pub(super) fn judge(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.ticks.poll_tick(cx).is_ready() {}
        if self.trust.is_revoked(&self.peer.id) || self.peer.not_after <= clock::wall() {
            tracing::info!(client = %self.peer.name, "cut: its certificate is no longer good");
            return Err(io::Error::other("the client's certificate is no longer good"));
        }
        Ok(())
    }
}
