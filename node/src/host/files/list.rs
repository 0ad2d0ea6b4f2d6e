//! Directories in pages, with memory for one page whatever the directory holds.
//!
//! In the order of the file system a page costs what is on it. In a sorted order the whole directory is looked
//! through for each page, and only the best rows are kept meanwhile.

use std::collections::BinaryHeap;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use p2p_shared::id::{hex, unhex};
use p2p_shared::services::file::{FilePage, FilePath, FileRow, FileSort};
use rustix::fs::{AtFlags, OFlags, RawDir, SeekFrom, StatxFlags};
use tokio_util::sync::CancellationToken;

use super::error::FileError;
use super::jail::Jail;
use super::names::Names;
use super::row;

/// What the kernel gives at once of a directory.
const BUFFER_BYTES: usize = 64 << 10;
/// Names between two looks at whether the caller is still there.
const LOOK: usize = 1_024;

/// Which rows are wanted.
#[derive(Clone, Debug)]
pub struct Question {
    /// In which order.
    pub sort: FileSort,
    /// Or the reverse of it.
    pub reverse: bool,
    /// Past this place, as an earlier page gave it.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A page of a directory.
///
/// # Errors
/// [`FileError`].
pub fn list(
    jail: &Jail,
    path: &FilePath,
    question: &Question,
    gone: &CancellationToken,
) -> Result<FilePage, FileError> {
    let directory = jail.directory(path)?;
    match question.sort {
        FileSort::None if question.reverse => {
            Err(FileError::Invalid("the order of the file system has no reverse".into()))
        }
        FileSort::None => unsorted(&directory, path, question),
        FileSort::Name | FileSort::Size | FileSort::Modified => sorted(&directory, path, question, gone),
        FileSort::Unknown => Err(FileError::Invalid("sort is name, size, modified or none".into())),
    }
}

/// What one path is.
///
/// # Errors
/// [`FileError`].
pub fn stat(jail: &Jail, path: &FilePath, follow: bool) -> Result<FileRow, FileError> {
    let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
    let descriptor = jail.open(path, flags)?;
    let bytes = path.as_bytes();
    let name = bytes.split(|&byte| byte == b'/').rfind(|part| !part.is_empty()).unwrap_or(b"/");
    row::of_descriptor(&descriptor, name, &Names::read()).map_err(FileError::os("looking at", path))
}

fn bad_cursor() -> FileError {
    FileError::Invalid("cursor is none that a page of this order gave".into())
}

fn unsorted(directory: &OwnedFd, path: &FilePath, question: &Question) -> Result<FilePage, FileError> {
    let failed = |source| FileError::os("listing", path)(source);
    if let Some(cursor) = &question.cursor {
        let place = cursor.parse().map_err(|_| bad_cursor())?;
        rustix::fs::seek(directory, SeekFrom::Start(place)).map_err(|_| bad_cursor())?;
    }
    let names = Names::read();
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
    let mut entries = RawDir::new(directory, &mut buffer);
    let (mut rows, mut place) = (Vec::with_capacity(question.limit), 0);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            place = entry.next_entry_cookie();
            continue;
        }
        if rows.len() == question.limit {
            return Ok(FilePage { rows, next: Some(place.to_string()) });
        }
        // One that went meanwhile is left out.
        rows.extend(row::of_name(directory, name, &names));
        place = entry.next_entry_cookie();
    }
    Ok(FilePage { rows, next: None })
}

/// Where a name stands in an order: the least comes first. Names break ties.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rank: u64,
    name: Vec<u8>,
}

fn sorted(
    directory: &OwnedFd,
    path: &FilePath,
    question: &Question,
    gone: &CancellationToken,
) -> Result<FilePage, FileError> {
    let keys = if question.reverse {
        best(directory, path, question, gone, std::cmp::Reverse)?.into_iter().map(|key| key.0).collect()
    } else {
        best(directory, path, question, gone, |key| key)?
    };
    let next =
        (keys.len() > question.limit).then(|| keys.get(question.limit.wrapping_sub(1)).map(text)).flatten();
    let names = Names::read();
    let shown = keys.iter().take(question.limit);
    let rows = shown.filter_map(|key| row::of_name(directory, &key.name, &names).ok()).collect();
    Ok(FilePage { rows, next })
}

/// The first keys past the cursor, one more than are asked for.
fn best<K: Ord>(
    directory: &OwnedFd,
    path: &FilePath,
    question: &Question,
    gone: &CancellationToken,
    ordered: impl Fn(Key) -> K,
) -> Result<Vec<K>, FileError> {
    let past = question.cursor.as_deref().map(key).transpose()?.map(&ordered);
    let mut kept: BinaryHeap<K> = BinaryHeap::with_capacity(question.limit + 2);
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
    let mut entries = RawDir::new(directory, &mut buffer);
    let (mut seen, mut spare) = (0, Vec::new());
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(FileError::os("listing", path))?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        seen += 1;
        if seen % LOOK == 0 && gone.is_cancelled() {
            return Err(FileError::Cancelled);
        }
        let Some(rank) = rank(directory, name, question.sort) else { continue };
        spare.clear();
        spare.extend_from_slice(name);
        let key = ordered(Key { rank, name: std::mem::take(&mut spare) });
        if past.as_ref().is_some_and(|past| key <= *past) {
            continue;
        }
        if kept.len() <= question.limit {
            kept.push(key);
        } else if kept.peek().is_some_and(|worst| key < *worst) {
            kept.pop();
            kept.push(key);
        }
    }
    Ok(kept.into_sorted_vec())
}

/// `None` of a name that went meanwhile.
fn rank(directory: &OwnedFd, name: &[u8], sort: FileSort) -> Option<u64> {
    let mask = match sort {
        FileSort::Size => StatxFlags::SIZE,
        FileSort::Modified => StatxFlags::MTIME,
        FileSort::Name | FileSort::None | FileSort::Unknown => return Some(0),
    };
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = rustix::fs::statx(directory, OsStr::from_bytes(name), flags, mask).ok()?;
    Some(match sort {
        FileSort::Size => !stat.stx_size,
        // From the earliest to the latest time, reversed.
        _ => !(row::version(&stat).modified_ns.cast_unsigned() ^ (1 << 63)),
    })
}

fn text(key: &Key) -> String {
    format!("{:x}.{}", key.rank, hex(&key.name))
}

fn key(text: &str) -> Result<Key, FileError> {
    let (rank, digits) = text.split_once('.').ok_or_else(bad_cursor)?;
    let mut name = vec![0; digits.len() / 2];
    unhex(digits, &mut name).ok_or_else(bad_cursor)?;
    Ok(Key { rank: u64::from_str_radix(rank, 16).map_err(|_| bad_cursor())?, name })
}
