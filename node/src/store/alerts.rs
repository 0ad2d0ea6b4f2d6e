//! Records of alerts, by kind and id: what fires, what is silenced, and the rules that were applied.

use super::{ALERTS, Store, StoreError};

impl Store {
    /// Every record, by its text.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn alerts(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.records(ALERTS)
    }

    /// Keeps records and forgets those that are `None`: all of them, or none.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_alerts<'a>(
        &self,
        records: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<(), StoreError> {
        self.put_records(ALERTS, records)
    }
}
