//! Whole nodes in this process, each on a thread and a runtime of its own, so that one of them can fall
//! silent: a killed node sends nothing more, not even a good-bye.
//!
//! Everything is thrown away at the end: the CA, the data directories, the threads.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use p2p_node::host::files::reserved::Own;
use p2p_node::membership::handle::{Directory, MembershipHandle};
use p2p_node::node::{Node, Settings};
use p2p_node::policy::{Fuse, Policy};
use p2p_node::portrait::Portrait;
use p2p_node::program::Runtimes;
use p2p_node::transport::Transport;
use p2p_shared::access::Role;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::endpoint::ClientEndpoint;
use p2p_shared::mesh::link::Local;
use p2p_shared::mesh::{Mesh, NodeHandle, Resolve, Target};
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::tls::Credentials;
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};

use crate::ca::TestCa;
use crate::echo::loopback;

/// Longer than anything takes that has no promise of its own.
pub const LONG: Duration = Duration::from_secs(20);
/// Between two looks at something that cannot be waited for.
const POLL: Duration = Duration::from_millis(20);

type Addresses = Arc<Mutex<HashMap<NodeName, SocketAddr>>>;

/// Some nodes of one mesh, called web-1, web-2, ...
pub struct Cluster {
    pub ca: TestCa,
    nodes: Vec<Seat>,
    operators: Mutex<HashMap<Role, Arc<Credentials>>>,
    addresses: Addresses,
    directory: TempDir,
}

struct Seat {
    name: NodeName,
    credentials: Arc<Credentials>,
    /// What came in its bundle.
    revoked: Option<Vec<u8>>,
    running: Option<Running>,
}

/// A node that runs.
struct Running {
    id: NodeId,
    membership: MembershipHandle,
    transport: Transport,
    portrait: Arc<Portrait>,
    fuse: Fuse,
    end: oneshot::Sender<End>,
    thread: JoinHandle<()>,
}

enum End {
    /// Fall silent.
    Kill,
    /// Leave in good order.
    Stop,
}

/// What a node's thread tells once it serves.
struct Started {
    id: NodeId,
    address: SocketAddr,
    membership: MembershipHandle,
    transport: Transport,
    portrait: Arc<Portrait>,
    fuse: Fuse,
}

impl Cluster {
    /// `count` nodes; all but the first join through the first.
    pub async fn start(count: usize) -> Self {
        let directory = TempDir::new().unwrap();
        let (ca, addresses) = (TestCa::new("home"), Addresses::default());
        let mut cluster = Self { ca, nodes: Vec::new(), operators: Mutex::default(), addresses, directory };
        for index in 0..count {
            let name: NodeName = format!("web-{}", index + 1).parse().unwrap();
            let credentials = cluster.ca.node(name.as_str());
            cluster.nodes.push(Seat { name, credentials, revoked: None, running: None });
            let bootstrap = if index == 0 { Vec::new() } else { vec![cluster.address(0).to_string()] };
            cluster.run(index, bootstrap).await;
        }
        cluster
    }

    /// The same, once every node counts all of them as alive.
    pub async fn whole(count: usize) -> Self {
        let cluster = Self::start(count).await;
        for index in 0..count {
            cluster.until(index, "the whole mesh", LONG, |members| alive(members) == count).await;
        }
        cluster
    }

    async fn run(&mut self, index: usize, bootstrap: Vec<String>) {
        let data = self.data(index);
        let node = &mut self.nodes[index];
        let settings = Settings {
            credentials: Arc::clone(&node.credentials),
            listen: loopback(),
            data,
            own: Own::default(),
            revoked: node.revoked.clone(),
            bootstrap,
            advertise: Vec::new(),
            labels: Vec::new(),
            peers_max: 100,
            jobs_max: 4,
            peer_timeout: Duration::from_secs(60),
            revocation_strict: false,
            policy: Policy::default(),
            alert_rules: None,
            http_certificate: None,
            http: None,
            receivers: Vec::new(),
        };
        let (end, ended) = oneshot::channel();
        let (started_tx, started) = oneshot::channel();
        let thread = std::thread::Builder::new().name(node.name.to_string());
        let thread = thread.spawn(move || live(settings, started_tx, ended)).unwrap();
        let Started { id, address, membership, transport, portrait, fuse } =
            started.await.expect("the node starts");
        self.addresses.lock().unwrap().insert(node.name.clone(), address);
        node.running = Some(Running { id, membership, transport, portrait, fuse, end, thread });
    }

    /// The node falls silent.
    pub fn kill(&mut self, index: usize) {
        let running = self.nodes[index].running.take().expect("it runs");
        let _ = running.end.send(End::Kill);
        running.thread.join().unwrap();
    }

    /// The node leaves in good order; how long that took.
    pub async fn stop(&mut self, index: usize) -> Duration {
        let began = Instant::now();
        let running = self.nodes[index].running.take().expect("it runs");
        let _ = running.end.send(End::Stop);
        tokio::task::spawn_blocking(move || running.thread.join()).await.unwrap().unwrap();
        began.elapsed()
    }

    /// The node starts again on the same data, with nobody named through whom to join.
    pub async fn restart(&mut self, index: usize) {
        assert!(self.nodes[index].running.is_none(), "it runs already");
        self.run(index, Vec::new()).await;
    }

    /// The node runs with these credentials from its next start on.
    pub fn give(&mut self, index: usize, credentials: Arc<Credentials>) {
        self.nodes[index].credentials = credentials;
    }

    /// The node finds this list beside its certificate from its next start on.
    pub fn give_list(&mut self, index: usize, list: Vec<u8>) {
        self.nodes[index].revoked = Some(list);
    }

    /// The endpoint of a running node.
    pub fn transport(&self, index: usize) -> &Transport {
        &self.nodes[index].running.as_ref().expect("it runs").transport
    }

    /// What a running node says of itself.
    pub fn portrait(&self, index: usize) -> &Portrait {
        &self.nodes[index].running.as_ref().expect("it runs").portrait
    }

    pub fn name(&self, index: usize) -> &NodeName {
        &self.nodes[index].name
    }

    pub fn id(&self, index: usize) -> NodeId {
        self.nodes[index].credentials.identity().id
    }

    pub fn address(&self, index: usize) -> SocketAddr {
        self.addresses.lock().unwrap()[&self.nodes[index].name]
    }

    /// Where a node keeps its data.
    pub fn data(&self, index: usize) -> PathBuf {
        self.directory.path().join(self.nodes[index].name.as_str())
    }

    /// What may be done on a node at most.
    pub fn fuse(&self, index: usize) -> &Fuse {
        &self.nodes[index].running.as_ref().expect("it runs").fuse
    }

    /// Waits until the directory of a node is as wanted; it tells what it was if that does not happen.
    pub async fn until(
        &self,
        index: usize,
        what: &str,
        within: Duration,
        wanted: impl Fn(&[Member]) -> bool,
    ) -> Duration {
        let began = Instant::now();
        let running = self.nodes[index].running.as_ref().expect("it runs");
        assert_eq!(running.id, self.id(index));
        let mut directory = running.membership.watch();
        let waited = timeout(within, directory.wait_for(|members: &Directory| wanted(members))).await;
        if !matches!(waited, Ok(Ok(_))) {
            let members = running.membership.members();
            let states: Vec<_> =
                members.iter().map(|member| (member.name.as_str(), member.state, member.sequence)).collect();
            panic!("{}: not within {within:?}: {what}: {states:?}", self.name(index));
        }
        began.elapsed()
    }

    /// All nodes, to an operator of this role.
    pub fn operator(&self, role: Role) -> Mesh {
        let mut operators = self.operators.lock().unwrap();
        let credentials = operators.entry(role).or_insert_with(|| self.ca.operator(role.as_str(), role));
        self.as_seen_by(credentials)
    }

    /// What an operator of this role signs with.
    pub fn operator_credentials(&self, role: Role) -> Arc<Credentials> {
        self.ca.operator("grantor", role)
    }

    /// All nodes, to somebody with these credentials.
    pub fn as_seen_by(&self, credentials: &Credentials) -> Mesh {
        self.saying(credentials, Local::new(credentials.identity().mesh.clone()))
    }

    /// All nodes, to somebody who says this in every hello.
    pub fn saying(&self, credentials: &Credentials, local: Local) -> Mesh {
        let dial = ClientEndpoint::new(credentials, local, Handle::current()).unwrap();
        Mesh::new(Known(Arc::clone(&self.addresses)), dial)
    }

    /// A node, to an administrator.
    pub fn admin(&self, index: usize) -> NodeHandle {
        self.operator(Role::Admin).node(self.name(index))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for running in self.nodes.iter_mut().filter_map(|node| node.running.take()) {
            let _ = running.end.send(End::Kill);
            let _ = running.thread.join();
        }
    }
}

/// The life of one node, on its own thread.
fn live(settings: Settings, started: oneshot::Sender<Started>, ended: oneshot::Receiver<End>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let runtimes = Runtimes { main: runtime.handle().clone(), mesh: runtime.handle().clone() };
    runtime.block_on(async {
        let node = Node::start(settings, runtimes).await.unwrap();
        let (id, address) = (node.id(), node.address().unwrap());
        let (transport, portrait) = (node.transport().clone(), node.portrait());
        let (membership, fuse) = (node.membership().clone(), node.fuse());
        let _ = started.send(Started { id, address, membership, transport, portrait, fuse });
        if let Ok(End::Stop) = ended.await {
            node.shutdown().await;
        }
    });
    runtime.shutdown_timeout(LONG);
}

/// Resolves names to where the nodes really are.
struct Known(Addresses);

impl Resolve for Known {
    async fn resolve(&self, name: &NodeName) -> Option<Target> {
        let address = self.0.lock().unwrap().get(name).copied()?;
        Some(Target { name: Some(name.clone()), id: None, addresses: vec![address] })
    }
}

/// How many are alive.
pub fn alive(members: &[Member]) -> usize {
    members.iter().filter(|member| member.state == MemberState::Alive).count()
}

/// The state of one of them.
pub fn state(members: &[Member], name: &NodeName) -> Option<MemberState> {
    members.iter().find(|member| member.name == *name).map(|member| member.state)
}

/// Asks again and again until there is an answer; for what nobody tells by itself.
pub async fn eventually<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut looks = interval(POLL);
    let asked = async {
        loop {
            looks.tick().await;
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    timeout(within, asked).await.unwrap_or_else(|_| panic!("not within {within:?}: {what}"))
}
