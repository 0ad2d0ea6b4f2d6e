//! What this node holds of the audit records of others, by member.

use p2p_shared::id::NodeId;
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::{HEADS, Store, StoreError};

impl Store {
    /// What is held of every member, by id.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn held_heads(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.reading(|database| {
            let table = database.begin_read()?.open_table(HEADS)?;
            let mut held = Vec::new();
            for entry in table.iter()? {
                held.push(entry?.1.value().to_vec());
            }
            Ok(held)
        })
    }

    /// What is held of a member, and of how many something is.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn held_head(&self, of: &NodeId) -> Result<(Option<Vec<u8>>, u64), StoreError> {
        self.reading(|database| {
            let table = database.begin_read()?.open_table(HEADS)?;
            let held = table.get(of.as_bytes().as_slice())?.map(|value| value.value().to_vec());
            Ok((held, table.len()?))
        })
    }

    /// Holds this of a member.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put_held_head(&self, of: &NodeId, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(HEADS)?.insert(of.as_bytes().as_slice(), bytes)?;
            Ok(())
        })
    }

    /// Holds nothing of a member any more; whether anything was held.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn remove_held_head(&self, of: &NodeId) -> Result<bool, StoreError> {
        let mut was_held = false;
        self.write(|transaction| {
            was_held = transaction.open_table(HEADS)?.remove(of.as_bytes().as_slice())?.is_some();
            Ok(())
        })?;
        Ok(was_held)
    }
}
