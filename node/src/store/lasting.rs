//! A database that outlives an error of its disk.
//!
//! redb closes a database for good once a read or a write of its file has failed, be the disk full or failing.
//! What failed is told to whoever asked, and is never tried again here; the next use opens the file anew, with
//! all that was acknowledged. Paths and work enter, results leave.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{Builder, Database};

use super::error::StoreError;

/// Opens the file, and checks it.
type Open = fn(&Path) -> Result<Database, StoreError>;

/// Opens a file with a builder, or makes it: nobody else may read it.
///
/// # Errors
/// If the file cannot be had, or is no sound database.
pub(super) fn open(path: &Path, builder: &Builder) -> Result<Database, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    let opening = |error: redb::DatabaseError| StoreError::opening(path, error.into());
    builder.create_with_backend(FileBackend::new(file).map_err(opening)?).map_err(opening)
}

/// The database of one file.
#[derive(Debug)]
pub(super) struct Lasting {
    /// Every use holds it shared; whoever closes or opens it holds it alone. `None`: it is to be opened anew.
    database: RwLock<Option<Database>>,
    path: PathBuf,
    open: Open,
}

impl Lasting {
    /// Opens it.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn new(path: &Path, open: Open) -> Result<Self, StoreError> {
        let database = RwLock::new(Some(open(path)?));
        Ok(Self { database, path: path.to_owned(), open })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does one piece of work with it.
    ///
    /// # Errors
    /// If the work fails, or the database cannot be opened anew after an earlier failure.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.ensure_open()?;
        let done = match &*self.database.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => work(database),
            None => Err(redb::Error::PreviousIo),
        };
        if matches!(done, Err(redb::Error::Io(_) | redb::Error::PreviousIo)) {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        done.map_err(|source| StoreError::using(&self.path, source))
    }

    fn ensure_open(&self) -> Result<(), StoreError> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            *database = Some((self.open)(&self.path)?);
            tracing::warn!(path = %self.path.display(), "the database is open again after an error of its disk");
        }
        Ok(())
    }
}
