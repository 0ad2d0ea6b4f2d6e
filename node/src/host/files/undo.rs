//! Versions that were written over, kept for a while so that they can be brought back.
//!
//! Each is two files under the data directory, readable by the node alone: the contents, and a note that is
//! written once they are whole. The oldest go when there are too many or they take too much room. A version
//! that is too large is not kept, and a disk without room for it never stops a write.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::file::{FileExpect, FilePath, FileUndo, FileWritten};
use p2p_shared::transfer::tree::read_at;
use rustix::fs::Statx;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::error::FileError;
use super::jail::Jail;
use super::write::{self, Order};
use crate::clock;

/// A longer file is not kept.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// What all take at most.
pub const BYTES_MAX: u64 = 256 << 20;
/// So many at most.
pub const COUNT_MAX: usize = 1_000;
/// What is copied at once.
const STEP_BYTES: usize = 256 << 10;
const NOTE: &str = "note";
const CONTENT: &str = "content";

/// The store.
#[derive(Debug)]
pub struct Undos {
    directory: PathBuf,
    // Held while the oldest are removed, by threads of a pool: two at it would count each other's.
    pruning: Mutex<()>,
}

impl Undos {
    /// The store under a data directory. Nothing is made there before there is something to keep.
    pub fn new(data: &std::path::Path) -> Self {
        Self { directory: data.join("undo"), pruning: Mutex::new(()) }
    }

    /// Keeps what an opened file holds, before it is replaced by contents of the hash `replaced_by`.
    pub(super) fn keep(
        &self,
        path: &FilePath,
        (file, stat): (&File, &Statx),
        replaced_by: &str,
    ) -> Result<Option<String>, FileError> {
        if stat.stx_size > FILE_BYTES_MAX {
            return Ok(None);
        }
        let id = Uuid::now_v7().simple().to_string();
        let undo = FileUndo {
            id: id.clone(),
            path: path.clone(),
            at: clock::wall(),
            size_bytes: stat.stx_size,
            replaced_by: replaced_by.to_owned(),
        };
        match self.put(file, undo) {
            Ok(()) => {
                self.prune();
                Ok(Some(id))
            }
            Err(error) => {
                self.forget(&id);
                tracing::warn!(%error, "a version of a file cannot be kept for undo");
                Ok(None)
            }
        }
    }

    fn put(&self, file: &File, mut undo: FileUndo) -> io::Result<()> {
        if !self.directory.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        }
        let make = |kind| {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.file(&undo.id, kind))
        };
        let (mut content, mut note) = (make(CONTENT)?, make(NOTE)?);
        let (mut buffer, mut at) = (vec![0; STEP_BYTES], 0);
        loop {
            let count = read_at(file, &mut buffer, at)?;
            content.write_all(&buffer[..count])?;
            at += count as u64;
            if at > FILE_BYTES_MAX {
                return Err(io::Error::other("it grows while it is copied"));
            }
            if count < buffer.len() {
                break;
            }
        }
        content.sync_data()?;
        undo.size_bytes = at;
        let bytes =
            codec::encode(&undo, Encoding::Json).map_err(|error| io::Error::other(error.to_string()))?;
        note.write_all(&bytes)?;
        note.sync_data()
    }

    /// Drops a version.
    pub(super) fn forget(&self, id: &str) {
        for kind in [NOTE, CONTENT] {
            // One that is not there is what is wanted.
            let _ = fs::remove_file(self.file(id, kind));
        }
    }

    /// What is kept, the newest first; of `path` alone if given.
    pub fn all(&self, path: Option<&FilePath>) -> Vec<FileUndo> {
        let mut kept: Vec<_> = self.ids().iter().rev().filter_map(|id| self.note(id)).collect();
        kept.retain(|undo| path.is_none_or(|path| undo.path == *path));
        kept
    }

    /// Brings a version back, if what replaced it is still there.
    ///
    /// # Errors
    /// [`FileError::NotKept`] if nothing is kept under `id`, [`FileError::Changed`] if the file has changed since.
    pub fn undo(&self, jail: &Jail, id: &str, gone: &CancellationToken) -> Result<FileWritten, FileError> {
        let known = || FileError::NotKept(id.to_owned());
        let parsed = Uuid::parse_str(id).map_err(|_| known())?;
        let id = &parsed.simple().to_string();
        let undo = self.note(id).ok_or_else(known)?;
        let content = File::open(self.file(id, CONTENT)).map_err(|_| known())?;
        let expect = Some(FileExpect::Blake3(undo.replaced_by));
        let written = write::write((jail, self), &undo.path, content, &Order { expect, mode: None }, gone)?;
        self.forget(id);
        Ok(written)
    }

    fn note(&self, id: &str) -> Option<FileUndo> {
        codec::decode(&fs::read(self.file(id, NOTE)).ok()?, Encoding::Json).ok()
    }

    fn file(&self, id: &str, kind: &str) -> PathBuf {
        self.directory.join(format!("{id}.{kind}"))
    }

    /// The oldest first.
    fn ids(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok);
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut ids: Vec<_> =
            names.filter_map(|name| Some(name.strip_suffix(".content")?.to_owned())).collect();
        ids.sort_unstable();
        ids
    }

    fn prune(&self) {
        let _turn = self.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = self.ids();
        let (mut total, mut count) = (0, 0);
        for id in ids.iter().rev() {
            total += fs::metadata(self.file(id, CONTENT)).map_or(0, |file| file.len());
            count += 1;
            if total > BYTES_MAX || count > COUNT_MAX {
                self.forget(id);
            }
        }
    }
}
