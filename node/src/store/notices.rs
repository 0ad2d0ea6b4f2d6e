//! What is on its way to receivers of alerts, by a text.

use super::{NOTICES, Store, StoreError};

impl Store {
    /// Everything that is on its way, by its text.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn notices(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.records(NOTICES)
    }

    /// Keeps what is on its way, and forgets what is `None`: all of it, or nothing.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn put_notices(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        self.put_records(NOTICES, changes.iter().map(|(text, record)| (text.as_str(), record.as_deref())))
    }
}
