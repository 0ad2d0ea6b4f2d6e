//! Records of shells that run, by id.

use super::{SHELLS, Store, StoreError};

impl Store {
    /// The record of every shell, by id.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn shells(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.records(SHELLS)
    }

    /// Keeps the record of a shell, or forgets it.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn put_shell(&self, id: &str, record: Option<&[u8]>) -> Result<(), StoreError> {
        self.put_records(SHELLS, [(id, record)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_there_after_a_restart_and_can_be_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.put_shell("a", Some(b"1")).unwrap();
        store.put_shell("b", Some(b"2")).unwrap();
        store.put_shell("a", None).unwrap();
        store.put_shell("a", None).unwrap();
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.shells().unwrap(), [("b".to_owned(), b"2".to_vec())]);
    }
}
