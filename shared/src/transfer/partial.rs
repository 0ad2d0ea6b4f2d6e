//! A file that is being received: beside its name, under one that is always the same, until it is whole. What was
//! cut is found there again.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::hash;
use super::tree::{data, errno, is_sparse, kind, read_at, size, stat_at, times};
use crate::id::hex;
use crate::services::file::FileKind;

/// Written parts of this length are put on their way to the disk at once: the last wait is for little then.
const FLUSH_BYTES: u64 = 8 << 20;
/// How often the lock of one that was just finished is taken.
const TRIES: usize = 8;

/// The file.
#[derive(Debug)]
pub(super) struct Partial {
    directory: OwnedFd,
    part: OsString,
    name: OsString,
    file: File,
    is_sparse: bool,
    /// What it held when it was opened.
    found_bytes: u64,
}

/// Under which name the file `name` grows.
pub(super) fn part_name(name: &[u8]) -> OsString {
    OsString::from(format!(".p2p-admin-part-{}", hex(&hash(name))))
}

impl Partial {
    /// Opens what an earlier transfer left, or makes an empty one. Nobody else writes it meanwhile.
    ///
    /// # Errors
    /// [`Errno::BUSY`] if another transfer writes to it.
    pub(super) fn open(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Self, Errno> {
        let part = part_name(name);
        let directory = directory.try_clone_to_owned().map_err(|error| errno(&error))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        for _ in 0..TRIES {
            let file =
                rustix::fs::openat(&directory, &part, flags, Mode::from_raw_mode(0o600)).map(File::from)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Err(Errno::BUSY),
                locked => locked?,
            }
            let stat = rustix::fs::fstat(&file)?;
            // Who had the lock before may have given it its name.
            let is_there = stat_at(&directory, part.as_bytes())
                .is_ok_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino));
            if !is_there {
                continue;
            }
            let is_own = kind(&stat) == FileKind::File
                && stat.st_nlink == 1
                && stat.st_uid == rustix::process::geteuid().as_raw();
            if !is_own {
                // Not ours: something that somebody else put there. It goes, and nothing is read from it.
                rustix::fs::unlinkat(&directory, &part, AtFlags::empty())?;
                continue;
            }
            let name = OsStr::from_bytes(name).to_owned();
            let (is_sparse, found_bytes) = (is_sparse(&stat), size(&stat));
            return Ok(Self { directory, part, name, file, is_sparse, found_bytes });
        }
        Err(Errno::BUSY)
    }

    /// What it held when it was opened.
    pub(super) const fn found_bytes(&self) -> u64 {
        self.found_bytes
    }

    /// Whether that part of it was found with these contents.
    pub(super) fn holds(&self, offset: u64, buffer: &mut [u8], wanted: &[u8]) -> bool {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.found_bytes || data(&self.file, &(offset..end), self.is_sparse).is_none() {
            return false;
        }
        read_at(&self.file, buffer, offset) == Ok(buffer.len()) && hash(buffer) == wanted
    }

    pub(super) fn put(&self, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.file.write_all_at(bytes, offset).map_err(|error| errno(&error))?;
        let (begun, ended) = (offset / FLUSH_BYTES, (offset + bytes.len() as u64) / FLUSH_BYTES);
        if let Some(count) = NonZeroU64::new((ended - begun) * FLUSH_BYTES) {
            flush(&self.file, begun * FLUSH_BYTES, count);
        }
        Ok(())
    }

    /// Takes a part over from another file of this machine.
    pub(super) fn take(&self, from: &File, offset: u64, length: u64) -> Result<(), Errno> {
        let (mut read, mut written, end) = (offset, offset, offset.saturating_add(length));
        while read < end {
            let step = usize::try_from(end - read).unwrap_or(1 << 20);
            match copy(from, (&self.file, &mut read, &mut written), step) {
                Ok(0) => return Err(Errno::STALE),
                Ok(_) | Err(Errno::INTR) => {}
                Err(source) => return Err(source),
            }
        }
        Ok(())
    }

    /// Makes a part of it hold nothing.
    pub(super) fn clear(&self, offset: u64, length: u64) -> Result<(), Errno> {
        let end = offset.saturating_add(length).min(self.found_bytes);
        let mut at = offset;
        // What lies past what was found is a hole already.
        while at < end {
            let Some(data) = data(&self.file, &(at..end), true) else { break };
            punch(&self.file, data.start, data.end - data.start)?;
            at = data.end;
        }
        Ok(())
    }

    /// Gives it its length, mode and time, and then its name. What had the name keeps its owner.
    pub(super) fn finish(self, size_bytes: u64, mode: u32, modified_ns: i64) -> Result<(), Errno> {
        self.file.set_len(size_bytes).map_err(|error| errno(&error))?;
        settle(&self.directory, &self.name, &self.file, mode)?;
        rustix::fs::futimens(&self.file, &times(modified_ns))?;
        self.file.sync_data().map_err(|error| errno(&error))?;
        rustix::fs::renameat(&self.directory, &self.part, &self.directory, &self.name)
    }

    /// Removes it.
    pub(super) fn discard(self) {
        // What is left is found by the next transfer.
        let _ = rustix::fs::unlinkat(&self.directory, &self.part, AtFlags::empty());
    }
}

/// Gives a new file its mode, and the owner of the file that it is to replace, as far as that may be.
pub(super) fn settle(directory: impl AsFd, name: &OsStr, file: &File, mode: u32) -> Result<(), Errno> {
    let old = stat_at(directory, name.as_bytes()).ok().filter(|old| kind(old) == FileKind::File);
    if let Some(old) = old {
        let own = rustix::fs::fstat(file)?;
        if (own.st_uid, own.st_gid) != (old.st_uid, old.st_gid) {
            let (uid, gid) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
            match rustix::fs::fchown(file, Some(uid), Some(gid)) {
                Ok(()) | Err(Errno::PERM) => {}
                Err(source) => return Err(source),
            }
        }
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode as rustix::fs::RawMode))
}

/// Begins to write a part of a file to its disk, and does not wait for it. Linux does so where it is told that
/// pages are not needed; those that are not written yet stay.
#[cfg(target_os = "linux")]
fn flush(file: &File, offset: u64, count: NonZeroU64) {
    // Only a hint: what cannot follow it is written later.
    let _ = rustix::fs::fadvise(file, offset, Some(count), rustix::fs::Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
const fn flush(_: &File, _: u64, _: NonZeroU64) {}

#[cfg(target_os = "linux")]
fn copy(from: &File, (to, read, written): (&File, &mut u64, &mut u64), step: usize) -> Result<usize, Errno> {
    match rustix::fs::copy_file_range(from, Some(read), to, Some(written), step) {
        Err(Errno::XDEV | Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => {
            by_hand(from, (to, read, written), step)
        }
        copied => copied,
    }
}

#[cfg(not(target_os = "linux"))]
fn copy(from: &File, to: (&File, &mut u64, &mut u64), step: usize) -> Result<usize, Errno> {
    by_hand(from, to, step)
}

fn by_hand(
    from: &File,
    (to, read, written): (&File, &mut u64, &mut u64),
    step: usize,
) -> Result<usize, Errno> {
    let mut buffer = vec![0; step.min(1 << 20)];
    let count = read_at(from, &mut buffer, *read)?;
    to.write_all_at(&buffer[..count], *written).map_err(|error| errno(&error))?;
    (*read, *written) = (*read + count as u64, *written + count as u64);
    Ok(count)
}

#[cfg(target_os = "linux")]
fn punch(file: &File, offset: u64, length: u64) -> Result<(), Errno> {
    use rustix::fs::FallocateFlags;
    match rustix::fs::fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length)
    {
        Err(Errno::NOTSUP | Errno::NOSYS) => zeros(file, offset, length),
        punched => punched,
    }
}

#[cfg(not(target_os = "linux"))]
fn punch(file: &File, offset: u64, length: u64) -> Result<(), Errno> {
    zeros(file, offset, length)
}

fn zeros(file: &File, offset: u64, length: u64) -> Result<(), Errno> {
    let buffer = vec![0; 64 << 10];
    let mut at = 0;
    while at < length {
        let step = usize::try_from(length - at).unwrap_or(buffer.len()).min(buffer.len());
        file.write_all_at(&buffer[..step], offset + at).map_err(|error| errno(&error))?;
        at += step as u64;
    }
    Ok(())
}
