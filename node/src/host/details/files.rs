//! Open descriptors and what they lead to.

use std::os::fd::OwnedFd;

use p2p_shared::services::process::OpenFile;
use rustix::fs::{Dir, readlinkat};

use super::PATH_BYTES_MAX;
use crate::host::source::open_dir;
use crate::host::stat::number;
use crate::host::text;

const FILES_MAX: usize = 1_024;
/// A process may have a million descriptors.
const SOCKETS_MAX: usize = 1 << 20;

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
    inode_of(file.target.as_bytes())
}

/// The inodes of all its open sockets; none if the node may not read them.
pub(in crate::host) fn socket_inodes(dir: &OwnedFd) -> Vec<u64> {
    let Ok(links) = open_dir(dir, "fd") else { return Vec::new() };
    let Ok(list) = Dir::read_from(&links) else { return Vec::new() };
    let mut buffer = Vec::new();
    let read = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
        let entry = entry.ok()?;
        let target = readlinkat(&links, entry.file_name(), std::mem::take(&mut buffer)).ok()?;
        let inode = inode_of(target.as_bytes());
        buffer = target.into_bytes();
        inode
    };
    list.filter_map(read).take(SOCKETS_MAX).collect()
}

fn inode_of(target: &[u8]) -> Option<u64> {
    number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}
