//! Records under a text: one table a kind, written and read alike; and what such a record is as bytes.
//!
//! A version byte, then JSON: a field that a later version adds takes its default in what an earlier one wrote.

use p2p_shared::rpc::codec::{self, CodecError, Encoding};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Store, StoreError};

/// A table of records.
pub(super) type Records = TableDefinition<'static, &'static str, &'static [u8]>;

impl Store {
    /// Every record of a table, in the order of their texts.
    pub(super) fn records(&self, records: Records) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.reading(|database| {
            let table = database.begin_read()?.open_table(records)?;
            let mut found = Vec::new();
            for entry in table.iter()? {
                let (text, record) = entry?;
                found.push((text.value().to_owned(), record.value().to_vec()));
            }
            Ok(found)
        })
    }

    /// Keeps records and forgets those that are `None`: all of them, or none.
    pub(super) fn put_records<'a>(
        &self,
        records: Records,
        changes: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(records)?;
            for (text, record) in changes {
                match record {
                    Some(bytes) => table.insert(text, bytes)?,
                    None => table.remove(text)?,
                };
            }
            Ok(())
        })
    }
}

/// A record of a layout, as it is stored.
///
/// # Errors
/// If it is too large.
pub fn to_bytes<T: Serialize>(layout: u8, record: &T) -> Result<Vec<u8>, CodecError> {
    let json = codec::encode(record, Encoding::Json)?;
    Ok([&[layout], json.as_ref()].concat())
}

/// What was stored in that layout.
///
/// # Errors
/// If it is none of ours.
pub fn from_bytes<T: DeserializeOwned>(layout: u8, bytes: &[u8]) -> Result<T, CodecError> {
    match bytes.split_first() {
        Some((found, json)) if *found == layout => codec::decode(json, Encoding::Json),
        Some((found, _)) => Err(CodecError::Malformed(format!("layout {found}"))),
        None => Err(CodecError::Malformed("it is empty".into())),
    }
}
