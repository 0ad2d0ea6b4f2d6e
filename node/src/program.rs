//! The life of the program around the node: start, signals, reload, drain, exit code.
//!
//! A [`Given`] enters from the command line; an [`Exit`] leaves. The node itself is any [`Start`]: this module
//! knows nothing of the mesh. It owns the two runtimes, the data directory's lock and `run.json`, and
//! is the only place that handles signals.

mod data;
mod runtimes;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use p2p_shared::counters::Counter;
use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::config::paths::Facts;
use crate::config::{self, Config, Given};
use crate::logging::{self, Log};
use crate::policy::Policy;
use crate::service_manager::{ServiceManager, answers};

use data::DataDir;
use runtimes::Pair;

/// How long draining may take.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How often the line of status is looked at.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// Reloads that kept the old configuration because the new one was broken.
pub static RELOADS_FAILED: Counter = Counter::new();

/// Where the node's tasks run.
#[derive(Clone, Debug)]
pub struct Runtimes {
    /// Services, HTTP, the store: several threads.
    pub main: Handle,
    /// The QUIC endpoint, its connections, DHT and membership: one thread of its own.
    pub mesh: Handle,
}

/// Why a node does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError {
    /// How the program ends.
    pub exit: Exit,
    /// What failed, on what, and what to do.
    pub message: String,
}

impl StartError {
    /// An error of the program.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}

/// Where a node listens.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Its name.
    pub name: NodeName,
    /// The mesh.
    pub quic_address: SocketAddr,
    /// The HTTP face.
    pub http_address: Option<SocketAddr>,
}

/// Makes a node out of a configuration.
pub trait Start {
    /// The node.
    type Node: RunningNode;

    /// Returns once everything is bound. Dropping the future gives up the start.
    fn start(
        self,
        config: Config,
        runtimes: Runtimes,
    ) -> impl Future<Output = Result<Self::Node, StartError>> + Send;
}

/// A node that serves.
pub trait RunningNode: Send + Sync + 'static {
    /// Where.
    fn listening(&self) -> Listening;
    /// Takes over what can change while it runs. The error is for the log; the old values then stay.
    fn reload(&self, config: Config) -> Result<(), String>;
    /// Puts the local policy in force: it counts whatever becomes of the rest of the configuration.
    fn restrict(&self, policy: Policy);
    /// A line for `systemctl status`.
    fn status(&self) -> String;
    /// Whether its own tasks make progress.
    fn alive(&self) -> bool;
    /// Stops accepting, drains, says good-bye, closes.
    fn shutdown(self) -> impl Future<Output = ()> + Send;
}

/// Runs a node until a signal ends it.
pub fn run<S: Start>(start: S, given: &Given) -> Exit {
    harden();
    match prepare(given).and_then(|prepared| prepared.serve(start, given)) {
        Ok(exit) => exit,
        Err(failures) => {
            let exit = failures.first().map_or(Exit::Failed, |failure| failure.exit);
            for failure in failures {
                crate::cli::complain(&failure);
            }
            exit
        }
    }
}

/// Reads the configuration as this process sees it.
pub fn load(given: &Given) -> Result<Config, Vec<StartError>> {
    config::load(given, &facts(), &|name| std::env::var_os(name)).map_err(|problems| {
        problems
            .iter()
            .map(|problem| StartError::new(Exit::Config, format!("configuration: {problem}")))
            .collect()
    })
}

/// What this process knows of itself.
pub fn facts() -> Facts {
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    Facts::new(cwd, rustix::process::geteuid().as_raw(), &|name| std::env::var_os(name))
}

/// No core dump may hold a key, and no file of ours is anybody else's.
fn harden() {
    use rustix::process::{
        DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask,
    };
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    // Only the soft limit: a supervised program may raise its own again.
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    let dumps = setrlimit(Resource::Core, limit).and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = dumps {
        crate::cli::complain(&format!("core dumps: cannot be switched off: {error}"));
    }
}

/// All that stands before the node starts.
struct Prepared {
    config: Config,
    log: Log,
    data: DataDir,
    pair: Pair,
}

fn prepare(given: &Given) -> Result<Prepared, Vec<StartError>> {
    let config = load(given)?;
    let one = |error: StartError| vec![error];
    let log = logging::start(config.log_level, std::env::var("JOURNAL_STREAM").ok().as_deref())
        .map_err(|error| one(StartError::new(Exit::Internal, format!("logging: {error}"))))?;
    for name in ["LD_PRELOAD", "LD_LIBRARY_PATH"].into_iter().filter(|name| std::env::var_os(name).is_some())
    {
        tracing::warn!("{name} is set: code of others may run inside this process");
    }
    let data = DataDir::open(&config.data).map_err(one)?;
    let pair =
        Pair::build().map_err(|error| one(StartError::new(Exit::Internal, format!("threads: {error}"))))?;
    Ok(Prepared { config, log, data, pair })
}

impl Prepared {
    fn serve<S: Start>(self, start: S, given: &Given) -> Result<Exit, Vec<StartError>> {
        let Self { config, log, data, pair } = self;
        let runtimes = pair.runtimes();
        let served = pair.block_on(async {
            let mut signals = Signals::new()?;
            let node = tokio::select! {
                started = start.start(config, runtimes.clone()) => started?,
                () = signals.stop.asked() => return Ok(Exit::Ok),
            };
            let keeper = Keeper { given, log, runtimes, manager: ServiceManager::new() };
            keeper.keep(node, &data, signals).await
        });
        pair.shut_down();
        served.map_err(|error| vec![error])
    }
}

/// What the program does while the node runs.
struct Keeper<'a> {
    given: &'a Given,
    log: Log,
    runtimes: Runtimes,
    manager: ServiceManager,
}

impl Keeper<'_> {
    async fn keep<N: RunningNode>(
        mut self,
        node: N,
        data: &DataDir,
        mut signals: Signals,
    ) -> Result<Exit, StartError> {
        let listening = node.listening();
        let announced = data.announce(&listening)?;
        let http = listening.http_address.map(tracing::field::display);
        tracing::info!(name = %listening.name, quic = %listening.quic_address, http, "ready");
        self.manager.ready(&node.status());
        self.watch(&node, &mut signals).await;
        tracing::info!("stopping");
        self.manager.stopping();
        let exit = tokio::select! {
            drained = timeout(DRAIN_MAX, node.shutdown()) => match drained {
                Ok(()) => Exit::Ok,
                Err(_) => {
                    tracing::error!(limit_s = DRAIN_MAX.as_secs(), "draining took too long: leaving at once");
                    Exit::Failed
                }
            },
            () = signals.stop.asked() => Exit::Failed,
        };
        drop(announced);
        Ok(exit)
    }

    /// Returns when a signal asks to stop.
    async fn watch<N: RunningNode>(&mut self, node: &N, signals: &mut Signals) {
        let mut status = interval(STATUS_EVERY);
        status.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let ping_every = ServiceManager::watchdog_interval();
        let mut ping_at = Instant::now();
        loop {
            tokio::select! {
                () = signals.stop.asked() => return,
                _ = signals.hangup.recv() => self.reload(node),
                _ = status.tick() => self.manager.status(&node.status()),
                () = until(ping_every.map(|_| ping_at)) => {
                    let every = ping_every.unwrap_or(STATUS_EVERY);
                    self.ping(node, every).await;
                    ping_at = Instant::now() + every;
                }
            }
        }
    }

    async fn ping<N: RunningNode>(&self, node: &N, limit: Duration) {
        if answers(&[&self.runtimes.main, &self.runtimes.mesh], limit / 2).await && node.alive() {
            self.manager.live();
        } else {
            tracing::error!("the node makes no progress: no sign of life for the service manager");
        }
    }

    fn reload<N: RunningNode>(&mut self, node: &N) {
        self.manager.reloading();
        let reloaded = load(self.given)
            .map_err(|failures| failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        let reloaded = reloaded.and_then(|config| {
            let level = config.log_level;
            node.reload(config).map(|()| level)
        });
        match reloaded {
            Ok(level) => {
                self.log.set_level(level);
                tracing::info!("configuration read again");
            }
            Err(error) => {
                RELOADS_FAILED.increment();
                tracing::error!(%error, "the configuration is broken: the old one stays");
                // A whole policy may be there to stop somebody, while node.toml is half edited.
                if let Ok(policy) = Policy::read(&facts().etc) {
                    node.restrict(policy);
                }
            }
        }
        self.manager.ready(&node.status());
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The signals that mean something. SIGQUIT keeps its default.
struct Signals {
    stop: Stop,
    hangup: Signal,
}

/// Those that end the program.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, StartError> {
        let on =
            |kind| signal(kind).map_err(|error| StartError::new(Exit::Internal, format!("signals: {error}")));
        let stop = Stop { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? };
        // Once it is listened for it ends nothing: a write past the limit of a file's size fails like any other.
        drop(on(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        Ok(Self { stop, hangup: on(SignalKind::hangup())? })
    }
}

impl Stop {
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as Posix, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn a_file_that_may_not_grow_ends_no_node() {
        let _listening = Signals::new().unwrap();
        kill_process(getpid(), Posix::XFSZ).unwrap();
    }
}
