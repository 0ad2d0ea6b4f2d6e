//! What carries an attempt at a job: it is started, signalled and seen to its end.
//!
//! Commands enter, pipes and ends leave. Here they are process groups, which end with the node.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::services::process::{ProcessRef, Signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::{Attempt, Ended};
use crate::host::command::{self, Command, CommandError, Kill, Started};

/// How long it has to end while the node stops.
const GRACE_STOPPING: Duration = Duration::from_secs(1);
/// Signals that wait for one attempt.
const SIGNALS_QUEUE: usize = 8;

/// An attempt that goes on.
pub struct Running {
    /// Its process, if that is known.
    pub process: Option<ProcessRef>,
    /// The node's ends of its standard output and error.
    pub outputs: [Option<OwnedFd>; 2],
    /// The means to end it, and to see its end.
    pub leash: Arc<dyn Leash>,
}

/// The means to end an attempt, and to see its end. Dropping one changes nothing for the attempt.
pub trait Leash: Send + Sync {
    /// Sends a signal to all of its processes.
    fn signal(&self, signal: Signal) -> BoxFuture<'_, ()>;
    /// Resolves once it has ended; may be awaited again.
    fn ended(&self) -> BoxFuture<'_, Ended>;
    /// Its end is on record: nobody needs it any more.
    fn release(&self) -> BoxFuture<'_, ()>;
}

/// What carries attempts.
pub trait Runner: Send + Sync {
    /// Starts one.
    fn start(&self, attempt: &Attempt, command: Command) -> BoxFuture<'_, Result<Running, CommandError>>;
    /// Takes one up that an earlier life of the node started; `None` if nothing is left of it.
    fn take_up(&self, attempt: &Attempt, known: Option<ProcessRef>) -> BoxFuture<'_, Option<Running>>;
    /// What is left of an earlier life of the node.
    fn left(&self) -> BoxFuture<'_, Vec<Attempt>>;
    /// Whether attempts go on when the node ends.
    fn outlives(&self) -> bool;
}

/// Runs attempts as process groups of this node.
pub struct Groups {
    runner: Arc<dyn command::Runner>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Groups {
    /// Groups that `runner` starts; each has a task of the tracker until it ends, or the token is cancelled.
    pub fn new(runner: Arc<dyn command::Runner>, tasks: TaskTracker, stopping: CancellationToken) -> Self {
        Self { runner, tasks, stopping }
    }
}

impl Runner for Groups {
    fn start(&self, _: &Attempt, command: Command) -> BoxFuture<'_, Result<Running, CommandError>> {
        async move {
            let command::Running { started, pipes } = self.runner.start(command).await?;
            let (signals, told) = mpsc::channel(SIGNALS_QUEUE);
            let (ended_tx, ended) = watch::channel(None);
            let tended = Tended { started, signals: told, ended: ended_tx, stopping: self.stopping.clone() };
            self.tasks.spawn(tended.run());
            let outputs = [Some(pipes.stdout), Some(pipes.stderr)];
            let leash: Arc<dyn Leash> = Arc::new(Group { signals, ended });
            Ok(Running { process: None, outputs, leash })
        }
        .boxed()
    }

    fn take_up(&self, _: &Attempt, _: Option<ProcessRef>) -> BoxFuture<'_, Option<Running>> {
        std::future::ready(None).boxed()
    }

    fn left(&self) -> BoxFuture<'_, Vec<Attempt>> {
        std::future::ready(Vec::new()).boxed()
    }

    fn outlives(&self) -> bool {
        false
    }
}

/// A group and who waits for its end.
struct Tended {
    started: Box<dyn Started>,
    signals: mpsc::Receiver<Kill>,
    ended: watch::Sender<Option<Ended>>,
    stopping: CancellationToken,
}

impl Tended {
    async fn run(mut self) {
        loop {
            tokio::select! {
                () = self.started.ended() => break,
                Some(kill) = self.signals.recv() => self.started.kill(kill),
                () = self.stopping.cancelled() => {
                    self.started.kill(Kill::Politely);
                    // Dropped, all that is left is killed; the next life of the node finds it interrupted.
                    let _ = timeout(GRACE_STOPPING, self.started.ended()).await;
                    return;
                }
            }
        }
        let end = match self.started.reap().await {
            Ok(status) => Ended { code: status.code(), signal: status.signal(), out_of_memory: None },
            Err(error) => {
                tracing::error!(%error, "the end of a job was not to be seen");
                Ended::default()
            }
        };
        self.ended.send_replace(Some(end));
    }
}

struct Group {
    signals: mpsc::Sender<Kill>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Leash for Group {
    fn signal(&self, signal: Signal) -> BoxFuture<'_, ()> {
        let kill = if signal == Signal::Kill { Kill::AtOnce } else { Kill::Politely };
        // One that has ended needs none.
        async move {
            let _ = self.signals.send(kill).await;
        }
        .boxed()
    }

    fn ended(&self) -> BoxFuture<'_, Ended> {
        let mut ended = self.ended.clone();
        async move {
            let found = ended.wait_for(Option::is_some).await.ok().and_then(|end| *end);
            match found {
                Some(end) => end,
                // The node stops, and its end is for the next life to find.
                None => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}
