//! Records of shells that run, by id.

use redb::{ReadableDatabase, ReadableTable};

use super::{SHELLS, Store, StoreError};

impl Store {
    /// The record of every shell, by id.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn shells(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.reading(|database| {
            let table = database.begin_read()?.open_table(SHELLS)?;
            let mut shells = Vec::new();
            for entry in table.iter()? {
                let (id, record) = entry?;
                shells.push((id.value().to_owned(), record.value().to_vec()));
            }
            Ok(shells)
        })
    }

    /// Keeps the record of a shell, or forgets it.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn put_shell(&self, id: &str, record: Option<&[u8]>) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(SHELLS)?;
            match record {
                Some(record) => table.insert(id, record)?,
                None => table.remove(id)?,
            };
            Ok(())
        })
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
