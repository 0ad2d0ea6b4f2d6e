//! P1: typed calls through client, transport and registry, 64 in flight, against a bare quinn echo over the same
//! TLS and the same transport settings; both ends on a current-thread runtime of their own. P6: what one
//! more idle connection costs a node.
//!
//! Rounds in turn, medians; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
mod echo;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::access::Role;
use tokio::runtime::Builder;

use ca::TestCa;
use echo::{PAYLOAD_BYTES, Server, bare_call, bare_connection, contract, rate, serve_bare, serve_ours};
use support::{Program, at_least, at_most, handle, median};

const ROUNDS: usize = 5;
/// Connections of one operator, and operators, under the node's limits.
const LINKS: usize = 16;
const OPERATORS: usize = 15;

async fn calls(ca: &TestCa) -> anyhow::Result<()> {
    let (node, operator) = (ca.node("web-1"), ca.operator("ann", Role::Viewer));
    let credentials = Arc::clone(&node);
    let bare = Server::start(move |address| serve_bare(credentials, address))?;
    let ours = Server::start(move |address| serve_ours(node, address))?;
    let connection = bare_connection(&operator, bare.address).await?;
    let client = contract::Client::new(handle(&operator, "web-1", ours.address)?);
    let text = "x".repeat(PAYLOAD_BYTES);
    let bare_call = move || bare_call(connection.clone());
    let our_call = move || {
        let (client, text) = (client.clone(), text.clone());
        async move {
            client.say(text).await?;
            Ok(())
        }
    };
    rate(bare_call.clone()).await?;
    rate(our_call.clone()).await?;
    let (mut floors, mut rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (floor, rate) = (rate(bare_call.clone()).await?, rate(our_call.clone()).await?);
        floors.push(floor);
        rates.push(rate);
        ratios.push(rate / floor);
    }
    println!("# bare quinn {:.0} calls/s, ours {:.0}", median(floors), median(rates));
    at_least("P1 rpc_rps_vs_quinn", median(ratios), 0.70);
    Ok(())
}

/// Resident memory of a real node at three numbers of idle connections, by `RssAnon` of its process.
async fn memory(ca: &TestCa) -> anyhow::Result<()> {
    let node = Program::start(&ca.node_files("web-2"), &[])?;
    let mut links = Vec::new();
    let mut points = Vec::new();
    for index in 0..OPERATORS {
        let operator = ca.operator(&format!("op-{index}"), Role::Viewer);
        for _ in 0..LINKS {
            let handle = handle(&operator, "web-2", node.quic)?;
            handle.link().await?;
            links.push(handle);
        }
        if index % 5 == 4 {
            // What the handshakes held is given back when their timers have passed.
            tokio::time::sleep(Duration::from_secs(4)).await;
            points.push((links.len() as f64, node.status_kib("RssAnon")?));
        }
    }
    let slope = |a: (f64, f64), b: (f64, f64)| (b.1 - a.1) / (b.0 - a.0);
    println!(
        "# RssAnon {points:?} KiB; slopes {:.1}, {:.1}",
        slope(points[0], points[1]),
        slope(points[1], points[2])
    );
    at_most("P6 idle_peer_kib", slope(points[0], points[2]), 49.0);
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("bench");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        calls(&ca).await?;
        memory(&ca).await
    })
}
