//! A new version of a file, beside it until it takes its place.
//!
//! It is whole and on disk before it has the name; what had the name before is looked at again in the very step
//! that replaces it. A draft that is dropped leaves nothing.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;

use p2p_shared::id::hex;
use p2p_shared::services::file::{FilePath, FileVersion};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Statx, Uid, XattrFlags};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::error::FileError;
use super::jail::{Place, stat_of};
use super::row;

/// What is copied at once.
const STEP_BYTES: usize = 256 << 10;
/// Names and values of attributes that are carried over, in bytes.
const ATTRIBUTES_BYTES_MAX: usize = 64 << 10;
/// Attributes that vouch for the contents as they were: not for others.
const VOUCHERS: [&str; 3] = ["security.capability", "security.ima", "security.evm"];

/// The draft.
#[derive(Debug)]
pub(super) struct Draft {
    parent: OwnedFd,
    name: OsString,
    path: FilePath,
    file: File,
    is_named: bool,
}

impl Draft {
    /// An empty one, which its owner alone may read.
    pub(super) fn new(place: &Place) -> Result<Self, FileError> {
        let failed = |source| FileError::os("writing", &place.path)(source);
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| failed(Errno::IO))?;
        let parent = place.parent.try_clone().map_err(FileError::io("writing", &place.path))?;
        let name = OsString::from(format!(".p2p-admin-{}", hex(&random)));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&place.parent, &name, flags, Mode::from_raw_mode(0o600)).map_err(failed)?;
        Ok(Self { parent, name, path: place.path.clone(), file: file.into(), is_named: true })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes all of `source`; answers its length and BLAKE3.
    pub(super) fn fill(
        &mut self,
        mut source: impl Read,
        gone: &CancellationToken,
    ) -> Result<(u64, String), FileError> {
        let failed = |error| FileError::io("writing", &self.path)(error);
        let (mut hasher, mut buffer, mut total) = (blake3::Hasher::new(), vec![0; STEP_BYTES], 0);
        loop {
            if gone.is_cancelled() {
                return Err(FileError::Cancelled);
            }
            match source.read(&mut buffer) {
                Ok(0) => return Ok((total, hasher.finalize().to_hex().to_string())),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    (&self.file).write_all(&buffer[..count]).map_err(failed)?;
                    total += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Gives it these permission bits.
    pub(super) fn set_mode(&self, mode: u32) -> Result<(), FileError> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        rustix::fs::fchmod(&self.file, mode).map_err(FileError::os("setting the mode", &self.path))
    }

    /// Gives it owner, mode and attributes of the file that it is to replace.
    pub(super) fn take_after(&self, old: &File, stat: &Statx) -> Result<(), FileError> {
        self.take_owner(stat)?;
        self.set_mode(row::mode(stat))?;
        copy_attributes(old, &self.file);
        Ok(())
    }

    /// Gives it the owner of another file.
    pub(super) fn take_owner(&self, stat: &Statx) -> Result<(), FileError> {
        let own = stat_of(&self.file).map_err(FileError::os("writing", &self.path))?;
        if (own.stx_uid, own.stx_gid) == (stat.stx_uid, stat.stx_gid) {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(stat.stx_uid), Gid::from_raw(stat.stx_gid));
        rustix::fs::fchown(&self.file, Some(uid), Some(gid))
            .map_err(FileError::os("keeping the owner", &self.path))
    }

    /// Puts it on disk and in place of `old`, or where there is nothing. Answers its state.
    pub(super) fn commit(
        mut self,
        place: &Place,
        old: Option<FileVersion>,
    ) -> Result<FileVersion, FileError> {
        rustix::fs::fsync(&self.file).map_err(FileError::os("writing", &self.path))?;
        match old {
            None => self.settle(place)?,
            Some(old) => self.replace(place, old)?,
        }
        place.sync().map_err(FileError::os("writing", &self.path))?;
        let stat = stat_of(&self.file).map_err(FileError::os("writing", &self.path))?;
        Ok(row::version(&stat))
    }

    fn settle(&mut self, place: &Place) -> Result<(), FileError> {
        let taken = || FileError::changed(&self.path, "somebody has made it meanwhile: nothing was written");
        match rustix::fs::renameat_with(
            &self.parent,
            &self.name,
            &place.parent,
            place.name(),
            RenameFlags::NOREPLACE,
        ) {
            Ok(()) => {
                self.is_named = false;
                Ok(())
            }
            Err(Errno::EXIST) => Err(taken()),
            // Of file systems without that: a link never replaces either, and the other name goes with the draft.
            Err(Errno::INVAL | Errno::NOSYS) => {
                let linked = rustix::fs::linkat(
                    &self.parent,
                    &self.name,
                    &place.parent,
                    place.name(),
                    AtFlags::empty(),
                );
                linked.map_err(|source| match source {
                    Errno::EXIST => taken(),
                    source => FileError::os("writing", &self.path)(source),
                })
            }
            Err(source) => Err(FileError::os("writing", &self.path)(source)),
        }
    }

    /// The two change places; if what comes out is not what was expected, they change back.
    fn replace(&mut self, place: &Place, old: FileVersion) -> Result<(), FileError> {
        let failed = |source| FileError::os("writing", &self.path)(source);
        let changed = || FileError::changed(&self.path, "it has changed meanwhile: nothing was written");
        let exchange = || {
            rustix::fs::renameat_with(
                &self.parent,
                &self.name,
                &place.parent,
                place.name(),
                RenameFlags::EXCHANGE,
            )
        };
        match exchange() {
            Ok(()) => {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let out = rustix::fs::statx(&self.parent, &self.name, flags, row::MASK).map_err(failed)?;
                if row::version(&out) != old {
                    exchange().map_err(failed)?;
                    return Err(changed());
                }
                // What is under the draft's name now goes with it.
                Ok(())
            }
            Err(Errno::NOENT) => Err(changed()),
            Err(Errno::INVAL | Errno::NOSYS) => {
                if place.stat().map(|stat| row::version(&stat)) != Ok(old) {
                    return Err(changed());
                }
                rustix::fs::renameat(&self.parent, &self.name, &place.parent, place.name())
                    .map_err(failed)?;
                self.is_named = false;
                Ok(())
            }
            Err(source) => Err(failed(source)),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.is_named {
            // The next listing shows what could not be removed.
            let _ = rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::empty());
        }
    }
}

/// Carries over labels and lists of access, as far as the file system takes them.
pub(super) fn copy_attributes(from: &File, to: &File) {
    let mut names = vec![0; ATTRIBUTES_BYTES_MAX];
    let Ok(length) = rustix::fs::flistxattr(from, &mut names[..]) else { return };
    let mut value = vec![0; ATTRIBUTES_BYTES_MAX];
    for name in names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if VOUCHERS.contains(&name) {
            continue;
        }
        if let Ok(length) = rustix::fs::fgetxattr(from, name, &mut value[..]) {
            let _ = rustix::fs::fsetxattr(to, name, &value[..length], XattrFlags::empty());
        }
    }
}
