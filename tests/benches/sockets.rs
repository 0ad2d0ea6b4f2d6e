//! What 1,000 WebSocket clients of the real release program cost that all follow the fleet: memory of the node,
//! and how long a change takes to the last of them.
//!
//! Takes some seconds; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::future::try_join_all;
use futures::{SinkExt, StreamExt};
use p2p_shared::access::Role;
use p2p_shared::services::Services;
use p2p_shared::services::node::Label;
use p2p_shared::tls::{TOKEN_LIFE_MAX, mint_token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use ca::TestCa;
use support::{Program, at_most, handle, median};

const CLIENTS: usize = 1_000;
/// Changes that are measured.
const CHANGES: usize = 20;
/// So many are opened at a time.
const AT_ONCE: usize = 50;
const SETTLE: Duration = Duration::from_secs(3);
const WAIT_MAX: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<TcpStream>;

/// The next text that is an item.
async fn item(socket: &mut Socket) -> anyhow::Result<Value> {
    loop {
        let message = timeout(WAIT_MAX, socket.next()).await?.context("closed")??;
        if let Message::Text(text) = message {
            let value: Value = serde_json::from_str(text.as_str())?;
            match value["type"].as_str() {
                Some("item") => return Ok(value),
                Some("error" | "lagged") => bail!("{value}"),
                _ => {}
            }
        }
    }
}

async fn client(node: &Program, token: &str) -> anyhow::Result<Socket> {
    let stream = TcpStream::connect(node.http).await?;
    let (mut socket, _) = client_async(format!("ws://{}/ws", node.http), stream).await?;
    socket.send(Message::text(json!({"op": "auth", "token": token}).to_string())).await?;
    socket.send(Message::text(json!({"op": "subscribe", "topic": "fleet"}).to_string())).await?;
    item(&mut socket).await?;
    Ok(socket)
}

async fn sockets(ca: &TestCa) -> anyhow::Result<()> {
    let node = Program::start(&ca.node_files("alone"), &[])?;
    let admin = ca.operator("olga", Role::Admin);
    let token = mint_token(&admin, ca::now(), TOKEN_LIFE_MAX)?;
    // The first one is not counted: what it brings up once is no cost of a client.
    let mut open = vec![client(&node, &token).await?];
    sleep(SETTLE).await;
    let before = node.status_kib("VmRSS")?;
    while open.len() <= CLIENTS {
        let most = AT_ONCE.min(CLIENTS + 1 - open.len());
        open.extend(try_join_all((0..most).map(|_| client(&node, &token))).await?);
    }
    sleep(SETTLE).await;
    let more_mib = (node.status_kib("VmRSS")? - before) / 1_024.0;
    at_most("sockets rss_more_mib", more_mib, 64.0);
    println!("# {:.1} KiB a client", more_mib * 1_024.0 / CLIENTS as f64);

    let call = handle(&admin, "alone", node.quic)?.node();
    let (mut took, cpu) = (Vec::new(), node.cpu_s()?);
    for change in 0..CHANGES {
        let began = Instant::now();
        let label = Label { key: "change".to_owned(), value: change.to_string() };
        call.set_labels(vec![label], Vec::new()).await?;
        try_join_all(open.iter_mut().map(item)).await?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "# a change reaches the last of {CLIENTS} in {:.1} ms, clients and node on one machine",
        median(took)
    );
    println!("# {:.2} ms of processor time a change", (node.cpu_s()? - cpu) * 1e3 / CHANGES as f64);
    at_most("sockets rss_more_mib_after_changes", (node.status_kib("VmRSS")? - before) / 1_024.0, 64.0);
    Ok(())
}

fn main() -> anyhow::Result<()> {
    // Each client is a descriptor here and there.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let ca = TestCa::new("bench");
    Builder::new_current_thread().enable_all().build()?.block_on(sockets(&ca))
}
