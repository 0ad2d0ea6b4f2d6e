//! `network`: the tables of nodes (interfaces, routes, neighbours, sockets), and probes that are sent from them
//! (names, ping, trace, scan, throughput). A probe wants to be told from which nodes.

mod between;
mod detach;
mod load;
mod probes;
mod rows;
mod scan;

use clap::{Args, Subcommand};
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::{Member, PeerRole};
use tokio::sync::mpsc;

use self::rows::{InterfaceRow, NameRow, NeighbourRow, PeerRow, RouteRow, SocketRow};
use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::{Account, Session};
use crate::selector::Selector;

/// Messages of nodes that wait to be printed.
const QUEUE: usize = 64;

/// What `network` takes.
#[derive(Clone, Debug, Args)]
pub struct NetworkArgs {
    /// What to look at, or to send.
    #[command(subcommand)]
    pub action: Action,
}

/// What is looked at, or sent.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// List network interfaces with their addresses, states and rates
    Interfaces(ListArgs),
    /// List routes
    Routes {
        /// Which nodes, and how to print.
        #[command(flatten)]
        list: ListArgs,
        /// Of every table, also to own addresses
        #[arg(long)]
        all: bool,
    },
    /// List who was seen on the links
    Neighbours(ListArgs),
    /// List sockets of TCP and UDP with their processes, those that listen first
    Sockets {
        /// Which nodes, and how to print.
        #[command(flatten)]
        list: ListArgs,
        /// Only those that listen
        #[arg(short, long)]
        listening: bool,
        /// Only those with this port on either side
        #[arg(short, long, value_name = "PORT")]
        port: Option<u16>,
        /// At most so many of each node
        #[arg(long, value_name = "COUNT", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
        limit: u32,
    },
    /// Show the round trips between nodes, as their connections measure them
    Rtt(ListArgs),
    /// Ask the resolvers of nodes for the addresses of a name
    Dns {
        /// The name
        name: String,
        /// From where, and how to print.
        #[command(flatten)]
        from: From,
    },
    /// Send echo requests from nodes
    Ping(probes::PingArgs),
    /// Show the way from nodes to a host, hop by hop
    #[command(visible_alias = "traceroute")]
    Trace(probes::TraceArgs),
    /// Find open ports of hosts, as seen from nodes
    Scan(scan::ScanArgs),
    /// Measure how fast bytes go between two nodes, or between here and nodes
    Throughput(load::LoadArgs),
}

/// From which nodes, and how to print.
#[derive(Clone, Debug, Args)]
pub struct From {
    /// From which nodes: names, globs, labels; and, or, not, ( )
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How to write the rows
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl NetworkArgs {
    /// Whether it does more than look: a scan is seen by others, and recorded.
    pub const fn acts(&self) -> bool {
        matches!(self.action, Action::Scan(_))
    }
}

/// Does what is asked for.
pub async fn run(session: &Session, args: &NetworkArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    match &args.action {
        Action::Interfaces(on) => {
            let ask = |node: NodeHandle| async move { node.network().interfaces().await };
            list(session, on, ask, InterfaceRow::all, streams).await
        }
        Action::Routes { list: on, all } => {
            let ask = |node: NodeHandle| async move { node.network().routes(Some(*all)).await };
            list(session, on, ask, RouteRow::all, streams).await
        }
        Action::Neighbours(on) => {
            let ask = |node: NodeHandle| async move { node.network().neighbours().await };
            list(session, on, ask, NeighbourRow::all, streams).await
        }
        Action::Sockets { list: on, listening, port, limit } => {
            let ask = |node: NodeHandle| async move {
                node.network().sockets(Some(*listening), *port, Some(*limit)).await
            };
            list(session, on, ask, SocketRow::all, streams).await
        }
        Action::Rtt(on) => {
            let ask = |node: NodeHandle| async move {
                let mut peers = node.node().peers().await?;
                peers.retain(|peer| peer.role == PeerRole::Node);
                Ok(peers)
            };
            list(session, on, ask, PeerRow::all, streams).await
        }
        Action::Dns { name, from } => {
            let on = ListArgs { on: from.on.clone(), output: from.output };
            let ask = |node: NodeHandle| async move { node.network().resolve(name.clone()).await };
            list(session, &on, ask, NameRow::all, streams).await
        }
        Action::Ping(args) => probes::ping(session, args, streams).await,
        Action::Trace(args) => probes::trace(session, args, streams).await,
        Action::Scan(args) => scan::run(session, args, streams).await,
        Action::Throughput(args) => load::run(session, args, streams).await,
    }
}

/// Asks every node for one answer, and prints its rows with its name.
async fn list<T, R: Row, Fut>(
    session: &Session,
    args: &ListArgs,
    ask: impl Fn(NodeHandle) -> Fut,
    rows: impl Fn(&NodeName, T) -> Vec<R>,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError>
where
    Fut: Future<Output = Result<T, RpcError>>,
{
    let targets = session.readable(&args.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut found: Vec<(NodeName, Vec<R>)> = Vec::new();
    let answered = |target: &Member, answer: Result<T, RpcError>| {
        match answer {
            Ok(answer) if args.output == Format::Jsonl => {
                streams.rows(&rows(&target.name, answer), Format::Jsonl)?;
            }
            Ok(answer) => found.push((target.name.clone(), rows(&target.name, answer))),
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    if args.output != Format::Jsonl {
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let found: Vec<R> = found.into_iter().flat_map(|(_, rows)| rows).collect();
        streams.rows(&found, args.output)?;
    }
    Ok(account.exit_of(&targets.members))
}

/// Where a node's messages go: its name with each.
#[derive(Clone, Debug)]
struct Told<T>(mpsc::Sender<(NodeName, T)>, NodeName);

impl<T> Told<T> {
    /// Hands one message on. Once nobody prints, nobody needs more.
    async fn tell(&self, item: T) -> Result<(), RpcError> {
        let sent = self.0.send((self.1.clone(), item)).await;
        sent.map_err(|_| RpcError::cancelled("nobody reads any more"))
    }
}

/// Has every node send messages, and shows each as it comes.
async fn streamed<T, Fut>(
    session: &Session,
    on: &Selector,
    question: impl Fn(NodeHandle, Told<T>) -> Fut,
    mut show: impl FnMut(&NodeName, T, &mut Streams<'_>) -> Result<(), CliError>,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError>
where
    Fut: Future<Output = Result<(), RpcError>>,
{
    let targets = session.readable(on, streams)?;
    let mut account = Account::new(targets.unknown);
    let (sender, mut messages) = mpsc::channel(QUEUE);
    let mut failures: Vec<(Member, RpcError)> = Vec::new();
    let asked = async {
        let sender = sender;
        let ask = |node: NodeHandle| {
            let told = Told(sender.clone(), node.name().clone());
            question(node, told)
        };
        let answered = |target: &Member, answer: Result<(), RpcError>| {
            failures.extend(answer.err().map(|error| (target.clone(), error)));
            Ok(())
        };
        session.ask(&targets.members, ask, answered).await
    };
    let shown = async {
        while let Some((node, item)) = messages.recv().await {
            show(&node, item, streams)?;
        }
        Ok(())
    };
    let (asked, shown) = tokio::join!(asked, shown);
    asked.and(shown)?;
    for (target, error) in &failures {
        account.failed(target, error, streams);
    }
    Ok(account.exit_of(&targets.members))
}
