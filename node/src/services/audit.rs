//! The service `audit`: the record of this node, newest first.
//!
//! Reads the files beside their writer; it cannot change them.

use std::path::PathBuf;

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::services::audit::{
    Audit, AuditPage, Countersignature, ENTRIES_MAX, HeldHead, HeldRecord, RecordCheck, RecordLink,
};
use p2p_shared::witness::{AuditHead, Statement};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::audit;
use crate::audit::disk::Directory;
use crate::audit::list::{self, Filter};
use crate::audit::receipts::{self, Countersigned};
use crate::audit::verify::{Mark, judge_marks, verify_for};
use crate::audit::witness::{Held, Kept};
use crate::store::Store;

/// Entries of an answer, unless told.
const ENTRIES_USUAL: u32 = 100;
/// Links that one call may ask for.
const LINKS_MAX: usize = 256;

/// The implementation.
#[derive(Debug)]
pub struct AuditService {
    data: PathBuf,
    store: Store,
    // Each reader holds a whole segment: they come one after the other.
    reading: Semaphore,
}

impl AuditService {
    /// Reads the record of a data directory.
    pub const fn new(data: PathBuf, store: Store) -> Self {
        Self { data, store, reading: Semaphore::const_new(1) }
    }
}

/// Which entry a cursor is about: those before it are still to be told.
fn place(cursor: &str) -> Result<u64, RpcError> {
    let other =
        |_| RpcError::bad_request(format!("{cursor:?} is no place in the record: begin without a cursor"));
    cursor.parse().map_err(other)
}

impl Audit for AuditService {
    async fn list(
        &self,
        _: &CallContext,
        filter: Option<String>,
        cursor: Option<String>,
        limit: Option<u32>,
    ) -> Result<AuditPage, RpcError> {
        let limit = limit.unwrap_or(ENTRIES_USUAL);
        if !(1..=ENTRIES_MAX).contains(&limit) {
            return Err(RpcError::bad_request(format!("limit is 1 to {ENTRIES_MAX}, not {limit}")));
        }
        let mut filter = Filter::parse(filter.as_deref().unwrap_or_default(), limit as usize)
            .map_err(RpcError::bad_request)?;
        filter.before = cursor.as_deref().map(place).transpose()?;
        let data = self.data.clone();
        self.read(move || list::list(&Directory::of(&data), &filter).map_err(|error| error.to_string())).await
    }

    async fn heads(&self, _: &CallContext) -> Result<Vec<HeldRecord>, RpcError> {
        let store = self.store.clone();
        let held = self.read(move || receipts::held(&store)).await?;
        Ok(held.into_iter().map(held_record).collect())
    }

    async fn check(&self, _: &CallContext, at: String) -> Result<RecordCheck, RpcError> {
        let numbers: Result<Vec<u64>, _> =
            at.split(',').filter(|text| !text.is_empty()).map(|text| text.trim().parse()).collect();
        let bad = |_| RpcError::bad_request(format!("{at:?} are no numbers with commas between them"));
        let numbers = numbers.map_err(bad)?;
        if numbers.len() > LINKS_MAX {
            return Err(RpcError::bad_request(format!(
                "at most {LINKS_MAX} links at once, not {}",
                numbers.len()
            )));
        }
        let (data, store) = (self.data.clone(), self.store.clone());
        self.read(move || check(&Directory::of(&data), &store, &numbers)).await
    }

    async fn accept(&self, _: &CallContext, id: NodeId) -> Result<bool, RpcError> {
        let store = self.store.clone();
        let removed = move || store.remove_held_head(&id).map_err(|error| error.to_string());
        self.read(removed).await
    }
}

impl AuditService {
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, RpcError> {
        let unreadable =
            |why: String| RpcError::unavailable(format!("the audit record cannot be read: {why}"));
        let _turn = self.reading.acquire().await.map_err(|error| unreadable(error.to_string()))?;
        let read = spawn_blocking(read).await.map_err(|error| unreadable(error.to_string()))?;
        read.map_err(unreadable)
    }
}

/// Reads it all and holds it against what this node remembers itself.
fn check(disk: &Directory, store: &Store, asked: &[u64]) -> Result<RecordCheck, String> {
    // Both before the record: it may have grown when it is read, but never be behind them.
    let countersigned = receipts::countersigned(store)?;
    let head = audit::head_in(store)?;
    let marks: Vec<Mark> = countersigned.iter().map(Mark::from).collect();
    let wanted: Vec<u64> = asked.iter().copied().chain(marks.iter().map(|mark| mark.seq)).collect();
    let mut check = RecordCheck {
        broken: None,
        first: 0,
        last: 0,
        links: Vec::new(),
        countersigned: countersigned.into_iter().map(countersignature).collect(),
    };
    match verify_for(disk, head.as_ref(), &wanted) {
        Ok(whole) => {
            check.broken = judge_marks(&whole, &marks).err().map(|broken| broken.to_string());
            (check.first, check.last) = (whole.first, whole.last);
            let link = |seq: &u64| RecordLink { seq: *seq, link: whole.links.get(seq).cloned().flatten() };
            check.links = asked.iter().map(link).collect();
        }
        Err(broken) => check.broken = Some(broken.to_string()),
    }
    Ok(check)
}

fn held_record(held: Held) -> HeldRecord {
    let head = |kept: Kept| held_head(kept.head, kept.statement);
    HeldRecord {
        id: held.id,
        name: held.name,
        heads: held.heads.into_iter().map(head).collect(),
        contradiction: held.contradiction.map(head),
    }
}

fn countersignature(signed: Countersigned) -> Countersignature {
    Countersignature { by: signed.by, id: signed.id, head: held_head(signed.head, signed.proof) }
}

fn held_head(head: AuditHead, proof: Statement) -> HeldHead {
    HeldHead { seq: head.seq, link: head.link, at: head.at, proof }
}
