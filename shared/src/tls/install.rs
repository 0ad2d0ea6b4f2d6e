//! Puts a bundle in place: all of its files, or none.
//!
//! A judged bundle and the directory where it belongs enter; afterwards the old files stand there as they
//! were, or the new ones do, whenever the machine stops in between. What stands there already decides what
//! is allowed: a renewal replaces its predecessor, somebody else's files stay unless they are given up, and
//! files that are of no bundle are never touched.

mod standing;
mod swap;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::bundle::{Bundle, BundleKind};
use super::credentials::CredentialsError;
use super::profile::PeerIdentity;
use super::refusal::Utc;
use crate::error::Exit;
use crate::time::UnixMillis;

use standing::Standing;
use swap::Staging;

/// What becomes of files that are another holder's, newer, or not to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OthersFiles {
    /// They stay, and the bundle is refused.
    Keep,
    /// The bundle takes their place.
    Replace,
}

/// What a bundle changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing stood there.
    New,
    /// The very same files stood there, and nothing was written.
    Nothing,
    /// Files of the same key stood there.
    Renewed,
    /// Something else stood there, and was given up.
    Replaced,
}

/// A bundle that stands in its place.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Where.
    pub directory: PathBuf,
    /// Whose it is.
    pub identity: PeerIdentity,
    /// What that changed.
    pub change: Change,
    /// Where it finds the mesh, as it stands there: a renewal that names nobody leaves it as it was.
    pub addresses: Vec<String>,
}

impl Installed {
    /// What was done, and for whom, as one line for people.
    pub fn sentence(&self) -> String {
        let place = self.directory.display();
        let what = match self.change {
            Change::New => format!("Put into {place}"),
            Change::Nothing => format!("Already in {place}, nothing was written"),
            Change::Renewed => format!("Renewed in {place}, the key is the same"),
            Change::Replaced => format!("Put into {place}, and gave up what stood there"),
        };
        format!("{what}: {}, good until {}.", named(&self.identity), Utc(&self.identity.not_after))
    }
}

/// Why a bundle is not in place. Nothing was changed unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Its own files do not hold together.
    #[error("its {}: {}", .0.file.display(), .0.problem)]
    Bundle(CredentialsError),
    /// Files of somebody else stand there.
    #[error("{} is of {standing}, and the bundle of {bundle}: --replace gives up what stands there", .directory.display())]
    Taken {
        /// Where.
        directory: PathBuf,
        /// Whose files stand there.
        standing: String,
        /// Whose the bundle is.
        bundle: String,
    },
    /// The same holder's, issued later.
    #[error(
        "the certificate of {standing} in {} was issued later than the bundle's: make the bundle again with `ca.sh bundle`, or take the older one with --replace",
        .directory.display()
    )]
    Older {
        /// Where.
        directory: PathBuf,
        /// Whose files.
        standing: String,
    },
    /// Files of a bundle stand there, and do not say whose they are.
    #[error("{} holds files whose owner cannot be told ({problem}): --replace gives them up", .directory.display())]
    Unknown {
        /// Where.
        directory: PathBuf,
        /// What is wrong with them.
        problem: String,
    },
    /// Something that no bundle brought.
    #[error("{} holds {name}, which is of no bundle: move it away, or name another directory with --certs", .directory.display())]
    Foreign {
        /// Where.
        directory: PathBuf,
        /// What.
        name: String,
    },
    /// The place is not a directory's.
    #[error("{} is not a directory that can be replaced: name one with --certs", .0.display())]
    NotADirectory(PathBuf),
    /// Another process does the same right now.
    #[error("another import into {} is at work: wait for it to end", .0.display())]
    Busy(PathBuf),
    /// The system does not do it.
    #[error("{}: {error}{}", .path.display(), advice(error))]
    File {
        /// On what.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// In place as long as the machine runs.
    #[error("the bundle is in place, but the disk did not confirm it: {}: {error}: import it again", .path.display())]
    Unconfirmed {
        /// The directory above.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// In place, and the files before it are still there.
    #[error("the bundle is in place, but what stood there before is still in {} and cannot be removed: {error}", .path.display())]
    Leftover {
        /// Where the older files are.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl InstallError {
    fn file(path: &Path, error: impl Into<io::Error>) -> Self {
        Self::File { path: path.to_owned(), error: error.into() }
    }

    /// How a program that needs the bundle in place exits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => Exit::Permission,
            Self::File { .. } | Self::Unconfirmed { .. } | Self::Leftover { .. } | Self::Busy(_) => {
                Exit::Failed
            }
            _ => Exit::Data,
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ": run this as the user to whom the directory belongs (root for /etc), or name another with --certs"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": make room, and import it again",
        io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices => {
            ": it is a mount or part of an image, and cannot be replaced whole: import into a directory in it, and name that with --certs"
        }
        _ => "",
    }
}

impl Bundle {
    /// Puts the files into `directory`, judged as good at `now`.
    ///
    /// # Errors
    /// What is wrong with the bundle, with what stands there, or with the disk.
    pub fn install(
        mut self,
        directory: &Path,
        others: OthersFiles,
        now: UnixMillis,
    ) -> Result<Installed, InstallError> {
        let holder = self.judge(now).map_err(InstallError::Bundle)?;
        let place = Place::find(directory)?;
        swap::finish_interrupted(&place)?;
        let standing = Standing::read(&place.path, self.kind())?;
        let is_own = standing.is_of(&holder);
        if is_own && self.names_nobody() {
            self.keep_addresses(&place.path).map_err(|error| InstallError::file(&place.path, error))?;
        }
        let change = if is_own && standing::is_same(&place.path, &self)? {
            Change::Nothing
        } else {
            standing.allows(&place.path, &holder, others)?
        };
        if change != Change::Nothing {
            place.make_parents(self.kind())?;
            Staging::make(&place)?.fill(&self)?.swap()?;
        }
        let addresses = self.address_lines();
        Ok(Installed { directory: place.path, identity: holder.identity, change, addresses })
    }
}

/// Where a directory stands or will stand.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    parent: PathBuf,
    name: OsString,
}

impl Place {
    /// Links on the way are followed, so that the directory itself is replaced and not a link to it.
    fn find(directory: &Path) -> Result<Self, InstallError> {
        let path = match fs::canonicalize(directory) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path =
                    std::path::absolute(directory).map_err(|error| InstallError::file(directory, error))?;
                let parent = path.parent().and_then(|parent| fs::canonicalize(parent).ok());
                parent.zip(path.file_name()).map(|(parent, name)| parent.join(name)).unwrap_or(path)
            }
            Err(error) => return Err(InstallError::file(directory, error)),
        };
        let winds = path.components().any(|part| part == Component::ParentDir);
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if !winds => {
                Ok(Self { parent: parent.to_owned(), name: name.to_owned(), path })
            }
            _ => Err(InstallError::NotADirectory(path)),
        }
    }

    /// A hidden name beside the directory.
    fn beside(&self, suffix: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(suffix);
        name
    }

    /// What a node's directory lies in is for everybody to pass, as below /etc; an operator's is his own.
    fn make_parents(&self, kind: BundleKind) -> Result<(), InstallError> {
        let mode = match kind {
            BundleKind::Node => 0o755,
            BundleKind::Operator => 0o700,
        };
        swap::make_directories(&self.parent, mode)
    }
}

/// Whose files are meant, as a sentence says it.
fn named(identity: &PeerIdentity) -> String {
    let PeerIdentity { id, mesh, name, kind, .. } = identity;
    format!("{} {name} of mesh {mesh}, id {}", BundleKind::of(*kind).stem(), id.short())
}
