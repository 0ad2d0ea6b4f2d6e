//! Records of sessions of users, by id.

use super::{SESSIONS, Store, StoreError};

impl Store {
    /// The record of every session, by id.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn sessions(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.records(SESSIONS)
    }

    /// Keeps records of sessions, and forgets those that are `None`: all of it, or nothing.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn put_sessions(&self, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.put_records(SESSIONS, changes.iter().map(|(id, record)| (id.as_str(), record.as_deref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_there_after_a_restart_and_can_be_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.put_sessions(vec![("a".into(), Some(b"1".to_vec()))]).unwrap();
        store.put_sessions(vec![("b".into(), Some(b"2".to_vec()))]).unwrap();
        store.put_sessions(vec![("a".into(), None)]).unwrap();
        store.put_sessions(vec![("a".into(), None)]).unwrap();
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.sessions().unwrap(), [("b".to_owned(), b"2".to_vec())]);
    }
}
