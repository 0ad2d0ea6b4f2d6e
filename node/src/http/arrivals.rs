//! Where a connection lives: the first few on the thread of the mesh, all others on the runtime for work.
//!
//! One that lives with the mesh has its calls passed on to other nodes without a change of threads. They are few, so
//! that no crowd at this face keeps the mesh waiting. Sockets enter as they are accepted; each leaves by the one of
//! two [`Arrivals`] whose server is to have it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum_server::{AddrListener, Address};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};

/// Most connections that live with the mesh.
const NEAR_MAX: usize = 4;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote(pub(super) SocketAddr);

impl Address for Remote {
    type Stream = Arrived;
    type Listener = Arrivals;
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Arrived {
    pub(super) stream: TcpStream,
    /// Given back when it ends.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// Connections for one server.
#[derive(Debug)]
pub enum Arrivals {
    /// Accepts for both; keeps what does not live with the mesh.
    Work {
        /// The socket that listens.
        listener: TcpListener,
        /// Places beside the mesh that are free.
        places: Arc<Semaphore>,
        /// To the other server.
        near: mpsc::Sender<Handed>,
    },
    /// Takes what lives with the mesh.
    Near {
        /// From the one that accepts.
        handed: Mutex<mpsc::Receiver<Handed>>,
        /// Where that one listens.
        address: SocketAddr,
    },
}

/// A connection between the two runtimes: of neither.
#[derive(Debug)]
pub struct Handed {
    stream: std::net::TcpStream,
    from: SocketAddr,
    place: OwnedSemaphorePermit,
}

impl Arrivals {
    /// Over a listening socket, on the runtime that calls: for the server of work, and for the one beside the mesh.
    pub(super) fn pair(socket: std::net::TcpListener) -> io::Result<(Self, Self)> {
        let (near, handed) = mpsc::channel(NEAR_MAX);
        let address = socket.local_addr()?;
        let listener = TcpListener::from_std(socket)?;
        let places = Arc::new(Semaphore::new(NEAR_MAX));
        Ok((Self::Work { listener, places, near }, Self::Near { handed: Mutex::new(handed), address }))
    }
}

impl AddrListener<Arrived, Remote> for Arrivals {
    async fn bind_to(_: Remote) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "bound elsewhere"))
    }

    async fn accept_stream(&self) -> io::Result<(Arrived, Remote)> {
        match self {
            Self::Work { listener, places, near } => loop {
                let (stream, from) = listener.accept().await?;
                let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                    return Ok((Arrived { stream, place: None }, Remote(from)));
                };
                // It holds a place for each; if it is closed, the face is ending.
                let _ = near.try_send(Handed { stream: stream.into_std()?, from, place });
            },
            Self::Near { handed, .. } => match handed.lock().await.recv().await {
                Some(Handed { stream, from, place }) => {
                    let stream = TcpStream::from_std(stream)?;
                    Ok((Arrived { stream, place: Some(place) }, Remote(from)))
                }
                // The other one ended, and this one is about to.
                None => std::future::pending().await,
            },
        }
    }

    fn get_local_addr(&self) -> io::Result<Remote> {
        match self {
            Self::Work { listener, .. } => listener.local_addr().map(Remote),
            Self::Near { address, .. } => Ok(Remote(*address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_few_live_with_the_mesh_and_others_take_the_places_that_they_leave() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let (work, near) = Arrivals::pair(socket).unwrap();
        let connect = async || TcpStream::connect(address).await.unwrap();
        let mut held = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..NEAR_MAX {
            clients.push(connect().await);
            held.push(tokio::select! {
                _ = work.accept_stream() => panic!("there was a place"),
                arrived = near.accept_stream() => arrived.unwrap(),
            });
        }
        clients.push(connect().await);
        let (beyond, from) = work.accept_stream().await.unwrap();
        assert!(beyond.place.is_none());
        assert_eq!(from.0, clients.last().unwrap().local_addr().unwrap());
        drop(held.pop());
        clients.push(connect().await);
        let taken = tokio::select! {
            _ = work.accept_stream() => panic!("one had left"),
            arrived = near.accept_stream() => arrived.unwrap(),
        };
        assert!(taken.0.place.is_some());
        let addresses = [work, near].map(|arrivals| arrivals.get_local_addr().unwrap().0);
        assert_eq!(addresses, [address, address]);
    }
}
