//! `ps`: the processes of all nodes that are meant, each row with its node.

use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;
use p2p_shared::services::Services;
use p2p_shared::services::process::{ProcessInfo, ProcessList, ProcessState};
use p2p_shared::time::UnixMillis;
use serde::Serialize;

use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::{Account, Session};
use crate::format;

/// A process of a node. The names of the fields are stable; node, boot id, pid and start together are its
/// identity.
#[derive(Debug, Serialize)]
pub struct ProcessRow {
    node: NodeName,
    pid: u32,
    name: String,
    cpu_ratio: f32,
    rss_bytes: u64,
    user: String,
    command: String,
    state: ProcessState,
    start_ticks: u64,
    boot_id: String,
    ppid: u32,
    uid: u32,
    threads: u32,
    nice: i32,
    cpu_time_ms: u64,
    started: UnixMillis,
}

impl ProcessRow {
    fn new(node: &NodeName, boot_id: &str, info: ProcessInfo) -> Self {
        Self {
            node: node.clone(),
            pid: info.key.pid,
            name: info.name,
            cpu_ratio: info.usage.cpu_ratio,
            rss_bytes: info.usage.rss_bytes,
            user: info.user,
            command: info.command,
            state: info.usage.state,
            start_ticks: info.key.start_ticks,
            boot_id: boot_id.to_owned(),
            ppid: info.ppid,
            uid: info.uid,
            threads: info.usage.threads,
            nice: info.usage.nice,
            cpu_time_ms: info.usage.cpu_time_ms,
            started: info.started,
        }
    }

    fn of(node: &NodeName, list: ProcessList) -> Vec<Self> {
        let ProcessList { boot_id, processes, .. } = list;
        processes.into_iter().map(|info| Self::new(node, &boot_id, info)).collect()
    }
}

impl Row for ProcessRow {
    const TITLES: &'static [&'static str] =
        &["NODE", ">PID", "USER", ">CPU%", ">MEM", "S", ">TIME", "COMMAND"];

    fn cells(&self) -> Vec<String> {
        // As ps(1) shows it: a process without a command line is one of the kernel, or ended.
        let command = if self.command.is_empty() { format!("[{}]", self.name) } else { self.command.clone() };
        vec![
            self.node.to_string(),
            self.pid.to_string(),
            self.user.clone(),
            format::cpu(self.cpu_ratio),
            format::bytes(self.rss_bytes),
            letter(self.state).to_owned(),
            format::cpu_time(self.cpu_time_ms),
            command,
        ]
    }
}

const fn letter(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Running => "R",
        ProcessState::Sleeping => "S",
        ProcessState::Uninterruptible => "D",
        ProcessState::Stopped => "T",
        ProcessState::Zombie => "Z",
        ProcessState::Idle => "I",
        ProcessState::Unknown => "?",
    }
}

/// Lists them; a node that does not answer is told, and the others are listed all the same.
pub async fn run(session: &Session, args: &ListArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.readable(&args.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let ask = |node: p2p_shared::mesh::NodeHandle| async move { node.process().list(None).await };
    let answered = |target: &p2p_shared::services::node::Member, answer| {
        match answer {
            Ok(list) if args.output == Format::Jsonl => {
                streams.rows(&ProcessRow::of(&target.name, list), Format::Jsonl)?;
            }
            Ok(list) => rows.extend(ProcessRow::of(&target.name, list)),
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    if args.output != Format::Jsonl {
        rows.sort_by(|a, b| (&a.node, a.pid).cmp(&(&b.node, b.pid)));
        streams.rows(&rows, args.output)?;
    }
    Ok(account.exit())
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::process::{ProcessKey, ProcessUsage};

    use super::super::output::{json, table};
    use super::*;

    fn row(name: &str, command: &str) -> ProcessRow {
        let info = ProcessInfo {
            key: ProcessKey { pid: 812, start_ticks: 99 },
            ppid: 1,
            name: name.into(),
            command: command.into(),
            user: "www".into(),
            uid: 33,
            started: UnixMillis(5),
            usage: ProcessUsage {
                state: ProcessState::Sleeping,
                cpu_ratio: 0.25,
                cpu_time_ms: 61_250,
                rss_bytes: 2_097_152,
                threads: 4,
                nice: -5,
            },
        };
        ProcessRow::new(&"web-1".parse().unwrap(), "b00t", info)
    }

    #[test]
    fn the_shape_for_scripts_is_stable() {
        let expected = "{\"node\":\"web-1\",\"pid\":812,\"name\":\"nginx\",\"cpu_ratio\":0.25,\
                        \"rss_bytes\":2097152,\"user\":\"www\",\"command\":\"nginx: worker\",\
                        \"state\":\"sleeping\",\"start_ticks\":99,\"boot_id\":\"b00t\",\"ppid\":1,\"uid\":33,\
                        \"threads\":4,\"nice\":-5,\"cpu_time_ms\":61250,\"started\":\"1970-01-01T00:00:00.005Z\"}";
        assert_eq!(json(&row("nginx", "nginx: worker"), false).unwrap(), expected);
    }

    #[test]
    fn the_table_reads_like_ps() {
        let rows = [row("nginx", "nginx: worker\u{1b}[2J"), row("kworker/0:1", "")];
        let expected = "NODE   PID  USER  CPU%   MEM  S     TIME  COMMAND\n\
                        web-1  812  www   25.0  2.0M  S  1:01.25  nginx: worker^[[2J\n\
                        web-1  812  www   25.0  2.0M  S  1:01.25  [kworker/0:1]\n";
        assert_eq!(table(&rows, None), expected);
    }
}
