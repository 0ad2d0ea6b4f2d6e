//! Processes of a simulated node.

use std::collections::BTreeSet;

use p2p_shared::error::RpcError;
use p2p_shared::services::process::{
    Ancestor, OpenFile, Origin, OriginKind, ProcessChange, ProcessDelta, ProcessDetails,
};
use p2p_shared::services::process::{ProcessInfo, ProcessKey, ProcessRef, ProcessSocket, ProcessState};
use p2p_shared::services::process::{ProcessUsage, Signal, Thread};
use p2p_shared::time::UnixMillis;

use super::{HOSTILE, noise, unit};

const MIB: u64 = 1 << 20;
const TICKS_PER_S: u64 = 100;
/// Bytes of the longest hostile command line.
const LINE_BYTES: usize = 64 * 1_024;
/// Of so many processes one changes each second.
const RESTLESS: u64 = 12;

/// What runs on servers: name, command line, user, resident MiB, threads, share of a core in percent.
const PROGRAMS: [(&str, &str, &str, u64, u32, u32); 16] = [
    ("nginx", "nginx: worker process", "www-data", 38, 1, 6),
    ("postgres", "postgres: app orders 10.20.0.11(51812) idle in transaction", "postgres", 210, 1, 14),
    ("java", "/usr/bin/java -Xmx4g -jar /opt/orders/orders.jar --server.port=8080", "app", 1_900, 84, 65),
    ("node", "node /srv/web/server.js --port 3000", "app", 160, 11, 9),
    ("python3", "/usr/bin/python3 -m celery -A jobs worker --concurrency=4", "app", 95, 2, 12),
    ("redis-server", "/usr/bin/redis-server 127.0.0.1:6379", "redis", 640, 5, 4),
    ("sshd", "sshd: deploy@pts/0", "root", 9, 1, 0),
    ("bash", "-bash", "deploy", 5, 1, 0),
    ("systemd-journal", "/usr/lib/systemd/systemd-journald", "root", 48, 1, 1),
    ("cron", "/usr/sbin/cron -f", "root", 3, 1, 0),
    ("containerd-shim", "/usr/bin/containerd-shim-runc-v2 -namespace moby -id 7f3a", "root", 14, 12, 0),
    ("dockerd", "/usr/bin/dockerd -H fd://", "root", 120, 31, 2),
    ("cargo", "cargo build --workspace --locked", "build", 310, 6, 90),
    ("rustc", "rustc --crate-name p2p_node --edition=2024 node/src/lib.rs", "build", 780, 9, 98),
    ("p2p-node", "/usr/bin/p2p-node --config /etc/p2p-admin/p2p-node.toml", "root", 22, 4, 1),
    ("sleep", "sleep 600", "deploy", 1, 1, 0),
];
const USERS: [(&str, u32); 7] = [
    ("root", 0),
    ("www-data", 33),
    ("postgres", 114),
    ("redis", 115),
    ("app", 1_000),
    ("deploy", 1_001),
    ("build", 1_002),
];
/// Who starts programs of other names.
const BEGETTERS: [&str; 4] = ["sshd", "bash", "containerd-shim", "cargo"];
const KERNEL: [&str; 6] =
    ["kworker/0:1-events", "ksoftirqd/0", "migration/0", "rcu_preempt", "kswapd0", "jbd2/nvme0n1p2-8"];

/// The processes of one node and what its watch has told of them.
#[derive(Clone, Debug)]
pub struct Table {
    node: usize,
    begin: UnixMillis,
    target: usize,
    rows: Vec<ProcessInfo>,
    next_pid: u32,
    /// The step at which the watch last told something; `None` before its first message.
    told: Option<u64>,
    messages: u64,
    /// Ended by a signal since then.
    killed: Vec<ProcessKey>,
    /// Changed by an order since then.
    touched: BTreeSet<ProcessKey>,
}

impl Table {
    pub fn new(node: usize, count: usize, begin: UnixMillis) -> Self {
        let mut table = Self {
            node,
            begin,
            target: count,
            rows: Vec::with_capacity(count),
            next_pid: 1,
            told: None,
            messages: 0,
            killed: Vec::new(),
            touched: BTreeSet::new(),
        };
        for _ in 0..count {
            let row = table.born(0);
            table.rows.push(row);
        }
        table
    }

    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn rows(&self) -> &[ProcessInfo] {
        &self.rows
    }

    pub const fn restart_watch(&mut self) {
        self.told = None;
    }

    /// Gives the last rows names that try to harm who looks at them.
    pub fn name_hostile(&mut self) {
        for (row, name) in self.rows.iter_mut().rev().zip(HOSTILE) {
            row.name = name.chars().take(15).collect();
            row.command = format!("/opt/{name} --name={name}");
            row.user = name.to_owned();
        }
        if let Some(row) = self.rows.iter_mut().rev().nth(HOSTILE.len()) {
            row.command = "A\u{1b}[7m".repeat(LINE_BYTES / 5);
        }
    }

    pub fn delta(&mut self, step: u64, at: UnixMillis) -> ProcessDelta {
        let full = self.told.is_none_or(|told| told == step);
        let mut delta = ProcessDelta {
            seq: self.messages,
            at,
            boot_id: boot_id(self.node),
            full,
            appeared: Vec::new(),
            changed: Vec::new(),
            gone: std::mem::take(&mut self.killed),
        };
        self.messages += 1;
        if full {
            delta.gone.clear();
            delta.appeared.clone_from(&self.rows);
        } else {
            self.live(step, &mut delta);
        }
        self.touched.clear();
        self.told = Some(step);
        delta
    }

    /// What happens in a second: some work, on odd seconds one goes, on even ones one appears.
    fn live(&mut self, step: u64, delta: &mut ProcessDelta) {
        for row in &mut self.rows {
            let restless = noise(self.node, u64::from(row.key.pid), step).is_multiple_of(RESTLESS);
            if restless {
                work(self.node, row, step);
            }
            if restless || self.touched.contains(&row.key) {
                delta.changed.push(ProcessChange { key: row.key, usage: row.usage });
            }
        }
        if step % 2 == 1 {
            delta.gone.extend(self.die(step));
        } else if self.rows.len() <= self.target {
            let row = self.born(step);
            delta.appeared.push(row.clone());
            self.rows.push(row);
        }
    }

    /// One that has no children goes, if there are more than a handful.
    fn die(&mut self, step: u64) -> Option<ProcessKey> {
        if self.rows.len() < 8 {
            return None;
        }
        let at = 2 + (noise(self.node, 20, step) % (self.rows.len() as u64 - 2)) as usize;
        let pid = self.rows[at].key.pid;
        let is_parent = self.rows.iter().any(|row| row.ppid == pid);
        (!is_parent && self.rows[at].ppid != 2).then(|| self.rows.remove(at).key)
    }

    fn born(&mut self, step: u64) -> ProcessInfo {
        let pid = self.next_pid;
        let dice = noise(self.node, 30, u64::from(pid));
        self.next_pid += if pid < 2 { 1 } else { 1 + (dice >> 40) as u32 % 9 };
        let start_ticks = if step == 0 { u64::from(pid) * 13 } else { 10_000_000 + step * TICKS_PER_S };
        let key = ProcessKey { pid, start_ticks };
        let started =
            if step == 0 { self.begin.0 - 9_000_000 + start_ticks * 10 } else { self.begin.0 + step * 1_000 };
        let mut row = match pid {
            1 => program(key, ("systemd", "/sbin/init splash", "root", 13, 1, 0)),
            2 => kernel_thread(key, "kthreadd"),
            _ if dice.is_multiple_of(14) => kernel_thread(key, KERNEL[(dice >> 8) as usize % KERNEL.len()]),
            _ => program(key, PROGRAMS[(dice >> 8) as usize % PROGRAMS.len()]),
        };
        row.ppid = self.parent(&row, dice);
        row.started = UnixMillis(started);
        row.usage.cpu_time_ms = if step == 0 { (dice >> 20) % 9_000_000 } else { 10 };
        work(self.node, &mut row, step);
        row
    }

    fn parent(&self, row: &ProcessInfo, dice: u64) -> u32 {
        match row.key.pid {
            1 | 2 => 0,
            _ if row.command.is_empty() => 2,
            _ if dice.is_multiple_of(3) || self.rows.len() < 4 => 1,
            _ => {
                let other = &self.rows[(dice >> 16) as usize % self.rows.len()];
                let begets = other.name == row.name || BEGETTERS.contains(&other.name.as_str());
                if begets { other.key.pid } else { 1 }
            }
        }
    }

    fn find(&self, target: &ProcessRef) -> Result<usize, RpcError> {
        let key = ProcessKey { pid: target.pid, start_ticks: target.start_ticks };
        let found =
            (target.boot_id == boot_id(self.node)).then(|| self.rows.iter().position(|row| row.key == key));
        found
            .flatten()
            .ok_or_else(|| RpcError::conflict(format!("process {} is no longer that one", target.pid)))
    }

    pub fn signal(&mut self, target: &ProcessRef, signal: Signal) -> Result<(), RpcError> {
        let at = self.find(target)?;
        let row = &mut self.rows[at];
        if row.key.pid <= 2 {
            return Err(RpcError::forbidden("the first processes take no signals"));
        }
        match signal {
            Signal::Stop | Signal::Tstp => row.usage.state = ProcessState::Stopped,
            Signal::Cont => row.usage.state = ProcessState::Sleeping,
            Signal::Winch | Signal::Unknown => {}
            _ => {
                let row = self.rows.remove(at);
                self.killed.push(row.key);
                for child in self.rows.iter_mut().filter(|child| child.ppid == row.key.pid) {
                    child.ppid = 1;
                }
                return Ok(());
            }
        }
        self.touched.insert(row.key);
        Ok(())
    }

    pub fn renice(&mut self, target: &ProcessRef, nice: i32) -> Result<(), RpcError> {
        let at = self.find(target)?;
        self.rows[at].usage.nice = nice.clamp(-20, 19);
        self.touched.insert(self.rows[at].key);
        Ok(())
    }

    pub fn details(&self, target: &ProcessRef) -> Result<ProcessDetails, RpcError> {
        let info = self.rows[self.find(target)?].clone();
        let own = info.uid == 1_000;
        let (files, sockets) = (files(&info), sockets(&info));
        Ok(ProcessDetails {
            arguments: info.command.split(' ').map(str::to_owned).collect(),
            environment_names: own.then(|| ["HOME", "LANG", "PATH", "RUST_LOG"].map(str::to_owned).to_vec()),
            executable: (!info.command.is_empty()).then(|| format!("/usr/bin/{}", info.name)),
            working_directory: own.then(|| format!("/srv/{}", info.name)),
            cgroup: Some(format!("/system.slice/{}.service", info.name)),
            files: own.then_some(files),
            sockets,
            threads: threads(&info),
            ancestors: self.ancestors(&info),
            read_bytes: own.then_some(info.usage.rss_bytes / 3),
            written_bytes: own.then_some(info.usage.rss_bytes / 7),
            origin: Some(Origin { kind: OriginKind::Unit, name: format!("{}.service", info.name) }),
            info,
        })
    }

    fn ancestors(&self, info: &ProcessInfo) -> Vec<Ancestor> {
        let by_pid = |pid: u32| self.rows.iter().find(|row| row.key.pid == pid);
        let chain = std::iter::successors(by_pid(info.ppid), |row| by_pid(row.ppid));
        chain.take(64).map(|row| Ancestor { key: row.key, name: row.name.clone() }).collect()
    }
}

fn boot_id(node: usize) -> String {
    let (high, low) = (noise(node, 40, 0), noise(node, 41, 0));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        high & 0xffff,
        high >> 16 & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

fn program(key: ProcessKey, from: (&str, &str, &str, u64, u32, u32)) -> ProcessInfo {
    let (name, command, user, mib, threads, percent) = from;
    ProcessInfo {
        key,
        ppid: 1,
        name: name.to_owned(),
        command: command.to_owned(),
        user: user.to_owned(),
        uid: USERS.iter().find(|(known, _)| *known == user).map_or(65_534, |(_, uid)| *uid),
        started: UnixMillis(0),
        usage: ProcessUsage {
            state: ProcessState::Sleeping,
            // Until it has worked this is what it takes at most.
            cpu_ratio: percent as f32 / 100.0,
            cpu_time_ms: 0,
            rss_bytes: mib * MIB,
            threads,
            nice: 0,
        },
    }
}

fn kernel_thread(key: ProcessKey, name: &str) -> ProcessInfo {
    let mut row = program(key, (name, "", "root", 0, 1, 0));
    row.usage.state = ProcessState::Idle;
    row
}

/// A second of work of one process.
fn work(node: usize, row: &mut ProcessInfo, step: u64) {
    if row.command.is_empty() || row.usage.state == ProcessState::Stopped {
        return;
    }
    let pid = u64::from(row.key.pid);
    let most = PROGRAMS.iter().find(|program| program.0 == row.name).map_or(0, |program| program.5);
    // Few of many work hard at a time.
    let ratio = unit(node, 60 + pid, step).powi(6) * most as f32 / 100.0;
    row.usage.cpu_ratio = (ratio * 1_000.0).round() / 1_000.0;
    row.usage.cpu_time_ms += (ratio * 1_000.0) as u64;
    row.usage.state = if ratio > 0.05 { ProcessState::Running } else { ProcessState::Sleeping };
    let base = row.usage.rss_bytes.max(MIB);
    let drift = base / 64 * (noise(node, 61 + pid, step) % 3);
    row.usage.rss_bytes = if step.is_multiple_of(2) { base + drift } else { base - drift.min(base / 2) };
}

fn files(info: &ProcessInfo) -> Vec<OpenFile> {
    let target = ["/dev/null", "/var/log/app.log", "socket:[48213]", "pipe:[991]", "anon_inode:[eventpoll]"];
    let file = |(at, target): (usize, &str)| OpenFile { descriptor: at as u32, target: target.to_owned() };
    target.into_iter().take(2 + info.key.pid as usize % 4).enumerate().map(file).collect()
}

fn sockets(info: &ProcessInfo) -> Vec<ProcessSocket> {
    let port = 1_024 + info.key.pid % 40_000;
    let socket = |descriptor, remote: Option<&str>, state: &str| ProcessSocket {
        descriptor,
        protocol: "tcp".to_owned(),
        local: format!("10.20.0.11:{port}"),
        remote: remote.map(str::to_owned),
        state: state.to_owned(),
    };
    vec![socket(2, None, "listen"), socket(7, Some("10.20.0.12:40212"), "established")]
}

fn threads(info: &ProcessInfo) -> Vec<Thread> {
    let thread = |at: u32| Thread {
        tid: info.key.pid + at,
        name: if at == 0 { info.name.clone() } else { format!("worker-{at}") },
        state: info.usage.state,
        cpu_time_ms: info.usage.cpu_time_ms / u64::from(info.usage.threads.max(1)),
    };
    (0..info.usage.threads.min(1_024)).map(thread).collect()
}
