//! A recording that is played: a task each, for as long as it is looked at.
//!
//! Parts of the recording enter as the node sends them, what is shown leaves in time. Only the part that is played is
//! held, whatever the length of the recording; while the console is slow the task waits, and with it the node. A node
//! sends a recording from its beginning only: to go back it is asked for anew, and played unseen up to there.

use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::client::{Call, Subscription};
use p2p_shared::services::Services;
use p2p_shared::services::shell::ShellSize;
use p2p_shared::time::Millis;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::way::Way;
use crate::cast::{self, Happened};
use crate::command::{ReplayOrder, TerminalId};
use crate::event::{MeshEvent, ReplaySaid};

/// Orders that wait. What is pressed into a full queue is lost.
const ORDERS_MAX: usize = 1_024;
/// So often it is told how far it is while nothing happens.
const TELL: Duration = Duration::from_millis(250);
/// Bytes that are shown at once while it is played unseen.
const SKIP_BYTES: usize = 64 << 10;
/// A speed of one.
const PERCENT: u32 = 100;

/// The console's end; dropping it ends the replay.
#[derive(Debug)]
pub(super) struct Reel {
    orders: mpsc::Sender<ReplayOrder>,
    _stop: DropGuard,
}

impl Reel {
    /// Begins.
    pub(super) fn play(
        (player, node, id): (TerminalId, NodeId, String),
        way: Way,
        events: mpsc::Sender<MeshEvent>,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Self {
        let (order_tx, orders) = mpsc::channel(ORDERS_MAX);
        let stop = stop.child_token();
        let pace = Pace { speed: PERCENT, paused: false };
        let task = Task { way, player, node, id, events, orders, pace };
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(task.run()).await });
        Self { orders: order_tx, _stop: stop.drop_guard() }
    }

    /// Passes on what the player is told.
    pub(super) fn order(&self, order: ReplayOrder) {
        let _ = self.orders.try_send(order);
    }
}

/// How fast it goes.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// In hundredths.
    speed: u32,
    paused: bool,
}

impl Pace {
    /// How long something of this length takes; `None` while it stands still.
    fn takes(self, length: Duration) -> Option<Duration> {
        (!self.paused).then(|| length * PERCENT / self.speed.max(1))
    }

    /// How much is played in this time.
    fn plays(self, time: Duration) -> Duration {
        if self.paused { Duration::ZERO } else { time * self.speed / PERCENT }
    }
}

struct Task {
    way: Way,
    player: TerminalId,
    node: NodeId,
    id: String,
    events: mpsc::Sender<MeshEvent>,
    orders: mpsc::Receiver<ReplayOrder>,
    pace: Pace,
}

/// Why it is not played on from where it is.
enum Break {
    /// It is played from the beginning, unseen up to there.
    Anew(Duration),
    /// Nobody looks any more.
    Left,
    /// The node does not send it.
    Failed(RpcError),
}

impl From<RpcError> for Break {
    fn from(error: RpcError) -> Self {
        Self::Failed(error)
    }
}

/// A recording as far as it is played.
struct Played {
    parts: Subscription<String, <NodeHandle as Call>::Source>,
    /// Everything up to here is shown.
    at: Duration,
    /// Up to here it is played unseen.
    until: Duration,
    /// What was written meanwhile.
    unseen: Vec<u8>,
}

impl Task {
    async fn run(mut self) {
        let _use = self.way.uses.begin(self.node);
        let mut until = Duration::ZERO;
        loop {
            match self.play(until).await {
                Ok(()) | Err(Break::Left) => return,
                Err(Break::Anew(to)) => until = to,
                Err(Break::Failed(error)) => {
                    let _ = self.tell(ReplaySaid::Failed(error)).await;
                    return;
                }
            }
        }
    }

    /// Plays it from its beginning to its end, and waits there for another order.
    async fn play(&mut self, until: Duration) -> Result<(), Break> {
        let handle = self.way.node(self.node).await?;
        let mut parts = handle.shell().replay(self.id.clone()).await?;
        // What is wrong with it is said in place of its first part.
        let mut part = parts.next().await?;
        self.tell(ReplaySaid::Began).await?;
        let mut played = Played { parts, at: Duration::ZERO, until, unseen: Vec::new() };
        let mut is_first = true;
        while let Some(text) = part.take() {
            for line in text.lines() {
                if std::mem::take(&mut is_first)
                    && let Some(header) = cast::header(line)
                {
                    let size = ShellSize { columns: header.width, rows: header.height };
                    self.tell(ReplaySaid::Size(size)).await?;
                } else if let Some((at, happened)) = cast::moment(line) {
                    self.happen(&mut played, at, happened).await?;
                }
            }
            part = played.parts.next().await?;
        }
        self.flush(&mut played).await?;
        self.tell(ReplaySaid::Over(millis(played.at))).await?;
        while let Some(order) = self.orders.recv().await {
            self.heed(order, &mut played)?;
        }
        Ok(())
    }

    /// One line of it, when its time has come.
    async fn happen(&mut self, played: &mut Played, at: Duration, what: Happened) -> Result<(), Break> {
        // What is played unseen takes no time, but heeds orders.
        while let Ok(order) = self.orders.try_recv() {
            self.heed(order, played)?;
        }
        if at > played.until {
            if played.at < played.until || !played.unseen.is_empty() {
                played.at = played.at.max(played.until);
                self.flush(played).await?;
            }
            self.wait(played, at).await?;
        }
        played.at = played.at.max(at);
        match what {
            Happened::Output(text) => {
                played.unseen.extend_from_slice(text.as_bytes());
                if at > played.until || played.unseen.len() >= SKIP_BYTES {
                    self.flush(played).await?;
                }
            }
            Happened::Resize(columns, rows) => {
                self.flush(played).await?;
                self.tell(ReplaySaid::Size(ShellSize { rows, columns })).await?;
            }
        }
        Ok(())
    }

    /// Waits until it is time for what happened at `at`.
    async fn wait(&mut self, played: &mut Played, at: Duration) -> Result<(), Break> {
        let begin = played.at;
        let whole = cast::pause(begin, at);
        let mut waited = Duration::ZERO;
        while waited < whole && at > played.until {
            let left = self.pace.takes(whole - waited);
            let began = Instant::now();
            let order = tokio::select! {
                order = self.orders.recv() => Some(order),
                () = super::feed::pause(left.map(|left| left.min(TELL))) => None,
            };
            waited += self.pace.plays(began.elapsed());
            played.at = begin + waited.min(whole);
            match order {
                Some(Some(order)) => self.heed(order, played)?,
                Some(None) => return Err(Break::Left),
                None => self.flush(played).await?,
            }
        }
        Ok(())
    }

    /// Does what is ordered.
    fn heed(&mut self, order: ReplayOrder, played: &mut Played) -> Result<(), Break> {
        match order {
            ReplayOrder::Leave => return Err(Break::Left),
            ReplayOrder::Pause => self.pace.paused = true,
            ReplayOrder::Go => self.pace.paused = false,
            ReplayOrder::Speed(percent) => self.pace.speed = percent,
            ReplayOrder::Seek(to) if to.to_duration() < played.at => {
                return Err(Break::Anew(to.to_duration()));
            }
            ReplayOrder::Seek(to) => played.until = to.to_duration(),
            ReplayOrder::Play { .. } => {}
        }
        Ok(())
    }

    /// Tells how far it is, and what was written up to there.
    async fn flush(&self, played: &mut Played) -> Result<(), Break> {
        let bytes = std::mem::take(&mut played.unseen);
        self.tell(ReplaySaid::Shown { at: millis(played.at), bytes }).await
    }

    async fn tell(&self, said: ReplaySaid) -> Result<(), Break> {
        self.events.send(MeshEvent::Replay { player: self.player, said }).await.map_err(|_| Break::Left)
    }
}

fn millis(time: Duration) -> Millis {
    Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
