//! A scan of ports as an attempt at a job: a task of this node, which ends with it.
//!
//! A plan enters whose addresses were all allowed; what a runner would give leaves. What is open goes into the pipe
//! of its output, a JSON object a line, and at its end how far it was; what is told of its progress goes to the
//! queue, at most so often. It waits for a place among all scans of the node, and never refuses for want of one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::job::JobProgress;
use p2p_shared::services::network::ScanFound;
use p2p_shared::services::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::{Attempt, Input};
use crate::host::Roots;
use crate::host::network::scan::{self, Plan};
use crate::host::run::{End, Ends, Leash, RunError, Running};

/// Messages of the scan that wait to be written; beyond, the scan waits.
const QUEUE: usize = 4;
/// Between two words of how far it is.
const TOLD: Duration = Duration::from_millis(500);
/// The number of the signal that stands for having been stopped.
const TERM: i32 = 15;

/// What scans of jobs need of the node.
#[derive(Clone, Debug)]
pub(super) struct Scans {
    /// Places of all scans of the node.
    pub(super) places: Arc<Semaphore>,
    /// Where progress goes.
    pub(super) events: mpsc::Sender<Input>,
    pub(super) tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
}

/// The hold on a scan. It has no process: every signal that would end one stops it.
#[derive(Debug)]
struct ScanLeash {
    stop: CancellationToken,
    end: watch::Receiver<Option<End>>,
}

impl Leash for ScanLeash {
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), RunError>> {
        if matches!(signal, Signal::Term | Signal::Kill) {
            self.stop.cancel();
        }
        async { Ok(()) }.boxed()
    }

    fn ended(&self) -> BoxFuture<'_, End> {
        let mut end = self.end.clone();
        // Nobody saw the end of a task that is gone without having told it.
        async move { end.wait_for(Option::is_some).await.ok().and_then(|end| *end).unwrap_or_default() }
            .boxed()
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

impl Scans {
    /// Begins a scan.
    pub(super) fn begin(&self, attempt: &Attempt, plan: Plan) -> io::Result<Running> {
        let ((stdout, out), (stderr, err)) = (pipe::pipe()?, pipe::pipe()?);
        let ends = Ends::Pipes {
            stdin: None,
            stdout: Some(out.into_nonblocking_fd()?),
            stderr: Some(err.into_nonblocking_fd()?),
        };
        let (told, end) = watch::channel(None);
        let stop = self.stopping.child_token();
        let task = Task {
            attempt: attempt.clone(),
            scans: self.clone(),
            stop: stop.clone(),
            streams: (stdout, stderr),
            told: None,
            open: 0,
        };
        self.tasks.spawn(async move {
            let end = task.run(plan).await;
            told.send_replace(Some(end));
        });
        Ok(Running { process: None, ends, leash: Arc::new(ScanLeash { stop, end }) })
    }
}

/// A scan that runs.
struct Task {
    attempt: Attempt,
    scans: Scans,
    stop: CancellationToken,
    streams: (pipe::Sender, pipe::Sender),
    /// When progress was told last.
    told: Option<Instant>,
    open: u64,
}

impl Task {
    async fn run(mut self, plan: Plan) -> End {
        let failed = match self.scanned(plan).await {
            Ok(()) => None,
            Err(error) => {
                let _ = self.streams.1.write_all(format!("{error}\n").as_bytes()).await;
                Some(1)
            }
        };
        // Of one that the node took with it nobody knows how it would have ended.
        match (self.scans.stopping.is_cancelled(), self.stop.is_cancelled()) {
            (true, _) => End::default(),
            (false, true) => End { signal: Some(TERM), ..End::default() },
            (false, false) => End { code: failed.or(Some(0)), ..End::default() },
        }
    }

    async fn scanned(&mut self, plan: Plan) -> Result<(), String> {
        if self.scans.places.available_permits() == 0 {
            self.tell(0.0, "waits for another scan to end".into()).await;
        }
        let place = Arc::clone(&self.scans.places).acquire_owned();
        let Some(_place) = self.stop.run_until_cancelled(place).await else { return Ok(()) };
        let (found, mut news) = mpsc::channel(QUEUE);
        let roots = Roots::default();
        let scan = scan::run(&roots, plan, found, self.stop.clone());
        let told = async move {
            while let Some(found) = news.recv().await {
                self.on_found(&found).await.map_err(|error| format!("what it found is lost: {error}"))?;
            }
            Ok(())
        };
        let (scanned, told) = tokio::join!(scan, told);
        scanned.map_err(|error| error.to_string()).and(told)
    }

    async fn on_found(&mut self, found: &ScanFound) -> io::Result<()> {
        let mut lines = Vec::new();
        for open in &found.open {
            lines.extend(codec::encode(open, Encoding::Json).map_err(io::Error::other)?);
            lines.push(b'\n');
        }
        self.open += found.open.len() as u64;
        self.streams.0.write_all(&lines).await?;
        let ScanFound { done, total, closed, silent, elapsed_ms, .. } = found;
        if found.end.is_some() {
            let (open, seconds) = (self.open, *elapsed_ms as f64 / 1_000.0);
            let all = format!(
                "{done} of {total} ports in {seconds:.1} s: {open} open, {closed} closed, {silent} silent\n"
            );
            self.streams.1.write_all(all.as_bytes()).await?;
        }
        if found.end.is_some() || self.told.is_none_or(|told| told.elapsed() >= TOLD) {
            let ratio = *done as f64 / (*total).max(1) as f64;
            self.tell(ratio, format!("{done} of {total} ports, {} open", self.open)).await;
        }
        Ok(())
    }

    async fn tell(&mut self, ratio: f64, words: String) {
        self.told = Some(Instant::now());
        let progress = JobProgress { ratio: Some(ratio), words: Some(words) };
        // Nobody listens any more when the node stops.
        let _ = self.scans.events.send(Input::Progress { attempt: self.attempt.clone(), progress }).await;
    }
}
