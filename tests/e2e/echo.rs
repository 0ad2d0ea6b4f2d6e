//! A bare endpoint with one service of its own: for tests of the wire, below everything a node does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use p2p_node::transport::{Routes, Settings, Transport};
use p2p_shared::error::RpcError;
use p2p_shared::mesh::Target;
use p2p_shared::mesh::endpoint::{client_config, endpoint};
use p2p_shared::mesh::failure::LinkError;
use p2p_shared::mesh::link::{Expected, Link, Local};
use p2p_shared::mesh::{Mesh, NodeHandle, Resolve};
use p2p_shared::rpc::registry::{Arguments, CallContext, Decision, Gate, Outcome, Registry, Ticket};
use p2p_shared::rpc::service::{Inputs, Items, MethodSpec};
use p2p_shared::tls::Credentials;
use quinn::Endpoint;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};

mod contract {
    p2p_shared::service! {
        /// Says things again.
        service Echo = "echo" {
            /// The text again.
            get say(text: String) -> String, needs NodeRead;
            /// As many bytes.
            get bytes(count: u32) -> Vec<u8>, needs NodeRead;
            /// Never answers; tells when it is dropped.
            get hang() -> (), needs NodeRead;
            /// Changes something.
            post change(text: String) -> String, needs NodeLabel;
            /// Counts up, for ever.
            watch count() -> u64, needs NodeRead;
            /// Doubles what comes.
            duplex double() -> u64, takes u64, needs NodeRead;
        }
    }
}

pub use contract::Client;

#[derive(Default)]
pub struct EchoService {
    /// Notified when a hanging call was dropped.
    pub dropped: Arc<Notify>,
}

struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl contract::Echo for EchoService {
    async fn say(&self, _: &CallContext, text: String) -> Result<String, RpcError> {
        Ok(text)
    }

    async fn bytes(&self, _: &CallContext, count: u32) -> Result<Vec<u8>, RpcError> {
        Ok(vec![7; count as usize])
    }

    async fn hang(&self, _: &CallContext) -> Result<(), RpcError> {
        let _guard = NotifyOnDrop(Arc::clone(&self.dropped));
        std::future::pending().await
    }

    async fn change(&self, context: &CallContext, text: String) -> Result<String, RpcError> {
        Ok(format!("{text} by {}", context.caller))
    }

    async fn count(&self, _: &CallContext, items: Items<u64>) -> Result<(), RpcError> {
        let _guard = NotifyOnDrop(Arc::clone(&self.dropped));
        for number in 0.. {
            items.send(&number).await?;
        }
        Ok(())
    }

    async fn double(
        &self,
        _: &CallContext,
        mut inputs: Inputs<u64>,
        items: Items<u64>,
    ) -> Result<(), RpcError> {
        while let Some(number) = inputs.next().await? {
            items.send(&(2 * number)).await?;
        }
        Ok(())
    }
}

struct Open;

impl Gate for Open {
    fn before<'a>(&'a self, _: &'static MethodSpec, _: &'a CallContext, _: Arguments<'a>) -> Decision<'a> {
        Decision::Now(Ok(Ticket::default()))
    }

    fn after(&self, _: Option<&'static MethodSpec>, _: &CallContext, _: &Outcome<'_>) {}
}

/// An endpoint that serves `echo`.
pub struct Server {
    pub transport: Transport,
    pub address: SocketAddr,
    pub dropped: Arc<Notify>,
}

impl Server {
    pub fn start(credentials: &Credentials) -> Self {
        let settings = Settings { listen: loopback(), peers_max: 100 };
        let transport = Transport::bind(&settings, credentials, Handle::current()).unwrap();
        let dropped = Arc::new(Notify::new());
        let service = EchoService { dropped: Arc::clone(&dropped) };
        let registry = Arc::new(Registry::new(Arc::new(Open)).mount(contract::mount(service)));
        // Nobody takes messages of DHT and membership here.
        let (dht, _) = mpsc::channel(1);
        let (membership, _) = mpsc::channel(1);
        transport.serve(Routes { registry, dht, membership });
        let address = transport.local_address().unwrap();
        Self { transport, address, dropped }
    }
}

pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub fn client_endpoint() -> Endpoint {
    endpoint(std::net::UdpSocket::bind(loopback()).unwrap(), None, Handle::current()).unwrap()
}

/// Dials with the credentials' own hello.
pub async fn dial(credentials: &Credentials, address: SocketAddr) -> Result<Link, LinkError> {
    dial_as(credentials, address, &Local::new(credentials.identity().mesh.clone())).await
}

pub async fn dial_as(
    credentials: &Credentials,
    address: SocketAddr,
    local: &Local,
) -> Result<Link, LinkError> {
    let config = client_config(credentials, credentials.trust());
    Link::dial(&client_endpoint(), config, address, &Expected::default(), local).await
}

/// Resolves every name to one address.
struct Only(SocketAddr);

impl Resolve for Only {
    async fn resolve(&self, name: &p2p_shared::id::NodeName) -> Option<Target> {
        Some(Target { name: Some(name.clone()), id: None, addresses: vec![self.0] })
    }
}

/// A handle to `name` at `address`.
pub fn handle(credentials: &Credentials, name: &str, address: SocketAddr) -> NodeHandle {
    let local = Local::new(credentials.identity().mesh.clone());
    let dial = p2p_shared::mesh::endpoint::ClientEndpoint::new(credentials, local, Handle::current());
    Mesh::new(Only(address), dial.unwrap()).node(&name.parse().unwrap())
}

/// Fails a test that hangs, with a name.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("{what} takes more than {limit:?}"))
}
