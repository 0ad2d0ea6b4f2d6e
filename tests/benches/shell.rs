//! What a shell costs: the echo of a key against the round trip of a bare QUIC stream in the same run, with what the
//! terminal itself takes beside it; a flood of output for ten seconds, with the memory of the node, the time of other
//! calls meanwhile, and the time from ^C to the prompt.
//!
//! Rounds in turn, medians; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use p2p_shared::access::Role;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::endpoint::{client_config, server_config};
use p2p_shared::rpc::client::Duplex;
use p2p_shared::services::Services;
use p2p_shared::services::exec::Variable;
use p2p_shared::services::shell::{
    SEEN_BYTES, ShellAttach, ShellCommand, ShellInput, ShellItem, ShellRequest, ShellSize,
};
use p2p_shared::tls::Credentials;
use pty_process::Pty;
use quinn::{Endpoint, EndpointConfig, RecvStream, SendStream, TokioRuntime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::runtime::Builder;
use tokio::time::{interval, timeout};

use ca::TestCa;
use support::{Program, at_most, handle, median};

const ROUNDS: usize = 5;
/// Keys in a round.
const KEYS: usize = 400;
/// How long the flood lasts, and how often a call is made meanwhile.
const FLOOD: Duration = Duration::from_secs(10);
const CALL_INTERVAL: Duration = Duration::from_millis(5);
/// A terminal that says nothing for so long is broken.
const LATE: Duration = Duration::from_secs(10);
const PROMPT: &str = "ready> ";

fn main() -> anyhow::Result<()> {
    // A client has a runtime of its own, as the node has for its mesh.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ca = TestCa::new("home");
        let program = Program::start(&ca.node_files("web-1"), &[])?;
        let operator = ca.operator("bench", Role::Admin);
        let node = handle(&operator, "web-1", program.quic)?;
        echoes(&ca, &operator, &node).await?;
        flood(&program, &node, &handle(&operator, "web-1", program.quic)?).await
    })
}

/// A shell with somebody attached.
struct Shell {
    call: Duplex<ShellInput, ShellItem, NodeHandle>,
    shown: u64,
    told: u64,
}

impl Shell {
    async fn open(node: &NodeHandle, line: &str) -> anyhow::Result<Self> {
        let request = ShellRequest {
            command: Some(ShellCommand {
                program: "/bin/sh".into(),
                arguments: vec!["-c".into(), format!("read begin; {line}")],
            }),
            user: None,
            directory: Some("/".into()),
            environment: vec![Variable { name: "PS1".into(), value: PROMPT.into() }],
            term: "xterm".into(),
            size: ShellSize::default(),
        };
        let id = node.shell().open(request).await?.id;
        let call = node.shell().attach(ShellAttach { id, size: None }).await?;
        let mut shell = Self { call, shown: 0, told: 0 };
        shell.call.send(&ShellInput::Seen(0)).await?;
        shell.type_in(b"\n").await?;
        Ok(shell)
    }

    async fn type_in(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.call.send(&ShellInput::Bytes(bytes.to_vec())).await?)
    }

    /// The next bytes that it writes; says now and then that they were seen.
    async fn output(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            match timeout(LATE, self.call.output.next()).await?? {
                Some(ShellItem::Output(bytes)) => {
                    self.shown += bytes.len() as u64;
                    if self.shown >= self.told + SEEN_BYTES {
                        self.told = self.shown;
                        self.call.send(&ShellInput::Seen(self.told)).await?;
                    }
                    return Ok(bytes);
                }
                Some(ShellItem::Attached(_) | ShellItem::Scrollback(_) | ShellItem::Resized(_)) => {}
                other => bail!("the shell is over: {other:?}"),
            }
        }
    }

    async fn until(&mut self, text: &str) -> anyhow::Result<()> {
        let mut seen = String::new();
        while !seen.contains(text) {
            // A text may be cut between two parts.
            seen = seen.chars().rev().take(text.len()).collect::<String>().chars().rev().collect();
            seen += &String::from_utf8_lossy(&self.output().await?);
        }
        Ok(())
    }

    /// The time of each key until it is shown.
    async fn keys(&mut self) -> anyhow::Result<Vec<f64>> {
        let mut times = Vec::with_capacity(KEYS);
        for _ in 0..KEYS {
            let began = Instant::now();
            self.type_in(b"x").await?;
            ensure!(self.output().await? == b"x");
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(times)
    }
}

/// A terminal of this process, for what echoing costs without us.
struct Local {
    pty: Pty,
    _child: Child,
}

impl Local {
    async fn start(line: &str) -> anyhow::Result<Self> {
        let (pty, pts) = pty_process::open()?;
        let command = pty_process::Command::new("/bin/sh").args(["-c", line]).kill_on_drop(true);
        let mut local = Self { pty, _child: command.spawn(pts)? };
        let mut bytes = [0; 64];
        while !bytes.starts_with(b"go") {
            timeout(LATE, local.pty.read(&mut bytes)).await??;
        }
        Ok(local)
    }

    async fn keys(&mut self) -> anyhow::Result<Vec<f64>> {
        let (mut times, mut byte) = (Vec::with_capacity(KEYS), [0; 1]);
        for _ in 0..KEYS {
            let began = Instant::now();
            self.pty.write_all(b"x").await?;
            timeout(LATE, self.pty.read_exact(&mut byte)).await??;
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(times)
    }
}

async fn bare(address: SocketAddr, operator: &Credentials) -> anyhow::Result<(SendStream, RecvStream)> {
    let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
    endpoint.set_default_client_config(client_config(operator, operator.trust()));
    let (mut send, receive) = endpoint.connect(address, "node")?.await?.open_bi().await?;
    send.write_all(b"x").await?;
    Ok((send, receive))
}

/// Echoes what comes by a stream, on a thread and a runtime of its own, for as long as the bench runs.
fn serve_bare(credentials: Arc<Credentials>) -> anyhow::Result<SocketAddr> {
    let (address_tx, address) = std::sync::mpsc::channel();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let serve = async move {
        let config = server_config(&credentials, credentials.trust());
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))?;
        address_tx.send(endpoint.local_addr()?)?;
        let connection = endpoint.accept().await.context("closed")?.await?;
        let (mut send, mut receive) = connection.accept_bi().await?;
        while let Some(chunk) = receive.read_chunk(1 << 10, true).await? {
            send.write_chunk(chunk.bytes).await?;
        }
        anyhow::Ok(())
    };
    std::thread::spawn(move || drop(runtime.block_on(serve)));
    Ok(address.recv()?)
}

async fn stream_keys((send, receive): &mut (SendStream, RecvStream)) -> anyhow::Result<Vec<f64>> {
    let (mut times, mut byte) = (Vec::with_capacity(KEYS), [0; 1]);
    for _ in 0..KEYS {
        let began = Instant::now();
        send.write_all(b"x").await?;
        receive.read_exact(&mut byte).await?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}

async fn echoes(ca: &TestCa, operator: &Credentials, node: &NodeHandle) -> anyhow::Result<()> {
    const CAT: &str = "stty raw -echo; echo go; exec cat";
    const TTY: &str = "stty -icanon echo; echo go; exec sleep 1000";
    let mut stream = bare(serve_bare(ca.node("floor"))?, operator).await?;
    stream.1.read_exact(&mut [0; 1]).await?;
    let (mut cat, mut tty) = (Shell::open(node, CAT).await?, Shell::open(node, TTY).await?);
    cat.until("go").await?;
    tty.until("go").await?;
    let (mut own_cat, mut own_tty) = (Local::start(CAT).await?, Local::start(TTY).await?);
    // What is left of the line that said so.
    for shell in [&mut cat, &mut tty] {
        while let Ok(Ok(Some(_))) = timeout(Duration::from_millis(300), shell.call.output.next()).await {}
    }
    for local in [&mut own_cat, &mut own_tty] {
        while timeout(Duration::from_millis(300), local.pty.read(&mut [0; 64])).await.is_ok() {}
    }
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        times[0].push(median(stream_keys(&mut stream).await?));
        times[1].push(median(tty.keys().await?));
        times[2].push(median(cat.keys().await?));
        times[3].push(median(own_tty.keys().await?));
        times[4].push(median(own_cat.keys().await?));
    }
    let [stream, tty, cat, own_tty, own_cat] = times.map(median);
    println!(
        "shell_echo_us: stream={stream:.0} shell={tty:.0} terminal={own_tty:.0}; by cat: shell={cat:.0} \
         terminal={own_cat:.0}"
    );
    at_most("shell_echo_vs_stream", tty / stream, 1.2);
    at_most("shell_echo_vs_stream_and_terminal", tty / (stream + own_tty), 1.2);
    at_most("shell_cat_vs_stream_and_terminal", cat / (stream + own_cat), 1.2);
    Ok(())
}

async fn flood(program: &Program, node: &NodeHandle, other: &NodeHandle) -> anyhow::Result<()> {
    let mut shell = Shell::open(node, "exec sh -i").await?;
    shell.until(PROMPT).await?;
    // What is made once is there before it is measured.
    shell.type_in(b"yes | head -c 3000000; echo war\"med\"\n").await?;
    shell.until(&format!("warmed\r\n{PROMPT}")).await?;
    let (before_kib, before_shown, before_cpu) =
        (program.status_kib("VmRSS")?, shell.shown, program.cpu_s()?);
    shell.type_in(b"yes\n").await?;
    let calls = async {
        let (mut ticks, mut times, began) = (interval(CALL_INTERVAL), Vec::new(), Instant::now());
        while began.elapsed() < FLOOD {
            ticks.tick().await;
            let asked = Instant::now();
            other.node().labels().await?;
            times.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        anyhow::Ok(times)
    };
    let mut times = tokio::select! {
        times = calls => times?,
        ended = async { loop { shell.output().await?; } } => { let never: anyhow::Result<()> = ended; return never },
    };
    let grown_kib = program.status_kib("VmRSS")? - before_kib;
    let (shown, cpu) = (shell.shown - before_shown, program.cpu_s()? - before_cpu);
    let began = Instant::now();
    shell.type_in(b"\x03").await?;
    shell.until(PROMPT).await?;
    let interrupted_ms = began.elapsed().as_secs_f64() * 1e3;
    times.sort_by(f64::total_cmp);
    let p99 = times[times.len() * 99 / 100];
    println!(
        "shell_flood: {:.1} MiB/s shown, {:.0}% of a core, {} calls, p50 {:.2} ms",
        shown as f64 / FLOOD.as_secs_f64() / (1 << 20) as f64,
        cpu / FLOOD.as_secs_f64() * 100.0,
        times.len(),
        times[times.len() / 2],
    );
    at_most("shell_flood_rss_growth_kib", grown_kib, 2_048.0);
    at_most("shell_flood_call_p99_ms", p99, 20.0);
    at_most("shell_interrupt_to_prompt_ms", interrupted_ms, 100.0);
    Ok(())
}
