//! Many small files: each written beside its name, all put on disk together, and then named.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::partial::{part_name, settle};
use super::tree::{errno, times};

/// Beyond so many it is quicker to put the whole file system on disk than one file after the other.
const ONE_BY_ONE_MAX: usize = 4;

/// Files that are written and have no name yet.
#[derive(Debug, Default)]
pub(super) struct Batch {
    written: Vec<Written>,
    /// Whose directory the last one is in: mostly that of the next too.
    directory: Option<(Vec<u8>, std::rc::Rc<OwnedFd>)>,
}

#[derive(Debug)]
struct Written {
    directory: std::rc::Rc<OwnedFd>,
    name: OsString,
    part: OsString,
    /// Open until it is on disk, if there are few.
    file: Option<File>,
    index: usize,
}

impl Batch {
    /// Writes a file beside `name`; `above` is what its directory is called. `index` is what it is known by.
    pub(super) fn write(
        &mut self,
        (directory, above, name): (BorrowedFd<'_>, &[u8], &[u8]),
        content: &[u8],
        (mode, modified_ns): (u32, i64),
        index: usize,
    ) -> Result<(), Errno> {
        if self.directory.as_ref().is_none_or(|(last, _)| last != above) {
            let directory = directory.try_clone_to_owned().map_err(|error| errno(&error))?;
            self.directory = Some((above.to_vec(), std::rc::Rc::new(directory)));
        }
        let (_, directory) = self.directory.as_ref().ok_or(Errno::NOENT)?;
        let (name, part) = (OsStr::from_bytes(name).to_owned(), part_name(name));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let make = || rustix::fs::openat(directory.as_fd(), &part, flags, Mode::from_raw_mode(0o600));
        let file = match make() {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(directory.as_fd(), &part, AtFlags::empty())?;
                make()
            }
            made => made,
        };
        let file = File::from(file?);
        let filled = file
            .write_all_at(content, 0)
            .map_err(|error| errno(&error))
            .and_then(|()| settle(directory.as_fd(), &name, &file, mode))
            .and_then(|()| rustix::fs::futimens(&file, &times(modified_ns)));
        if let Err(source) = filled {
            let _ = rustix::fs::unlinkat(directory.as_fd(), &part, AtFlags::empty());
            return Err(source);
        }
        let file = (self.written.len() < ONE_BY_ONE_MAX).then_some(file);
        let directory = std::rc::Rc::clone(directory);
        self.written.push(Written { directory, name, part, file, index });
        Ok(())
    }

    /// Puts all on disk and gives each its name; answers how each fared.
    pub(super) fn finish(self) -> Vec<(usize, Result<(), Errno>)> {
        let synced = sync(&self.written);
        let name = |written: &Written| {
            synced?;
            let (directory, part) = (written.directory.as_fd(), &written.part);
            rustix::fs::renameat(directory, part, directory, &written.name).inspect_err(|_| {
                let _ = rustix::fs::unlinkat(directory, part, AtFlags::empty());
            })
        };
        self.written.iter().map(|written| (written.index, name(written))).collect()
    }
}

fn sync(written: &[Written]) -> Result<(), Errno> {
    let Some(last) = written.last() else { return Ok(()) };
    if written.len() <= ONE_BY_ONE_MAX {
        let mut files = written.iter().filter_map(|written| written.file.as_ref());
        return files.try_for_each(rustix::fs::fsync);
    }
    sync_all(last.directory.as_fd())
}

/// Puts everything of a file system on disk.
#[cfg(target_os = "linux")]
pub(super) fn sync_all(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    // What only names a place cannot be asked to sync.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::syncfs(rustix::fs::openat(directory, ".", flags, Mode::empty())?)
}

/// Puts everything on disk.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync_all(_: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::fs::sync();
    Ok(())
}
