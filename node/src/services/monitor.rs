//! The service `monitor`: the figures of the host as the sampler last read them, and what became of them.

use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::monitor::{Busiest, History, HostSample, Monitor, SeriesInfo};
use p2p_shared::time::{Millis, UnixMillis};
use tokio::sync::watch;

use crate::history::handle::HistoryHandle;
use crate::history::question::Question;
use crate::host::error::HostError;
use crate::host::moment::Moment;
use crate::host::sampler::{Sampler, plan};

/// Least and greatest interval of a watch, in milliseconds.
pub const INTERVAL_MS: std::ops::RangeInclusive<u32> = 1_000..=60_000;

/// The implementation.
#[derive(Debug)]
pub struct MonitorService {
    host: watch::Receiver<Arc<HostSample>>,
    history: HistoryHandle,
}

impl MonitorService {
    /// A service over the samples of `sampler`, and the history that is kept of them.
    pub fn new(sampler: &Sampler, history: HistoryHandle) -> Self {
        Self { host: sampler.host(), history }
    }
}

impl Monitor for MonitorService {
    async fn snapshot(&self, _: &CallContext) -> Result<HostSample, RpcError> {
        Ok(HostSample::clone(&self.host.borrow()))
    }

    async fn watch(
        &self,
        _: &CallContext,
        interval_ms: u32,
        items: Items<HostSample>,
    ) -> Result<(), RpcError> {
        let interval = super::interval(interval_ms, INTERVAL_MS)?;
        let mut host = self.host.clone();
        let mut last: Option<Millis> = None;
        loop {
            let sample = Arc::clone(&host.borrow_and_update());
            let now = Moment::now().monotonic;
            if last.is_none_or(|last| plan::is_due(last, interval, now)) {
                items.send(&*sample).await?;
                last = Some(now);
            }
            tokio::select! {
                changed = host.changed() => changed.map_err(|_| HostError::Stopped)?,
                () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
            }
        }
    }

    async fn series(&self, _: &CallContext) -> Result<Vec<SeriesInfo>, RpcError> {
        Ok(self.history.series().await?)
    }

    async fn history(
        &self,
        _: &CallContext,
        series: String,
        from: UnixMillis,
        to: UnixMillis,
        step_s: Option<u32>,
    ) -> Result<History, RpcError> {
        let question = Question::new(&series, (from, to), step_s)?;
        Ok(self.history.history(question).await?)
    }

    async fn busiest(&self, _: &CallContext, at: UnixMillis) -> Result<Option<Busiest>, RpcError> {
        Ok(self.history.busiest(at).await?)
    }
}

#[cfg(test)]
mod tests;
