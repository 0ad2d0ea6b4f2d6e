//! Records of supervised programs, by name.

use super::{PROGRAMS, Store, StoreError};

impl Store {
    /// The record of every program, by name.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn programs(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.records(PROGRAMS)
    }

    /// Keeps records and forgets those that are `None`: all of them, or none.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_programs<'a>(
        &self,
        records: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<(), StoreError> {
        self.put_records(PROGRAMS, records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_there_after_a_restart_and_can_be_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.put_programs([("a", Some(&b"1"[..])), ("b", Some(&b"2"[..]))]).unwrap();
        store.put_programs([("a", None), ("b", Some(&b"3"[..]))]).unwrap();
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.programs().unwrap(), [("b".to_owned(), b"3".to_vec())]);
    }
}
