//! Changing contents: whole files at once, ends, lengths.

use std::fs::File;
use std::io::{Read, Write};

use p2p_shared::services::file::{FileExpect, FileKind, FilePath, FileVersion, FileWritten};
use p2p_shared::transfer::tree::read_at;
use rustix::fs::{OFlags, Statx};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::draft::Draft;
use super::error::FileError;
use super::jail::{Jail, Place, stat_of};
use super::read::opened;
use super::reserved::Use;
use super::row;
use super::undo::Undos;

/// Mode of a new file.
const MODE: u32 = 0o644;

/// What a write takes besides the contents.
#[derive(Clone, Debug)]
pub struct Order {
    /// What has to be there.
    pub expect: Option<FileExpect>,
    /// Of a new file.
    pub mode: Option<u32>,
}

/// What is at a place that is to be written.
#[derive(Debug)]
struct Old {
    file: File,
    stat: Statx,
}

/// Makes what `source` holds the whole of a file.
///
/// # Errors
/// [`FileError`]; the file is then as it was.
pub fn write(
    (jail, undos): (&Jail, &Undos),
    path: &FilePath,
    source: impl Read,
    order: &Order,
    gone: &CancellationToken,
) -> Result<FileWritten, FileError> {
    let place = jail.target(path)?;
    jail.judge(&place, Use::Write)?;
    let old = old(&place)?;
    if let Some(expect) = &order.expect {
        check(path, expect, old.as_ref(), gone)?;
    }
    let mut draft = Draft::new(&place)?;
    let (_, blake3) = draft.fill(source, gone)?;
    match &old {
        Some(old) => draft.take_after(&old.file, &old.stat)?,
        None => draft.set_mode(order.mode.unwrap_or(MODE))?,
    }
    let undo = match &old {
        Some(old) => undos.keep(path, (&old.file, &old.stat), &blake3)?,
        None => None,
    };
    let committed = draft.commit(&place, old.map(|old| row::version(&old.stat)));
    if let (Err(_), Some(id)) = (&committed, &undo) {
        undos.forget(id);
    }
    Ok(FileWritten { version: committed?, blake3, undo })
}

fn old(place: &Place) -> Result<Option<Old>, FileError> {
    match place.stat() {
        Err(Errno::NOENT) => return Ok(None),
        Err(source) => return Err(FileError::os("looking at", &place.path)(source)),
        Ok(stat) if row::kind(&stat) != FileKind::File => {
            let (path, kind) = (place.path.clone(), row::kind(&stat));
            return Err(FileError::Kind { path, kind, wanted: "regular file" });
        }
        Ok(_) => {}
    }
    let file = opened(place, OFlags::RDONLY)?;
    let stat = stat_of(&file).map_err(FileError::os("looking at", &place.path))?;
    Ok(Some(Old { file, stat }))
}

fn check(
    path: &FilePath,
    expect: &FileExpect,
    old: Option<&Old>,
    gone: &CancellationToken,
) -> Result<(), FileError> {
    let differs = |why: &str| Err(FileError::changed(path, format!("{why}: nothing was written")));
    match (expect, old) {
        (FileExpect::Absent, None) => Ok(()),
        (FileExpect::Absent, Some(_)) => differs("it is there already"),
        (_, None) => differs("it is not there any more"),
        (FileExpect::Version(seen), Some(old)) if *seen == row::version(&old.stat) => Ok(()),
        (FileExpect::Version(_), Some(_)) => differs("it has changed since it was read"),
        (FileExpect::Blake3(seen), Some(old)) => {
            if seen.eq_ignore_ascii_case(&hash(&old.file, path, gone)?) {
                Ok(())
            } else {
                differs("its contents are no longer those that were read")
            }
        }
    }
}

/// BLAKE3 of an opened file.
pub(super) fn hash(file: &File, path: &FilePath, gone: &CancellationToken) -> Result<String, FileError> {
    let (mut hasher, mut buffer, mut at) = (blake3::Hasher::new(), vec![0; 256 << 10], 0);
    loop {
        let count = read_at(file, &mut buffer, at).map_err(FileError::os("reading", path))?;
        hasher.update(&buffer[..count]);
        at += count as u64;
        if gone.is_cancelled() {
            return Err(FileError::Cancelled);
        }
        if count < buffer.len() {
            return Ok(hasher.finalize().to_hex().to_string());
        }
    }
}

/// A file that is there, to be changed where it lies.
fn existing(jail: &Jail, path: &FilePath, flags: OFlags) -> Result<File, FileError> {
    let place = jail.target(path)?;
    jail.judge(&place, Use::Write)?;
    opened(&place, flags)
}

/// Adds to the end of a file.
///
/// # Errors
/// [`FileError`]; of a full disk a part may have been added, which the message says.
pub fn append(jail: &Jail, path: &FilePath, bytes: &[u8]) -> Result<FileVersion, FileError> {
    let mut file = existing(jail, path, OFlags::WRONLY | OFlags::APPEND)?;
    let before = stat_of(&file).map_err(FileError::os("appending", path))?.stx_size;
    if let Err(error) = file.write_all(bytes) {
        // Half a line is worse than none. If others add to it too, theirs is not to be cut off.
        let now = stat_of(&file).map_err(FileError::os("appending", path))?.stx_size;
        if now < before.saturating_add(bytes.len() as u64) {
            let _ = file.set_len(before);
        }
        return Err(FileError::io("appending", path)(error));
    }
    synced(&file, path)
}

/// Makes a file exactly that long.
///
/// # Errors
/// [`FileError`].
pub fn truncate(jail: &Jail, path: &FilePath, size_bytes: u64) -> Result<FileVersion, FileError> {
    let file = existing(jail, path, OFlags::WRONLY)?;
    rustix::fs::ftruncate(&file, size_bytes).map_err(FileError::os("truncating", path))?;
    synced(&file, path)
}

fn synced(file: &File, path: &FilePath) -> Result<FileVersion, FileError> {
    let failed = |source| FileError::os("writing", path)(source);
    rustix::fs::fsync(file).map_err(failed)?;
    Ok(row::version(&stat_of(file).map_err(failed)?))
}
