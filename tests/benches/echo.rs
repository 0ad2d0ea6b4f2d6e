//! Calls that say a text again: ours through client, transport and registry, and a bare quinn echo over the same TLS
//! and the same transport settings; each server on a current-thread runtime of its own.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use p2p_node::audit::Audit;
use p2p_node::gate::NodeGate;
use p2p_node::membership::revoked::Revocations;
use p2p_node::policy::Fuse;
use p2p_node::store::Store;
use p2p_node::transport::{Routes, Settings, Transport};
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

/// Calls at a time.
const IN_FLIGHT: usize = 64;
const SPAN: Duration = Duration::from_millis(1_500);
/// The name that our dials ask for.
pub const SERVER_NAME: &str = "p2p-admin";
/// What goes there and back: about the size of a small call.
pub const PAYLOAD_BYTES: usize = 48;

pub mod contract {
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
pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts what says its address and then serves.
    pub fn start<F, Fut>(serve: F) -> anyhow::Result<Self>
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

pub async fn serve_ours(
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

pub async fn serve_bare(
    credentials: Arc<Credentials>,
    address: std::sync::mpsc::Sender<SocketAddr>,
) -> anyhow::Result<()> {
    let config = server_config(&credentials, credentials.trust());
    let socket = UdpSocket::bind(loopback())?;
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))?;
    address.send(endpoint.local_addr()?)?;
    let tasks = TaskTracker::new();
    while let Some(incoming) = endpoint.accept().await {
        let calls = tasks.clone();
        tasks.spawn(async move {
            let connection = incoming.await?;
            while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                calls.spawn(async move {
                    let bytes = receive.read_to_end(64 << 10).await?;
                    send.write_chunk(bytes.into()).await?;
                    send.finish()?;
                    anyhow::Ok(())
                });
            }
            anyhow::Ok(())
        });
    }
    Ok(())
}

/// Calls a second with [`IN_FLIGHT`] loops that each call again and again.
pub async fn rate<F, Fut>(call: F) -> anyhow::Result<f64>
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

pub async fn bare_connection(credentials: &Credentials, address: SocketAddr) -> anyhow::Result<Connection> {
    Ok(bare_dialler(credentials)?.connect(address, SERVER_NAME)?.await?)
}

/// A socket to dial a bare server from.
pub fn bare_dialler(credentials: &Credentials) -> anyhow::Result<Endpoint> {
    let socket = UdpSocket::bind(loopback())?;
    let mut endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
    endpoint.set_default_client_config(client_config(credentials, credentials.trust()));
    Ok(endpoint)
}

pub async fn bare_call(connection: Connection) -> anyhow::Result<()> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_chunk(vec![b'x'; PAYLOAD_BYTES].into()).await?;
    send.finish()?;
    anyhow::ensure!(receive.read_to_end(64 << 10).await?.len() == PAYLOAD_BYTES);
    Ok(())
}
