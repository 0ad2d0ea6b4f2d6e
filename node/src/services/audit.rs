//! The service `audit`: the record of this node, newest first.
//!
//! Reads the files beside their writer; it cannot change them.

use std::path::PathBuf;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::services::audit::{Audit, AuditEntry, ENTRIES_MAX};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::audit::disk::Directory;
use crate::audit::list::{self, Filter};

/// The implementation.
#[derive(Debug)]
pub struct AuditService {
    data: PathBuf,
    // Each reader holds a whole segment: they come one after the other.
    reading: Semaphore,
}

impl AuditService {
    /// Reads the record of a data directory.
    pub const fn new(data: PathBuf) -> Self {
        Self { data, reading: Semaphore::const_new(1) }
    }
}

impl Audit for AuditService {
    async fn list(
        &self,
        _: &CallContext,
        filter: Option<String>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, RpcError> {
        if !(1..=ENTRIES_MAX).contains(&limit) {
            return Err(RpcError::bad_request(format!("limit is 1 to {ENTRIES_MAX}, not {limit}")));
        }
        let filter = Filter::parse(filter.as_deref().unwrap_or_default(), limit as usize)
            .map_err(RpcError::bad_request)?;
        let unreadable =
            |why: String| RpcError::unavailable(format!("the audit record cannot be read: {why}"));
        let _turn = self.reading.acquire().await.map_err(|error| unreadable(error.to_string()))?;
        let data = self.data.clone();
        let read = spawn_blocking(move || list::list(&Directory::of(&data), &filter)).await;
        read.map_err(|error| unreadable(error.to_string()))?.map_err(|error| unreadable(error.to_string()))
    }
}
