//! One directory for another, so that at no moment half of one stands there.
//!
//! The new directory is filled beside the old one under a hidden name, brought to the disk, and exchanged
//! with it. Where the system cannot exchange, the old one steps aside first; a run that was broken off
//! between the two steps is finished by the next. Files are reached through their directory's descriptor, so
//! that nobody can put another directory in between. Only files that a bundle may have are ever removed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, FlockOperation, Gid, Mode, OFlags, Uid, fchmod, fchown, flock, fsync, mkdirat, openat, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::standing::is_key;
use super::{InstallError, Place};
use crate::tls::bundle::{Bundle, BundleKind};

/// Where the new files are gathered.
const STAGING: &str = ".import";
/// Where the old ones step aside to, if the system cannot exchange two directories.
const ASIDE: &str = ".import-old";

const DIRECTORY_MODE: Mode = Mode::RWXU;
const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;

/// A directory that is made ready to take a place.
pub(super) struct Staging<'a> {
    place: &'a Place,
    parent: OwnedFd,
    name: OsString,
    /// Locked, so that another run does not take it for a leftover.
    directory: OwnedFd,
    owner: Option<(Uid, Gid)>,
}

/// Ends what an earlier run was broken off in: puts back what had stepped aside, removes what was left over.
pub(super) fn finish_interrupted(place: &Place) -> Result<(), InstallError> {
    let failed = |error: Errno| InstallError::file(&place.parent, error);
    let parent = match open_directory(rustix::fs::CWD, place.parent.as_os_str()) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let (staging, aside) = (place.beside(STAGING), place.beside(ASIDE));
    let stands = |name: &OsStr| match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(failed(error)),
    };
    let mut staged = None;
    if stands(&staging)? {
        let path = place.parent.join(&staging);
        let found = open_directory(&parent, &staging).map_err(|error| InstallError::file(&path, error))?;
        // Held to the end: who works on it would hold it.
        lock(&found).map_err(|_| InstallError::Busy(place.path.clone()))?;
        staged = Some(found);
    }
    if stands(&aside)? {
        if stands(&place.name)? {
            remove(&parent, &aside).map_err(|error| InstallError::file(&place.parent.join(&aside), error))?;
        } else {
            renameat(&parent, &aside, &parent, &place.name).map_err(failed)?;
            fsync(&parent).map_err(failed)?;
        }
    }
    if staged.is_some() {
        remove(&parent, &staging).map_err(|error| InstallError::file(&place.parent.join(&staging), error))?;
    }
    Ok(())
}

/// Makes a directory and those above it, each passable as `mode` says. Those that exist stay as they are.
pub(super) fn make_directories(path: &Path, mode: u32) -> Result<(), InstallError> {
    if path.is_dir() {
        return Ok(());
    }
    let failed = |error: io::Error| InstallError::file(path, error);
    let parent = path.parent().ok_or_else(|| InstallError::NotADirectory(path.to_owned()))?;
    make_directories(parent, mode)?;
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made.map_err(failed)?,
    }
    // Whatever the umask is.
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)
}

impl<'a> Staging<'a> {
    /// An empty directory beside `place`, of the owner of what stands there.
    pub(super) fn make(place: &'a Place) -> Result<Self, InstallError> {
        let name = place.beside(STAGING);
        let path = place.parent.join(&name);
        let failed = |error: Errno| match error {
            Errno::EXIST => InstallError::Busy(place.path.clone()),
            error => InstallError::file(&path, error),
        };
        let owner = owner_to_keep(place)?;
        let parent = open_directory(rustix::fs::CWD, place.parent.as_os_str())
            .map_err(|error| InstallError::file(&place.parent, error))?;
        mkdirat(&parent, &name, DIRECTORY_MODE).map_err(failed)?;
        let directory = open_directory(&parent, &name).map_err(failed)?;
        lock(&directory).map_err(|_| InstallError::Busy(place.path.clone()))?;
        Ok(Self { place, parent, name, directory, owner })
    }

    /// Writes every file and brings all of it to the disk. On an error nothing is left of it.
    pub(super) fn fill(self, bundle: &Bundle) -> Result<Self, InstallError> {
        let written = bundle.files().try_for_each(|(name, content)| self.write(name, content));
        let written = written.and_then(|()| {
            fchmod(&self.directory, DIRECTORY_MODE)?;
            self.hand_over(&self.directory)?;
            Ok(fsync(&self.directory)?)
        });
        match written {
            Ok(()) => Ok(self),
            Err(error) => Err(self.given_up(error)),
        }
    }

    /// Takes the place, and removes what stood there.
    pub(super) fn swap(self) -> Result<(), InstallError> {
        // Locked as well, because it gets the name under which others look for leftovers.
        let _locked = open_directory(&self.parent, &self.place.name).inspect(|standing| {
            let _ = lock(standing);
        });
        let old = match self.take_place() {
            Ok(old) => old,
            Err(error) => return Err(self.given_up(error.into())),
        };
        fsync(&self.parent).map_err(|error| InstallError::Unconfirmed {
            path: self.place.parent.clone(),
            error: error.into(),
        })?;
        let Some(old) = old else { return Ok(()) };
        remove(&self.parent, &old).map_err(|error| InstallError::Leftover {
            path: self.place.parent.join(old),
            error: error.into(),
        })?;
        // What the disk brings back of it, the next run removes.
        let _ = fsync(&self.parent);
        Ok(())
    }

    /// Under which name the old directory is then, if there was one with something in it.
    fn take_place(&self) -> Result<Option<OsString>, Errno> {
        let (parent, target) = (&self.parent, &self.place.name);
        match renameat(parent, &self.name, parent, target) {
            // It was not there, or empty.
            Ok(()) => return Ok(None),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(parent, &self.name, parent, target, rustix::fs::RenameFlags::EXCHANGE)
        {
            Ok(()) => return Ok(Some(self.name.clone())),
            // This file system, or this kernel, does not know how.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
        let aside = self.place.beside(ASIDE);
        renameat(parent, target, parent, &aside)?;
        match renameat(parent, &self.name, parent, target) {
            Ok(()) => Ok(Some(aside)),
            Err(error) => {
                renameat(parent, &aside, parent, target)?;
                Err(error)
            }
        }
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = openat(&self.directory, name, flags, Mode::from_raw_mode(KEY_MODE as _))?;
        let mode = if is_key(name) { KEY_MODE } else { CERTIFICATE_MODE };
        fchmod(&open, Mode::from_raw_mode(mode as _))?;
        self.hand_over(&open)?;
        let mut file = File::from(open);
        file.write_all(content)?;
        file.sync_all()
    }

    fn hand_over(&self, open: &OwnedFd) -> Result<(), Errno> {
        self.owner.map_or(Ok(()), |(user, group)| fchown(open, Some(user), Some(group)))
    }

    fn given_up(&self, error: io::Error) -> InstallError {
        // What cannot be removed now is removed by the next run.
        let _ = remove(&self.parent, &self.name);
        InstallError::file(&self.place.path, error)
    }
}

/// To whom the new directory must belong if not to this process: a service reads it as its own user.
fn owner_to_keep(place: &Place) -> Result<Option<(Uid, Gid)>, InstallError> {
    match fs::metadata(&place.path) {
        Ok(found) if found.uid() != rustix::process::geteuid().as_raw() => {
            Ok(Some((Uid::from_raw(found.uid()), Gid::from_raw(found.gid()))))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(InstallError::file(&place.path, error)),
    }
}

fn open_directory(base: impl std::os::fd::AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    openat(base, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn lock(directory: &OwnedFd) -> Result<(), Errno> {
    flock(directory, FlockOperation::NonBlockingLockExclusive)
}

/// Removes a directory with the files of a bundle in it; with anything else in it, it stays. One that is gone
/// is no failure.
fn remove(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    let gone = |ended| if ended == Err(Errno::NOENT) { Ok(()) } else { ended };
    let directory = match open_directory(parent, name) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    for file in BundleKind::ALL.into_iter().flat_map(BundleKind::known_files) {
        gone(unlinkat(&directory, file, AtFlags::empty()))?;
    }
    gone(unlinkat(parent, name, AtFlags::REMOVEDIR))
}
