//! The pids in `/proc`, through one descriptor and one buffer.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{CWD, RawDir, SeekFrom, seek};
use rustix::io::Errno;

use super::HostError;
use crate::host::Roots;
use crate::host::source::open_dir;
use crate::host::stat::number;

const BUFFER_BYTES: usize = 32 * 1_024;

/// The list of pids, ascending.
pub(super) struct Pids {
    path: PathBuf,
    dir: OwnedFd,
    buffer: Box<[MaybeUninit<u8>]>,
    pub(super) found: Vec<u32>,
}

impl std::fmt::Debug for Pids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pids").field("path", &self.path).field("found", &self.found.len()).finish()
    }
}

impl Pids {
    pub(super) fn open(roots: &Roots) -> Result<Self, HostError> {
        let path = roots.proc.clone();
        let dir =
            open_dir(CWD, &path).map_err(|source| HostError::Unreadable { path: path.clone(), source })?;
        let buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES].into_boxed_slice();
        Ok(Self { path, dir, buffer, found: Vec::new() })
    }

    /// Lists anew.
    pub(super) fn refresh(&mut self) -> Result<(), HostError> {
        self.list().map_err(|source| HostError::Unreadable { path: self.path.clone(), source })
    }

    fn list(&mut self) -> Result<(), Errno> {
        self.found.clear();
        seek(&self.dir, SeekFrom::Start(0))?;
        let mut entries = RawDir::new(&self.dir, &mut self.buffer);
        while let Some(entry) = entries.next() {
            let pid = number(entry?.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok());
            self.found.extend(pid);
        }
        // The kernel lists them in order; a file system of a test does not.
        self.found.sort_unstable();
        Ok(())
    }
}
