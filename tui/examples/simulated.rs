//! The console over a fleet that does not exist: `cargo run -p p2p-tui --example simulated -- --nodes 12`.
//!
//! The real loop, terminal and screen; only the effects are made up. Signals end simulated processes, labels stay
//! until it ends, and nothing leaves this program.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use p2p_shared::error::Exit;
use p2p_shared::id::NodeId;
use p2p_shared::services::node::MemberState;
use p2p_shared::time::{Millis, UnixMillis};
use p2p_tui::app::{Options, State};
use p2p_tui::command::{Command, Follow, Subscription, Topic};
use p2p_tui::event::{Entry, Link, MeshEvent, Said};
use p2p_tui::keymap::Keymap;
use p2p_tui::runtime::{self, Effects, RuntimeError};
use p2p_tui::terminal::Terminal;
use p2p_tui::testing::Simulated;
use p2p_tui::theme::Theme;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::task::TaskTracker;

const ORDERS_MAX: usize = 65_536;
const EVENTS_MAX: usize = 1_024;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
struct Arguments {
    /// How many nodes there are.
    #[arg(long, default_value_t = 12)]
    nodes: usize,
    /// How many processes each has.
    #[arg(long, default_value_t = 200)]
    processes: usize,
    /// End after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Names that try to take over the terminal.
    #[arg(long)]
    hostile: bool,
    /// One of the built-in themes.
    #[arg(long, default_value = "dark")]
    theme: String,
    /// Draw with ASCII characters only.
    #[arg(long)]
    ascii: bool,
    /// Panic after so many seconds, to see that the terminal is given back.
    #[arg(long)]
    panic_after: Option<u64>,
}

/// Hands what concerns nodes to the simulation.
struct Puppets(mpsc::Sender<Command>);

impl Effects for Puppets {
    fn carry_out(&mut self, command: Command) -> Option<Command> {
        match command {
            Command::Copy(_) | Command::Mouse(_) | Command::Redraw | Command::Suspend | Command::Quit => {
                Some(command)
            }
            order => {
                // Tens of thousands of orders wait already: this is a toy, and drops one.
                let _ = self.0.try_send(order);
                None
            }
        }
    }
}

struct World {
    simulated: Simulated,
    subscribed: BTreeSet<Subscription>,
    followed: BTreeSet<Follow>,
    events: mpsc::Sender<MeshEvent>,
    seconds: u64,
}

impl World {
    async fn run(mut self, mut orders: mpsc::Receiver<Command>) -> Option<()> {
        let entry = self.simulated.fleet().changed.first().cloned();
        if let (Some(member), Ok(mesh)) = (entry, "simulated".parse()) {
            let entry = Entry::Connected { id: member.id, name: member.name, mesh };
            self.tell(MeshEvent::Entry(entry)).await?;
        }
        self.tell(MeshEvent::Fleet(self.simulated.fleet())).await?;
        let mut beat = interval(SECOND);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => self.obey(order?).await?,
                _ = beat.tick() => self.second().await?,
            }
        }
    }

    /// `None` once the console is gone.
    async fn tell(&self, event: MeshEvent) -> Option<()> {
        self.events.send(event).await.ok()
    }

    async fn second(&mut self) -> Option<()> {
        self.simulated.step();
        self.seconds += 1;
        for subscription in self.subscribed.clone() {
            if self.seconds.is_multiple_of(u64::from(subscription.topic.interval_ms()) / 1_000) {
                self.report(subscription).await?;
            }
        }
        for follow in self.followed.clone() {
            let index = self.simulated.index_of(follow.node)?;
            let said = Said::Journal(self.simulated.journal(index));
            self.tell(MeshEvent::Log { follow, said }).await?;
        }
        Some(())
    }

    async fn report(&mut self, Subscription { node, topic }: Subscription) -> Option<()> {
        let Some(index) = self.simulated.index_of(node) else { return Some(()) };
        let simulated = &mut self.simulated;
        self.events
            .send(match topic {
                Topic::Sample => MeshEvent::Sample { node, sample: Box::new(simulated.sample(index)) },
                Topic::Processes => MeshEvent::Processes { node, delta: simulated.processes(index) },
                Topic::Peers => MeshEvent::Peers { node, peers: simulated.peers(index) },
                Topic::Routing => MeshEvent::Routing { node, buckets: simulated.routing(index) },
                Topic::Refused => MeshEvent::Refused { node, handshakes: simulated.refused(index) },
                Topic::Programs => MeshEvent::Programs { node, programs: simulated.programs(index) },
                Topic::Jobs => MeshEvent::Jobs { node, delta: simulated.jobs(index) },
                Topic::Alerts => MeshEvent::Alerts { node, delta: simulated.alerts(index) },
                Topic::Audit => MeshEvent::Audit { node, news: Box::new(simulated.audit(index)) },
                Topic::Rules => MeshEvent::Rules { node, rules: Box::new(simulated.rules()) },
                Topic::Shells => MeshEvent::Shells { node, shells: simulated.shells(index) },
                Topic::Recordings => MeshEvent::Recordings { node, recordings: simulated.recordings(index) },
                Topic::Units => MeshEvent::Units { node, delta: simulated.units(index) },
                Topic::Network => MeshEvent::Network { node, tables: Box::new(simulated.network(index)) },
            })
            .await
            .ok()
    }

    async fn obey(&mut self, order: Command) -> Option<()> {
        match order {
            Command::Subscribe(subscription) => self.subscribe(subscription).await,
            Command::Unsubscribe(subscription) => {
                self.subscribed.remove(&subscription);
                Some(())
            }
            Command::Follow(follow) => {
                self.followed.insert(follow);
                Some(())
            }
            Command::Unfollow(follow) => {
                self.followed.remove(&follow);
                Some(())
            }
            Command::Describe { node, subject } => {
                let index = self.simulated.index_of(node)?;
                let result = self.simulated.described(index, &subject).map(Box::new);
                self.tell(MeshEvent::Described { node, subject, result }).await
            }
            Command::Past { node, order } => {
                let result = Ok(Box::new(self.simulated.past(self.simulated.index_of(node)?, order)));
                self.tell(MeshEvent::Past { node, order, result }).await
            }
            Command::Control { errand, .. }
            | Command::Define { errand, .. }
            | Command::Job { errand, .. }
            | Command::Alert { errand, .. }
            | Command::EndShell { errand, .. } => {
                self.tell(MeshEvent::Outcome { errand, result: Ok(()) }).await
            }
            Command::Inspect { node, target } => {
                let index = self.simulated.index_of(node)?;
                let result = self.simulated.details(index, &target).map(Box::new);
                self.tell(MeshEvent::Inspected { node, target, result }).await
            }
            Command::Signal { errand, node, target, signal } => {
                let index = self.simulated.index_of(node)?;
                let result = self.simulated.signal(index, &target, signal);
                self.tell(MeshEvent::Outcome { errand, result }).await
            }
            Command::Renice { errand, node, target, nice } => {
                let index = self.simulated.index_of(node)?;
                let result = self.simulated.renice(index, &target, nice);
                self.tell(MeshEvent::Outcome { errand, result }).await
            }
            Command::SetLabels { errand, node, set, remove } => {
                let index = self.simulated.index_of(node)?;
                self.simulated.set_labels(index, set, &remove);
                self.tell(MeshEvent::Outcome { errand, result: Ok(()) }).await?;
                self.tell(MeshEvent::Fleet(self.simulated.fleet_change(index))).await
            }
            Command::Forget { errand, node } => {
                self.tell(MeshEvent::Outcome { errand, result: Ok(()) }).await?;
                let mut delta = self.simulated.fleet_change(self.simulated.index_of(node)?);
                delta.changed.clear();
                delta.forgotten.push(node);
                self.tell(MeshEvent::Fleet(delta)).await
            }
            _ => Some(()),
        }
    }

    async fn subscribe(&mut self, subscription: Subscription) -> Option<()> {
        let node: NodeId = subscription.node;
        let index = self.simulated.index_of(node)?;
        let member = self.simulated.fleet().changed.get(index).cloned()?;
        if member.state == MemberState::Lost {
            let reason = "no answer within 5 s".to_owned();
            return self.tell(MeshEvent::Link { node, link: Link::Failed { reason } }).await;
        }
        self.tell(MeshEvent::Link { node, link: Link::Connected }).await?;
        self.subscribed.insert(subscription);
        self.simulated.restart_watch(index);
        self.report(subscription).await
    }
}

fn now() -> UnixMillis {
    UnixMillis(Millis::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()).0)
}

fn simulate(arguments: &Arguments) -> Simulated {
    let mut simulated = Simulated::beginning(now(), arguments.nodes, arguments.processes);
    if arguments.nodes > 5 {
        simulated.set_state(3, MemberState::Lost);
        simulated.set_state(5, MemberState::Suspect);
    }
    if arguments.hostile { simulated.with_hostile_names() } else { simulated }
}

async fn show(arguments: Arguments, terminal: Terminal) -> Result<(), RuntimeError> {
    let theme = Theme::named(&arguments.theme).unwrap_or_default();
    let theme = if arguments.ascii { theme.ascii() } else { theme };
    let (order_tx, orders) = mpsc::channel(ORDERS_MAX);
    let (event_tx, events) = mpsc::channel(EVENTS_MAX);
    let world = World {
        simulated: simulate(&arguments),
        subscribed: BTreeSet::new(),
        followed: BTreeSet::new(),
        events: event_tx,
        seconds: 0,
    };
    let tasks = TaskTracker::new();
    tasks.spawn(world.run(orders));
    if let Some(seconds) = arguments.panic_after {
        tasks.spawn(async move {
            sleep(Duration::from_secs(seconds)).await;
            panic!("as was asked for");
        });
    }
    let banner = Some("a simulation: nothing here is real".to_owned());
    let state = State::new(Options { theme, keys: Keymap::standard(), banner, ..Options::default() });
    let console = runtime::run(state, Puppets(order_tx), events, terminal);
    match arguments.seconds {
        // Dropping the console gives the terminal back, as leaving it does.
        Some(seconds) => timeout(Duration::from_secs(seconds), console).await.unwrap_or(Ok(())),
        None => console.await,
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let shown = match Terminal::enter() {
        Ok(terminal) => show(arguments, terminal).await,
        Err(error) => Err(error.into()),
    };
    match shown {
        Ok(()) => Exit::Ok.into(),
        Err(error) => {
            eprintln!("simulated: {error}");
            error.exit().into()
        }
    }
}
