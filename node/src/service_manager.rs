//! What the service manager is told: ready, reloading, stopping, a line of status, and that we live.
//!
//! States enter from `program`, datagrams leave to `$NOTIFY_SOCKET`; without one every call does nothing. A
//! sign of life is sent only after both runtimes ran a task of ours and the node vouched for itself, so a
//! stuck program is restarted instead of being reported alive.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Time that draining may take beyond what systemd was told before.
const DRAIN_EXTENSION: Duration = Duration::from_secs(15);

/// The connection to the service manager of this process.
#[derive(Debug, Default)]
pub struct ServiceManager {
    status: String,
}

impl ServiceManager {
    /// One that has told nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often [`Self::live`] is due; `None` when nobody watches.
    pub fn watchdog_interval() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|limit| limit / 2)
    }

    /// The node serves.
    pub fn ready(&mut self, status: &str) {
        self.status = status.to_owned();
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The configuration is being read again; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        let stamp = NotifyState::monotonic_usec_now();
        match stamp {
            Ok(stamp) => notify(&[NotifyState::Reloading, stamp]),
            Err(_) => notify(&[NotifyState::Reloading]),
        }
    }

    /// Says `status`, if it is news.
    pub fn status(&mut self, status: &str) {
        if self.status != status {
            self.status = status.to_owned();
            notify(&[NotifyState::Status(status)]);
        }
    }

    /// The node drains.
    pub fn stopping(&self) {
        let extension = u32::try_from(DRAIN_EXTENSION.as_micros()).unwrap_or(u32::MAX);
        notify(&[
            NotifyState::Stopping,
            NotifyState::ExtendTimeoutUsec(extension),
            NotifyState::Status("draining: finishing calls and leaving the mesh"),
        ]);
    }

    /// A sign of life.
    pub fn live(&self) {
        notify(&[NotifyState::Watchdog]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot tell the service manager");
    }
}

/// Whether every one of `runtimes` runs a task within `limit`.
pub async fn answers(runtimes: &[&Handle], limit: Duration) -> bool {
    let tracker = TaskTracker::new();
    let probes: Vec<_> = runtimes.iter().map(|runtime| tracker.spawn_on(async {}, runtime)).collect();
    timeout(limit, futures::future::join_all(probes)).await.is_ok_and(|ran| ran.iter().all(Result::is_ok))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_stuck_runtime_does_not_answer() {
        let build =
            || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let (main, mesh) = (build(), build());
        let both = [main.handle(), mesh.handle()];
        assert!(main.block_on(answers(&both, Duration::from_secs(10))));
        let (release, stuck) = mpsc::channel::<()>();
        let tracker = TaskTracker::new();
        tracker.spawn_on(async move { stuck.recv().ok() }, mesh.handle());
        assert!(!main.block_on(answers(&both, Duration::from_millis(20))));
        drop(release);
        assert!(main.block_on(answers(&both, Duration::from_secs(10))));
    }
}
