//! Records of jobs, by id: the oldest first.

use super::{JOBS, Store, StoreError};

impl Store {
    /// The record of every job, by id.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn jobs(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.records(JOBS)
    }

    /// Keeps records and forgets those that are `None`: all of them, or none.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_jobs<'a>(
        &self,
        records: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<(), StoreError> {
        self.put_records(JOBS, records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_there_after_a_restart_in_the_order_of_their_ids() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.put_jobs([("b", Some(&b"2"[..])), ("a", Some(&b"1"[..])), ("c", Some(&b"3"[..]))]).unwrap();
        store.put_jobs([("c", None), ("b", Some(&b"4"[..]))]).unwrap();
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.jobs().unwrap(), [("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"4".to_vec())]);
    }
}
