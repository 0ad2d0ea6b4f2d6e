//! `network scan`: open ports of hosts, as seen from nodes. ^C ends it with what was found so far.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::network::{OpenPort, ScanFound, ScanOrder, ScanRequest};
use p2p_shared::time::Millis;
use serde::Serialize;
use tokio::signal::ctrl_c;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::failure::CliError;
use super::super::output::{Format, Row, Streams};
use super::super::pace::span;
use super::super::session::Session;
use super::detach::DetachArgs;
use super::probes::millis;
use super::{From, Told, streamed};
use crate::format::probe::progress;

/// Between two lines that say how far it is.
const NEWS: Duration = Duration::from_secs(5);

/// What `network scan` takes.
#[derive(Clone, Debug, Args)]
pub struct ScanArgs {
    /// Addresses, names, or networks such as 10.0.0.0/24; each node's policy.toml has to allow them (scan_targets)
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// From where, and how to print.
    #[command(flatten)]
    from: From,
    /// Ports and ranges, such as 22,80,8000-8100
    #[arg(short, long, value_name = "PORTS", default_value = "1-1024")]
    ports: String,
    /// Connections a second [default: 1000; no limit where a node scans itself]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Wait so long for each
    #[arg(short = 'W', long, value_name = "T", default_value = "1s", value_parser = span)]
    timeout: Millis,
    /// Wait for what open ports say of themselves
    #[arg(long)]
    banner: bool,
    /// As a job.
    #[command(flatten)]
    detach: DetachArgs,
}

/// An open port. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct PortRow {
    node: NodeName,
    address: IpAddr,
    port: u16,
    service: Option<String>,
    banner: Option<String>,
    rtt_ms: f32,
}

impl PortRow {
    fn new(node: &NodeName, open: OpenPort) -> Self {
        let OpenPort { address, port, service, banner, rtt_ms } = open;
        Self { node: node.clone(), address, port, service, banner, rtt_ms }
    }
}

impl Row for PortRow {
    const TITLES: &'static [&'static str] = &["NODE", "ADDRESS", ">PORT", "SERVICE", ">TOOK", "BANNER"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            self.address.to_string(),
            self.port.to_string(),
            self.service.clone().unwrap_or_else(|| "-".into()),
            format!("{:.2} ms", self.rtt_ms),
            self.banner.clone().unwrap_or_default(),
        ]
    }
}

/// Scans from every node that is meant.
pub(super) async fn run(
    session: &Session,
    args: &ScanArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    if args.detach.detach {
        return args.detach.run(session, &args.from, request(args), streams).await;
    }
    let output = args.from.output;
    let (stop, stopped) = watch::channel(false);
    let (mut rows, mut said) = (Vec::new(), BTreeMap::<NodeName, Instant>::new());
    let ask = |node: NodeHandle, told: Told<ScanFound>| {
        let (request, stopped) = (request(args), stopped.clone());
        async move { scan(&node, request, stopped, &told).await }
    };
    let show = |node: &NodeName, found: ScanFound, streams: &mut Streams<'_>| {
        let now = Instant::now();
        let last = said.entry(node.clone()).or_insert(now);
        if found.end.is_some() || now.duration_since(*last) >= NEWS {
            *last = now;
            streams.tell(&format!("{node}: {}", progress(&found)));
        }
        let new: Vec<PortRow> = found.open.into_iter().map(|open| PortRow::new(node, open)).collect();
        if output == Format::Jsonl {
            return streams.rows(&new, Format::Jsonl);
        }
        rows.extend(new);
        Ok(())
    };
    let exit = {
        let mut scanned = std::pin::pin!(streamed(session, &args.from.on, ask, show, streams));
        tokio::select! {
            ended = &mut scanned => ended,
            Ok(()) = ctrl_c() => {
                stop.send_replace(true);
                scanned.await
            }
        }
    }?;
    if output != Format::Jsonl {
        rows.sort_by(|one, other| {
            (&one.node, one.address, one.port).cmp(&(&other.node, other.address, other.port))
        });
        streams.rows(&rows, output)?;
    }
    Ok(exit)
}

fn request(args: &ScanArgs) -> ScanRequest {
    ScanRequest {
        targets: args.targets.clone(),
        ports: Some(args.ports.clone()),
        rate_per_s: args.rate,
        timeout_ms: millis(args.timeout),
        banner: args.banner,
    }
}

async fn scan(
    node: &NodeHandle,
    request: ScanRequest,
    mut stopped: watch::Receiver<bool>,
    told: &Told<ScanFound>,
) -> Result<(), RpcError> {
    let (mut found, mut orders) = node.network().scan(request).await?.split();
    let mut listens = true;
    loop {
        tokio::select! {
            item = found.next() => match item? {
                Some(item) => told.tell(item).await?,
                None => return Ok(()),
            },
            changed = stopped.changed(), if listens => {
                listens = false;
                if changed.is_ok() {
                    orders.send(&ScanOrder::Stop).await?;
                }
            }
        }
    }
}
