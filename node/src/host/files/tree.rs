//! Whole trees: counted, copied, removed. Nothing follows a link or leaves the file system that it began on.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use p2p_shared::services::file::{FileCount, FileKind, FilePath, FileUsage};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Statx};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::change::writable;
use super::error::FileError;
use super::jail::{Jail, Place};
use super::reserved::Use;
use super::row;

mod copy;

pub use copy::{Depth, copy};

/// How deep a tree is walked.
pub const DEPTH_MAX: usize = 256;
/// Files of several names that are told apart; beyond, each name counts.
const LINKED_MAX: usize = 1 << 18;

/// What a walk needs at every step.
pub(super) struct Walk<'a> {
    pub path: &'a FilePath,
    pub jail: &'a Jail,
    pub gone: &'a CancellationToken,
    pub device: (u32, u32),
}

impl Walk<'_> {
    pub(super) fn failed(&self, action: &'static str) -> impl Fn(Errno) -> FileError {
        move |source| FileError::os(action, self.path)(source)
    }

    /// The next names of a directory.
    pub(super) fn names(
        &self,
        directory: &OwnedFd,
    ) -> Result<impl Iterator<Item = Result<Vec<u8>, Errno>> + use<>, Errno> {
        let gone = self.gone.clone();
        let entries = Dir::read_from(directory)?.map(|entry| Ok(entry?.file_name().to_bytes().to_vec()));
        let names = entries.filter(|name| !matches!(name.as_deref(), Ok(b"." | b"..")));
        Ok(names.map(move |name| if gone.is_cancelled() { Err(Errno::CANCELED) } else { name }))
    }
}

pub(super) fn stat_at(directory: impl AsFd, name: &[u8]) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    rustix::fs::statx(directory, OsStr::from_bytes(name), flags, row::MASK)
}

/// A directory that a name stands for, itself: a link in its place is an error.
pub(super) fn enter(directory: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(directory, OsStr::from_bytes(name), flags, Mode::empty())
}

/// What a tree holds; `told` hears of it now and then.
///
/// # Errors
/// [`FileError`].
pub fn usage(
    jail: &Jail,
    path: &FilePath,
    gone: &CancellationToken,
    told: impl FnMut(&FileUsage),
) -> Result<FileUsage, FileError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW;
    let top = jail.open(path, flags)?;
    let stat = super::jail::stat_of(&top).map_err(FileError::os("looking at", path))?;
    let walk = Walk { path, jail, gone, device: row::device(&stat) };
    let mut count = Counting { usage: FileUsage::default(), linked: HashSet::new(), told };
    count.add(&stat);
    if row::kind(&stat) == FileKind::Directory {
        let directory = jail.directory(path)?;
        count.tree(&walk, &directory, 0)?;
    }
    count.usage.is_done = true;
    Ok(count.usage)
}

struct Counting<F> {
    usage: FileUsage,
    linked: HashSet<u64>,
    told: F,
}

impl<F: FnMut(&FileUsage)> Counting<F> {
    fn add(&mut self, stat: &Statx) {
        self.usage.entries += 1;
        let kind = row::kind(stat);
        self.usage.directories += u64::from(kind == FileKind::Directory);
        let is_first = kind != FileKind::File
            || stat.stx_nlink < 2
            || self.linked.len() >= LINKED_MAX
            || self.linked.insert(stat.stx_ino);
        if is_first {
            self.usage.disk_bytes += stat.stx_blocks.saturating_mul(512);
            self.usage.size_bytes += if kind == FileKind::File { stat.stx_size } else { 0 };
        }
    }

    fn tree(&mut self, walk: &Walk<'_>, directory: &OwnedFd, depth: usize) -> Result<(), FileError> {
        for name in walk.names(directory).map_err(walk.failed("counting"))? {
            let name = match name {
                Ok(name) => name,
                Err(Errno::CANCELED) => return Err(FileError::Cancelled),
                Err(_) => {
                    self.usage.skipped += 1;
                    break;
                }
            };
            // One that went meanwhile does not count.
            let Ok(stat) = stat_at(directory, &name) else { continue };
            self.add(&stat);
            (self.told)(&self.usage);
            if row::kind(&stat) != FileKind::Directory {
                continue;
            }
            let is_within = row::device(&stat) == walk.device && !row::is_mount(&stat);
            let inside = (is_within && depth < DEPTH_MAX).then(|| enter(directory, &name));
            match inside {
                Some(Ok(inside)) => self.tree(walk, &inside, depth + 1)?,
                Some(Err(_)) | None => self.usage.skipped += 1,
            }
        }
        Ok(())
    }
}

/// Removes a name; a directory that is not empty only if it holds exactly `entries`, itself included.
///
/// # Errors
/// [`FileError::Changed`] if it holds another number; else [`FileError`]. What was removed until then is gone.
pub fn remove(
    jail: &Jail,
    path: &FilePath,
    entries: Option<u64>,
    gone: &CancellationToken,
) -> Result<FileCount, FileError> {
    let place = writable(jail, path)?;
    let stat = place.stat().map_err(FileError::os("removing", path))?;
    let is_directory = row::kind(&stat) == FileKind::Directory;
    if row::is_mount(&stat) {
        return Err(FileError::os("removing", path)(Errno::BUSY));
    }
    let mut removed = FileCount::default();
    if let Some(entries) = entries.filter(|_| is_directory) {
        let counted = usage(jail, path, gone, |_| ())?;
        if counted.skipped > 0 {
            let why = format!(
                "{} directories in it cannot be read, or are of another file system",
                counted.skipped
            );
            return Err(FileError::changed(path, format!("{why}: nothing was removed")));
        }
        if counted.entries != entries {
            let why = format!("it holds {} entries now, not {entries}: nothing was removed", counted.entries);
            return Err(FileError::changed(path, why));
        }
        let walk = Walk { path, jail, gone, device: row::device(&stat) };
        let emptied = enter(&place.parent, &place.name)
            .map_err(walk.failed("removing"))
            .and_then(|directory| empty(&walk, &directory, 0, &mut removed));
        if let Err(error) = emptied {
            tracing::warn!(path = %path, entries = removed.entries, %error, "a tree was removed in part");
            return Err(error);
        }
    }
    unlink(&place, &stat).map_err(FileError::os("removing", path))?;
    removed.entries += 1;
    removed.size_bytes += if row::kind(&stat) == FileKind::File { stat.stx_size } else { 0 };
    place.sync().map_err(FileError::os("removing", path))?;
    Ok(removed)
}

fn unlink(place: &Place, stat: &Statx) -> Result<(), Errno> {
    let flags = if row::kind(stat) == FileKind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    rustix::fs::unlinkat(&place.parent, place.name(), flags)
}

fn empty(
    walk: &Walk<'_>,
    directory: &OwnedFd,
    depth: usize,
    removed: &mut FileCount,
) -> Result<(), FileError> {
    let failed = walk.failed("removing");
    if depth > DEPTH_MAX {
        return Err(failed(Errno::NAMETOOLONG));
    }
    for name in walk.names(directory).map_err(&failed)? {
        let name =
            name.map_err(
                |source| if source == Errno::CANCELED { FileError::Cancelled } else { failed(source) },
            )?;
        let stat = match stat_at(directory, &name) {
            Err(Errno::NOENT) => continue,
            stat => stat.map_err(&failed)?,
        };
        let is_directory = row::kind(&stat) == FileKind::Directory;
        if is_directory {
            if row::device(&stat) != walk.device || row::is_mount(&stat) {
                return Err(failed(Errno::BUSY));
            }
            empty(walk, &enter(directory, &name).map_err(&failed)?, depth + 1, removed)?;
        }
        let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(directory, OsStr::from_bytes(&name), flags).map_err(&failed)?;
        removed.entries += 1;
        removed.size_bytes += if row::kind(&stat) == FileKind::File { stat.stx_size } else { 0 };
    }
    Ok(())
}

/// A file that is opened for reading where it stands, and only if it is a regular one.
pub(super) fn open_file(directory: impl AsFd, name: &[u8]) -> Result<Option<(File, Statx)>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, OsStr::from_bytes(name), flags, Mode::empty())?;
    let stat = super::jail::stat_of(&file)?;
    Ok((row::kind(&stat) == FileKind::File).then(|| (File::from(file), stat)))
}

/// What may not be copied from or searched for contents.
pub(super) fn readable(jail: &Jail, place: &Place) -> Result<(), FileError> {
    jail.judge(place, Use::Read)
}
