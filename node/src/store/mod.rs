//! The embedded database: everything of a node that must survive a restart.
//!
//! One file, `DATA/node.redb` (redb: copy-on-write, checksummed, one writer). Bytes that their owners encoded
//! enter and leave; nothing here knows what they mean. Every write is on disk when its call returns, and so
//! it blocks: the async side calls from `spawn_blocking`, or gives what is not urgent to a [`StoreWriter`].

mod alerts;
mod checkup;
mod error;
mod heads;
mod history;
mod jobs;
mod lasting;
mod notices;
mod programs;
pub mod records;
mod sessions;
mod shells;
mod writer;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

pub use error::StoreError;
pub use history::{HistoryStore, KeepMinute, KeptHistory};
use lasting::Lasting;
pub use writer::{StoreWriter, Write};

/// The file in the data directory.
const FILE: &str = "node.redb";
/// What the tables hold. A file of a newer layout is refused, an older one would be migrated here.
const SCHEMA_VERSION: u64 = 1;

/// Signed facts of members, by id.
const MEMBERS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("members");
/// Contacts that answered, by id: eight bytes of when they were last heard (milliseconds since 1970,
/// big-endian), and where they are.
const CONTACTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("contacts");
/// Supervised programs, by name.
const PROGRAMS: TableDefinition<&str, &[u8]> = TableDefinition::new("programs");
/// Shells that run, by id.
const SESSIONS: TableDefinition<&str, &[u8]> = TableDefinition::new("sessions");
const SHELLS: TableDefinition<&str, &[u8]> = TableDefinition::new("shells");
/// Jobs, by id.
const JOBS: TableDefinition<&str, &[u8]> = TableDefinition::new("jobs");
/// Alerts that fire, silences and applied rules, by kind and id.
const ALERTS: TableDefinition<&str, &[u8]> = TableDefinition::new("alerts");
/// Heads of the audit records of members, by id.
const HEADS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("audit_heads");
/// Alerts on their way to receivers.
const NOTICES: TableDefinition<&str, &[u8]> = TableDefinition::new("notices");
/// Small things by name.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

const HEARD_BYTES: usize = 8;
/// The file is small and read at the start: redb's own default is a gibibyte.
const CACHE_BYTES: usize = 2 << 20;
const META_SCHEMA: &str = "schema_version";
const META_SEQUENCE: &str = "own_sequence";
/// Contacts that are remembered; the one heard longest ago makes room.
pub const CONTACTS_MAX: usize = 256;

/// The open database. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Store {
    database: Arc<Lasting>,
}

impl Store {
    /// Opens the database of a data directory, or makes both.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong and what to do: no rights, in use by another process, corrupt, or of
    /// a newer version.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        make_directory(directory)?;
        Ok(Self { database: Arc::new(Lasting::new(&directory.join(FILE), open_database)?) })
    }

    /// Takes the next sequence above `above` and above all that were taken before. It is on disk before it is
    /// used, so that no two runs of a node sign with the same one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn next_sequence(&self, above: u64) -> Result<u64, StoreError> {
        // What is no number is refused here, before anything is written over it.
        self.meta_number(META_SEQUENCE)?;
        let mut next = 0;
        // Read and written in one transaction: two who ask at once get two sequences.
        self.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            let last = meta.get(META_SEQUENCE)?.and_then(|bytes| bytes.value().try_into().ok());
            next = last.map_or(0, u64::from_be_bytes).max(above).saturating_add(1);
            meta.insert(META_SEQUENCE, next.to_be_bytes().as_slice())?;
            Ok(())
        })?;
        Ok(next)
    }

    /// What is kept under a name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|database| {
            let table = database.begin_read()?.open_table(META)?;
            Ok(table.get(name)?.map(|value| value.value().to_vec()))
        })
    }

    /// Keeps bytes under a name.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_meta(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(META)?.insert(name, bytes)?;
            Ok(())
        })
    }

    /// The signed facts of every member, by id.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn members(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.reading(|database| {
            let table = database.begin_read()?.open_table(MEMBERS)?;
            let mut members = Vec::new();
            for entry in table.iter()? {
                members.push(entry?.1.value().to_vec());
            }
            Ok(members)
        })
    }

    /// The remembered contacts, the one heard last first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn contacts(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut contacts = self.reading(|database| {
            let table = database.begin_read()?.open_table(CONTACTS)?;
            let mut contacts = Vec::new();
            for entry in table.iter()? {
                contacts.push(entry?.1.value().to_vec());
            }
            Ok(contacts)
        })?;
        contacts.sort_by(|one, other| other.cmp(one));
        Ok(contacts.into_iter().map(|value| value.get(HEARD_BYTES..).unwrap_or_default().to_vec()).collect())
    }

    /// Does several writes at once: all of them, or none.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut members = transaction.open_table(MEMBERS)?;
            let mut contacts = transaction.open_table(CONTACTS)?;
            for write in writes {
                match write {
                    Write::PutMember { id, bytes } => {
                        members.insert(id.as_bytes().as_slice(), bytes.as_slice())?;
                    }
                    Write::RemoveMember { id } => {
                        members.remove(id.as_bytes().as_slice())?;
                    }
                    Write::PutContact { id, heard, bytes } => {
                        let value = [heard.0.to_be_bytes().as_slice(), bytes].concat();
                        contacts.insert(id.as_bytes().as_slice(), value.as_slice())?;
                    }
                }
            }
            let mut ages = Vec::new();
            for entry in contacts.iter()? {
                let (id, value) = entry?;
                ages.push((value.value().to_vec(), id.value().to_vec()));
            }
            ages.sort_unstable();
            let surplus = ages.len().saturating_sub(CONTACTS_MAX);
            for (_, id) in &ages[..surplus] {
                contacts.remove(id.as_slice())?;
            }
            Ok(())
        })
    }

    fn meta_number(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.meta(name)?.map(|bytes| number(self.database.path(), name, &bytes)).transpose()
    }

    fn reading<T>(&self, read: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        self.database.with(read)
    }

    fn write(
        &self,
        write: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), StoreError> {
        self.database.with(|database| written(database, write))
    }
}

fn number(path: &Path, name: &str, bytes: &[u8]) -> Result<u64, StoreError> {
    let malformed = |_| StoreError::Malformed { path: path.to_owned(), name: name.to_owned() };
    Ok(u64::from_be_bytes(bytes.try_into().map_err(malformed)?))
}

fn open_database(path: &Path) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_check_integrity_on_open(true).set_cache_size(CACHE_BYTES);
    let database = lasting::open(path, &builder)?;
    let found = prepare(&database).map_err(|source| StoreError::opening(path, source))?;
    match number(path, META_SCHEMA, &found)? {
        SCHEMA_VERSION => Ok(database),
        found => Err(StoreError::Version { path: path.to_owned(), found, ours: SCHEMA_VERSION }),
    }
}

/// Makes the tables, and notes the version of a new file; gives the version.
fn prepare(database: &Database) -> Result<Vec<u8>, redb::Error> {
    let transaction = database.begin_write()?;
    let version = {
        transaction.open_table(MEMBERS)?;
        transaction.open_table(CONTACTS)?;
        transaction.open_table(PROGRAMS)?;
        transaction.open_table(SESSIONS)?;
        transaction.open_table(SHELLS)?;
        transaction.open_table(JOBS)?;
        transaction.open_table(ALERTS)?;
        transaction.open_table(HEADS)?;
        transaction.open_table(NOTICES)?;
        let mut meta = transaction.open_table(META)?;
        let found = meta.get(META_SCHEMA)?.map(|version| version.value().to_vec());
        if found.is_none() {
            meta.insert(META_SCHEMA, SCHEMA_VERSION.to_be_bytes().as_slice())?;
        }
        found.unwrap_or_else(|| SCHEMA_VERSION.to_be_bytes().to_vec())
    };
    transaction.commit()?;
    Ok(version)
}

/// All of one transaction, or nothing of it.
fn written(
    database: &Database,
    write: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    write(&transaction)?;
    Ok(transaction.commit()?)
}

fn make_directory(directory: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: directory.to_owned(), source };
    if !directory.exists() {
        fs::create_dir_all(directory).map_err(failed)?;
        fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
