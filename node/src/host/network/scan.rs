//! A scan of ports over TCP: connects, and says which are open.
//!
//! Addresses that somebody above allowed go in; what was found comes out as it is found, and in the end. Within
//! this host most connections are decided at once, without waiting; the others wait side by side. How many wait,
//! how fast they begin and how long each is waited for is bounded.

mod banner;
mod connect;
mod pace;
mod plan;
mod services;

use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use p2p_shared::services::network::{OpenPort, ScanEnd, ScanFound};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::error::NetworkError;
use crate::host::Roots;
use connect::{Attempt, Pending, Spare, Verdict};
use pace::Pace;
use services::Services;

pub use plan::{Plan, Target, ports, targets};

/// Scans of a node at the same time.
pub const RUNNING_MAX: usize = 2;
/// Connections that wait at a time, to stand or to be greeted.
const FLYING_MAX: usize = 512;
/// Connections that are begun before anybody else gets a turn.
const TURN: u32 = 32;
/// Between two messages while nothing is found.
const LIFE: Duration = Duration::from_millis(500);
/// Between two messages while something is.
const GATHER: Duration = Duration::from_millis(50);
/// Open ports of one message.
const OPEN_PER_MESSAGE: usize = 500;
/// While the system has no socket to give.
const BREATH: Duration = Duration::from_millis(20);
/// After so long without one it is given up.
const BREATHS_MAX: u32 = 250;

type Flight = BoxFuture<'static, (u64, Verdict)>;

/// A scan that runs.
struct Scan {
    plan: Plan,
    services: Services,
    pace: Pace,
    began: Instant,
    next: u64,
    /// Ports that are connected to once more, as there was no socket.
    again: Vec<u64>,
    breaths: u32,
    spare: Spare,
    flying: FuturesUnordered<Flight>,
    /// What waits for its banner.
    greeting: FuturesUnordered<BoxFuture<'static, OpenPort>>,
    found: ScanFound,
    told: Instant,
}

/// Runs a scan; it ends when every port was looked at, when `stop` is cancelled, or once nobody listens any more.
///
/// # Errors
/// If the system has no sockets for it.
pub async fn run(
    roots: &Roots,
    plan: Plan,
    told: mpsc::Sender<ScanFound>,
    stop: CancellationToken,
) -> Result<(), NetworkError> {
    let mut scan = Scan::new(roots, plan);
    loop {
        let wait = scan.begin_some()?;
        let is_over = scan.is_over();
        let is_stopped = stop.is_cancelled();
        if is_over || is_stopped || scan.is_due() {
            let end = if is_over { ScanEnd::Done } else { ScanEnd::Stopped };
            let message = scan.message((is_over || is_stopped).then_some(end));
            // Nobody listens any more: then nobody wants it to go on.
            if told.send(message).await.is_err() || is_over || is_stopped {
                return Ok(());
            }
        }
        scan.rest(wait, &stop).await;
    }
}

impl Scan {
    fn new(roots: &Roots, plan: Plan) -> Self {
        let now = Instant::now();
        let total = plan.total();
        Self {
            services: Services::read(roots),
            pace: Pace::new(plan.rate_per_s),
            began: now,
            next: 0,
            again: Vec::new(),
            breaths: 0,
            spare: Spare::default(),
            flying: FuturesUnordered::new(),
            greeting: FuturesUnordered::new(),
            found: ScanFound {
                open: Vec::new(),
                done: 0,
                total,
                closed: 0,
                silent: 0,
                elapsed_ms: 0,
                end: None,
            },
            told: now,
            plan,
        }
    }

    /// Begins as many connections as one turn allows; how long to wait before the next, if nothing else happens.
    fn begin_some(&mut self) -> Result<Duration, NetworkError> {
        for _ in 0..TURN {
            if self.flying.len() + self.greeting.len() >= FLYING_MAX {
                return Ok(GATHER);
            }
            if let Some(wait) = self.pace.wait(self.began.elapsed()) {
                return Ok(wait.min(GATHER));
            }
            let Some(index) = self.take() else { return Ok(GATHER) };
            let (address, port) = self.plan.at(index);
            match connect::attempt((address, port).into(), self.plan.patience, &mut self.spare) {
                Attempt::Decided(verdict) => self.note(index, verdict),
                Attempt::Pending(pending) => self.fly(index, pending),
                Attempt::Later(source) => {
                    self.again.push(index);
                    self.breaths += 1;
                    if self.breaths > BREATHS_MAX {
                        return Err(NetworkError::Probe { address, source });
                    }
                    return Ok(BREATH);
                }
            }
            self.pace.spend();
        }
        Ok(Duration::ZERO)
    }

    fn take(&mut self) -> Option<u64> {
        if let Some(index) = self.again.pop() {
            return Some(index);
        }
        let index = self.next;
        (index < self.found.total).then(|| {
            self.next += 1;
            index
        })
    }

    fn fly(&mut self, index: u64, pending: Pending) {
        self.flying.push(Box::pin(async move { (index, pending.verdict().await) }));
    }

    fn note(&mut self, index: u64, verdict: Verdict) {
        self.breaths = 0;
        match verdict {
            Verdict::Closed => self.found.closed += 1,
            Verdict::Silent => self.found.silent += 1,
            Verdict::Open(open) => {
                let (address, port) = self.plan.at(index);
                let service = self.services.name(port);
                let found = OpenPort { address, port, service, banner: None, rtt_ms: open.rtt_ms };
                if self.plan.banner {
                    let greeting = banner::wait(open.socket, self.plan.patience);
                    self.greeting.push(Box::pin(async move { OpenPort { banner: greeting.await, ..found } }));
                    return;
                }
                self.found.open.push(found);
            }
        }
        self.found.done += 1;
    }

    /// Waits until something comes in, or for so long.
    async fn rest(&mut self, wait: Duration, stop: &CancellationToken) {
        if wait.is_zero() {
            // What came in meanwhile, and then everybody else's turn.
            while let Some(Some((index, verdict))) = futures::FutureExt::now_or_never(self.flying.next()) {
                self.note(index, verdict);
            }
            return tokio::task::yield_now().await;
        }
        tokio::select! {
            Some((index, verdict)) = self.flying.next() => self.note(index, verdict),
            Some(open) = self.greeting.next() => {
                self.found.open.push(open);
                self.found.done += 1;
            }
            () = stop.cancelled() => {}
            () = sleep(wait) => {}
        }
    }

    fn is_over(&self) -> bool {
        let begun = self.next >= self.found.total && self.again.is_empty();
        begun && self.flying.is_empty() && self.greeting.is_empty()
    }

    fn is_due(&self) -> bool {
        let waited = self.told.elapsed();
        let open = self.found.open.len();
        waited >= LIFE || (open > 0 && waited >= GATHER) || open >= OPEN_PER_MESSAGE
    }

    fn message(&mut self, end: Option<ScanEnd>) -> ScanFound {
        self.told = Instant::now();
        let elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let open = std::mem::take(&mut self.found.open);
        ScanFound { open, elapsed_ms, end, ..self.found.clone() }
    }
}

#[cfg(test)]
mod tests;
