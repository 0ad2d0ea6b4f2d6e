//! How soon a receiver hears of a threshold that was crossed: R37, by bytes that leave an interface and a real
//! receiver.
//!
//! Each round has an interface and a rule of its own. Runs itself again in a network namespace, where nobody else sends
//! anything; needs root, takes some minutes and prints one line. What is over before its first message is made,
//! within a second, is told to nobody: what crosses a threshold here stays beyond it.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use p2p_shared::access::Role;
use p2p_shared::services::Services;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use ca::TestCa;
use support::{Program, again, at_most, handle};

/// Thresholds that are crossed.
const ROUNDS: usize = 30;
const THRESHOLD_BYTES_PER_S: usize = 20_000;
/// One interface of a round, and an address behind it where nobody listens.
const INTERFACE: &str = "ip link add bench$1 type veth peer name back$1; ip link set back$1 up; \
                         ip address add 198.51.$1.1/24 dev bench$1; ip link set bench$1 up; \
                         ip neighbour add 198.51.$1.2 lladdr 02:00:00:00:00:01 dev bench$1";
const DATAGRAM_BYTES: usize = 1_000;
/// Between two datagrams, once the threshold is crossed.
const PACE: Duration = Duration::from_millis(20);
/// The node samples each second, and a notice may take two.
const GOAL_S: f64 = 3.0;
const TOLD_MAX: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(3);
/// Between two rounds, so that a receiver gets two messages of each: it gets one in two seconds.
const PAUSE: Duration = Duration::from_secs(3);
/// Rounds begin at any moment of a second: each so much later in it.
const SHIFT: Duration = Duration::from_millis(37);
/// Messages that wait to be looked at.
const QUEUE: usize = 256;
const BODY_BYTES_MAX: usize = 1 << 20;

fn main() -> anyhow::Result<()> {
    if support::inside().is_some() {
        return inside();
    }
    let status = again(&["--net"], "")?.status()?;
    ensure!(status.success(), "a run in a network namespace failed: it needs root");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn inside() -> anyhow::Result<()> {
    ensure!(Command::new("ip").args(["link", "set", "lo", "up"]).status()?.success(), "no loopback");
    for round in 0..ROUNDS {
        let made = Command::new("sh").args(["-ec", INTERFACE, "sh", &round.to_string()]).status()?;
        ensure!(made.success(), "no interface");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let home = TempDir::new()?;
    let (config, address) = (home.path().join("node.toml"), listener.local_addr()?);
    let receiver =
        "[[alerts.receivers]]\nname = \"bench\"\nallow_private = true\nmatchers = [\"of=bench\"]\n";
    fs::write(&config, format!("{receiver}url = \"http://{address}/\"\n"))?;
    let config = config.to_str().context("a path that is no text")?;
    let (told, mut tellings) = channel(QUEUE);
    TaskTracker::new().spawn(receive(listener, told));

    let ca = TestCa::new("home");
    let program = Program::start(&ca.node_files("web-1"), &["--config", config])?;
    let node = handle(&ca.operator("bench", Role::Admin), "web-1", program.quic)?;
    sleep(SETTLE).await;
    let mut rules = String::new();
    for round in 0..ROUNDS {
        let figure = format!("network_transmit_bytes_per_second{{interface=\"bench{round}\"}}");
        writeln!(rules, "[[rule]]\nname = \"{}\"\nlabels = {{ of = \"bench\" }}", name(round))?;
        writeln!(rules, "when = '{figure} > {THRESHOLD_BYTES_PER_S}'")?;
    }
    let version = node.alert().test(rules.clone()).await?.version;
    node.alert().apply(rules, version).await?;
    sleep(SETTLE).await;

    let mut took = Vec::new();
    for round in 0..ROUNDS {
        sleep(PAUSE).await;
        sleep(until_second(SHIFT * round as u32)).await;
        let (name, began) = (name(round), Instant::now());
        let told = async {
            while !tellings.recv().await.context("no receiver")?.contains(&name) {}
            anyhow::Ok(())
        };
        tokio::select! {
            told = timeout(TOLD_MAX, told) => told.with_context(|| format!("{name} was never told"))??,
            failed = flood(round) => failed?,
        }
        took.push(began.elapsed().as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    println!("# {ROUNDS} thresholds: median {:.2} s, worst {:.2}", took[ROUNDS / 2], took[ROUNDS - 1]);
    at_most("R37 threshold_to_webhook_p99_s", took[ROUNDS * 99 / 100], GOAL_S);
    Ok(())
}

fn name(round: usize) -> String {
    format!("many_{round:02}")
}

/// How long it is until `shift` behind the beginning of a second.
fn until_second(shift: Duration) -> Duration {
    let second = Duration::from_secs(1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let behind = Duration::from_nanos(now.subsec_nanos().into());
    let shift = Duration::from_nanos(shift.subsec_nanos().into());
    if shift >= behind { shift - behind } else { second + shift - behind }
}

/// More than the threshold of a second leaves the interface of the round at once, and then goes on to.
async fn flood(round: usize) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(format!("198.51.{round}.1:0")).await?;
    let behind = format!("198.51.{round}.2:9");
    for sent in 0.. {
        socket.send_to(&[0; DATAGRAM_BYTES], &behind).await?;
        if sent * DATAGRAM_BYTES > 2 * THRESHOLD_BYTES_PER_S {
            sleep(PACE).await;
        }
    }
    Ok(())
}

/// A receiver of webhooks: takes what comes, says yes, and passes the bodies on.
async fn receive(listener: TcpListener, told: Sender<String>) {
    while let Ok((stream, _)) = listener.accept().await {
        let told = told.clone();
        TaskTracker::new().spawn(async move {
            if let Ok(body) = take(stream).await {
                let _ = told.try_send(body);
            }
        });
    }
}

async fn take(mut stream: TcpStream) -> anyhow::Result<String> {
    let mut text = Vec::new();
    loop {
        let read = stream.read_buf(&mut text).await?;
        ensure!(read > 0 && text.len() < BODY_BYTES_MAX, "no whole request");
        let request = String::from_utf8_lossy(&text);
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let body = body.to_owned();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
            return Ok(body);
        }
    }
}
