//! The console's side of the network: carries out commands, and tells what the mesh says.
//!
//! [`Command`]s enter by [`Effects::carry_out`], which never waits; [`MeshEvent`]s leave through one bounded
//! channel. While that is full the tasks here wait, and with them the nodes; the screen never does. Nothing
//! here decides what to show.

pub mod address;
pub mod beat;
mod control;
mod copy;
pub mod directory;
pub mod door;
pub mod entry;
pub mod errand;
pub mod exec;
pub mod feed;
mod files;
pub mod local;
mod looks;
mod past;
mod probe;
mod record;
mod replay;
mod search;
mod seek;
pub mod settings;
mod shell;
pub mod tail;
pub mod throughput;
pub mod transfer;
pub mod uses;
pub mod way;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::Services;
use p2p_shared::services::process::ProcessRef;
use p2p_shared::tls::Credentials;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::address::NodeAddress;
use self::entry::Entry;
use self::errand::{Deed, Means};
use self::feed::Feed;
use self::local::Local;
use self::replay::Reel;
use self::shell::{Line, Wish};
use self::tail::Tail;
use self::way::Way;
use crate::command::{
    Command, CopyId, CopyOrder, Errand, FilesOrder, Follow, PastOrder, ReplayOrder, RunId, SearchId,
    SearchOrder, ServiceKey, ServiceKind, ShellOrder, Sought, Subject, Subscription, TerminalId,
};
use crate::event::{CopySaid, Description, MeshEvent};

/// Calls of actions under way at a time.
const ERRANDS_MAX: usize = 64;
/// Lines of its log that a description shows.
const DESCRIBED_LINES: u32 = 20;
/// How long tasks get to notice that the console ends.
const STOP_TIMEOUT: Duration = Duration::from_millis(100);

fn permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(ERRANDS_MAX))
}

/// Everything that runs on behalf of a console.
#[derive(Debug)]
pub struct Effects {
    means: Means,
    events: mpsc::Sender<MeshEvent>,
    tasks: TaskTracker,
    stop: CancellationToken,
    feeds: HashMap<Subscription, CancellationToken>,
    tails: HashMap<Follow, CancellationToken>,
    lines: HashMap<TerminalId, Line>,
    reels: HashMap<TerminalId, Reel>,
    preview: CancellationToken,
    copies: HashMap<CopyId, CancellationToken>,
    searches: HashMap<SearchId, CancellationToken>,
    /// A run that no task holds any more is over.
    runs: HashMap<RunId, Arc<CancellationToken>>,
}

impl Effects {
    /// Begins to connect, on the current runtime, and to tell `events`.
    ///
    /// # Errors
    /// If no socket can be had.
    pub fn start(
        credentials: &Arc<Credentials>,
        given: Vec<NodeAddress>,
        events: mpsc::Sender<MeshEvent>,
    ) -> io::Result<Self> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let way = Way::new(credentials, Some(events.clone()), tasks.clone())?;
        let (current, entry) = watch::channel(None);
        let task = Entry { way: way.clone(), given, events: events.clone(), current };
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(task.run()).await });
        let credentials = Some(Arc::clone(credentials));
        let means = Means { way, entry, permits: permits(), credentials, events: events.clone() };
        Ok(Self::of((means, events), (tasks, stop)))
    }

    /// The same for the node of this machine alone, by its socket.
    pub fn local(socket: PathBuf, events: mpsc::Sender<MeshEvent>) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let way = Way::local(socket.clone());
        let (current, entry) = watch::channel(None);
        let task = Local { way: way.clone(), socket, events: events.clone(), current };
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(task.run()).await });
        let means = Means { way, entry, permits: permits(), credentials: None, events: events.clone() };
        Self::of((means, events), (tasks, stop))
    }

    fn of(
        (means, events): (Means, mpsc::Sender<MeshEvent>),
        (tasks, stop): (TaskTracker, CancellationToken),
    ) -> Self {
        Self {
            means,
            events,
            tasks,
            stop,
            feeds: HashMap::new(),
            tails: HashMap::new(),
            lines: HashMap::new(),
            reels: HashMap::new(),
            preview: CancellationToken::new(),
            copies: HashMap::new(),
            searches: HashMap::new(),
            runs: HashMap::new(),
        }
    }

    /// Begins what a command asks for. Answers the command itself if it is not the network's business.
    pub fn carry_out(&mut self, command: Command) -> Option<Command> {
        match command {
            Command::Subscribe(subscription) => self.subscribe(subscription),
            Command::Unsubscribe(subscription) => self.unsubscribe(subscription),
            Command::Signal { errand, node, target, signal } => {
                self.send(errand, Deed::Signal { node, target, signal });
            }
            Command::Renice { errand, node, target, nice } => {
                self.send(errand, Deed::Renice { node, target, nice });
            }
            Command::SetLabels { errand, node, set, remove } => {
                self.send(errand, Deed::SetLabels { node, set, remove });
            }
            Command::Forget { errand, node } => self.send(errand, Deed::Forget { node }),
            Command::Control { errand, node, service, verb } => {
                self.send(errand, Deed::Control { node, service, verb });
            }
            Command::Define { errand, node, defined } => {
                self.send(errand, Deed::Define { node, defined });
            }
            Command::Alert { errand, node, verb } => self.send(errand, Deed::Alert { node, verb }),
            Command::Job { errand, node, id, verb } => self.send(errand, Deed::Job { node, id, verb }),
            Command::Files { node, order } => self.files(node, order),
            Command::BeginCopy { copy, order } => self.begin_copy(copy, *order),
            Command::EndCopy(copy) => end(&mut self.copies, &copy),
            Command::Search { search, order } => self.search(search, *order),
            Command::Seek(sought) => self.seek(*sought),
            Command::LookUp { node, name } => self.look_up(node, name),
            Command::EndSearch(search) => end(&mut self.searches, &search),
            Command::File { errand, node, deed } => self.send(errand, Deed::File { node, deed }),
            Command::Exec { errand, node, request } => {
                self.send(errand, Deed::Exec { errand, node, request });
            }
            Command::Probe { errand, node, probe } => {
                self.send(errand, Deed::Probe { run: errand.run, node, probe });
            }
            Command::EndShell { errand, node, id } => self.send(errand, Deed::EndShell { node, id }),
            Command::Shell { terminal, order } => self.shell(terminal, order),
            Command::Replay { player, order } => self.replay(player, order),
            Command::Follow(follow) => self.follow(follow),
            Command::Unfollow(follow) => self.unfollow(&follow),
            Command::Past { node, order } => self.recall(node, order),
            Command::Describe { node, subject } => self.describe(node, subject),
            Command::Definition { node, name } => self.definition(node, name),
            Command::Inspect { node, target } => self.inspect(node, target),
            Command::Cancel(run) => self.cancel(run),
            other => return Some(other),
        }
        None
    }

    /// Ends everything and tells the nodes, within a second.
    pub async fn close(self) {
        self.stop.cancel();
        self.means.way.close().await;
        self.tasks.close();
        let _ = timeout(STOP_TIMEOUT, self.tasks.wait()).await;
    }

    fn subscribe(&mut self, subscription: Subscription) {
        self.unsubscribe(subscription);
        let stop = self.stop.child_token();
        self.feeds.insert(subscription, stop.clone());
        let feed = Feed { way: self.means.way.clone(), subscription, events: self.events.clone() };
        self.tasks.spawn(async move { stop.run_until_cancelled(feed.run()).await });
    }

    fn unsubscribe(&mut self, subscription: Subscription) {
        end(&mut self.feeds, &subscription);
    }

    fn follow(&mut self, follow: Follow) {
        self.unfollow(&follow);
        let stop = self.stop.child_token();
        self.tails.insert(follow.clone(), stop.clone());
        let tail = Tail { way: self.means.way.clone(), follow, events: self.events.clone() };
        self.tasks.spawn(async move { stop.run_until_cancelled(tail.run()).await });
    }

    fn unfollow(&mut self, follow: &Follow) {
        end(&mut self.tails, follow);
    }

    fn shell(&mut self, terminal: TerminalId, order: ShellOrder) {
        let wish = match order {
            ShellOrder::Leave => {
                self.lines.remove(&terminal);
                return;
            }
            ShellOrder::Open { node, size } => Wish { node, id: None, size },
            ShellOrder::Attach { node, id, size } => Wish { node, id: Some(id), size },
            input => {
                if let Some(line) = self.lines.get_mut(&terminal) {
                    line.send(input);
                }
                return;
            }
        };
        let (way, events) = (self.means.way.clone(), self.events.clone());
        let line = Line::open((terminal, wish), way, events, (&self.tasks, &self.stop));
        self.lines.insert(terminal, line);
    }

    fn replay(&mut self, player: TerminalId, order: ReplayOrder) {
        match order {
            ReplayOrder::Leave => {
                self.reels.remove(&player);
            }
            ReplayOrder::Play { node, id } => {
                let (way, events) = (self.means.way.clone(), self.events.clone());
                let reel = Reel::play((player, node, id), way, events, (&self.tasks, &self.stop));
                self.reels.insert(player, reel);
            }
            order => {
                if let Some(reel) = self.reels.get(&player) {
                    reel.order(order);
                }
            }
        }
    }

    fn files(&mut self, node: NodeId, order: FilesOrder) {
        let (way, events, mut stop) = (self.means.way.clone(), self.events.clone(), self.stop.clone());
        if matches!(order, FilesOrder::Preview(_)) {
            // One is read at a time: what the cursor has left is not.
            self.preview.cancel();
            stop = self.stop.child_token();
            self.preview = stop.clone();
        }
        self.tasks.spawn(async move {
            let Some(said) = stop.run_until_cancelled(files::look(&way, node, order)).await else { return };
            let _ = events.send(MeshEvent::Files { node, said }).await;
        });
    }

    fn begin_copy(&mut self, copy: CopyId, order: CopyOrder) {
        let stop = self.stop.child_token();
        self.copies.insert(copy, stop.clone());
        let (means, events) = (self.means.clone(), self.events.clone());
        // A node that sums up what it has is silent for as long as that takes.
        let uses = [order.from.node, order.to.node].map(|node| means.way.uses.begin(node));
        self.tasks.spawn(async move {
            let _uses = uses;
            let Some(ended) = stop.run_until_cancelled(copy::run(&means, copy, order)).await else { return };
            let _ = events.send(MeshEvent::Copy { copy, said: CopySaid::Ended(ended.map(Box::new)) }).await;
        });
    }

    fn search(&mut self, search: SearchId, order: SearchOrder) {
        let stop = self.stop.child_token();
        self.searches.insert(search, stop.clone());
        let (way, events) = (self.means.way.clone(), self.events.clone());
        self.tasks.spawn(async move {
            let told = stop.run_until_cancelled(search::run(&way, (search, order), &events)).await;
            if let Some(Err(error)) = told {
                let _ = events.send(MeshEvent::Found { search, found: Err(error) }).await;
            }
        });
    }

    fn seek(&self, sought: Sought) {
        let (way, events, stop) = (self.means.way.clone(), self.events.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let ask = seek::seek(&way, sought.clone());
            let Some(result) = stop.run_until_cancelled(ask).await else { return };
            let result = result.map(|found| found.map(|(node, info)| (node, Box::new(info))));
            let _ = events.send(MeshEvent::Sought { sought: Box::new(sought), result }).await;
        });
    }

    fn look_up(&self, node: NodeId, name: NodeName) {
        let (way, events, stop) = (self.means.way.clone(), self.events.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let ask = async { way.node(node).await?.node().look_up(name.clone()).await };
            let Some(result) = stop.run_until_cancelled(ask).await else { return };
            let _ = events.send(MeshEvent::LookedUp { node, name, result: result.map(Box::new) }).await;
        });
    }

    fn recall(&self, node: NodeId, order: PastOrder) {
        let (way, events, stop) = (self.means.way.clone(), self.events.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let ask = past::recall(&way, node, order);
            let Some(result) = stop.run_until_cancelled(ask).await else { return };
            let _ = events.send(MeshEvent::Past { node, order, result: result.map(Box::new) }).await;
        });
    }

    fn describe(&self, node: NodeId, subject: Subject) {
        let (way, events, stop) = (self.means.way.clone(), self.events.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let ask = description(&way, node, subject.clone());
            let Some(result) = stop.run_until_cancelled(ask).await else { return };
            let result = result.map(Box::new);
            let _ = events.send(MeshEvent::Described { node, subject, result }).await;
        });
    }

    fn definition(&self, node: NodeId, name: String) {
        let (way, events, stop) = (self.means.way.clone(), self.events.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let ask = async { way.node(node).await?.program().definition(name.clone()).await };
            let Some(result) = stop.run_until_cancelled(ask).await else { return };
            let _ = events.send(MeshEvent::Definition { node, name, result: result.map(Box::new) }).await;
        });
    }

    fn send(&mut self, errand: Errand, deed: Deed) {
        self.runs.retain(|run, token| *run == errand.run || Arc::strong_count(token) > 1);
        let token = self.runs.entry(errand.run).or_insert_with(|| Arc::new(self.stop.child_token()));
        let (given_up, means, events) = (Arc::clone(token), self.means.clone(), self.events.clone());
        self.tasks.spawn(async move {
            let result = means.run(deed, &given_up).await;
            let _ = events.send(MeshEvent::Outcome { errand, result }).await;
        });
    }

    fn cancel(&mut self, run: RunId) {
        if let Some(token) = self.runs.remove(&run) {
            token.cancel();
        }
    }

    fn inspect(&self, node: NodeId, target: ProcessRef) {
        let (way, events, stop) = (self.means.way.clone(), self.events.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let ask = async {
                let process = way.node(node).await?.process();
                process.inspect(target.boot_id.clone(), target.pid, target.start_ticks).await
            };
            let Some(result) = stop.run_until_cancelled(ask).await else { return };
            let result = result.map(Box::new);
            let _ = events.send(MeshEvent::Inspected { node, target, result }).await;
        });
    }
}

/// Ends what was begun under a name, if it has not ended by itself.
fn end<K: Eq + std::hash::Hash>(begun: &mut HashMap<K, CancellationToken>, name: &K) {
    if let Some(stop) = begun.remove(name) {
        stop.cancel();
    }
}

async fn description(way: &Way, node: NodeId, subject: Subject) -> Result<Description, RpcError> {
    let handle = way.node(node).await?;
    match subject {
        Subject::Service(ServiceKey { kind: ServiceKind::Unit, name }) => {
            Ok(Description::Unit(handle.unit().status(name, Some(DESCRIBED_LINES)).await?))
        }
        Subject::Job(id) => Ok(Description::Job(handle.job().inspect(id).await?)),
        Subject::Service(ServiceKey { kind: ServiceKind::Program, name }) => {
            let status = handle.program().status(name.clone()).await?;
            let log = handle.program().logs(name, DESCRIBED_LINES).await?;
            Ok(Description::Program(status, log))
        }
    }
}
