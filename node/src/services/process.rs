//! The service `process`: lists and differences from the sampler, actions through `host::control`.
//!
//! What touches one process for long (its files, its threads) runs on blocking threads, a few at a time, so
//! that one process on which the kernel hangs holds up neither the calls of others nor the runtime.

use std::net::SocketAddr;
use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::process::{
    Process, ProcessDelta, ProcessDetails, ProcessKey, ProcessList, ProcessRef, Signal,
};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::host::delta::Sent;
use crate::host::error::HostError;
use crate::host::occupant::{self, Protocol};
use crate::host::sampler::Sampler;
use crate::host::snapshot::ProcessRow;
use crate::host::{control, details};

/// Least and greatest interval of a watch, in milliseconds.
pub const INTERVAL_MS: std::ops::RangeInclusive<u32> = 250..=60_000;
/// Longest filter of a list.
pub const FILTER_BYTES_MAX: usize = 1_024;
/// Processes that are inspected or reniced at the same time; more wait.
const BLOCKING_MAX: usize = 8;

/// The implementation.
#[derive(Debug)]
pub struct ProcessService {
    sampler: Sampler,
    blocking: Arc<Semaphore>,
}

impl ProcessService {
    /// A service over the processes of `sampler`.
    pub fn new(sampler: Sampler) -> Self {
        Self { sampler, blocking: Arc::new(Semaphore::new(BLOCKING_MAX)) }
    }

    /// Runs `work` where it may block. It goes on, and keeps its place, if the caller goes away.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HostError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let place = Arc::clone(&self.blocking).acquire_owned().await.map_err(|_| HostError::Stopped)?;
        let run = move || {
            let _place = place;
            work()
        };
        let ended = spawn_blocking(run).await;
        Ok(ended.map_err(|error| RpcError::internal(format!("looking at a process failed: {error}")))??)
    }
}

impl Process for ProcessService {
    async fn list(&self, _: &CallContext, filter: Option<String>) -> Result<ProcessList, RpcError> {
        let filter = filter.filter(|filter| !filter.is_empty()).map(|filter| filter.to_lowercase());
        if filter.as_ref().is_some_and(|filter| filter.len() > FILTER_BYTES_MAX) {
            return Err(RpcError::bad_request(format!("a filter has at most {FILTER_BYTES_MAX} bytes")));
        }
        let snapshot = self.sampler.processes().await?;
        let rows = snapshot.rows.iter();
        let found = rows.filter(|row| filter.as_ref().is_none_or(|filter| contains(row, filter)));
        Ok(ProcessList {
            at: snapshot.at.wall,
            boot_id: snapshot.boot_id.as_ref().into(),
            processes: found.map(ProcessRow::to_info).collect(),
        })
    }

    async fn inspect(
        &self,
        _: &CallContext,
        boot_id: String,
        pid: u32,
        start_ticks: u64,
    ) -> Result<ProcessDetails, RpcError> {
        let (roots, latest) = (self.sampler.roots(), self.sampler.latest_processes());
        let target = ProcessRef { boot_id, pid, start_ticks };
        self.blocking(move || {
            let key = ProcessKey { pid, start_ticks };
            let latest = latest.as_ref().and_then(|latest| latest.find(key));
            details::inspect(&roots, &target, latest)
        })
        .await
    }

    async fn holders(
        &self,
        _: &CallContext,
        protocol: String,
        local: String,
        remote: String,
    ) -> Result<ProcessList, RpcError> {
        let protocol = match protocol.as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(RpcError::bad_request(format!("a protocol is tcp or udp, not {other:?}"))),
        };
        let address = |text: &str| {
            text.parse().map_err(|_| RpcError::bad_request(format!("{text:?} is no ADDRESS:PORT")))
        };
        let (local, remote): (SocketAddr, SocketAddr) = (address(&local)?, address(&remote)?);
        let roots = self.sampler.roots();
        let pids =
            self.blocking(move || Ok(occupant::of_connection(&roots, protocol, local, remote))).await?;
        let snapshot = self.sampler.processes().await?;
        let holds = |row: &&ProcessRow| pids.contains(&row.identity.key.pid);
        Ok(ProcessList {
            at: snapshot.at.wall,
            boot_id: snapshot.boot_id.as_ref().into(),
            processes: snapshot.rows.iter().filter(holds).map(ProcessRow::to_info).collect(),
        })
    }

    async fn signal(&self, _: &CallContext, target: ProcessRef, signal: Signal) -> Result<(), RpcError> {
        // A handful of quick system calls; and it must work while inspections hang.
        Ok(control::signal(&self.sampler.roots(), &target, signal)?)
    }

    async fn renice(&self, _: &CallContext, target: ProcessRef, nice: i32) -> Result<(), RpcError> {
        let roots = self.sampler.roots();
        self.blocking(move || control::renice(&roots, &target, nice)).await
    }

    async fn watch(
        &self,
        _: &CallContext,
        interval_ms: u32,
        items: Items<ProcessDelta>,
    ) -> Result<(), RpcError> {
        let interval = super::interval(interval_ms, INTERVAL_MS)?;
        let mut watch = self.sampler.watch_processes(interval);
        let mut sent = Sent::default();
        loop {
            let snapshot = tokio::select! {
                snapshot = watch.next() => snapshot?,
                () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
            };
            for message in sent.advance(&snapshot) {
                items.send(&message).await?;
            }
        }
    }
}

/// Whether name, command line or user contain `filter`, which is in lower case.
fn contains(row: &ProcessRow, filter: &str) -> bool {
    let identity = &row.identity;
    [&*identity.name, &*identity.command, &*identity.user]
        .iter()
        .any(|text| text.to_lowercase().contains(filter))
}

#[cfg(test)]
mod tests;
