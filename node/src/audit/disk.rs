//! The files of the record: segments that are only appended to, and the reserve. Every call blocks.
//!
//! A segment is named by the sequence of its first record. Behind a trait, so that tests can fill the disk,
//! lose power, and watch the order of things.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

/// Space that is kept for the record when the disk is full.
pub const RESERVE_BYTES: u64 = 16 << 20;
const RESERVE: &str = "reserve";
const SUFFIX: &str = ".log";
/// Largest segment that is read; ours end far below.
const SEGMENT_READ_MAX: u64 = 64 << 20;

/// What a journal does to the disk.
pub trait Disk: Send + 'static {
    /// The first sequences and sizes of all segments, oldest first.
    fn segments(&self) -> io::Result<Vec<(u64, u64)>>;
    /// All of a segment.
    fn read(&self, segment: u64) -> io::Result<Vec<u8>>;
    /// Makes an empty segment, which is then the current one. Its name is on disk when this returns.
    fn create(&mut self, segment: u64) -> io::Result<()>;
    /// Makes a segment the current one.
    fn open(&mut self, segment: u64) -> io::Result<()>;
    /// Writes at the end of the current segment. On failure part of it may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once all that was appended is on disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the current segment.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
    /// Deletes a segment.
    fn remove(&mut self, segment: u64) -> io::Result<()>;
    /// Sees to it that the reserve is there.
    fn keep_reserve(&mut self) -> io::Result<()>;
    /// Gives the reserve's space to the current segment; false if there is none.
    fn use_reserve(&mut self) -> bool;
}

/// A directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    current: Option<File>,
}

impl Directory {
    /// The record of the data directory `data`; nothing is made yet.
    pub fn of(data: &Path) -> Self {
        Self { path: data.join("audit"), current: None }
    }

    /// Where a segment lies.
    pub fn path_of(&self, segment: u64) -> PathBuf {
        self.path.join(format!("{segment:016}{SUFFIX}"))
    }

    fn make(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn current(&mut self) -> io::Result<&mut File> {
        self.current.as_mut().ok_or_else(|| io::Error::other("no segment is open"))
    }
}

impl Disk for Directory {
    fn segments(&self) -> io::Result<Vec<(u64, u64)>> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut segments = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
            if let Some(first) = first {
                segments.push((first, entry.metadata()?.len()));
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn read(&self, segment: u64) -> io::Result<Vec<u8>> {
        let path = self.path_of(segment);
        if fs::metadata(&path)?.len() > SEGMENT_READ_MAX {
            return Err(io::Error::other(format!("{} is larger than any segment", path.display())));
        }
        fs::read(path)
    }

    fn create(&mut self, segment: u64) -> io::Result<()> {
        self.make()?;
        let path = self.path_of(segment);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        File::open(&self.path).and_then(|directory| directory.sync_all()).inspect_err(|_| {
            // An empty file of that name would stand in the way of the next try.
            let _ = fs::remove_file(&path);
        })?;
        self.current = Some(file);
        Ok(())
    }

    fn open(&mut self, segment: u64) -> io::Result<()> {
        self.current = Some(OpenOptions::new().append(true).open(self.path_of(segment))?);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current()?.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.current()?.sync_data()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let current = self.current()?;
        current.set_len(bytes)?;
        current.sync_data()
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        fs::remove_file(self.path_of(segment))
    }

    fn keep_reserve(&mut self) -> io::Result<()> {
        self.make()?;
        let path = self.path.join(RESERVE);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        if file.metadata()?.len() >= RESERVE_BYTES {
            return Ok(());
        }
        let kept = fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES);
        kept.map_err(|error| {
            // Half a reserve would only take space from those who need it.
            let _ = fs::remove_file(&path);
            error.into()
        })
    }

    fn use_reserve(&mut self) -> bool {
        let is_gone = fs::remove_file(self.path.join(RESERVE)).is_ok();
        // Taken at once, before somebody else takes it. A file system without that still has the space free.
        if let (true, Some(current)) = (is_gone, &self.current) {
            let end = current.metadata().map_or(0, |metadata| metadata.len());
            let mut bytes = RESERVE_BYTES;
            while bytes >= 1 << 20 && fallocate(current, FallocateFlags::KEEP_SIZE, end, bytes).is_err() {
                bytes /= 2;
            }
        }
        is_gone
    }
}
