//! The one place where a caller's path becomes a descriptor.
//!
//! A path enters; a descriptor of what it leads to, or of the directory that holds it, leaves. The kernel walks
//! it (`openat2`) beneath an allowed root and never out of it, whatever is renamed or linked meanwhile. A link
//! with an absolute path is followed if that path is under a root too: it is only ever a new question to the
//! kernel, never trusted. Links of the kernel's own (`/proc/*/root`, `/proc/*/fd/*`) are not followed.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use p2p_shared::services::file::FilePath;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

use super::error::FileError;
use super::reserved::{Reserved, Use};
use super::row;

/// Longest path that the kernel takes, in bytes.
const PATH_BYTES_MAX: usize = 4_095;
/// Symbolic links that are followed on the way, as in the kernel.
const LINKS_MAX: usize = 40;
/// How often the kernel is asked again that a rename got in the way of.
const AGAIN_MAX: usize = 64;

/// What may be reached.
#[derive(Clone, Debug)]
pub struct Jail {
    roots: Vec<Root>,
    reserved: Arc<Reserved>,
}

/// One allowed directory.
#[derive(Clone, Debug)]
struct Root {
    path: PathBuf,
    /// Other spellings that lead to it.
    real: Option<PathBuf>,
}

/// Where a name stands: the directory that holds it, and the name. It may not be there.
#[derive(Debug)]
pub struct Place {
    /// The directory, for `*at` calls alone (`O_PATH`).
    pub parent: OwnedFd,
    /// One name: neither empty nor `.` nor `..`, without a slash.
    pub name: Vec<u8>,
    /// What was asked for.
    pub path: FilePath,
}

impl Jail {
    /// A jail of these directories; without any, of the whole machine.
    pub fn new(roots: Option<&[PathBuf]>, reserved: Arc<Reserved>) -> Self {
        let whole = [PathBuf::from("/")];
        let roots = roots.unwrap_or(&whole).iter().map(|path| Root {
            path: path.clone(),
            real: std::fs::canonicalize(path).ok().filter(|real| real != path),
        });
        Self { roots: roots.collect(), reserved }
    }

    /// What a path leads to, opened with `flags`; of a symbolic link its target, unless they hold `NOFOLLOW`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(&self, path: &FilePath, flags: OFlags) -> Result<OwnedFd, FileError> {
        check(path)?;
        self.resolve(path, path.as_bytes().to_vec(), flags)
    }

    /// A directory, to be read.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn directory(&self, path: &FilePath) -> Result<OwnedFd, FileError> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)
    }

    /// Where the last name of a path stands. It is not followed.
    ///
    /// # Errors
    /// [`FileError::Invalid`] of a path that ends in no name, as the root does; else as [`Self::open`].
    pub fn place(&self, path: &FilePath) -> Result<Place, FileError> {
        check(path)?;
        self.place_of(path, path.as_bytes())
    }

    /// Where what a path leads to stands, links followed to their end, which may not be there.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub fn target(&self, path: &FilePath) -> Result<Place, FileError> {
        check(path)?;
        let mut bytes = path.as_bytes().to_vec();
        for _ in 0..LINKS_MAX {
            let place = self.place_of(path, &bytes)?;
            match place.link() {
                Ok(target) => bytes = joined(directory_of(&bytes), &target),
                Err(Errno::INVAL | Errno::NOENT) => return Ok(place),
                Err(source) => return Err(FileError::os("resolving", path)(source)),
            }
        }
        Err(FileError::os("resolving", path)(Errno::LOOP))
    }

    /// Whether `place` may be used so.
    ///
    /// # Errors
    /// [`FileError::Reserved`].
    pub fn judge(&self, place: &Place, wanted: Use) -> Result<(), FileError> {
        self.reserved.judge(place, wanted)
    }

    /// Whether an opened directory may be read from, when a tree is walked whose top is `path`.
    ///
    /// # Errors
    /// [`FileError::Reserved`].
    pub fn judge_directory(&self, directory: &OwnedFd, path: &FilePath) -> Result<(), FileError> {
        self.reserved.judge_directory(directory, path)
    }

    fn place_of(&self, path: &FilePath, bytes: &[u8]) -> Result<Place, FileError> {
        let end = bytes.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
        let (stem, is_directory) = (&bytes[..end], end < bytes.len());
        let name = stem.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let is_root = self.root_of(stem).is_some_and(|(_, rest)| rest.is_empty());
        if is_root || matches!(name, b"" | b"." | b"..") {
            return Err(FileError::Invalid(format!(
                "{path} is a directory that this cannot be done to: name what is in it"
            )));
        }
        let parent = self.resolve(path, directory_of(stem).to_vec(), OFlags::PATH | OFlags::DIRECTORY)?;
        let place = Place { parent, name: name.to_vec(), path: path.clone() };
        if is_directory
            && place
                .stat()
                .is_ok_and(|stat| row::kind(&stat) != p2p_shared::services::file::FileKind::Directory)
        {
            return Err(FileError::os("resolving", path)(Errno::NOTDIR));
        }
        Ok(place)
    }

    fn resolve(&self, asked: &FilePath, mut path: Vec<u8>, flags: OFlags) -> Result<OwnedFd, FileError> {
        let failed = |source| FileError::os("resolving", asked)(source);
        for _ in 0..LINKS_MAX {
            let (root, rest) = self.root_of(&path).ok_or_else(|| self.outside(asked))?;
            let top = rustix::fs::open(
                &root.path,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(failed)?;
            match beneath(root, &top, &rest, flags) {
                Err(Errno::XDEV) => {
                    path = through_link(root, &top, &rest)
                        .map_err(failed)?
                        .ok_or_else(|| self.outside(asked))?;
                }
                opened => return opened.map_err(failed),
            }
            if path.len() > PATH_BYTES_MAX {
                return Err(failed(Errno::NAMETOOLONG));
            }
        }
        Err(failed(Errno::LOOP))
    }

    /// The longest root that a path begins with, and what is left of the path.
    fn root_of(&self, path: &[u8]) -> Option<(&Root, Vec<u8>)> {
        let spelt = self
            .roots
            .iter()
            .flat_map(|root| [Some(&root.path), root.real.as_ref()].map(|path| (root, path)));
        let fits = spelt.filter_map(|(root, spelling)| {
            let rest = stripped(path, spelling?.as_os_str().as_bytes())?;
            Some((root, rest))
        });
        fits.min_by_key(|(_, rest)| rest.len()).map(|(root, rest)| (root, rest.to_vec()))
    }

    fn outside(&self, path: &FilePath) -> FileError {
        let roots: Vec<_> = self.roots.iter().take(4).map(|root| root.path.display().to_string()).collect();
        FileError::Outside { path: path.clone(), roots: roots.join(", ") }
    }
}

impl Place {
    /// The name, for `*at` calls.
    pub fn name(&self) -> &OsStr {
        OsStr::from_bytes(&self.name)
    }

    /// What stands there, itself and not where it leads.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn stat(&self) -> Result<rustix::fs::Statx, Errno> {
        let (flags, mask) = (AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, row::MASK);
        rustix::fs::statx(&self.parent, self.name(), flags, mask)
    }

    /// What kind of thing stands there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn kind(&self) -> Result<p2p_shared::services::file::FileKind, Errno> {
        Ok(row::kind(&self.stat()?))
    }

    /// A descriptor of what stands there that neither reads nor writes (`O_PATH`).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn look(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.parent, self.name(), flags, Mode::empty())
    }

    /// Where a symbolic link leads, as it is written.
    ///
    /// # Errors
    /// What the kernel says: `INVAL` of what is no link.
    pub fn link(&self) -> Result<Vec<u8>, Errno> {
        Ok(rustix::fs::readlinkat(&self.parent, self.name(), Vec::new())?.into_bytes())
    }

    /// Where the kernel says that this is, for comparing with paths that are known to be real.
    pub fn real(&self) -> Option<PathBuf> {
        Some(real(&self.parent)?.join(self.name()))
    }

    /// Makes what was done to the directory outlast a loss of power.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn sync(&self) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&self.parent, ".", flags, Mode::empty())?;
        rustix::fs::fsync(directory)
    }
}

/// Where the kernel says that a descriptor's file is.
pub(super) fn real(descriptor: impl AsFd) -> Option<PathBuf> {
    std::fs::read_link(own_path(descriptor)).ok()
}

/// The path by which a descriptor of ours can be opened anew, for another use: the same file, whatever has its
/// name by now.
pub(super) fn own_path(descriptor: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd()))
}

/// What stands at a descriptor.
pub(super) fn stat_of(descriptor: impl AsFd) -> Result<rustix::fs::Statx, Errno> {
    rustix::fs::statx(
        descriptor,
        "",
        AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW,
        row::MASK | StatxFlags::MNT_ID,
    )
}

/// Whether it can be a path at all.
pub(super) fn check(path: &FilePath) -> Result<(), FileError> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(FileError::Invalid(format!("a path is absolute, from / on, and {path:?} is not")));
    }
    if bytes.len() > PATH_BYTES_MAX {
        return Err(FileError::Invalid(format!(
            "a path is at most {PATH_BYTES_MAX} bytes, not {}",
            bytes.len()
        )));
    }
    Ok(())
}

fn beneath(root: &Root, top: &OwnedFd, rest: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    // Of the whole machine nothing leads out, and absolute links mean what they say.
    let within = if root.path == Path::new("/") { ResolveFlags::IN_ROOT } else { ResolveFlags::BENEATH };
    let rest = if rest.is_empty() { b"." } else { rest };
    let mut tries = 0;
    loop {
        let how = within | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(top, OsStr::from_bytes(rest), flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(Errno::AGAIN) if tries < AGAIN_MAX => tries += 1,
            Err(Errno::INTR) => {}
            opened => return opened,
        }
    }
}

/// The path that is meant where the way of `rest` leaves the root by a symbolic link: with what that link says
/// in its place. `None` if no link is to blame, but a `..`.
fn through_link(root: &Root, top: &OwnedFd, rest: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let parts: Vec<&[u8]> = rest.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).collect();
    let look = OFlags::PATH;
    for count in 1..=parts.len() {
        let prefix = parts[..count].join(&b'/');
        match beneath(root, top, &prefix, look) {
            Err(Errno::XDEV) => {
                let before = parts[..count - 1].join(&b'/');
                let parent = beneath(root, top, &before, look | OFlags::DIRECTORY)?;
                let name = OsStr::from_bytes(parts[count - 1]);
                let target = match rustix::fs::readlinkat(&parent, name, Vec::new()) {
                    Ok(target) => target.into_bytes(),
                    Err(_) => return Ok(None),
                };
                let start = joined(root.path.as_os_str().as_bytes(), &before);
                let link = joined(&start, &target);
                return Ok(Some(joined(&link, &parts[count..].join(&b'/'))));
            }
            Err(source) => return Err(source),
            Ok(_) => {}
        }
    }
    Ok(None)
}

/// What is left of `path` below `root`; `None` if it does not begin with it.
fn stripped<'a>(path: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
    let root = root.strip_suffix(b"/").unwrap_or(root);
    let rest = path.strip_prefix(root)?;
    match rest.first() {
        None => Some(rest),
        Some(b'/') => Some(&rest[rest.iter().position(|&byte| byte != b'/').unwrap_or(rest.len())..]),
        Some(_) => None,
    }
}

/// All of a path up to its last name.
fn directory_of(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => b"/",
        Some(at) => &path[..at],
        None => b"",
    }
}

/// `path` seen from `directory`.
pub(super) fn joined(directory: &[u8], path: &[u8]) -> Vec<u8> {
    if path.first() == Some(&b'/') || directory.is_empty() {
        return path.to_vec();
    }
    if path.is_empty() {
        return directory.to_vec();
    }
    let mut whole = directory.to_vec();
    if whole.last() != Some(&b'/') {
        whole.push(b'/');
    }
    whole.extend(path);
    whole
}
