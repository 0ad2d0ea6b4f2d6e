//! What no call may touch although it lies under an allowed root: the node's own program, keys and data, and
//! the doors of the kernel that are no files.
//!
//! A place enters, a verdict leaves. It is held against where the kernel says that the place is, so that no
//! other spelling leads past it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use p2p_shared::services::file::{FileKind, FilePath};
use rustix::fs::{FsWord, Statx};

use super::error::FileError;
use super::jail::{Place, real, stat_of};
use super::row;

/// File systems whose files are doors of the kernel: nothing is written there.
const KERNEL: [FsWord; 12] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0xcafe_4a11, // bpf
    0x6c6f_6f70, // binderfs
    0x6165_676c, // pstore
    0xde5e_81e4, // efivarfs
    0xf97c_ff8c, // selinux
];
/// Files of procfs that are memory, a queue, or a switch.
const DOORS: [&[u8]; 8] =
    [b"mem", b"kcore", b"kmsg", b"kpagecount", b"kpageflags", b"kpagecgroup", b"sysrq-trigger", b"pagemap"];
const PROC: FsWord = 0x9fa0;
/// What systemd makes the node's unit of: its file, and what may be put beside it.
const UNITS: [&str; 4] = ["p2p-node.service", "p2p-node.service.d", "p2p-.service.d", "service.d"];
/// Where systemd looks for those.
const UNIT_DIRECTORIES: [&str; 7] = [
    "/etc/systemd/system",
    "/etc/systemd/system.control",
    "/run/systemd/system",
    "/run/systemd/system.control",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// What a place is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To read its contents.
    Read,
    /// To change, replace, or remove it, or to make it.
    Write,
}

/// What belongs to the node by its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Keys: never read, never written.
    pub secret: Vec<PathBuf>,
    /// Never written.
    pub fixed: Vec<PathBuf>,
}

/// What belongs to the node.
#[derive(Clone, Debug, Default)]
pub struct Reserved {
    /// Never read, never written.
    secret: Vec<PathBuf>,
    /// Never written.
    fixed: Vec<PathBuf>,
}

impl Reserved {
    /// What belongs to a node with this data directory, by the real paths of now. What is not there is reserved
    /// too, or a call could make it.
    pub fn of_node(data: &Path, own: &Own) -> Self {
        let secret = [data, Path::new("/etc/p2p-admin/pki"), Path::new("/etc/p2p-admin/secrets")];
        let secret = secret.into_iter().chain(own.secret.iter().map(PathBuf::as_path));
        let units =
            UNIT_DIRECTORIES.iter().flat_map(|directory| UNITS.map(|name| Path::new(directory).join(name)));
        let fixed = std::env::current_exe().into_iter().chain([PathBuf::from("/etc/p2p-admin")]);
        let fixed = fixed.chain(units).chain(own.fixed.iter().cloned());
        Self {
            secret: secret.map(real_or_to_be).collect(),
            fixed: fixed.map(|path| real_or_to_be(&path)).collect(),
        }
    }

    /// Whether `place` may be used so.
    ///
    /// # Errors
    /// [`FileError::Reserved`].
    pub fn judge(&self, place: &Place, wanted: Use) -> Result<(), FileError> {
        let refuse = |what| Err(FileError::Reserved { path: place.path.clone(), what });
        let system =
            rustix::fs::fstatfs(&place.parent).map_err(FileError::os("looking at", &place.path))?.f_type;
        if system == PROC && DOORS.contains(&place.name.as_slice()) {
            return refuse("a door to the kernel and no file");
        }
        if wanted == Use::Write && KERNEL.contains(&system) {
            return refuse("a setting of the kernel and no file");
        }
        let Some(real) = place.real() else { return refuse("nowhere that can be told") };
        let inside = |reserved: &PathBuf| real.starts_with(reserved);
        // Whoever moves or removes a directory moves what is in it.
        let around = |reserved: &PathBuf| wanted == Use::Write && reserved.starts_with(&real);
        if self.secret.iter().any(|reserved| inside(reserved) || around(reserved)) {
            return refuse("where the node keeps its data and keys");
        }
        if wanted == Use::Write && self.fixed.iter().any(|reserved| inside(reserved) || around(reserved)) {
            return refuse("the node's own program or configuration");
        }
        check_links(place)
    }

    /// Whether contents may be read in an opened directory, when a tree is walked whose top is `path`.
    ///
    /// # Errors
    /// [`FileError::Reserved`].
    pub fn judge_directory(&self, directory: &OwnedFd, path: &FilePath) -> Result<(), FileError> {
        let is_open =
            real(directory).is_some_and(|real| self.secret.iter().all(|secret| !real.starts_with(secret)));
        let what = "around where the node keeps its data and keys";
        if is_open { Ok(()) } else { Err(FileError::Reserved { path: path.clone(), what }) }
    }
}

/// The real path of what is there, or would have once it is made.
fn real_or_to_be(path: &Path) -> PathBuf {
    let real = |above: &Path| {
        let (real, rest) = (std::fs::canonicalize(above).ok()?, path.strip_prefix(above).ok()?);
        Some(real.join(rest))
    };
    path.ancestors().find_map(real).unwrap_or_else(|| path.to_owned())
}

/// Whether an opened directory is one of the kernel's, whose files are no files to be taken along.
pub fn is_kernels(directory: &OwnedFd) -> bool {
    rustix::fs::fstatfs(directory).is_ok_and(|system| KERNEL.contains(&system.f_type))
}

/// A second name of a file that is not its directory's owner's, in a directory where others write, may be a
/// trap: somebody made it so that an administrator's change or look hits another file.
fn check_links(place: &Place) -> Result<(), FileError> {
    let Ok(stat) = place.stat() else { return Ok(()) };
    if row::kind(&stat) != FileKind::File || stat.stx_nlink < 2 {
        return Ok(());
    }
    let directory = stat_of(&place.parent).map_err(FileError::os("looking at", &place.path))?;
    if is_others(&directory, stat.stx_uid) {
        let what = "a hard link to another user's file in a directory that others write to";
        return Err(FileError::Reserved { path: place.path.clone(), what });
    }
    Ok(())
}

/// Whether somebody else than root and `owner` may make names in a directory.
fn is_others(directory: &Statx, owner: u32) -> bool {
    let by_owner = directory.stx_uid != 0 && directory.stx_uid != owner;
    by_owner || directory.stx_mode & 0o002 != 0
}
