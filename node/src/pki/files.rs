//! Files and directories of the CA: whole or not at all, with the rights they should have.
//!
//! A file appears under its name only once it is on disk in full; the rights do not hang on the umask.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use p2p_shared::id::hex;

use super::error::PkiError;

/// Rights of a file that holds a secret.
pub(super) const SECRET: u32 = 0o600;
/// Rights of a file that everybody may read.
pub(super) const PUBLIC: u32 = 0o644;
const DIRECTORY: u32 = 0o700;

/// One file of a directory that is made as a whole.
pub(super) struct NewFile<'a> {
    pub(super) name: &'a str,
    pub(super) content: &'a [u8],
    pub(super) mode: u32,
}

/// Makes a directory with everything above it, closed to others. One that exists is left as it is.
pub(super) fn make_directory(path: &Path) -> Result<(), PkiError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directory(parent)?;
    }
    make_one_directory(path).map_err(|error| PkiError::file(path, error))
}

/// Writes a file that must not exist yet; `false` if it does.
pub(super) fn write_new(directory: &Path, file: &NewFile<'_>) -> Result<bool, PkiError> {
    let path = directory.join(file.name);
    let temporary = write_beside(&path, file).map_err(|error| PkiError::file(&path, error))?;
    // A hard link, unlike a rename, never replaces.
    let linked = fs::hard_link(&temporary, &path);
    let outcome = match linked {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    };
    let removed = fs::remove_file(&temporary);
    outcome.and_then(|new| removed.map(|()| new)).map_err(|error| PkiError::file(&path, error))
}

/// Writes a file in place of the one that may be there.
pub(super) fn replace(directory: &Path, file: &NewFile<'_>) -> Result<(), PkiError> {
    let path = directory.join(file.name);
    write_beside(&path, file)
        .and_then(|temporary| {
            fs::rename(&temporary, &path).inspect_err(|_| {
                let _ = fs::remove_file(&temporary);
            })
        })
        .and_then(|()| sync_directory(directory))
        .map_err(|error| PkiError::file(&path, error))
}

/// Makes a directory with all of `files` in it, or nothing; `false` if there is one with that name.
pub(super) fn new_directory(path: &Path, files: &[NewFile<'_>]) -> Result<bool, PkiError> {
    let failed = |error| PkiError::file(path, error);
    let parent = path.parent().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    make_directory(parent)?;
    let staging = temporary_name(path).map_err(failed)?;
    let filled = make_one_directory(&staging)
        .and_then(|()| files.iter().try_for_each(|file| write_file(&staging.join(file.name), file)))
        .and_then(|()| sync_directory(&staging));
    // The name is taken by renaming; a directory with something in it is never replaced.
    let named = filled.and_then(|()| match fs::rename(&staging, path) {
        Ok(()) => sync_directory(parent).map(|()| true),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::AlreadyExists
                    | io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    });
    if !matches!(named, Ok(true)) {
        let _ = fs::remove_dir_all(&staging);
    }
    named.map_err(failed)
}

fn write_beside(path: &Path, file: &NewFile<'_>) -> io::Result<PathBuf> {
    let temporary = temporary_name(path)?;
    match write_file(&temporary, file) {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

fn write_file(path: &Path, file: &NewFile<'_>) -> io::Result<()> {
    let mut open = OpenOptions::new().write(true).create_new(true).mode(SECRET).open(path)?;
    open.set_permissions(Permissions::from_mode(file.mode))?;
    open.write_all(file.content)?;
    open.sync_all()
}

fn make_one_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIRECTORY).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    fs::set_permissions(path, Permissions::from_mode(DIRECTORY))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// A hidden name beside `path` that nobody else uses.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{}", hex(&random))))
}
