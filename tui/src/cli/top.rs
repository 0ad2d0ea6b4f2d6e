//! `top --once`: one line a node, with the figures of its host.

use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::monitor::HostSample;
use p2p_shared::services::node::Member;
use p2p_shared::time::UnixMillis;
use serde::Serialize;

use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::{Account, Session};
use crate::format;

/// The figures of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct TopRow {
    node: NodeName,
    cpu_ratio: f32,
    cores: usize,
    load_1m: f32,
    memory_total_bytes: u64,
    memory_used_bytes: u64,
    swap_used_bytes: u64,
    /// Used share of the fullest file system; `None` where there is none.
    disk_used_ratio: Option<f32>,
    processes: u32,
    uptime_s: u64,
    at: UnixMillis,
}

impl TopRow {
    fn new(node: &NodeName, sample: &HostSample) -> Self {
        let memory = sample.memory;
        let used = |disk: &p2p_shared::services::monitor::Disk| {
            let taken = disk.total_bytes.saturating_sub(disk.available_bytes);
            (disk.total_bytes > 0).then(|| (taken as f64 / disk.total_bytes as f64) as f32)
        };
        Self {
            node: node.clone(),
            cpu_ratio: sample.cpu.ratio,
            cores: sample.cpu.cores.len(),
            load_1m: sample.load[0],
            memory_total_bytes: memory.total_bytes,
            memory_used_bytes: memory.total_bytes.saturating_sub(memory.available_bytes),
            swap_used_bytes: memory.swap_used_bytes,
            disk_used_ratio: sample.disks.iter().filter_map(used).max_by(f32::total_cmp),
            processes: sample.processes,
            uptime_s: sample.uptime_s,
            at: sample.at,
        }
    }
}

impl Row for TopRow {
    const TITLES: &'static [&'static str] =
        &["NODE", ">CPU", ">CORES", ">LOAD", ">MEM", ">OF", ">SWAP", ">DISK", ">PROCS", ">UP"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            format::percent(self.cpu_ratio),
            self.cores.to_string(),
            format!("{:.2}", self.load_1m),
            format::bytes(self.memory_used_bytes),
            format::bytes(self.memory_total_bytes),
            format::bytes(self.swap_used_bytes),
            self.disk_used_ratio.map_or_else(|| "-".to_owned(), format::percent),
            self.processes.to_string(),
            format::span_ms(self.uptime_s.saturating_mul(1_000)),
        ]
    }
}

/// Lists them; a node that does not answer is told.
pub async fn run(session: &Session, args: &ListArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.readable(&args.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let ask = |node: NodeHandle| async move { node.monitor().snapshot().await };
    let answered = |target: &Member, answer: Result<HostSample, RpcError>| {
        match answer.map(|sample| TopRow::new(&target.name, &sample)) {
            Ok(row) if args.output == Format::Jsonl => streams.json_line(&row)?,
            Ok(row) => rows.push(row),
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    if args.output != Format::Jsonl {
        rows.sort_by(|a, b| a.node.cmp(&b.node));
        streams.rows(&rows, args.output)?;
    }
    Ok(account.exit())
}
