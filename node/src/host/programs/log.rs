//! The output of a program on disk: one file a stream and the one before it, bounded together.
//!
//! Bytes enter as the program wrote them. A disk that takes no more stops nobody: what could not be written is
//! counted, and said in the file itself once it takes bytes again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file of this size becomes the one before.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most bytes of a tail.
pub const TAIL_BYTES_MAX: u64 = 1 << 20;
/// Most lines of a tail.
pub const TAIL_LINES_MAX: u32 = 10_000;

/// The log of one stream.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    before: PathBuf,
    file: Option<File>,
    size: u64,
    size_max: u64,
    /// Lost since the last byte that was written, and why.
    unsaid: u64,
    why: String,
    lost: u64,
}

impl LogFile {
    /// The log `NAME.log` of a directory; it is opened with the first byte.
    pub fn new(directory: &Path, name: &str) -> Self {
        Self::with_limit(directory, name, FILE_BYTES_MAX)
    }

    fn with_limit(directory: &Path, name: &str, size_max: u64) -> Self {
        Self {
            path: directory.join(format!("{name}.log")),
            before: directory.join(format!("{name}.log.1")),
            file: None,
            size: 0,
            size_max,
            unsaid: 0,
            why: String::new(),
            lost: 0,
        }
    }

    /// Bytes that could not be written, in all.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes what it can, and counts what it cannot.
    pub fn append(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            match self.write_some(left) {
                Ok(written) => left = &left[written..],
                Err(error) => {
                    if self.unsaid == 0 {
                        tracing::warn!(path = %self.path.display(), %error, "output of a program is lost");
                    }
                    self.file = None;
                    self.why = error.to_string();
                    self.unsaid += left.len() as u64;
                    self.lost += left.len() as u64;
                    return;
                }
            }
        }
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.size >= self.size_max {
            self.file = None;
            fs::rename(&self.path, &self.before)?;
            self.size = 0;
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
                self.size = file.metadata()?.len();
                file
            }
        };
        if self.unsaid > 0 {
            let note = format!("\n[p2p-admin: {} bytes of output were lost: {}]\n", self.unsaid, self.why);
            file.write_all(note.as_bytes())?;
            self.size += note.len() as u64;
            self.unsaid = 0;
        }
        let room = usize::try_from(self.size_max.saturating_sub(self.size).max(1)).unwrap_or(usize::MAX);
        let written = file.write(&bytes[..bytes.len().min(room)])?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.size += written as u64;
        self.file = Some(file);
        Ok(written)
    }

    /// The last lines, as they were written.
    ///
    /// # Errors
    /// If the files cannot be read; one that is not there is empty.
    pub fn tail(&self, lines: u32) -> io::Result<Vec<u8>> {
        let mut bytes = end_of(&self.path, TAIL_BYTES_MAX)?;
        let room = TAIL_BYTES_MAX.saturating_sub(bytes.len() as u64);
        if room > 0 && count(&bytes) <= lines as usize {
            let mut earlier = end_of(&self.before, room)?;
            earlier.append(&mut bytes);
            bytes = earlier;
        }
        let start = start_of_last(&bytes, lines as usize);
        Ok(bytes.split_off(start))
    }
}

fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// Where the last `lines` begin; a last line needs no end.
fn start_of_last(bytes: &[u8], lines: usize) -> usize {
    if lines == 0 {
        return bytes.len();
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(index, _)| index + 1).nth(lines - 1).unwrap_or(0)
}

fn end_of(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_found_across_both_files() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::with_limit(dir.path(), "stdout", 10);
        assert_eq!(log.tail(5).unwrap(), b"");
        log.append(b"one\ntwo\nthree\nfour\n");
        assert_eq!(fs::read(dir.path().join("stdout.log.1")).unwrap(), b"one\ntwo\nth");
        assert_eq!(log.tail(0).unwrap(), b"");
        assert_eq!(log.tail(1).unwrap(), b"four\n");
        assert_eq!(log.tail(2).unwrap(), b"three\nfour\n");
        assert_eq!(log.tail(9).unwrap(), b"one\ntwo\nthree\nfour\n");
        log.append(b"open\xff");
        assert_eq!(log.tail(1).unwrap(), b"open\xff");
    }

    #[test]
    fn a_log_never_passes_its_bounds_and_a_new_life_goes_on_in_it() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let mut log = LogFile::with_limit(dir.path(), "stdout", 1_000);
            (0..100).for_each(|_| log.append(&[b'x'; 70]));
            assert_eq!(log.lost(), 0);
        }
        let sizes: Vec<u64> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|&size| size <= 1_000), "{sizes:?}");
    }

    #[test]
    fn a_full_disk_loses_bytes_and_says_so_when_there_is_room_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.log");
        // The kernel's own full disk.
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut log = LogFile::new(dir.path(), "stdout");
        log.append(b"12345");
        log.append(b"678");
        assert_eq!(log.lost(), 8);
        fs::remove_file(&path).unwrap();
        log.append(b"on\n");
        let text = String::from_utf8(log.tail(9).unwrap()).unwrap();
        assert!(text.starts_with("\n[p2p-admin: 8 bytes of output were lost: No space left"), "{text}");
        assert!(text.ends_with("]\non\n"), "{text}");
        assert_eq!(log.lost(), 8);
    }
}
