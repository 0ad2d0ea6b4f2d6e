//! The service `monitor`: the figures of the host as the sampler last read them.

use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::monitor::{HostSample, Monitor};
use p2p_shared::time::Millis;
use tokio::sync::watch;

use crate::host::error::HostError;
use crate::host::moment::Moment;
use crate::host::sampler::{Sampler, plan};

/// Least and greatest interval of a watch, in milliseconds.
pub const INTERVAL_MS: std::ops::RangeInclusive<u32> = 1_000..=60_000;

/// The implementation.
#[derive(Debug)]
pub struct MonitorService {
    host: watch::Receiver<Arc<HostSample>>,
}

impl MonitorService {
    /// A service over the samples of `sampler`.
    pub fn new(sampler: &Sampler) -> Self {
        Self { host: sampler.host() }
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
}

#[cfg(test)]
mod tests;
