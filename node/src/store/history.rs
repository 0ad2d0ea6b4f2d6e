//! The database of the history: a file of its own, `DATA/history.redb`.
//!
//! It is large, written every minute and worth less than what the node must not lose: so neither its damage nor
//! its size touches `node.redb`. Encoded bytes enter and leave. Each change is one transaction; a file that is
//! damaged is set aside and a new one begun.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use redb::{AccessGuard, Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::lasting::{self, Lasting};
use super::{StoreError, written};

/// The file in the data directory.
const FILE: &str = "history.redb";
/// A damaged one; of several the last.
const DAMAGED: &str = "history.redb.damaged";
const SCHEMA_VERSION: u64 = 1;
/// Questions read in order and seldom twice.
const CACHE_BYTES: usize = 512 << 10;

/// Names of series, by number.
const SERIES: TableDefinition<u32, &str> = TableDefinition::new("series");
/// Records of a minute, by number.
const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
/// The first second of the record of the same number, since 1970: which records a question is about.
const STARTS: TableDefinition<u64, u64> = TableDefinition::new("starts");
/// The busiest processes of the minute of the same number.
const BUSIEST: TableDefinition<u64, &[u8]> = TableDefinition::new("busiest");
/// Summed-up minutes, by series and group.
const BLOCKS: TableDefinition<(u32, u64), &[u8]> = TableDefinition::new("blocks");
/// How many bytes the blocks of each group take.
const GROUPS: TableDefinition<u64, u64> = TableDefinition::new("groups");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const META_SCHEMA: &str = "schema_version";
const META_NEXT_SERIES: &str = "next_series";

/// The open database. Clones are the same one.
#[derive(Clone, Debug)]
pub struct HistoryStore {
    database: Arc<Lasting>,
}

/// What is read at the start.
#[derive(Clone, Debug, Default)]
pub struct KeptHistory {
    /// Names of series, by number.
    pub series: Vec<(u32, String)>,
    /// The first number of a series that was never used.
    pub next_series: u32,
    /// The newest record, its number first, with its busiest processes.
    pub last: Option<(u64, Vec<u8>, Vec<u8>)>,
}

/// One minute to keep.
#[derive(Clone, Debug, Default)]
pub struct KeepMinute {
    /// Its number; the record of the same number is replaced.
    pub seq: u64,
    /// Its first second, since 1970.
    pub start: u64,
    /// The record.
    pub record: Vec<u8>,
    /// Its busiest processes.
    pub busiest: Vec<u8>,
    /// New series.
    pub added: Vec<(u32, String)>,
    /// Series to forget, with their blocks.
    pub evicted: Vec<u32>,
    /// As in [`KeptHistory`].
    pub next_series: u32,
}

impl HistoryStore {
    /// Opens the file, or makes it. A damaged one, or one of another version, is set aside.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened or is in use.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        match Self::open_once(directory) {
            Err(error @ (StoreError::Corrupt { .. } | StoreError::Version { .. })) => {
                let (path, aside) = (directory.join(FILE), directory.join(DAMAGED));
                tracing::error!(%error, aside = %aside.display(), "the history is set aside and begins anew");
                fs::rename(&path, aside).map_err(|source| StoreError::File { path, source })?;
                Self::open_once(directory)
            }
            opened => opened,
        }
    }

    fn open_once(directory: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Arc::new(Lasting::new(&directory.join(FILE), open_database)?) })
    }

    /// What an earlier run kept.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn kept(&self) -> Result<KeptHistory, StoreError> {
        self.reading(|transaction| {
            let mut kept = KeptHistory::default();
            for entry in transaction.open_table(SERIES)?.iter()? {
                let (id, name) = entry?;
                kept.series.push((id.value(), name.value().to_owned()));
            }
            let next = transaction.open_table(META)?.get(META_NEXT_SERIES)?.map(|next| next.value());
            kept.next_series = next.and_then(|next| u32::try_from(next).ok()).unwrap_or(0);
            let records = transaction.open_table(RECORDS)?;
            let Some((seq, record)) = records.last()? else { return Ok(kept) };
            let busiest = transaction.open_table(BUSIEST)?.get(seq.value())?;
            let busiest = busiest.map(|bytes| bytes.value().to_vec()).unwrap_or_default();
            kept.last = Some((seq.value(), record.value().to_vec(), busiest));
            Ok(kept)
        })
    }

    /// Keeps a minute.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, minute: &KeepMinute) -> Result<(), StoreError> {
        self.writing(|transaction| {
            transaction.open_table(RECORDS)?.insert(minute.seq, minute.record.as_slice())?;
            transaction.open_table(STARTS)?.insert(minute.seq, minute.start)?;
            transaction.open_table(BUSIEST)?.insert(minute.seq, minute.busiest.as_slice())?;
            let mut series = transaction.open_table(SERIES)?;
            for (id, name) in &minute.added {
                series.insert(id, name.as_str())?;
            }
            let mut blocks = transaction.open_table(BLOCKS)?;
            for &id in &minute.evicted {
                series.remove(id)?;
                blocks.retain_in((id, 0)..=(id, u64::MAX), |_, _| false)?;
            }
            transaction.open_table(META)?.insert(META_NEXT_SERIES, u64::from(minute.next_series))?;
            Ok(())
        })
    }

    /// The numbers of the oldest and the newest record.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn records(&self) -> Result<Option<(u64, u64)>, StoreError> {
        self.reading(|transaction| {
            let table = transaction.open_table(RECORDS)?;
            let (first, last) = (table.first()?, table.last()?);
            Ok(first.zip(last).map(|(first, last)| (first.0.value(), last.0.value())))
        })
    }

    /// Hands on each record with a number below `before`, the oldest first, until `found` says that it has
    /// enough.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read_records(
        &self,
        before: u64,
        mut found: impl FnMut(u64, &[u8]) -> std::ops::ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.reading(|transaction| {
            for entry in transaction.open_table(RECORDS)?.range(..before)? {
                let (seq, bytes) = entry?;
                if found(seq.value(), bytes.value()).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The numbers below `before` of records, the oldest first, each with the record's first second.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn starts(&self, before: u64) -> Result<Vec<(u64, u64)>, StoreError> {
        self.reading(|transaction| {
            let table = transaction.open_table(STARTS)?;
            let row = |entry: Result<(AccessGuard<'_, u64>, AccessGuard<'_, u64>), _>| {
                entry.map(|(seq, start)| (seq.value(), start.value()))
            };
            Ok(table.range(..before)?.map(row).collect::<Result<_, _>>()?)
        })
    }

    /// Hands on the records of these numbers, as far as there are any.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read_records_of(
        &self,
        numbers: impl IntoIterator<Item = u64>,
        mut found: impl FnMut(u64, &[u8]),
    ) -> Result<(), StoreError> {
        self.reading(|transaction| {
            let table = transaction.open_table(RECORDS)?;
            for seq in numbers {
                if let Some(bytes) = table.get(seq)? {
                    found(seq, bytes.value());
                }
            }
            Ok(())
        })
    }

    /// Hands on the blocks of a series, the oldest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read_blocks(&self, series: u32, mut found: impl FnMut(&[u8])) -> Result<(), StoreError> {
        self.reading(|transaction| {
            for entry in transaction.open_table(BLOCKS)?.range((series, 0)..=(series, u64::MAX))? {
                found(entry?.1.value());
            }
            Ok(())
        })
    }

    /// Whether anything was summed up yet.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn has_blocks(&self) -> Result<bool, StoreError> {
        self.reading(|transaction| Ok(transaction.open_table(GROUPS)?.first()?.is_some()))
    }

    /// What is kept of the busiest processes of a record.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_busiest(&self, mut found: impl FnMut(u64, &[u8])) -> Result<(), StoreError> {
        self.reading(|transaction| {
            for entry in transaction.open_table(BUSIEST)?.iter()? {
                let (seq, bytes) = entry?;
                found(seq.value(), bytes.value());
            }
            Ok(())
        })
    }

    /// Replaces the records up to number `last` by blocks of their series, as the newest group. The oldest
    /// groups go when there are more than `most`, or their blocks take more than so many bytes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn seal(&self, last: u64, blocks: &[(u32, Vec<u8>)], most: (usize, u64)) -> Result<(), StoreError> {
        self.writing(|transaction| {
            transaction.open_table(RECORDS)?.retain_in(..=last, |_, _| false)?;
            transaction.open_table(STARTS)?.retain_in(..=last, |_, _| false)?;
            transaction.open_table(BUSIEST)?.retain_in(..=last, |_, _| false)?;
            let mut groups = transaction.open_table(GROUPS)?;
            let group = groups.last()?.map_or(0, |(group, _)| group.value() + 1);
            let mut table = transaction.open_table(BLOCKS)?;
            let known = transaction.open_table(SERIES)?;
            let mut bytes = 0;
            for (series, block) in blocks {
                // Of a series that made room nothing comes back.
                if known.get(series)?.is_some() {
                    table.insert((*series, group), block.as_slice())?;
                    bytes += block.len() as u64;
                }
            }
            groups.insert(group, bytes)?;
            for group in surplus(&groups, most)? {
                groups.remove(group)?;
                for series in known.iter()? {
                    table.remove((series?.0.value(), group))?;
                }
            }
            Ok(())
        })
    }

    fn reading<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.database.with(|database| read(&database.begin_read()?))
    }

    fn writing(
        &self,
        write: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), StoreError> {
        self.database.with(|database| written(database, write))
    }
}

fn open_database(path: &Path) -> Result<Database, StoreError> {
    let database = lasting::open(path, Database::builder().set_cache_size(CACHE_BYTES))?;
    match prepare(&database).map_err(|source| StoreError::opening(path, source))? {
        SCHEMA_VERSION => Ok(database),
        found => Err(StoreError::Version { path: path.to_owned(), found, ours: SCHEMA_VERSION }),
    }
}

/// Makes the tables; gives the version.
fn prepare(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let version = {
        transaction.open_table(SERIES)?;
        transaction.open_table(RECORDS)?;
        transaction.open_table(STARTS)?;
        transaction.open_table(BUSIEST)?;
        transaction.open_table(BLOCKS)?;
        transaction.open_table(GROUPS)?;
        let mut meta = transaction.open_table(META)?;
        let found = meta.get(META_SCHEMA)?.map(|version| version.value());
        if found.is_none() {
            meta.insert(META_SCHEMA, SCHEMA_VERSION)?;
        }
        found.unwrap_or(SCHEMA_VERSION)
    };
    transaction.commit()?;
    Ok(version)
}

/// The oldest groups, as far as there are more than `most` or their bytes are more than `most`.
fn surplus(
    groups: &impl ReadableTable<u64, u64>,
    (groups_max, bytes_max): (usize, u64),
) -> Result<Vec<u64>, redb::Error> {
    let mut sizes = Vec::new();
    for entry in groups.iter()? {
        let (group, bytes) = entry?;
        sizes.push((group.value(), bytes.value()));
    }
    let mut bytes: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    let mut surplus = Vec::new();
    for (gone, (group, size)) in sizes.iter().enumerate() {
        if sizes.len() - gone <= groups_max && bytes <= bytes_max {
            break;
        }
        surplus.push(*group);
        bytes -= size;
    }
    Ok(surplus)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    fn minute(seq: u64) -> KeepMinute {
        let added = vec![(1, "cpu".to_owned()), (2, "load".to_owned())];
        KeepMinute {
            seq,
            start: seq * 60,
            record: vec![seq as u8],
            busiest: vec![9],
            added,
            next_series: 7,
            ..Default::default()
        }
    }

    fn blocks(store: &HistoryStore, series: u32) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        store.read_blocks(series, |block| found.push(block.to_vec())).unwrap();
        found
    }

    #[test]
    fn minutes_are_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let store = HistoryStore::open(directory.path()).unwrap();
        (3..6).for_each(|seq| store.keep(&minute(seq)).unwrap());
        drop(store);
        let store = HistoryStore::open(directory.path()).unwrap();
        let kept = store.kept().unwrap();
        assert_eq!((kept.next_series, kept.last), (7, Some((5, vec![5], vec![9]))));
        assert_eq!(kept.series, minute(0).added);
        let mut found = Vec::new();
        let read = |seq, bytes: &[u8]| {
            found.push((seq, bytes.to_vec()));
            ControlFlow::Continue(())
        };
        store.read_records(5, read).unwrap();
        assert_eq!(found, [(3, vec![3]), (4, vec![4])]);
        assert_eq!(store.starts(5).unwrap(), [(3, 180), (4, 240)]);
        found.clear();
        store.read_records_of([2, 4], |seq, bytes| found.push((seq, bytes.to_vec()))).unwrap();
        assert_eq!(found, [(4, vec![4])]);
    }

    #[test]
    fn what_is_summed_up_replaces_its_records_and_the_oldest_groups_go() {
        let directory = tempfile::tempdir().unwrap();
        let store = HistoryStore::open(directory.path()).unwrap();
        (0..6).for_each(|seq| store.keep(&minute(seq)).unwrap());
        for (last, most) in [(0, (9, 99)), (1, (9, 99)), (2, (2, 99)), (3, (9, 5))] {
            let block = vec![last as u8; 3];
            store.seal(last, &[(1, block), (8, vec![0; 90])], most).unwrap();
        }
        assert_eq!(store.records().unwrap(), Some((4, 5)));
        // Two groups at most, then five bytes at most; series 8 is not known.
        assert_eq!(blocks(&store, 1), [vec![3; 3]]);
        assert!(store.has_blocks().unwrap() && blocks(&store, 8).is_empty());
    }

    #[test]
    fn of_a_series_that_made_room_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let store = HistoryStore::open(directory.path()).unwrap();
        store.keep(&minute(0)).unwrap();
        store.seal(0, &[(1, vec![1]), (2, vec![2])], (9, 99)).unwrap();
        store.keep(&KeepMinute { added: Vec::new(), evicted: vec![1], ..minute(1) }).unwrap();
        assert_eq!(store.kept().unwrap().series, [(2, "load".to_owned())]);
        assert_eq!((blocks(&store, 1).len(), blocks(&store, 2).len()), (0, 1));
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), b"this is no database").unwrap();
        let store = HistoryStore::open(directory.path()).unwrap();
        assert_eq!(store.records().unwrap(), None);
        assert!(directory.path().join(DAMAGED).is_file());
    }
}
