//! The service `network`: answers from the kernel's tables, and sends look-ups and probes through `host`.
//!
//! How much one call may ask for, and how many run side by side, is bounded here; whom a scan may reach is the
//! local policy's word, asked for every address before anything is sent. A call that is dropped ends its probes.

mod load;
mod scan;
mod throughput;

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::Mesh;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::network::{
    HOPS_MAX, LoadItem, LoadRequest, NameAnswer, NetInterface, NetNeighbour, NetRoute, NetSocketList,
    Network as Contract, PINGS_MAX, PingReply, SOCKETS_MAX, ScanFound, ScanOrder, ScanRequest,
    ThroughputOrder, ThroughputReport, TraceStep,
};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::host::network::error::NetworkError;
use crate::host::network::ping::{self, Pings};
use crate::host::network::routes::{self, Tables};
use crate::host::network::sockets::{self, Question};
use crate::host::network::trace::{self, Trace};
use crate::host::network::{interfaces, resolve};
use crate::host::sampler::Sampler;
use crate::policy::Fuse;

pub use scan::{judge_request, plan};

/// Calls that read tables at the same time; one more waits.
const READS_MAX: usize = 4;
/// Look-ups, pings and traces at the same time.
const PROBES_MAX: usize = 32;
/// Measurements of throughput at the same time: two would measure each other.
const LOADS_MAX: usize = 1;
/// Rows of sockets, unless told.
const SOCKETS: u32 = 2_000;

/// The implementation.
#[derive(Debug)]
pub struct NetworkService {
    fuse: Fuse,
    sampler: Sampler,
    runtime: Handle,
    tasks: TaskTracker,
    stopping: CancellationToken,
    reads: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    scans: Arc<Semaphore>,
    loads: Arc<Semaphore>,
    mesh: Mesh,
}

impl NetworkService {
    /// A service whose scans `fuse` allows, as far as there are places in `scans`, and that reaches others by `mesh`.
    /// What takes long runs on the given runtime as a task of the tracker; scans end once the token is cancelled.
    pub fn new(
        (fuse, sampler): (Fuse, &Sampler),
        (scans, mesh): (Arc<Semaphore>, Mesh),
        (runtime, tasks, stopping): (Handle, TaskTracker, CancellationToken),
    ) -> Self {
        let places = |most| Arc::new(Semaphore::new(most));
        Self {
            fuse,
            sampler: sampler.clone(),
            runtime,
            tasks,
            stopping,
            reads: places(READS_MAX),
            probes: places(PROBES_MAX),
            scans,
            loads: places(LOADS_MAX),
            mesh,
        }
    }

    /// Runs `read` where it may block. It keeps its place to its end, also if the caller goes away.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, NetworkError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let stopped = |_| RpcError::unavailable("this node is shutting down");
        let place = Arc::clone(&self.reads).acquire_owned().await.map_err(stopped)?;
        let task = self.runtime.spawn_blocking(move || {
            let _place = place;
            read()
        });
        let done = task.await;
        Ok(done.map_err(|error| RpcError::internal(format!("reading the network failed: {error}")))??)
    }
}

/// A place among those that run, or the refusal.
fn place(places: &Arc<Semaphore>, most: usize, what: &str) -> Result<OwnedSemaphorePermit, RpcError> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        let running = if most == 1 { format!("a {what} runs") } else { format!("{most} {what}s run") };
        let text = format!("{running} on this node already: try again when one has ended");
        RpcError::new(Code::RateLimited, text)
    })
}

/// A number of a request, or its default; `range` in words if it is out of it.
fn number(name: &str, asked: Option<u32>, default: u32, range: (u32, u32)) -> Result<u32, RpcError> {
    let value = asked.unwrap_or(default);
    if (range.0..=range.1).contains(&value) {
        return Ok(value);
    }
    Err(RpcError::bad_request(format!("{name} is {} to {}, not {value}", range.0, range.1)))
}

fn millis(name: &str, asked: Option<u32>, default: u32, range: (u32, u32)) -> Result<Duration, RpcError> {
    Ok(Duration::from_millis(number(name, asked, default, range)?.into()))
}

fn gone() -> RpcError {
    RpcError::cancelled("the caller went away")
}

impl Contract for NetworkService {
    async fn interfaces(&self, _: &CallContext) -> Result<Vec<NetInterface>, RpcError> {
        let (roots, sample) = (self.sampler.roots(), Arc::clone(&self.sampler.host().borrow()));
        self.read(move || interfaces::interfaces(&roots, &sample.interfaces)).await
    }

    async fn routes(&self, _: &CallContext, all: Option<bool>) -> Result<Vec<NetRoute>, RpcError> {
        let tables = if all == Some(true) { Tables::All } else { Tables::Main };
        self.read(move || routes::routes(tables)).await
    }

    async fn neighbours(&self, _: &CallContext) -> Result<Vec<NetNeighbour>, RpcError> {
        self.read(routes::neighbours).await
    }

    async fn sockets(
        &self,
        _: &CallContext,
        listening: Option<bool>,
        port: Option<u16>,
        limit: Option<u32>,
    ) -> Result<NetSocketList, RpcError> {
        let limit = number("limit", limit, SOCKETS, (1, SOCKETS_MAX))? as usize;
        let question = Question { listening: listening == Some(true), port, limit };
        let roots = self.sampler.roots();
        self.read(move || sockets::sockets(&roots, &question)).await
    }

    async fn resolve(&self, _: &CallContext, name: String) -> Result<NameAnswer, RpcError> {
        let _place = place(&self.probes, PROBES_MAX, "probe")?;
        Ok(resolve::resolve(&name).await?)
    }

    async fn ping(
        &self,
        _: &CallContext,
        target: String,
        count: Option<u32>,
        interval_ms: Option<u32>,
        timeout_ms: Option<u32>,
        size_bytes: Option<u32>,
        items: Items<PingReply>,
    ) -> Result<(), RpcError> {
        let bounds = ping::Bounds {
            count: number("count", count, 4, (1, PINGS_MAX))?,
            interval: millis("interval_ms", interval_ms, 1_000, (10, 60_000))?,
            patience: millis("timeout_ms", timeout_ms, 1_000, (1, 60_000))?,
            size: number("size_bytes", size_bytes, 56, (ping::SIZE_MIN, 1_400))? as usize,
        };
        let _place = place(&self.probes, PROBES_MAX, "probe")?;
        let mut pings = Pings::new(resolve::target(&target).await?, bounds)?;
        loop {
            let reply = tokio::select! {
                reply = pings.next() => reply,
                () = items.closed() => return Err(gone()),
            };
            let Some(reply) = reply else { return Ok(()) };
            items.send(&reply).await?;
        }
    }

    async fn trace(
        &self,
        _: &CallContext,
        target: String,
        hops: Option<u32>,
        probes: Option<u32>,
        timeout_ms: Option<u32>,
        items: Items<TraceStep>,
    ) -> Result<(), RpcError> {
        let bounds = trace::Bounds {
            hops: number("hops", hops, 30, (1, HOPS_MAX))?,
            probes: number("probes", probes, 3, (1, 10))?,
            patience: millis("timeout_ms", timeout_ms, 1_000, (10, 10_000))?,
        };
        let _place = place(&self.probes, PROBES_MAX, "probe")?;
        let mut trace = Trace::new(resolve::target(&target).await?, bounds);
        loop {
            let step = tokio::select! {
                step = trace.next() => step?,
                () = items.closed() => return Err(gone()),
            };
            let Some(step) = step else { return Ok(()) };
            items.send(&step).await?;
        }
    }

    async fn scan(
        &self,
        _: &CallContext,
        request: ScanRequest,
        orders: Inputs<ScanOrder>,
        items: Items<ScanFound>,
    ) -> Result<(), RpcError> {
        self.scanned(request, orders, &items).await
    }

    async fn load(
        &self,
        _: &CallContext,
        request: LoadRequest,
        inputs: Inputs<LoadItem>,
        items: Items<LoadItem>,
    ) -> Result<(), RpcError> {
        let _place = place(&self.loads, LOADS_MAX, "measurement of throughput")?;
        load::run(&request, inputs, &items).await
    }

    async fn throughput(
        &self,
        _: &CallContext,
        order: ThroughputOrder,
    ) -> Result<ThroughputReport, RpcError> {
        self.measured(order).await
    }
}
