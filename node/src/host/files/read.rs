//! Contents of regular files: ranges, ends, checksums. Nothing else is ever opened for reading.

use std::fs::File;
use std::os::fd::OwnedFd;

use p2p_shared::services::file::{FileChunk, FileContent, FileKind, FilePath, FileSum};
use p2p_shared::transfer::tree::read_at;
use rustix::fs::{Mode, OFlags};
use tokio_util::sync::CancellationToken;

use super::error::FileError;
use super::jail::{Jail, Place, own_path, stat_of};
use super::reserved::Use;
use super::row;

/// What is read at once of a file that is read whole.
const STEP_BYTES: usize = 256 << 10;

/// A regular file for reading.
///
/// # Errors
/// [`FileError`], of anything that is no regular file too.
pub fn open(jail: &Jail, path: &FilePath) -> Result<File, FileError> {
    let place = jail.target(path)?;
    jail.judge(&place, Use::Read)?;
    opened(&place, OFlags::RDONLY)
}

/// The regular file at `place`: looked at first, and then opened through what was looked at, so that neither a
/// pipe nor a device is ever opened, whatever is put there meanwhile.
pub(super) fn opened(place: &Place, flags: OFlags) -> Result<File, FileError> {
    let looked = place.look().map_err(FileError::os("opening", &place.path))?;
    require_file(&looked, &place.path)?;
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(own_path(&looked), flags, Mode::empty());
    Ok(File::from(opened.map_err(FileError::os("opening", &place.path))?))
}

pub(super) fn require_file(looked: &OwnedFd, path: &FilePath) -> Result<(), FileError> {
    match row::kind(&stat_of(looked).map_err(FileError::os("looking at", path))?) {
        FileKind::File => Ok(()),
        kind => Err(FileError::Kind { path: path.clone(), kind, wanted: "regular file" }),
    }
}

/// A range of a file.
///
/// # Errors
/// [`FileError`].
pub fn read(jail: &Jail, path: &FilePath, offset: u64, length: usize) -> Result<FileChunk, FileError> {
    let file = open(jail, path)?;
    range(&file, path, offset, length)
}

/// A range of an opened file: one byte more is looked for, which tells whether that is the end.
pub(super) fn range(
    file: &File,
    path: &FilePath,
    offset: u64,
    length: usize,
) -> Result<FileChunk, FileError> {
    let mut bytes = vec![0; length + 1];
    let count = read_at(file, &mut bytes, offset).map_err(FileError::os("reading", path))?;
    bytes.truncate(count.min(length));
    let stat = stat_of(file).map_err(FileError::os("reading", path))?;
    Ok(FileChunk {
        offset,
        content: FileContent(bytes),
        is_end: count <= length,
        version: row::version(&stat),
    })
}

/// The last lines of a file, at most `bytes_max` of them.
///
/// # Errors
/// [`FileError`].
pub fn tail(jail: &Jail, path: &FilePath, lines: usize, bytes_max: usize) -> Result<FileChunk, FileError> {
    tail_of(&open(jail, path)?, path, lines, bytes_max)
}

pub(super) fn tail_of(
    file: &File,
    path: &FilePath,
    lines: usize,
    bytes_max: usize,
) -> Result<FileChunk, FileError> {
    let size = stat_of(file).map_err(FileError::os("reading", path))?.stx_size;
    let start = size.saturating_sub(bytes_max as u64);
    let mut chunk = range(file, path, start, bytes_max)?;
    let skipped = start_of_lines(&chunk.content.0, lines);
    chunk.content.0.drain(..skipped);
    chunk.offset += skipped as u64;
    Ok(chunk)
}

/// Where the last `lines` lines begin. An end of line at the very end begins none.
fn start_of_lines(bytes: &[u8], lines: usize) -> usize {
    if lines == 0 {
        return bytes.len();
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.nth(lines - 1).map_or(0, |(at, _)| at + 1)
}

/// BLAKE3 of a whole file; `told` hears how far it is.
///
/// # Errors
/// [`FileError::Changed`] if the file changed meanwhile.
pub fn checksum(
    jail: &Jail,
    path: &FilePath,
    gone: &CancellationToken,
    mut told: impl FnMut(&FileSum),
) -> Result<FileSum, FileError> {
    let file = open(jail, path)?;
    let failed = |source| FileError::os("reading", path)(source);
    let before = row::version(&stat_of(&file).map_err(failed)?);
    let mut sum = FileSum { read_bytes: 0, blake3: None, version: before };
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; STEP_BYTES];
    loop {
        let count = read_at(&file, &mut buffer, sum.read_bytes).map_err(failed)?;
        hasher.update(&buffer[..count]);
        sum.read_bytes += count as u64;
        if gone.is_cancelled() {
            return Err(FileError::Cancelled);
        }
        if count < buffer.len() {
            break;
        }
        told(&sum);
    }
    if row::version(&stat_of(&file).map_err(failed)?) != before {
        return Err(FileError::changed(path, "it changed while it was read: try again"));
    }
    sum.blake3 = Some(hasher.finalize().to_hex().to_string());
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole_lines() {
        for (text, lines, expected) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\n", 9, "a\nb\n"),
            ("a\n", 0, ""),
            ("\n\n\n", 1, "\n"),
            ("", 3, ""),
        ] {
            assert_eq!(&text[start_of_lines(text.as_bytes(), lines)..], expected, "{text:?} {lines}");
        }
    }
}
