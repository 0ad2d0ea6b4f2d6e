//! Puts a bundle in place: all of its files, or none.
//!
//! A judged bundle and the directory where it belongs enter; afterwards the old files stand there as they
//! were, or the new ones do, whenever the machine stops in between. What stands there already decides what
//! is allowed: a renewal replaces its predecessor, somebody else's files stay unless they are given up, and
//! files that are of no bundle are never touched.

mod error;
mod standing;
mod swap;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::bundle::{Bundle, BundleKind};
use super::profile::PeerIdentity;
use crate::time::UnixMillis;

pub use error::InstallError;
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
        format!("{what}: {}, good until {}.", named(&self.identity), self.identity.not_after.to_the_second())
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
