//! Looking at a database without opening it: for who must not disturb the node that it belongs to.
//!
//! The file is copied into memory and opened there, so no lock is taken, nothing is written, and a file that
//! was not closed in good order is repaired in the copy alone.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use p2p_shared::time::UnixMillis;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend};

use super::lasting::Lasting;
use super::{CONTACTS, FILE, HEARD_BYTES, META_SCHEMA, SCHEMA_VERSION, Store, StoreError};

/// A larger file is not copied.
const COPY_BYTES_MAX: u64 = 128 << 20;

impl Store {
    /// A copy in memory of a data directory's database, checked as at every start; `None` if there is no file
    /// yet. While a node writes to it the copy may be torn: then it says nothing.
    ///
    /// # Errors
    /// What would keep a node from opening it.
    pub fn copy_of(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(FILE);
        let store = match Lasting::new(&path, open_copy) {
            Ok(copy) => Self { database: Arc::new(copy) },
            Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match store.meta_number(META_SCHEMA)? {
            // Empty, or from a start that was broken off: the next one makes what is missing.
            None | Some(SCHEMA_VERSION) => Ok(Some(store)),
            Some(found) => Err(StoreError::Version { path, found, ours: SCHEMA_VERSION }),
        }
    }

    /// When a contact was last heard, by the clock of then.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn last_heard(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.reading(|database| {
            let table = database.begin_read()?.open_table(CONTACTS)?;
            let mut last = None;
            for entry in table.iter()? {
                let heard = entry?.1.value().get(..HEARD_BYTES).and_then(|bytes| bytes.try_into().ok());
                last = last.max(heard.map(|bytes| UnixMillis(u64::from_be_bytes(bytes))));
            }
            Ok(last)
        })
    }
}

/// The database as it is in the file now, in memory.
fn open_copy(path: &Path) -> Result<Database, StoreError> {
    let unreadable = |source: io::Error| StoreError::File { path: path.to_owned(), source };
    let bytes = read(path).map_err(unreadable)?;
    let backend = InMemoryBackend::new();
    let filled = backend.set_len(bytes.len() as u64).and_then(|()| backend.write(0, &bytes));
    filled.map_err(|error| unreadable(io::Error::other(error.to_string())))?;
    let opening = |error: redb::DatabaseError| StoreError::opening(path, error.into());
    Database::builder().set_check_integrity_on_open(true).create_with_backend(backend).map_err(opening)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(COPY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > COPY_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {} MiB", COPY_BYTES_MAX >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use p2p_shared::id::NodeId;

    use super::*;
    use crate::store::Write;

    #[test]
    fn a_copy_tells_what_is_there_and_leaves_the_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Store::copy_of(directory.path()).unwrap().is_none());
        let contact =
            |first, heard| Write::PutContact { id: NodeId::new([first; 32]), heard, bytes: b"x".into() };
        let store = Store::open(directory.path()).unwrap();
        store
            .apply(&[contact(1, UnixMillis(7)), contact(2, UnixMillis(9)), contact(3, UnixMillis(8))])
            .unwrap();
        drop(store);
        let before = fs::read(directory.path().join(FILE)).unwrap();
        let copy = Store::copy_of(directory.path()).unwrap().unwrap();
        assert_eq!((copy.contacts().unwrap().len(), copy.last_heard().unwrap()), (3, Some(UnixMillis(9))));
        assert_eq!(fs::read(directory.path().join(FILE)).unwrap(), before);
        // The node can start while the copy is still there.
        assert!(Store::open(directory.path()).is_ok());
        drop(copy);
    }

    #[test]
    fn a_damaged_file_is_told_and_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let nonsense = b"this is no database, and long enough to be looked at";
        fs::write(directory.path().join(FILE), nonsense).unwrap();
        assert!(matches!(Store::copy_of(directory.path()), Err(StoreError::Corrupt { .. })));
        assert_eq!(fs::read(directory.path().join(FILE)).unwrap(), nonsense);
    }

    #[test]
    fn an_empty_file_is_one_that_the_next_start_fills() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), b"").unwrap();
        assert!(!matches!(Store::copy_of(directory.path()), Err(StoreError::Corrupt { .. })));
    }
}
