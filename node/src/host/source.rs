//! Files of the kernel, read from their start as often as wanted through one descriptor.
//!
//! A path goes in, its bytes come out, never more than a limit. A descriptor that went bad is opened anew at
//! the next reading.

use std::borrow::Cow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, pread};
use rustix::path::Arg;

/// The largest of the files that are read whole: `/proc/stat` and `mountinfo` of a large machine.
pub(crate) const FILE_BYTES_MAX: usize = 4 << 20;

const STEP_BYTES: usize = 4_096;

/// Opens `path` below `dir` for reading.
pub(crate) fn open(dir: impl AsFd, path: impl Arg) -> Result<OwnedFd, Errno> {
    // NONBLOCK: an odd file in the place of a kernel's one (a FIFO) must not hold the sampler.
    openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
}

/// Opens the directory `path` below `dir`.
pub(crate) fn open_dir(dir: impl AsFd, path: impl Arg) -> Result<OwnedFd, Errno> {
    openat(dir, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Replaces `buffer` by the content of `file` from its start, cut to `limit` bytes.
pub(crate) fn read_all(file: impl AsFd, buffer: &mut Vec<u8>, limit: usize) -> Result<(), Errno> {
    buffer.clear();
    while buffer.len() < limit {
        buffer.reserve(STEP_BYTES);
        let offset = buffer.len() as u64;
        match pread(&file, spare_capacity(buffer), offset) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(limit);
    Ok(())
}

/// Replaces `buffer` by the content of `path` below `dir`, cut to `limit` bytes.
pub(crate) fn read_at(
    dir: impl AsFd,
    path: impl Arg,
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Errno> {
    buffer.clear();
    read_all(open(dir, path)?, buffer, limit)
}

/// A file that is read again and again.
#[derive(Debug)]
pub(crate) struct KeptFile {
    path: PathBuf,
    file: Option<OwnedFd>,
}

impl KeptFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Its text now, or `None` if it cannot be read; `buffer` is overwritten.
    pub(crate) fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Option<Cow<'b, str>> {
        if self.file.is_none() {
            self.file = open(CWD, &self.path).ok();
        }
        let read = read_all(self.file.as_ref()?, buffer, FILE_BYTES_MAX);
        if read.is_err() {
            self.file = None;
            return None;
        }
        Some(String::from_utf8_lossy(buffer))
    }
}
