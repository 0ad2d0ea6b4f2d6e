//! What the database keeps about heads: the countersignatures of this node's own, and the heads of others.
//!
//! Values enter and leave; only who hands heads over, verifies or lists them needs it.

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::witness::{AuditHead, Statement};
use serde::{Deserialize, Serialize};

use super::verify::Mark;
use super::witness::Held;
use crate::store::Store;

/// Countersignatures that are kept, one of each member.
const RECEIPTS_MAX: usize = 8;
/// Under which name they are kept.
const RECEIPTS_KEY: &str = "audit_receipts";

/// A head of this node's record that a member holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countersigned {
    /// Which member.
    pub by: NodeName,
    /// Its identity.
    pub id: NodeId,
    /// What it holds.
    pub head: AuditHead,
    /// What proves that: its countersignature, or the head itself if it contradicts the record.
    pub proof: Statement,
}

impl From<&Countersigned> for Mark {
    fn from(signed: &Countersigned) -> Self {
        Self { by: signed.by.to_string(), seq: signed.head.seq, link: signed.head.link.clone() }
    }
}

/// The countersignatures that a database keeps.
///
/// # Errors
/// In words, if they cannot be read.
pub fn countersigned(store: &Store) -> Result<Vec<Countersigned>, String> {
    let Some(bytes) = store.meta(RECEIPTS_KEY).map_err(|error| error.to_string())? else {
        return Ok(Vec::new());
    };
    codec::decode(&bytes, Encoding::Bincode).map_err(|error| error.to_string())
}

/// What is held of every member.
///
/// # Errors
/// In words, if it cannot be read.
pub fn held(store: &Store) -> Result<Vec<Held>, String> {
    let held = store.held_heads().map_err(|error| error.to_string())?;
    held.iter()
        .map(|bytes| codec::decode(bytes, Encoding::Bincode).map_err(|error| error.to_string()))
        .collect()
}

/// Keeps the newest countersignature of each member.
///
/// # Errors
/// In words, if they cannot be written.
pub fn keep(store: &Store, news: Vec<Countersigned>) -> Result<(), String> {
    let older = countersigned(store).unwrap_or_default();
    let older = older.into_iter().filter(|kept| news.iter().all(|new| new.id != kept.id));
    let mut all: Vec<Countersigned> = news.iter().cloned().chain(older).collect();
    all.truncate(RECEIPTS_MAX);
    let bytes = codec::encode(&all, Encoding::Bincode).map_err(|error| error.to_string())?;
    store.put_meta(RECEIPTS_KEY, &bytes).map_err(|error| error.to_string())
}
