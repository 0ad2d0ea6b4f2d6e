//! The Unix socket of a node: the door for whoever stands in front of the machine when nothing else works.
//!
//! A connection is one call, in the frames of a QUIC stream. Who calls, the kernel says: root and the user as
//! whom the node runs are administrators, whatever certificates have expired or been revoked; everybody else
//! has no role, is refused by the registry like any other caller without one, and is so in the audit. Local
//! policy, audit and limits hold here as everywhere; `revocation_strict` does not, because no key is shown that
//! could have been revoked.
//!
//! It gives nobody what they had not: root of this machine and the node's own user read its key and write its
//! database anyway. What they do here leaves a record under their name. Nothing of it comes over the network.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::access::{Caller, Role};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::ends::{Sending, of_socket};
use p2p_shared::mesh::socket::FILE;
use p2p_shared::mesh::stream::FrameReader;
use p2p_shared::rpc::frame::StreamKind;
use p2p_shared::rpc::registry::{Face, Registry};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rpc::{self, Origin};
use super::streams::within_request_time;

/// Most connections at a time: each is a call.
pub const CONNECTIONS_MAX: usize = 64;
/// Bound under this name first, so that nobody connects before its rights are set.
const FILE_NEW: &str = "node.new";
/// Before the next try when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(200);

/// A socket that is bound. Its file goes with it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: a file that took its place is not removed.
    file: (u64, u64),
    own: Account,
}

/// The user as whom the node runs.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub uid: u32,
    /// Its name.
    pub name: String,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.file) {
            // A file that stays is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Socket {
    /// Binds the socket in the data directory, in the place of one that an earlier life left. Needs a runtime.
    ///
    /// # Errors
    /// If somebody answers at it, its path is too long for a socket, or something else bears that name.
    pub fn bind(data: &Path, own: Account) -> io::Result<Self> {
        let (path, new) = (data.join(FILE), data.join(FILE_NEW));
        vacant(&path)?;
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        let file = identity(&new)?;
        fs::rename(&new, &path)?;
        Ok(Self { listener, path, file, own })
    }

    /// Serves calls until `stopping`, each as a task of `tasks`.
    pub async fn serve(self, registry: Arc<Registry>, tasks: TaskTracker, stopping: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        while let Some(accepted) = stopping.run_until_cancelled(self.listener.accept()).await {
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the Unix socket takes no caller just now");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let place = Arc::clone(&places).try_acquire_owned();
            let (registry, origin, stopping) =
                (Arc::clone(&registry), self.origin(&stream), stopping.clone());
            tasks.spawn(async move {
                let call = async {
                    match (place, origin) {
                        (Ok(_place), Ok(origin)) => call(&registry, origin, stream).await,
                        (Err(_), _) => refuse(stream, &too_many()).await,
                        (_, Err(error)) => refuse(stream, &unknown(&error)).await,
                    }
                };
                stopping.run_until_cancelled(call).await;
            });
        }
    }

    fn origin(&self, stream: &UnixStream) -> io::Result<Origin> {
        let caller = self.own.caller(stream.peer_cred()?.uid());
        Ok(Origin { caller, until: None, face: Face::Unix, address: None })
    }
}

impl Account {
    /// Who calls with a user id.
    fn caller(&self, uid: u32) -> Caller {
        let (name, role) = match uid {
            0 => ("root", Some(Role::Admin)),
            uid if uid == self.uid => (self.name.as_str(), Some(Role::Admin)),
            _ => return Caller::Unix { uid, name: format!("local:{uid}"), role: None },
        };
        Caller::Unix { uid, name: format!("local:{name}"), role }
    }
}

/// Makes sure that a name is free, or that of a socket at which nobody answers any more.
fn vacant(path: &Path) -> io::Result<()> {
    let taken = |text: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => taken("something else than a socket has this name"),
        Ok(_) => match StdStream::connect(path) {
            Ok(_) => taken("another node answers there"),
            Err(_) => Ok(()),
        },
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

async fn call(registry: &Registry, origin: Origin, stream: UnixStream) {
    let (mut send, receive) = of_socket(stream);
    let mut reader = FrameReader::new(receive);
    let Ok(Ok(kind)) = within_request_time(reader.read_kind()).await else { return };
    if StreamKind::from_wire(kind) == Some(StreamKind::Rpc) {
        rpc::serve(registry, origin, send, reader).await;
    } else {
        rpc::answer_error(&mut send, &RpcError::bad_request("only calls are served at this socket")).await;
    }
}

async fn refuse(stream: UnixStream, error: &RpcError) {
    let (mut send, _receive): (Sending, _) = of_socket(stream);
    rpc::answer_error(&mut send, error).await;
}

fn too_many() -> RpcError {
    RpcError::new(
        Code::RateLimited,
        format!(
            "{CONNECTIONS_MAX} calls are under way at this socket, which is all it takes: try again later"
        ),
    )
}

fn unknown(error: &io::Error) -> RpcError {
    RpcError::unauthenticated(format!("the system does not say which user calls: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as StdListener;

    use super::*;

    fn own() -> Account {
        Account { uid: 990, name: "p2p".into() }
    }

    #[test]
    fn root_and_the_nodes_own_user_are_administrators_and_nobody_else_is_anything() {
        let called = |uid| (own().caller(uid).to_string(), own().caller(uid).role());
        assert_eq!(called(0), ("local:root".to_owned(), Some(Role::Admin)));
        assert_eq!(called(990), ("local:p2p".to_owned(), Some(Role::Admin)));
        assert_eq!(called(1_000), ("local:1000".to_owned(), None));
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_one_that_answers_or_is_none_stays() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists(), "a listener leaves its file");
        let first = Socket::bind(data.path(), own()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = Socket::bind(data.path(), own()).unwrap_err();
        assert!(second.to_string().contains("another node answers there"), "{second}");
        assert!(StdStream::connect(&path).is_ok());
        drop(first);
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        assert!(Socket::bind(data.path(), own()).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[tokio::test]
    async fn a_file_that_took_its_place_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let socket = Socket::bind(data.path(), own()).unwrap();
        let path = data.path().join(FILE);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(socket);
        assert!(path.exists());
    }
}
