//! The processes at one moment, as values: what the table makes, and what services and differences read.

use std::sync::Arc;

use p2p_shared::services::process::{ProcessInfo, ProcessKey, ProcessUsage};
use p2p_shared::time::UnixMillis;

use super::moment::Moment;

/// What of a process rarely changes. Rows share it, so that a snapshot is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// Which one.
    pub key: ProcessKey,
    /// Its parent.
    pub ppid: u32,
    /// As in [`ProcessInfo`].
    pub name: String,
    /// As in [`ProcessInfo`].
    pub command: String,
    /// As in [`ProcessInfo`].
    pub user: Arc<str>,
    /// As in [`ProcessInfo`].
    pub uid: u32,
    /// As in [`ProcessInfo`].
    pub started: UnixMillis,
}

/// One process in a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessRow {
    /// What rarely changes.
    pub identity: Arc<ProcessIdentity>,
    /// What changes.
    pub usage: ProcessUsage,
}

impl ProcessRow {
    /// The row as it travels.
    pub fn to_info(&self) -> ProcessInfo {
        let identity = &self.identity;
        ProcessInfo {
            key: identity.key,
            ppid: identity.ppid,
            name: identity.name.clone(),
            command: identity.command.clone(),
            user: identity.user.as_ref().into(),
            uid: identity.uid,
            started: identity.started,
            usage: self.usage,
        }
    }
}

/// All processes at one moment, by pid.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSnapshot {
    /// When.
    pub at: Moment,
    /// The boot to which the keys belong.
    pub boot_id: Arc<str>,
    /// By pid.
    pub rows: Vec<ProcessRow>,
}

impl ProcessSnapshot {
    /// The row of exactly that process.
    pub fn find(&self, key: ProcessKey) -> Option<&ProcessRow> {
        let index = self.rows.binary_search_by_key(&key, |row| row.identity.key).ok()?;
        self.rows.get(index)
    }
}
