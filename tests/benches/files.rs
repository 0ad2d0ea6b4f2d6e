//! P16 to P18: a large file, many small ones, nothing to do and a few changed bytes from node to node, beside `scp`
//! and `rsync` over a local `sshd`; names and contents searched, beside `fd` and `rg`. And what a call of somebody else
//! to either node takes while a transfer, or a measurement of throughput, goes on at full speed.
//!
//! The nodes are two release programs on this one machine. Everything lies in memory where there is `/dev/shm`, so
//! that disks have no say: a transfer of ours syncs, theirs do not. Rounds in turn, medians; a line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "parallel-ssh needs more of it")]
mod sshd;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, ensure};
use bytes::Bytes;
use p2p_shared::access::Role;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::endpoint::{accepting, client_config, dialling, server_config};
use p2p_shared::services::Services;
use p2p_shared::services::file::{FilePath, SearchEnd};
use p2p_shared::services::network::THROUGHPUT_TIME_MS_MAX;
use p2p_shared::services::node::MemberState;
use p2p_shared::services::transfer::{PIECE_BYTES_MAX, TransferProgress, TransferSummary};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::Credentials;
use p2p_tui::effects::throughput;
use p2p_tui::effects::transfer::{self, End, Move, Operator, There};
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::watch;

use ca::TestCa;
use sshd::Sshd;
use support::{Program, at_least, at_most, beside, median};

const ROUNDS: usize = 5;
const LARGE_BYTES: usize = 512 << 20;
const DELTA_BYTES: usize = 64 << 20;
const SMALL_FILES: usize = 2_000;
/// Where names and contents are searched.
const SEARCHED: &str = "/usr";
const GLOB: &str = "*.h";
const REGEX: &str = "[Ee]rror_[a-z]+";

struct Ground {
    top: TempDir,
    operator: Arc<Credentials>,
    from: (NodeId, NodeHandle),
    to: (NodeId, NodeHandle),
    /// Ways of somebody else to both.
    lookers: [NodeHandle; 2],
    sshd: Sshd,
    _programs: [Program; 2],
}

impl Ground {
    async fn start(ca: &TestCa) -> anyhow::Result<Self> {
        let memory = Path::new("/dev/shm");
        let top = if memory.is_dir() { TempDir::new_in(memory)? } else { TempDir::new()? };
        let one = Program::start(&ca.node_files("one"), &[])?;
        let two = Program::start(&ca.node_files("two"), &["--bootstrap", &one.quic.to_string()])?;
        let operator = ca.operator("bench", Role::Admin);
        let from = support::handle(&operator, "one", one.quic)?;
        let to = support::handle(&operator, "two", two.quic)?;
        let viewer = ca.operator("looker", Role::Viewer);
        let lookers =
            [support::handle(&viewer, "one", one.quic)?, support::handle(&viewer, "two", two.quic)?];
        let began = Instant::now();
        let ids = loop {
            let members = to.node().members().await?;
            let alive = |name: &str| {
                let alive = members.iter().find(|member| member.name.as_str() == name);
                alive.filter(|member| member.state == MemberState::Alive).map(|member| member.id)
            };
            if let Some(ids) = alive("one").zip(alive("two")) {
                break ids;
            }
            ensure!(began.elapsed().as_secs() < 30, "the two nodes do not meet");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        let sshd = Sshd::start()?;
        Ok(Self { top, operator, from: (ids.0, from), to: (ids.1, to), lookers, sshd, _programs: [one, two] })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Seconds of a transfer of ours.
    async fn ours(&self, name: &str) -> anyhow::Result<(f64, TransferSummary)> {
        let there = |(id, node): &(NodeId, NodeHandle), top: &str| -> anyhow::Result<End> {
            let path = self.path(top).join(name);
            Ok(End::There(There {
                id: *id,
                node: node.clone(),
                path: FilePath::new(path.as_os_str().as_bytes())?,
            }))
        };
        let what = Move {
            from: there(&self.from, "from")?,
            to: there(&self.to, "ours")?,
            tree: true,
            bytes_per_second_max: None,
        };
        let now = SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
        let operator = Operator { credentials: Some(&self.operator), now: UnixMillis(u64::try_from(now)?) };
        let (told, _watched) = watch::channel(TransferProgress::default());
        let began = Instant::now();
        let summary = transfer::run(what, operator, &told).await?;
        ensure!(summary.failed.is_empty(), "{:?}", summary.failed);
        Ok((began.elapsed().as_secs_f64(), summary))
    }

    /// A measurement of what lies between the two nodes, as long as one may take.
    async fn throughput(&self) -> anyhow::Result<()> {
        let now = SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
        let operator = Operator { credentials: Some(&self.operator), now: UnixMillis(u64::try_from(now)?) };
        let members = self.from.1.node().members().await?;
        let to = members.iter().find(|member| member.id == self.to.0).context("the other is there")?;
        let order = throughput::order(operator, self.from.0, to, THROUGHPUT_TIME_MS_MAX)?;
        let node = self.from.1.clone().with_deadline(std::time::Duration::from_secs(20));
        let report = node.network().throughput(order).await?;
        println!("# throughput: {report:?}");
        Ok(())
    }

    fn scp(&self, name: &str) -> anyhow::Result<f64> {
        let to = format!("127.0.0.1:{}", self.path("theirs").join(name).display());
        let mut command = Command::new("scp");
        command.arg("-qr").args(self.sshd.options("-P")).arg(self.path("from").join(name)).arg(to);
        timed(&mut command).map(|(took, _)| took)
    }

    fn rsync(&self, flags: &[&str], name: &str) -> anyhow::Result<(f64, String)> {
        let to = format!("127.0.0.1:{}/", self.path("theirs").display());
        let mut command = Command::new("rsync");
        let shell = format!("ssh {}", self.sshd.options("-p").join(" "));
        command.args(flags).args(["--stats", "-e", &shell]).arg(self.path("from").join(name)).arg(to);
        timed(&mut command)
    }

    fn clear(&self) -> anyhow::Result<()> {
        for name in ["ours", "theirs"] {
            let path = self.path(name);
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
            fs::create_dir(&path)?;
        }
        Ok(())
    }
}

/// Calls of somebody else to either node, while bytes go between them.
async fn others(ground: &Ground) -> anyhow::Result<()> {
    noise(&ground.path("from/beside"), LARGE_BYTES)?;
    let ends = ["sending", "receiving"];
    for (end, looker) in ends.into_iter().zip(&ground.lookers) {
        ground.clear()?;
        let p99 = beside(looker, ground.ours("beside")).await?;
        at_most(&format!("P16 p99_ms_of_calls_to_the_{end}_node"), p99, 20.0);
    }
    for (end, looker) in ends.into_iter().zip(&ground.lookers) {
        let p99 = beside(looker, ground.throughput()).await?;
        at_most(&format!("throughput p99_ms_of_calls_to_the_{end}_node"), p99, 20.0);
    }
    Ok(fs::remove_file(ground.path("from/beside"))?)
}

fn timed(command: &mut Command) -> anyhow::Result<(f64, String)> {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().context("a peer is missing")?;
    let took = began.elapsed().as_secs_f64();
    ensure!(output.status.success() || output.status.code() == Some(2), "{command:?} failed");
    Ok((took, String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn noise(path: &Path, length: usize) -> anyhow::Result<()> {
    let mut state = length as u64 | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        // xorshift
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    Ok(fs::write(path, bytes)?)
}

/// Seconds of as many bytes over a stream of quinn as we set it, each end on a thread of its own, without a file.
fn bare(node: &Credentials, operator: &Credentials) -> anyhow::Result<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    let server = server_config(node, node.trust());
    let sending = std::thread::spawn(move || alone(send_all(socket, server)));
    let took = alone(receive_all(address, client_config(operator, operator.trust())))?;
    sending.join().map_err(|_| anyhow::anyhow!("the bare sender panicked"))??;
    Ok(took)
}

fn alone<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
}

async fn send_all(socket: UdpSocket, server: ServerConfig) -> anyhow::Result<()> {
    let endpoint =
        Endpoint::new(EndpointConfig::default(), Some(server.clone()), socket, Arc::new(TokioRuntime))?;
    let incoming = endpoint.accept().await.context("closed")?;
    let config = accepting(server, incoming.remote_address());
    let connection = incoming.accept_with(config)?.await?;
    let mut send = connection.open_uni().await?;
    let piece = Bytes::from(vec![0x5a; PIECE_BYTES_MAX]);
    for _ in 0..LARGE_BYTES / PIECE_BYTES_MAX {
        send.write_chunk(piece.clone()).await?;
    }
    send.finish()?;
    send.stopped().await?;
    connection.closed().await;
    Ok(())
}

async fn receive_all(address: SocketAddr, client: ClientConfig) -> anyhow::Result<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
    let connection = endpoint.connect_with(dialling(client, address), address, "p2p-admin")?.await?;
    let mut receive = connection.accept_uni().await?;
    let (began, mut count) = (Instant::now(), 0);
    while let Some(chunk) = receive.read_chunk(64 << 10, true).await? {
        count += chunk.bytes.len();
    }
    let took = began.elapsed().as_secs_f64();
    ensure!(count == LARGE_BYTES, "{count} bytes came");
    connection.close(0u32.into(), b"");
    endpoint.wait_idle().await;
    Ok(took)
}

async fn large(ground: &Ground, ca: &TestCa) -> anyhow::Result<()> {
    noise(&ground.path("from/large"), LARGE_BYTES)?;
    let (node, operator) = (ca.node("bare"), ca.operator("reader", Role::Viewer));
    let [mut ours, mut scp, mut rsync, mut quinn] = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        ground.clear()?;
        ours.push(ground.ours("large").await?.0);
        ground.clear()?;
        scp.push(ground.scp("large")?);
        ground.clear()?;
        rsync.push(ground.rsync(&["-W"], "large")?.0);
        quinn.push(tokio::task::block_in_place(|| bare(&node, &operator))?);
    }
    fs::remove_file(ground.path("from/large"))?;
    let rate = |took| LARGE_BYTES as f64 / f64::from(1 << 20) / median(took);
    let [ours, scp, rsync, quinn] = [ours, scp, rsync, quinn].map(rate);
    println!("# MiB/s: {ours:.0}, scp {scp:.0}, rsync {rsync:.0}, bare quinn without files {quinn:.0}");
    at_least("P16 copy_rate_vs_scp", ours / scp, 1.3);
    at_least("P16 copy_rate_vs_rsync_whole", ours / rsync, 2.0);
    at_least("P16 copy_rate_vs_quinn", ours / quinn, 0.75);
    Ok(())
}

async fn small(ground: &Ground) -> anyhow::Result<()> {
    for index in 0..SMALL_FILES {
        let directory = ground.path(&format!("from/small/{}", index % 20));
        fs::create_dir_all(&directory)?;
        noise(&directory.join(index.to_string()), 100 + index * 4)?;
    }
    let [mut ours, mut theirs, mut idle, mut their_idle] = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        ground.clear()?;
        ours.push(ground.ours("small").await?.0);
        theirs.push(ground.rsync(&["-a"], "small")?.0);
        idle.push(ground.ours("small").await?.0);
        their_idle.push(ground.rsync(&["-a"], "small")?.0);
    }
    let [ours, theirs, idle, their_idle] = [ours, theirs, idle, their_idle].map(median);
    println!("# 2,000 files: {ours:.3} s, rsync {theirs:.3}; again: {idle:.3} s, rsync {their_idle:.3}");
    at_most("P17 small_files_vs_rsync", ours / theirs, 0.95);
    at_most("P17 nothing_to_do_vs_rsync", idle / their_idle, 0.2);
    Ok(())
}

async fn delta(ground: &Ground) -> anyhow::Result<()> {
    ground.clear()?;
    let path = ground.path("from/delta");
    noise(&path, DELTA_BYTES)?;
    ground.ours("delta").await?;
    ground.rsync(&["-a"], "delta")?;
    let (mut ours, mut theirs, mut sent, mut their_sent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut bytes = fs::read(&path)?;
        bytes[(round + 1) * 9_000_000] ^= 0x55;
        fs::write(&path, bytes)?;
        let (took, summary) = ground.ours("delta").await?;
        ours.push(took);
        // Beside the contents, 16 bytes of hash for each chunk of 32 KiB.
        sent.push(summary.progress.received_bytes as f64 + (DELTA_BYTES / (32 << 10) * 16) as f64);
        let (took, said) = ground.rsync(&["-a"], "delta")?;
        theirs.push(took);
        their_sent.push(bytes_of(&said));
        ensure!(fs::read(&path)? == fs::read(ground.path("ours/delta"))?, "a delta went wrong");
    }
    let [ours, theirs, sent, their_sent] = [ours, theirs, sent, their_sent].map(median);
    println!("# delta of 64 MiB: {ours:.3} s and {sent} bytes, rsync {theirs:.3} s and {their_sent}");
    at_most("P17 delta_time_vs_rsync", ours / theirs, 0.8);
    at_most("P17 delta_bytes_vs_rsync", sent / their_sent, 1.5);
    Ok(())
}

/// What rsync says that it sent and received.
fn bytes_of(said: &str) -> f64 {
    let totals = said.lines().filter(|line| line.starts_with("Total bytes "));
    let numbers = totals.filter_map(|line| line.rsplit(' ').next()?.replace(',', "").parse::<f64>().ok());
    numbers.sum()
}

async fn searches(ground: &Ground) -> anyhow::Result<()> {
    let file = ground.from.1.file();
    let path = FilePath::new(SEARCHED.as_bytes())?;
    let fd = if Command::new("fdfind").arg("-V").output().is_ok() { "fdfind" } else { "fd" };
    let [mut names, mut fds, mut lines, mut rgs] = [const { Vec::new() }; 4];
    for round in 0..=ROUNDS {
        let began = Instant::now();
        let find =
            file.find(path.clone(), Some(GLOB.into()), None, None, None, Some(100_000), Some(60_000)).await?;
        let found = hits(find).await?;
        let ours = began.elapsed().as_secs_f64();
        let mut command = Command::new(fd);
        let (theirs, said) = timed(command.args(["-uu", "--one-file-system", "-g", GLOB, SEARCHED]))?;
        ensure!(found == said.lines().count(), "{found} names, fd found {}", said.lines().count());
        let began = Instant::now();
        let grep =
            file.grep(path.clone(), REGEX.into(), None, None, Some(100_000), Some(60_000), Some(1 << 40));
        let matched = hits(grep.await?).await?;
        let our_grep = began.elapsed().as_secs_f64();
        let mut command = Command::new("rg");
        let (their_grep, said) = timed(command.args(["-uu", "--one-file-system", "-n", REGEX, SEARCHED]))?;
        if round == 0 {
            println!("# {found} names; {matched} lines, rg {}", said.lines().count());
            continue;
        }
        for (all, one) in
            [(&mut names, ours), (&mut fds, theirs), (&mut lines, our_grep), (&mut rgs, their_grep)]
        {
            all.push(one);
        }
    }
    let [names, fds, lines, rgs] = [names, fds, lines, rgs].map(median);
    println!("# names {names:.3} s, fd {fds:.3}; contents {lines:.3} s, rg {rgs:.3}");
    at_most("P18 name_search_vs_fd", names / fds, 1.2);
    at_most("P18 content_search_vs_rg", lines / rgs, 1.15);
    Ok(())
}

async fn hits<S: p2p_shared::rpc::client::ItemSource>(
    mut search: p2p_shared::rpc::client::Subscription<p2p_shared::services::file::FileFound, S>,
) -> anyhow::Result<usize> {
    let mut count = 0;
    while let Some(found) = search.next().await? {
        count += found.hits.len();
        ensure!(
            !matches!(found.end, Some(SearchEnd::Time | SearchEnd::Bytes | SearchEnd::Hits)),
            "a search ended early: {:?}",
            found.end
        );
    }
    Ok(count)
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("bench");
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let ground = Ground::start(&ca).await?;
        fs::create_dir(ground.path("from"))?;
        ground.clear()?;
        others(&ground).await?;
        large(&ground, &ca).await?;
        small(&ground).await?;
        delta(&ground).await?;
        searches(&ground).await
    })
}
