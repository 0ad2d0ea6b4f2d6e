//! Changing names, modes and owners.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use p2p_shared::services::file::FilePath;
use rustix::fs::{AtFlags, Gid, Mode, RenameFlags, Uid};
use rustix::io::Errno;

use super::error::FileError;
use super::jail::{self, Jail, Place, own_path};
use super::names::Names;
use super::reserved::Use;

/// Deepest path that is made with all directories above it; each of them is one more write to the disk.
const DEPTH_MAX: usize = 256;

/// Whether what has the new name already is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It is replaced at once.
    Replace,
    /// Then nothing happens.
    Never,
}

/// A place that may be changed.
pub(super) fn writable(jail: &Jail, path: &FilePath) -> Result<Place, FileError> {
    let place = jail.place(path)?;
    jail.judge(&place, Use::Write)?;
    Ok(place)
}

/// Makes a directory.
///
/// # Errors
/// [`FileError`].
pub fn mkdir(jail: &Jail, path: &FilePath, mode: u32) -> Result<(), FileError> {
    let failed = |source| FileError::os("making a directory", path)(source);
    let place = writable(jail, path)?;
    rustix::fs::mkdirat(&place.parent, place.name(), Mode::from_raw_mode(0o700)).map_err(failed)?;
    // The mask of the process has no say.
    let made = place.look().map_err(failed)?;
    rustix::fs::chmod(own_path(&made), Mode::from_raw_mode(mode & 0o7777)).map_err(failed)?;
    place.sync().map_err(failed)
}

/// Makes a directory and those above it; one that is there already is as good.
///
/// # Errors
/// [`FileError`].
pub fn mkdir_all(jail: &Jail, path: &FilePath, mode: u32) -> Result<(), FileError> {
    jail::check(path)?;
    let bytes = path.as_bytes();
    let depth = bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    if depth > DEPTH_MAX {
        return Err(FileError::Invalid(format!(
            "at most {DEPTH_MAX} directories are made below each other, and this path is {depth} deep"
        )));
    }
    let ends = bytes.iter().enumerate().skip(1).filter(|(at, byte)| **byte == b'/' && bytes[at - 1] != b'/');
    let above = ends.map(|(at, _)| &bytes[..at]);
    for part in above.chain([bytes]) {
        let part = FilePath::new(part).unwrap_or_default();
        let is_there = |path| jail.directory(path).is_ok();
        // Above a root nothing is to be made, nor to be looked at.
        if is_there(&part) || (part != *path && matches!(jail.place(&part), Err(FileError::Outside { .. }))) {
            continue;
        }
        match mkdir(jail, &part, mode) {
            Err(error) if error.errno() == Some(Errno::EXIST) && is_there(&part) => {}
            made => made?,
        }
    }
    Ok(())
}

/// Gives another name.
///
/// # Errors
/// [`FileError`].
pub fn rename(jail: &Jail, from: &FilePath, to: &FilePath, over: Over) -> Result<(), FileError> {
    let (old, new) = (writable(jail, from)?, writable(jail, to)?);
    let flags = match over {
        Over::Replace => RenameFlags::empty(),
        Over::Never => RenameFlags::NOREPLACE,
    };
    let renamed = rustix::fs::renameat_with(&old.parent, old.name(), &new.parent, new.name(), flags);
    renamed.map_err(|source| {
        // Which of the two it is about.
        let path = if matches!(source, Errno::NOENT | Errno::BUSY) { from } else { to };
        FileError::os("renaming", path)(source)
    })?;
    new.sync().and_then(|()| old.sync()).map_err(FileError::os("renaming", to))
}

/// Makes a symbolic link.
///
/// # Errors
/// [`FileError`].
pub fn symlink(jail: &Jail, path: &FilePath, target: &FilePath) -> Result<(), FileError> {
    if target.as_bytes().is_empty() {
        return Err(FileError::Invalid("a link leads somewhere: target is empty".into()));
    }
    let place = writable(jail, path)?;
    let made = rustix::fs::symlinkat(OsStr::from_bytes(target.as_bytes()), &place.parent, place.name());
    made.and_then(|()| place.sync()).map_err(FileError::os("linking", path))
}

/// Sets the permission bits of what a path leads to.
///
/// # Errors
/// [`FileError`].
pub fn chmod(jail: &Jail, path: &FilePath, mode: u32) -> Result<(), FileError> {
    let place = jail.target(path)?;
    jail.judge(&place, Use::Write)?;
    let file = looked(&place)?;
    // The kernel has no call that takes such a descriptor but by this name; it is the file that was looked at.
    let changed = rustix::fs::chmod(own_path(&file), Mode::from_raw_mode(mode & 0o7777));
    changed.map_err(FileError::os("setting the mode", path))
}

/// Sets owner and group of what a path is.
///
/// # Errors
/// [`FileError`].
pub fn chown(jail: &Jail, path: &FilePath, user: Option<&str>, group: Option<&str>) -> Result<(), FileError> {
    let names = Names::read();
    let unknown =
        |kind: &str, name: &str| FileError::Invalid(format!("there is no {kind} {name:?} on this machine"));
    let uid = user.map(|user| names.uid(user).ok_or_else(|| unknown("user", user))).transpose()?;
    let gid = group.map(|group| names.gid(group).ok_or_else(|| unknown("group", group))).transpose()?;
    if uid.is_none() && gid.is_none() {
        return Err(FileError::Invalid("neither user nor group is given".into()));
    }
    let place = writable(jail, path)?;
    let file = looked(&place)?;
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    rustix::fs::chownat(&file, "", uid, gid, AtFlags::EMPTY_PATH)
        .map_err(FileError::os("setting the owner", path))
}

fn looked(place: &Place) -> Result<OwnedFd, FileError> {
    place.look().map_err(FileError::os("looking at", &place.path))
}
