//! The contract of `journal`: what programs and the kernel of one node have said. Where there is no systemd
//! every call answers `unsupported`.

#![expect(clippy::too_many_arguments, reason = "arguments of a get are flat, as they go into a query string")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// In which order a query answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalOrder {
    /// The newest first: a limit leaves the oldest out.
    Newest,
    /// The oldest first: a limit leaves the newest out.
    Oldest,
    /// An order of a newer version: refused.
    #[serde(other)]
    Unknown,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalRow {
    /// Where it stands in this node's journal.
    pub cursor: String,
    /// When the journal took it, by the node's wall clock then, in microseconds since 1970.
    pub time_us: u64,
    /// The unit that it came from or is about.
    pub unit: Option<String>,
    /// What the program calls itself.
    pub identifier: Option<String>,
    /// The process.
    pub pid: Option<u32>,
    /// 0 (emergency) to 7 (debug); 6 if it says none.
    pub priority: u8,
    /// What it says, at most 64 KiB; may hold any character.
    pub message: String,
    /// The message was longer.
    pub is_cut: bool,
    /// Every other field, if asked for: at most 64, each at most 4 KiB.
    pub fields: Vec<JournalField>,
}

/// One field of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalField {
    /// Its name, such as `_HOSTNAME`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The answer of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalPage {
    /// The node's wall clock when it answered.
    pub at: UnixMillis,
    /// In the order that was asked for.
    pub rows: Vec<JournalRow>,
    /// Where to go on; `None` if there is nothing more.
    pub next: Option<String>,
    /// Entries that could not be read, or were of more than 1 MiB.
    pub unreadable: u32,
}

/// One message of a follow. Without rows it is a sign of life: one comes every second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalBatch {
    /// Counts the messages from 0.
    pub seq: u64,
    /// The node's wall clock when it sent this: everything older has been sent.
    pub at: UnixMillis,
    /// Oldest first.
    pub rows: Vec<JournalRow>,
    /// Entries that were left out between these and the ones before, because they were too many.
    pub dropped: u64,
}

crate::service! {
    /// Read what programs and the kernel have said.
    service Journal = "journal" {
        /// Entries of `unit` (an exact name), of `identifier`, of `priority` (0 to 7) or graver, from `since` up
        /// to `until`, whose message contains `text` or fits `regex` (not both; folds case if all lower-case), of
        /// `boot` (0 is this one, -1 the one before, or an id); at most `limit` (200, at most 2,000), in `order`
        /// (newest), past `cursor`; with `fields` all fields of each.
        get query(
            unit: Option<String>, identifier: Option<String>, priority: Option<u8>,
            since: Option<UnixMillis>, until: Option<UnixMillis>,
            text: Option<String>, regex: Option<String>, boot: Option<String>,
            cursor: Option<String>, limit: Option<u32>, order: Option<JournalOrder>, fields: Option<bool>,
        ) -> JournalPage, needs JournalRead;
        /// The last `lines` (10, at most 500) such entries, or those past `cursor`, and then new ones as they
        /// come: at most 2,000 a second, beyond which they are counted and left out.
        watch follow(
            unit: Option<String>, identifier: Option<String>, priority: Option<u8>,
            since: Option<UnixMillis>, text: Option<String>, regex: Option<String>,
            cursor: Option<String>, lines: Option<u32>,
        ) -> JournalBatch, needs JournalRead;
    }
}
