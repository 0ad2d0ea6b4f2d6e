//! Open descriptors and what they lead to.

use std::os::fd::OwnedFd;

use p2p_shared::services::process::OpenFile;
use rustix::fs::{Dir, readlinkat};

use super::PATH_BYTES_MAX;
use crate::host::source::open_dir;
use crate::host::stat::number;
use crate::host::text;

const FILES_MAX: usize = 1_024;

/// By number; `None` if the node may not read them.
pub(in crate::host) fn open_files(dir: &OwnedFd) -> Option<Vec<OpenFile>> {
    let links = open_dir(dir, "fd").ok()?;
    let list = Dir::read_from(&links).ok()?;
    let read = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
        let entry = entry.ok()?;
        let descriptor = u32::try_from(number(entry.file_name().to_bytes())?).ok()?;
        // One that was closed meanwhile is left out.
        let target = readlinkat(&links, entry.file_name(), Vec::new()).ok()?;
        Some(OpenFile { descriptor, target: text::lossy(target.as_bytes(), PATH_BYTES_MAX) })
    };
    let mut files: Vec<_> = list.filter_map(read).take(FILES_MAX).collect();
    files.sort_unstable_by_key(|file| file.descriptor);
    Some(files)
}

/// The inode of `socket:[123]`.
pub(in crate::host) fn socket_inode(file: &OpenFile) -> Option<u64> {
    number(file.target.strip_prefix("socket:[")?.strip_suffix(']')?.as_bytes())
}
