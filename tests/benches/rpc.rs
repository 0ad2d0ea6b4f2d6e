//! P1: typed calls through client, transport and registry, 64 in flight, against a bare quinn echo over the same
//! TLS and the same transport settings; both ends on a current-thread runtime of their own. P6: what one
//! more idle connection costs a node.
//!
//! Rounds in turn, medians; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use p2p_node::audit::Audit;
use p2p_node::gate::NodeGate;
use p2p_node::membership::revoked::Revocations;
use p2p_node::policy::Fuse;
use p2p_node::store::Store;
use p2p_node::transport::{Routes, Settings, Transport};
use p2p_shared::access::Role;
use p2p_shared::error::RpcError;
use p2p_shared::mesh::endpoint::{client_config, server_config};
use p2p_shared::rpc::registry::{CallContext, Registry};
use p2p_shared::tls::Credentials;
use quinn::{Connection, Endpoint, EndpointConfig, TokioRuntime};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use ca::TestCa;
use support::{Program, at_least, at_most, handle, median};

const IN_FLIGHT: usize = 64;
const ROUNDS: usize = 5;
const SPAN: Duration = Duration::from_millis(1_500);
/// What goes there and back: about the size of a small call.
const PAYLOAD_BYTES: usize = 48;
/// Connections of one operator, and operators, under the node's limits.
const LINKS: usize = 16;
const OPERATORS: usize = 15;

mod contract {
    p2p_shared::service! {
        /// Says things again.
        service Echo = "echo" {
            /// The text again.
            get say(text: String) -> String, needs NodeRead;
        }
    }
}

struct EchoService;

impl contract::Echo for EchoService {
    async fn say(&self, _: &CallContext, text: String) -> Result<String, RpcError> {
        Ok(text)
    }
}

/// A server on a thread and a current-thread runtime of its own, until it is dropped.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start<F, Fut>(serve: F) -> anyhow::Result<Self>
    where
        F: FnOnce(std::sync::mpsc::Sender<SocketAddr>) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>>,
    {
        let (stop, stopped) = oneshot::channel();
        let (address_tx, address) = std::sync::mpsc::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    served = serve(address_tx) => if let Err(error) = served { eprintln!("{error:#}") },
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address: address.recv()?, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

async fn serve_ours(
    credentials: Arc<Credentials>,
    address: std::sync::mpsc::Sender<SocketAddr>,
) -> anyhow::Result<()> {
    let settings = Settings { listen: loopback(), peers_max: 100 };
    let transport = Transport::bind(&settings, &credentials, Handle::current())?;
    let data = tempfile::tempdir()?;
    let audit = Audit::open(
        (data.path(), "bench"),
        Store::open(data.path())?,
        &Handle::current(),
        CancellationToken::new(),
    );
    let (revocations, _) = Revocations::restore(credentials.identity().id, credentials.trust(), None);
    let gate = Arc::new(NodeGate::new(Fuse::default(), Arc::new(revocations), audit));
    let registry = Arc::new(Registry::new(gate).mount(contract::mount(EchoService)));
    // Nobody sends messages of DHT and membership here.
    let ((dht, _), (membership, _)) = (mpsc::channel(1), mpsc::channel(1));
    transport.serve(Routes { registry, dht, membership });
    address.send(transport.local_address()?)?;
    std::future::pending().await
}

async fn serve_bare(
    credentials: Arc<Credentials>,
    address: std::sync::mpsc::Sender<SocketAddr>,
) -> anyhow::Result<()> {
    let config = server_config(&credentials, credentials.trust());
    let socket = UdpSocket::bind(loopback())?;
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))?;
    address.send(endpoint.local_addr()?)?;
    let connection = endpoint.accept().await.context("closed")?.await?;
    let tasks = TaskTracker::new();
    while let Ok((mut send, mut receive)) = connection.accept_bi().await {
        tasks.spawn(async move {
            let bytes = receive.read_to_end(64 << 10).await?;
            send.write_chunk(bytes.into()).await?;
            send.finish()?;
            anyhow::Ok(())
        });
    }
    Ok(())
}

/// Calls a second with [`IN_FLIGHT`] loops that each call again and again.
async fn rate<F, Fut>(call: F) -> anyhow::Result<f64>
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let began = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let call = call.clone();
        loops.spawn(async move {
            let mut calls = 0u64;
            while began.elapsed() < SPAN {
                call().await?;
                calls += 1;
            }
            anyhow::Ok(calls)
        });
    }
    let mut calls = 0;
    while let Some(ended) = loops.join_next().await {
        calls += ended??;
    }
    Ok(calls as f64 / began.elapsed().as_secs_f64())
}

async fn bare_connection(credentials: &Credentials, address: SocketAddr) -> anyhow::Result<Connection> {
    let socket = UdpSocket::bind(loopback())?;
    let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
    let config = client_config(credentials, credentials.trust());
    Ok(endpoint.connect_with(config, address, "p2p-admin")?.await?)
}

async fn bare_call(connection: Connection) -> anyhow::Result<()> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_chunk(vec![b'x'; PAYLOAD_BYTES].into()).await?;
    send.finish()?;
    anyhow::ensure!(receive.read_to_end(64 << 10).await?.len() == PAYLOAD_BYTES);
    Ok(())
}

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
