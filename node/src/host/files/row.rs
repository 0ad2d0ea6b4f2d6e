//! What the kernel says of a file, as the contract has it.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use p2p_shared::services::file::{FileKind, FilePath, FileRow, FileVersion};
use p2p_shared::transfer::tree::kind_of;
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags, StatxTimestamp};
use rustix::io::Errno;
use rustix::path::Arg;

use super::names::Names;

/// All that a row takes.
pub(super) const MASK: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

/// What it is.
pub(super) fn kind(stat: &Statx) -> FileKind {
    kind_of(FileType::from_raw_mode(stat.stx_mode.into()))
}

/// Which state of it that is.
pub(super) fn version(stat: &Statx) -> FileVersion {
    FileVersion { inode: stat.stx_ino, size_bytes: stat.stx_size, modified_ns: nanos(&stat.stx_mtime) }
}

/// The permission bits.
pub(super) fn mode(stat: &Statx) -> u32 {
    u32::from(stat.stx_mode) & 0o7777
}

/// Its file system.
pub(super) fn device(stat: &Statx) -> (u32, u32) {
    (stat.stx_dev_major, stat.stx_dev_minor)
}

/// Whether another file system, or another part of one, is mounted there.
pub(super) fn is_mount(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

fn nanos(time: &StatxTimestamp) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.into())
}

/// The row of `name` in an opened directory.
pub(super) fn of_name(parent: impl AsFd, name: &[u8], names: &Names) -> Result<FileRow, Errno> {
    let path = std::ffi::OsStr::from_bytes(name);
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = rustix::fs::statx(parent.as_fd(), path, flags, MASK)?;
    let mut row = of_stat(&stat, name, names);
    if row.kind == FileKind::Symlink {
        // Without it if it is replaced just now.
        row.target = link(parent, path);
    }
    Ok(row)
}

fn link(parent: impl AsFd, name: impl Arg) -> Option<FilePath> {
    FilePath::new(rustix::fs::readlinkat(parent, name, Vec::new()).ok()?.into_bytes()).ok()
}

/// The row of a descriptor.
pub(super) fn of_descriptor(descriptor: impl AsFd, name: &[u8], names: &Names) -> Result<FileRow, Errno> {
    let stat = super::jail::stat_of(descriptor.as_fd())?;
    let mut row = of_stat(&stat, name, names);
    if row.kind == FileKind::Symlink {
        row.target = link(descriptor, "");
    }
    Ok(row)
}

fn of_stat(stat: &Statx, name: &[u8], names: &Names) -> FileRow {
    let has_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    FileRow {
        name: FilePath::new(name).unwrap_or_default(),
        kind: kind(stat),
        version: version(stat),
        disk_bytes: stat.stx_blocks.saturating_mul(512),
        mode: mode(stat),
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        owner: names.user(stat.stx_uid),
        group: names.group(stat.stx_gid),
        links: stat.stx_nlink.into(),
        accessed_ns: nanos(&stat.stx_atime),
        changed_ns: nanos(&stat.stx_ctime),
        created_ns: has_birth.then(|| nanos(&stat.stx_btime)),
        target: None,
    }
}
