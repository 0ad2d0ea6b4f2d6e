//! Copies of files and trees, with modes, owners, times, attributes and holes.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use p2p_shared::services::file::{FileCount, FileKind, FilePath};
use p2p_shared::transfer::tree::read_at;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, SeekFrom, Statx, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::{DEPTH_MAX, Walk, enter, open_file, readable, stat_at};
use crate::host::files::change::writable;
use crate::host::files::draft::{Draft, copy_attributes};
use crate::host::files::error::FileError;
use crate::host::files::jail::{Jail, Place, real};
use crate::host::files::read::opened;
use crate::host::files::row;

/// What the kernel copies at once, between two looks at whether the caller is still there.
const STEP_BYTES: usize = 16 << 20;

/// Whether a directory is copied, with all that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// One file.
    File,
    /// A tree.
    Tree,
}

/// Copies a file or a tree to a name that is not taken. A file appears there whole or not at all; a tree that
/// was cut short stays in part.
///
/// # Errors
/// [`FileError`].
pub fn copy(
    jail: &Jail,
    (from, to): (&FilePath, &FilePath),
    depth: Depth,
    gone: &CancellationToken,
) -> Result<FileCount, FileError> {
    let (source, target) = (jail.target(from)?, writable(jail, to)?);
    readable(jail, &source)?;
    let stat = source.stat().map_err(FileError::os("copying", from))?;
    match target.stat() {
        Err(Errno::NOENT) => {}
        Err(error) => return Err(FileError::os("copying", to)(error)),
        Ok(_) => return Err(FileError::os("copying", to)(Errno::EXIST)),
    }
    let walk = Walk { path: from, jail, gone, device: row::device(&stat) };
    match (row::kind(&stat), depth) {
        (FileKind::Directory, Depth::Tree) => tree(&walk, &source, &target),
        (FileKind::Directory, Depth::File) => {
            Err(FileError::Invalid(format!("{from} is a directory: say tree to copy all that is in it")))
        }
        _ => file(&walk, &source, &target),
    }
}

fn file(walk: &Walk<'_>, source: &Place, target: &Place) -> Result<FileCount, FileError> {
    let file = opened(source, OFlags::RDONLY)?;
    let failed = walk.failed("copying");
    let stat = crate::host::files::jail::stat_of(&file).map_err(&failed)?;
    let draft = Draft::new(target)?;
    let size_bytes = contents(walk, &file, draft.file())?;
    draft.take_after(&file, &stat)?;
    rustix::fs::futimens(draft.file(), &times(&stat)).map_err(&failed)?;
    draft.commit(target, None)?;
    Ok(FileCount { entries: 1, size_bytes })
}

fn tree(walk: &Walk<'_>, source: &Place, target: &Place) -> Result<FileCount, FileError> {
    let failed = walk.failed("copying");
    let from = enter(&source.parent, &source.name).map_err(&failed)?;
    if let (Some(from), Some(to)) = (real(&from), target.real())
        && to.starts_with(&from)
    {
        return Err(FileError::Invalid(format!("{} lies in what is to be copied", target.path)));
    }
    let mut count = FileCount::default();
    let stat = crate::host::files::jail::stat_of(&from).map_err(&failed)?;
    directory(walk, (&from, &stat), (target.parent.as_fd(), &target.name), (0, &mut count))?;
    target.sync().map_err(&failed)?;
    Ok(count)
}

fn directory(
    walk: &Walk<'_>,
    (from, stat): (&OwnedFd, &Statx),
    (parent, name): (impl AsFd, &[u8]),
    (depth, count): (usize, &mut FileCount),
) -> Result<(), FileError> {
    let failed = walk.failed("copying");
    if depth > DEPTH_MAX {
        return Err(failed(Errno::NAMETOOLONG));
    }
    walk.jail.judge_directory(from, walk.path)?;
    rustix::fs::mkdirat(parent.as_fd(), OsStr::from_bytes(name), Mode::from_raw_mode(0o700))
        .map_err(&failed)?;
    let to = enter(parent, name).map_err(&failed)?;
    count.entries += 1;
    for name in walk.names(from).map_err(&failed)? {
        let name =
            name.map_err(
                |source| if source == Errno::CANCELED { FileError::Cancelled } else { failed(source) },
            )?;
        let stat = match stat_at(from, &name) {
            Err(Errno::NOENT) => continue,
            stat => stat.map_err(&failed)?,
        };
        match row::kind(&stat) {
            FileKind::Directory if row::device(&stat) != walk.device || row::is_mount(&stat) => {
                return Err(failed(Errno::XDEV));
            }
            FileKind::Directory => {
                let inside = enter(from, &name).map_err(&failed)?;
                directory(walk, (&inside, &stat), (&to, &name), (depth + 1, count))?;
            }
            _ => {
                count.size_bytes += one(walk, (from, &stat), &to, &name)?;
                count.entries += 1;
            }
        }
    }
    let (uid, gid) = owner(stat);
    rustix::fs::fchown(&to, uid, gid).map_err(&failed)?;
    rustix::fs::fchmod(&to, Mode::from_raw_mode(row::mode(stat))).map_err(&failed)?;
    rustix::fs::futimens(&to, &times(stat)).map_err(&failed)
}

/// Anything but a directory; answers the bytes of a regular file.
fn one(
    walk: &Walk<'_>,
    (from, stat): (&OwnedFd, &Statx),
    to: &OwnedFd,
    name: &[u8],
) -> Result<u64, FileError> {
    let failed = walk.failed("copying");
    let path = OsStr::from_bytes(name);
    match row::kind(stat) {
        FileKind::File => {
            let gone = || FileError::changed(walk.path, "something in it was replaced while it was copied");
            let (file, stat) = open_file(from, name).map_err(&failed)?.ok_or_else(gone)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = rustix::fs::openat(to, path, flags, Mode::from_raw_mode(0o600)).map_err(&failed)?;
            let made = File::from(made);
            let size = contents(walk, &file, &made)?;
            let (uid, gid) = owner(&stat);
            rustix::fs::fchown(&made, uid, gid).map_err(&failed)?;
            rustix::fs::fchmod(&made, Mode::from_raw_mode(row::mode(&stat))).map_err(&failed)?;
            copy_attributes(&file, &made);
            rustix::fs::futimens(&made, &times(&stat)).map_err(&failed)?;
            return Ok(size);
        }
        FileKind::Symlink => {
            let target = rustix::fs::readlinkat(from, path, Vec::new()).map_err(&failed)?;
            rustix::fs::symlinkat(&target, to, path).map_err(&failed)?;
        }
        _ => {
            let (kind, device) = (FileType::from_raw_mode(stat.stx_mode.into()), 0);
            if matches!(kind, FileType::BlockDevice | FileType::CharacterDevice) {
                return Err(FileError::Kind {
                    path: walk.path.clone(),
                    kind: row::kind(stat),
                    wanted: "tree without devices",
                });
            }
            let mode = Mode::from_raw_mode(row::mode(stat));
            rustix::fs::mknodat(to, path, kind, mode, device).map_err(&failed)?;
        }
    }
    let (uid, gid) = owner(stat);
    rustix::fs::chownat(to, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(&failed)?;
    rustix::fs::utimensat(to, path, &times(stat), AtFlags::SYMLINK_NOFOLLOW).map_err(&failed)?;
    Ok(0)
}

/// Copies data and leaves holes; answers the length.
fn contents(walk: &Walk<'_>, from: &File, to: &File) -> Result<u64, FileError> {
    let failed = walk.failed("copying");
    let size = crate::host::files::jail::stat_of(from).map_err(&failed)?.stx_size;
    let (mut at, mut length) = (0, size);
    while at < size {
        let data = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            // Only a hole is left.
            Err(Errno::NXIO) => break,
            Err(_) => at,
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(data)).unwrap_or(size).min(size);
        at = range(walk, from, to, data..end)?;
        if at < end {
            // It became shorter meanwhile.
            length = at;
            break;
        }
    }
    rustix::fs::ftruncate(to, length).map_err(&failed)?;
    Ok(length)
}

fn range(walk: &Walk<'_>, from: &File, to: &File, span: std::ops::Range<u64>) -> Result<u64, FileError> {
    let failed = walk.failed("copying");
    let (mut read, mut written) = (span.start, span.start);
    while read < span.end {
        if walk.gone.is_cancelled() {
            return Err(FileError::Cancelled);
        }
        let step = usize::try_from(span.end - read).unwrap_or(STEP_BYTES).min(STEP_BYTES);
        let copied = rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), step);
        match copied {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => {
                let count = by_hand(from, to, read, step.min(1 << 20)).map_err(&failed)?;
                if count == 0 {
                    break;
                }
                read += count;
                written += count;
            }
            Err(source) => return Err(failed(source)),
        }
    }
    Ok(read)
}

fn by_hand(from: &File, to: &File, at: u64, step: usize) -> Result<u64, Errno> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; step];
    let count = read_at(from, &mut buffer, at)?;
    to.write_all_at(&buffer[..count], at)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(count as u64)
}

fn owner(stat: &Statx) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(stat.stx_uid)), Some(Gid::from_raw(stat.stx_gid)))
}

fn times(stat: &Statx) -> Timestamps {
    let time = |seconds: i64, nanos: u32| Timespec { tv_sec: seconds, tv_nsec: nanos.into() };
    Timestamps {
        last_access: time(stat.stx_atime.tv_sec, stat.stx_atime.tv_nsec),
        last_modification: time(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
    }
}
