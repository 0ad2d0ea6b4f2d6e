//! Following a file as it grows, past truncation and rotation. The file is looked at, not watched: that works on
//! every file system.

use std::fs::File;

use p2p_shared::services::file::{FileContent, FileEvent, FilePath};
use rustix::io::Errno;

use super::error::FileError;
use super::jail::{Jail, stat_of};
use super::read::{open, range, tail_of};

/// What happened at one look.
#[derive(Debug)]
pub struct Look {
    /// Before the content.
    pub event: FileEvent,
    /// Where the content begins.
    pub offset: u64,
    /// New bytes.
    pub content: FileContent,
    /// There is more already.
    pub has_more: bool,
}

/// A file that is followed.
#[derive(Debug)]
pub struct Follower {
    path: FilePath,
    bytes_max: usize,
    file: Option<File>,
    offset: u64,
}

impl Follower {
    /// Begins with the last `lines` lines.
    ///
    /// # Errors
    /// [`FileError`], if there is no such file now too.
    pub fn begin(
        jail: &Jail,
        path: &FilePath,
        lines: usize,
        bytes_max: usize,
    ) -> Result<(Self, Look), FileError> {
        let file = open(jail, path)?;
        let chunk = tail_of(&file, path, lines, bytes_max)?;
        let offset = chunk.offset + chunk.content.0.len() as u64;
        let follower = Self { path: path.clone(), bytes_max, file: Some(file), offset };
        let (content, has_more) = (chunk.content, !chunk.is_end);
        Ok((follower, Look { event: FileEvent::Grown, offset: chunk.offset, content, has_more }))
    }

    /// What is new.
    ///
    /// # Errors
    /// [`FileError`], if it may not be read any more.
    pub fn look(&mut self, jail: &Jail) -> Result<Look, FileError> {
        let failed = |source| FileError::os("following", &self.path)(source);
        // What is left of the one that is open comes first, whatever has its name.
        if let Some(file) = &self.file {
            let size = stat_of(file).map_err(failed)?.stx_size;
            if size < self.offset {
                self.offset = 0;
                return self.grown(FileEvent::Truncated);
            }
            if size > self.offset {
                return self.grown(FileEvent::Grown);
            }
        }
        let named = match open(jail, &self.path) {
            Ok(named) => named,
            Err(error) if error.errno() == Some(Errno::NOENT) => {
                self.file = None;
                return Ok(self.nothing(FileEvent::Gone));
            }
            Err(error) => return Err(error),
        };
        let id =
            |file: &File| stat_of(file).map(|stat| (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino));
        let is_same = match &self.file {
            Some(file) => id(file).map_err(failed)? == id(&named).map_err(failed)?,
            None => false,
        };
        if is_same {
            return Ok(self.nothing(FileEvent::Grown));
        }
        (self.file, self.offset) = (Some(named), 0);
        self.grown(FileEvent::Replaced)
    }

    fn grown(&mut self, event: FileEvent) -> Result<Look, FileError> {
        let Some(file) = &self.file else { return Ok(self.nothing(event)) };
        let chunk = range(file, &self.path, self.offset, self.bytes_max)?;
        self.offset += chunk.content.0.len() as u64;
        Ok(Look { event, offset: chunk.offset, content: chunk.content, has_more: !chunk.is_end })
    }

    fn nothing(&self, event: FileEvent) -> Look {
        Look { event, offset: self.offset, content: FileContent::default(), has_more: false }
    }
}
