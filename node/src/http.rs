//! The HTTP face: a listener with limits, and the routes behind one guard.
//!
//! Requests enter from anybody who can reach the port; what the node says of itself enters through
//! [`Status`]. Answers leave as JSON, failures as RFC 9457 problems. On any address that is not loopback it
//! speaks TLS 1.3 alone. It knows no store, and services only by their definitions.

mod admission;
mod api;
mod arrivals;
mod body;
mod callers;
mod docs;
mod entrance;
mod guard;
mod headers;
mod hosts;
mod origin;
mod problem;
mod proxies;
mod requests;
mod run;
mod status;
mod tether;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use p2p_shared::error::Exit;
use socket2::{Domain, Socket, Type};
use tokio_util::task::TaskTracker;

use crate::program::{Runtimes, StartError};
use api::Api;
use arrivals::{Arrivals, Remote};
use entrance::Doorway;
use guard::Guard;
use requests::Requests;
use tether::Tether;

pub use admission::{Admission, Limits};
pub use api::{Feeds, Measured, Once, Parts, Seen, document};
pub use callers::{CallerLimits, Callers};
pub use entrance::Entrance;
pub use guard::Rules;
pub use hosts::Hosts;
pub use origin::Origins;
pub use problem::Problem;
pub use proxies::Proxies;
pub use status::Status;
pub use tls::FaceCertificates;

/// How long a client may take for the head of a request, and for a TLS handshake.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// Largest head of a request that is read. Of a larger one, and of what is no HTTP (two lengths that differ, for
/// one), hyper itself says 431 or 400 and closes: it never becomes a request, and hyper's answer has no body and no
/// hook for one. A head that is too large by less is a request, and gets its problem from the guard.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Largest head of a request that is served.
const HEAD_SERVED_BYTES_MAX: usize = 24 * 1024;
/// Most streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A bound address, not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    certs: FaceCertificates,
    admission: Admission,
}

/// A face that serves.
#[derive(Clone, Debug)]
pub struct Face {
    address: SocketAddr,
    handles: [Handle<Remote>; 2],
    tls: Option<RustlsConfig>,
    certs: FaceCertificates,
    admission: Admission,
}

/// The routes that every node has, behind the guard.
pub fn router(status: Arc<dyn Status>, rules: Rules, parts: Parts) -> Entrance {
    let api = Api::new(parts);
    let of_itself = status::routes(status).layer(Extension(api.clone()));
    let requests = Requests::default();
    let routes = of_itself.merge(api::routes(api.clone(), requests.clone())).merge(docs::routes());
    Entrance::new(routes, Some(api), Guard::new(rules, requests))
}

/// Binds `address`; on any but a loopback address it speaks TLS with these certificates.
pub fn bind(
    address: SocketAddr,
    certs: impl Into<FaceCertificates>,
    limits: Limits,
) -> Result<Listener, StartError> {
    let certs = certs.into();
    let loopback = address.ip().to_canonical().is_loopback();
    let tls = if loopback { None } else { Some(certs.load()?) };
    let failed = |error| refused(address, &error);
    let socket = listen(address).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok(Listener { socket, address, tls, certs, admission: Admission::new(limits) })
}

fn refused(address: SocketAddr, error: &io::Error) -> StartError {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "is in use: stop the other program, or choose another port with --port or http.port".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "is no address of this host: see `ip address`".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "may not be bound: choose a port above 1023 with --port or http.port".to_owned()
        }
        _ => error.to_string(),
    };
    StartError::new(Exit::Unavailable, format!("HTTP: {address}: {what}"))
}

/// `::` takes IPv4 too, whatever the system's default.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl Listener {
    /// The address, with the port that was given out for 0.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The door of the face that it becomes.
    pub fn door(&self) -> Admission {
        self.admission.clone()
    }

    /// Serves what is behind `entrance` in tasks of `tracker`: the first few connections on the runtime of the mesh,
    /// the others, and all that may compute, on the main one.
    pub fn serve(
        self,
        entrance: Entrance,
        tracker: &TaskTracker,
        runtimes: &Runtimes,
    ) -> Result<Face, StartError> {
        let Self { socket, address, tls, certs, admission } = self;
        let Runtimes { main: work, mesh } = runtimes;
        let (far, near) = {
            let _entered = work.enter();
            Arrivals::pair(socket).map_err(|error| refused(address, &error))?
        };
        let doorways =
            [Doorway::far(entrance.clone()), Doorway::near(entrance, admission.clone(), work.clone())];
        let handles = [Handle::new(), Handle::new()];
        let trust = certs.trust.clone();
        let servers = [(far, work), (near, mesh)].into_iter().zip(doorways).zip(&handles);
        for (((arrivals, runtime), doorway), handle) in servers {
            let server = Server::from_listener(arrivals).acceptor(admission.clone());
            let mut server = server.handle(handle.clone()).first_request_timeout(HEAD_MAX);
            limit(&mut server);
            match tls.clone() {
                None => tracker.spawn_on(report(server.serve(doorway)), runtime),
                Some(config) => {
                    let (trust, work) = (trust.clone(), work.clone());
                    let accept = |inner| {
                        let accepting = RustlsAcceptor::new(config).handshake_timeout(HEAD_MAX);
                        Tether::new(accepting.acceptor(inner), trust, work)
                    };
                    tracker.spawn_on(report(server.map(accept).serve(doorway)), runtime)
                }
            };
        }
        Ok(Face { address, handles, tls, certs, admission })
    }
}

async fn report(served: impl Future<Output = io::Result<()>>) {
    if let Err(error) = served.await {
        tracing::error!(%error, "the HTTP face ended");
    }
}

fn limit<A>(server: &mut Server<Remote, A>) {
    let builder = server.http_builder();
    builder.http1().header_read_timeout(HEAD_MAX).max_buf_size(HEAD_BYTES_MAX);
    let head_bytes = u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX);
    builder
        .http2()
        .max_header_list_size(head_bytes)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(HEAD_MAX);
}

impl Face {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.admission.connections()
    }

    /// Connections that were refused because there were too many.
    pub fn refused_total(&self) -> u64 {
        self.admission.refused_total()
    }

    /// Takes renewed certificates; connections that are open keep theirs.
    pub fn reload(&self) -> Result<(), StartError> {
        match &self.tls {
            Some(config) => self.certs.reload(config),
            None => Ok(()),
        }
    }

    /// Accepts nothing more, lets open requests end for at most `drain`, then closes.
    pub fn shut_down(&self, drain: Duration) {
        for handle in &self.handles {
            handle.graceful_shutdown(Some(drain));
        }
    }
}

#[cfg(test)]
mod tests;
