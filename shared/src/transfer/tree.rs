//! A file or a tree by the directory that holds it. Every path is walked from there, one name at a time, and no
//! link is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use super::plan::Standing;
use crate::services::file::{FileKind, FilePath};

/// Where a transfer begins.
#[derive(Debug)]
pub struct Tree {
    parent: OwnedFd,
    name: Vec<u8>,
    /// The directory that was walked to last: the next name is mostly in it too.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Tree {
    /// The name `name` in an opened directory. It may not be there yet.
    pub const fn new(parent: OwnedFd, name: Vec<u8>) -> Self {
        Self { parent, name, last: None }
    }

    /// Calls the top of it `name` from now on.
    pub(super) fn renamed(&mut self, name: Vec<u8>) {
        self.name = name;
        self.last = None;
    }

    /// The directory that holds what `path` names below the top, and the last name of it.
    pub(super) fn place<'a>(&'a mut self, path: &'a FilePath) -> Result<(BorrowedFd<'a>, &'a [u8]), Errno> {
        let bytes = path.as_bytes();
        if bytes.is_empty() {
            return Ok((self.parent.as_fd(), &self.name));
        }
        let (above, name) = match bytes.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&bytes[..at], &bytes[at + 1..]),
            None => (&bytes[..0], bytes),
        };
        if self.last.as_ref().is_none_or(|(path, _)| path != above) {
            let mut directory = enter(&self.parent, &self.name)?;
            for name in above.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
                directory = enter(&directory, name)?;
            }
            self.last = Some((above.to_vec(), directory));
        }
        let (_, directory) = self.last.as_ref().ok_or(Errno::NOENT)?;
        Ok((directory.as_fd(), name))
    }

    /// A regular file for reading, and what it is.
    pub(super) fn open(&mut self, path: &FilePath) -> Result<(File, Stat), Errno> {
        let (directory, name) = self.place(path)?;
        open(directory, name)
    }

    /// What stands at a path, if anything.
    pub(super) fn standing(&mut self, path: &FilePath) -> Result<Option<Standing>, Errno> {
        let (directory, name) = self.place(path)?;
        let stat = match stat_at(directory, name) {
            Err(Errno::NOENT) => return Ok(None),
            stat => stat?,
        };
        let kind = kind(&stat);
        let target = if kind == FileKind::Symlink { link(directory, name) } else { None };
        let (size_bytes, modified_ns) = (size(&stat), modified_ns(&stat));
        Ok(Some(Standing { kind, size_bytes, modified_ns, mode: mode(&stat), target }))
    }
}

/// A directory, itself: a link in its place is an error.
pub(super) fn enter(directory: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(directory, OsStr::from_bytes(name), flags, Mode::empty())
}

/// A regular file for reading. A pipe that took its place meanwhile does not block.
pub(super) fn open(directory: impl AsFd, name: &[u8]) -> Result<(File, Stat), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if kind(&stat_at(&directory, name)?) != FileKind::File {
        return Err(Errno::LOOP);
    }
    let file = rustix::fs::openat(directory, OsStr::from_bytes(name), flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if kind(&stat) == FileKind::File { Ok((file.into(), stat)) } else { Err(Errno::LOOP) }
}

pub(super) fn stat_at(directory: impl AsFd, name: &[u8]) -> Result<Stat, Errno> {
    rustix::fs::statat(directory, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)
}

/// Where a link leads, if it is one.
pub(super) fn link(directory: impl AsFd, name: &[u8]) -> Option<FilePath> {
    let target = rustix::fs::readlinkat(directory, OsStr::from_bytes(name), Vec::new()).ok()?;
    FilePath::new(target.into_bytes()).ok()
}

pub(super) fn kind(stat: &Stat) -> FileKind {
    kind_of(FileType::from_raw_mode(stat.st_mode))
}

/// What the system's kind of file is called.
pub fn kind_of(kind: FileType) -> FileKind {
    match kind {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice => FileKind::CharDevice,
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::Unknown => FileKind::Unknown,
    }
}

pub(super) fn mode(stat: &Stat) -> u32 {
    Mode::from_raw_mode(stat.st_mode).bits() & 0o7777
}

pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

pub(super) fn modified_ns(stat: &Stat) -> i64 {
    let nanos = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// That time of change, and the time of the last reading as it is.
pub(super) fn times(modified_ns: i64) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let (seconds, nanos) = (modified_ns.div_euclid(1_000_000_000), modified_ns.rem_euclid(1_000_000_000));
    Timestamps { last_access: omit, last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos } }
}

/// Reads until `bytes` are full or the file ends; how many came.
///
/// # Errors
/// As the system says.
pub fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(errno(&error)),
        }
    }
    Ok(done)
}

/// What the kernel said.
pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// The next part of a file with something in it, within `span`; `None` if only a hole is left.
pub(super) fn data(file: &File, span: &Range<u64>, is_sparse: bool) -> Option<Range<u64>> {
    if span.is_empty() {
        return None;
    }
    if !is_sparse {
        return Some(span.clone());
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(span.start)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return None,
        // Of a file system that cannot tell.
        Err(_) => return Some(span.clone()),
    };
    let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(span.end).min(span.end);
    (start < end).then_some(start..end)
}

/// Whether it has holes.
pub(super) fn is_sparse(stat: &Stat) -> bool {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512) < size(stat)
}
