//! Mounted file systems that hold data: what is mounted, how much room is left, how busy the device is.
//!
//! Left out are file systems of the kernel itself, images that are always full, and everything over a network
//! or in user space, whose server may hang for ever when it is asked. A file system that is mounted in several
//! places (bind mounts, subvolumes of one device) appears once, at its most prominent place.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use p2p_shared::services::monitor::Disk;
use p2p_shared::time::Millis;
use rustix::fs::{AtFlags, CWD, FileType, StatVfs, StatVfsMountFlags, major, minor, statat, statvfs};

use crate::host::Roots;
use crate::host::rates::per_second;
use crate::host::source::{FILE_BYTES_MAX, read_at};
use crate::host::text::lossy;

/// Most file systems of a sample.
const DISKS_MAX: usize = 256;
/// Longest path that is shown.
const PATH_BYTES_MAX: usize = 4_096;
const SECTOR_BYTES: u64 = 512;

/// A device, as the kernel numbers it.
pub type DeviceNumber = (u32, u32);

/// A mounted file system, and the device to which its reads and writes go.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSystem {
    /// Without rates.
    pub disk: Disk,
    /// `None` if it has no block device.
    pub device: Option<DeviceNumber>,
}

/// One line of `mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    device: DeviceNumber,
    /// Which part of the file system is mounted.
    root: String,
    mountpoint: String,
    read_only: bool,
    kind: String,
    source: String,
}

/// All of them, by mount point. Asks each for its room, which may take long: see [`super::slow`].
pub fn file_systems(roots: &Roots) -> Vec<FileSystem> {
    let mut buffer = Vec::new();
    if read_at(CWD, roots.proc.join("self/mountinfo"), &mut buffer, FILE_BYTES_MAX).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&buffer);
    select(text.lines().filter_map(parse_mount)).iter().take(DISKS_MAX).filter_map(probe).collect()
}

fn probe(mount: &Mount) -> Option<FileSystem> {
    let found = statat(CWD, &mount.mountpoint, AtFlags::empty()).ok()?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        return None;
    }
    let room = statvfs(&mount.mountpoint).ok().filter(|room| room.f_blocks > 0)?;
    Some(FileSystem { disk: disk(mount, &room), device: block_device(mount) })
}

fn disk(mount: &Mount, room: &StatVfs) -> Disk {
    Disk {
        mountpoint: lossy(mount.mountpoint.as_bytes(), PATH_BYTES_MAX),
        device: lossy(mount.source.as_bytes(), PATH_BYTES_MAX),
        file_system: mount.kind.clone(),
        total_bytes: room.f_blocks.saturating_mul(room.f_frsize),
        available_bytes: room.f_bavail.saturating_mul(room.f_frsize),
        inodes_total: room.f_files,
        inodes_free: room.f_ffree,
        read_bytes_per_s: 0,
        written_bytes_per_s: 0,
        read_only: mount.read_only || room.f_flag.contains(StatVfsMountFlags::RDONLY),
    }
}

/// btrfs and others mount under a number of no device (major 0): the source then names it.
fn block_device(mount: &Mount) -> Option<DeviceNumber> {
    if mount.device.0 != 0 {
        return Some(mount.device);
    }
    let found = Path::new(&mount.source).is_absolute().then(|| statat(CWD, &mount.source, AtFlags::empty()));
    let device =
        found?.ok().filter(|found| FileType::from_raw_mode(found.st_mode) == FileType::BlockDevice)?;
    Some((major(device.st_rdev), minor(device.st_rdev)))
}

/// `36 35 98:0 /root /mountpoint rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue`
fn parse_mount(line: &str) -> Option<Mount> {
    let (place, system) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(2);
    let (major, minor) = place.next()?.split_once(':')?;
    let (root, mountpoint, options) = (place.next()?, place.next()?, place.next()?);
    let mut system = system.split(' ');
    let (kind, source) = (system.next()?, system.next()?);
    let read_only = |options: &str| options.split(',').any(|option| option == "ro");
    Some(Mount {
        device: (major.parse().ok()?, minor.parse().ok()?),
        root: unescape(root),
        mountpoint: unescape(mountpoint),
        read_only: read_only(options) || system.next().is_some_and(read_only),
        kind: unescape(kind),
        source: unescape(source),
    })
}

/// Blanks, tabs, newlines and backslashes stand there as `\040` and so on.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// Those that hold data, each once.
fn select(mounts: impl Iterator<Item = Mount>) -> Vec<Mount> {
    // Of mounts on top of each other, the last is the one that is seen.
    let seen: BTreeMap<String, Mount> = mounts.map(|mount| (mount.mountpoint.clone(), mount)).collect();
    let mut once: HashMap<String, Mount> = HashMap::new();
    for mount in seen.into_values().filter(holds_data) {
        let same = match mount.source.starts_with('/') {
            true => mount.source.clone(),
            false => format!("{}:{} {}", mount.device.0, mount.device.1, mount.source),
        };
        match once.get(&same) {
            Some(other) if prominence(other) <= prominence(&mount) => {}
            _ => drop(once.insert(same, mount)),
        }
    }
    let mut selected: Vec<_> = once.into_values().collect();
    selected.sort_unstable_by(|a, b| a.mountpoint.cmp(&b.mountpoint));
    selected
}

/// A whole file system before a part of it, a short path before a long one.
fn prominence(mount: &Mount) -> (bool, bool, usize) {
    (mount.mountpoint != "/", mount.root != "/", mount.mountpoint.len())
}

fn holds_data(mount: &Mount) -> bool {
    let network =
        ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "lustre", "gpfs", "beegfs", "ocfs2"];
    if network.contains(&mount.kind.as_str()) || mount.kind.starts_with("fuse.") {
        return false;
    }
    if mount.mountpoint == "/" {
        return true;
    }
    match mount.kind.as_str() {
        "zfs" | "bcachefs" | "btrfs" => true,
        "squashfs" | "iso9660" | "udf" | "erofs" | "cramfs" | "fuse" | "fuseblk" => false,
        _ => mount.source.starts_with('/'),
    }
}

/// Bytes read and written since boot, by device.
pub type DiskCounters = HashMap<DeviceNumber, (u64, u64)>;

/// Reads `/proc/diskstats`: `major minor name reads merged sectors ms writes merged sectors ...`.
pub fn parse_counters(text: &str) -> DiskCounters {
    text.lines().filter_map(parse_counter).collect()
}

fn parse_counter(line: &str) -> Option<(DeviceNumber, (u64, u64))> {
    let mut fields = line.split_ascii_whitespace();
    let device = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let read: u64 = fields.nth(3)?.parse().ok()?;
    let written: u64 = fields.nth(3)?.parse().ok()?;
    Some((device, (read.saturating_mul(SECTOR_BYTES), written.saturating_mul(SECTOR_BYTES))))
}

/// The file systems with the rates of their devices over `span`.
pub fn with_rates(
    file_systems: &[FileSystem],
    before: Option<&DiskCounters>,
    after: &DiskCounters,
    span: Millis,
) -> Vec<Disk> {
    let rated = |system: &FileSystem| {
        let mut disk = system.disk.clone();
        let device = system.device.as_ref();
        let counters = |all: &DiskCounters| device.and_then(|device| all.get(device)).copied();
        if let (Some(before), Some(after)) = (before.and_then(counters), counters(after)) {
            disk.read_bytes_per_s = per_second(before.0, after.0, span);
            disk.written_bytes_per_s = per_second(before.1, after.1, span);
        }
        disk
    };
    file_systems.iter().map(rated).collect()
}

#[cfg(test)]
mod tests;
