//! The two runtimes: several threads for the work, one of its own for the mesh.
//!
//! Made once in `program`, handed out as [`Runtimes`]; nothing else builds a runtime.

use std::future::Future;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

use super::Runtimes;

/// Threads of the main runtime. Two were enough for every goal, and each costs memory.
const WORKERS: usize = 2;
/// Most threads for what blocks.
const BLOCKING_MAX: usize = 32;
/// How long tasks may take to end after the node has shut down.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// Both runtimes, and the thread that drives the mesh's.
pub(super) struct Pair {
    main: Runtime,
    mesh: Handle,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Pair {
    pub(super) fn build() -> io::Result<Self> {
        let main = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING_MAX)
            .thread_name("main")
            .enable_all()
            .build()?;
        let mesh = Builder::new_current_thread().max_blocking_threads(BLOCKING_MAX).enable_all().build()?;
        let handle = mesh.handle().clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("mesh".to_owned()).spawn(move || {
            mesh.block_on(stopped.cancelled());
            mesh.shutdown_timeout(LEAVE_MAX);
        })?;
        Ok(Self { main, mesh: handle, stop, thread })
    }

    pub(super) fn runtimes(&self) -> Runtimes {
        Runtimes { main: self.main.handle().clone(), mesh: self.mesh.clone() }
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.main.block_on(future)
    }

    /// Ends both. A task that is stuck does not hold the program up: the thread is then left behind.
    pub(super) fn shut_down(self) {
        self.stop.cancel();
        self.main.shutdown_timeout(LEAVE_MAX);
        if self.thread.is_finished() {
            // A panic of that thread was logged where it happened.
            let _ = self.thread.join();
        }
    }
}
