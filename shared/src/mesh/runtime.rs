//! Ties an endpoint to one tokio runtime, whoever calls it.
//!
//! quinn spawns the tasks and timers of a connection on the runtime of the caller of `connect`; here they
//! always go to the stored one. On a current-thread runtime of its own an endpoint serves four times the
//! calls (PERFORMANCE, runtime flavour).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};
use tokio::runtime::Handle;

/// A [`Runtime`] over a stored handle.
#[derive(Debug, Clone)]
pub struct PinnedRuntime(Handle);

impl PinnedRuntime {
    /// Everything of the endpoint runs on `handle`.
    pub const fn new(handle: Handle) -> Self {
        Self(handle)
    }
}

impl Runtime for PinnedRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        let _entered = self.0.enter();
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.spawn(future);
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let _entered = self.0.enter();
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        let _entered = self.0.enter();
        TokioRuntime.now()
    }
}
