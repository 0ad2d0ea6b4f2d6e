//! The composition root: builds a node from its parts, in order, and takes it down in order.
//!
//! Settings enter; a [`Node`] that is bound and serves leaves. Everything below is handed what it needs here
//! and holds no handle to anything above it.

mod alerts;
mod bootstrap;
mod chronicle;
mod face;
mod handlers;
mod jobs;
mod keeping;
mod local;
mod measuring;
mod network;
mod settings;
mod shells;
mod signing;
mod telling;
mod transfer;
mod witness;
mod works;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use p2p_shared::counters::Counter;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::Mesh;
use p2p_shared::rpc::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::alerts::handle::AlertsHandle;
use crate::audit::Audit;
use crate::clock;
use crate::dht::core::{self as dht_core, Dht};
use crate::dht::driver::{self as dht_driver, Judge};
use crate::dht::handle::{DhtCounts, DhtEvent, DhtHandle, FINDINGS_QUEUE};
use crate::gate::NodeGate;
use crate::host::Roots;
use crate::host::machine::Machine;
use crate::host::network::scan;
use crate::host::sampler::Sampler;
use crate::host::systemd::Systemd;
use crate::jobs::handle::JobsHandle;
use crate::labels::Labels;
use crate::labels::keeper::{self, LabelKeeper};
use crate::membership::core::record::SharedFacts;
use crate::membership::driver::{self as membership_driver, Hold, MembershipEvent, Portrayal, Sign, Verify};
use crate::membership::handle::{Directory, MembershipHandle};
use crate::membership::revoked::Revocations;
use crate::naming::{self, Naming};
use crate::policy::Fuse;
use crate::portrait::Portrait;
use crate::program::Runtimes;
use crate::services::alert::AlertService;
use crate::services::audit::AuditService;
use crate::services::file::FileService;
use crate::services::job::JobService;
use crate::services::monitor::MonitorService;
use crate::services::node::NodeService;
use crate::services::permit::Permits;
use crate::services::program::ProgramService;
use crate::services::revocation::RevocationService;
use crate::store::{Store, StoreWriter};
use crate::supervise::handle::SupervisorHandle;
use crate::transport::{self, Inbound, Routes, Transport};
use p2p_shared::services;
use p2p_shared::tls::Credentials;

use bootstrap::Bootstrap;
use handlers::Handlers;
use keeping::Keeper;
pub use settings::{Settings, StartError};
use works::Works;

/// Messages of peers that wait for a driver; beyond, the sender's stream is given up.
const INBOUND_QUEUE: usize = 256;
/// How long the good-bye may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the last records may take.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the node's own tasks have to end after that.
const TASKS_TIMEOUT: Duration = Duration::from_secs(5);

/// A running node.
#[derive(Debug)]
pub struct Node {
    transport: Transport,
    membership: MembershipHandle,
    registry: Arc<Registry>,
    portrait: Arc<Portrait>,
    handles: Handles,
    seen: Seen,
    guards: Guards,
    /// Its certificate, its database and where that lies.
    own: (Arc<Credentials>, Store, PathBuf),
    ending: Ending,
}

/// What is only read, beside what callers ask for.
#[derive(Debug)]
struct Seen {
    sampler: Sampler,
    programs: SupervisorHandle,
    /// Writes to the database that were dropped.
    writes_dropped: Arc<Counter>,
}

/// Ways to what a reload or the HTTP face needs of it.
#[derive(Debug)]
struct Handles {
    mesh: Mesh,
    labels: LabelKeeper,
    alerts: AlertsHandle,
    jobs: JobsHandle,
}

impl Handles {
    fn new(
        (transport, membership): (&Transport, &MembershipHandle),
        (labels, store): (Labels, &Store),
        alerts: AlertsHandle,
        job: &JobService,
    ) -> Self {
        let labels = LabelKeeper::new(labels, store.clone());
        Self { mesh: transfer::mesh(transport, membership), labels, alerts, jobs: job.queue() }
    }
}

/// What its end is brought about by.
#[derive(Debug)]
struct Ending {
    tasks: TaskTracker,
    parting: CancellationToken,
    stopping: CancellationToken,
}

impl Node {
    /// Starts a node; returns once it is bound and serves.
    ///
    /// # Errors
    /// [`StartError`] says what is missing and what to do.
    pub async fn start(settings: Settings, runtimes: Runtimes) -> Result<Self, StartError> {
        let Settings { credentials, data, .. } = &settings;
        let identity = credentials.identity().clone();
        let store = opened(data).await?;
        // In force before the first connection.
        let revocations = Arc::new(keeping::revocations(&store, &settings)?);
        let transport = bound(&settings, &runtimes)?;
        let (sampler, systemd) = (Sampler::start(Roots::default())?, Systemd::new());
        let labels = Labels::new(settings.labels.clone(), store.meta(keeper::STORE_KEY)?.as_deref());
        let (sign, verify) = (signing::sign(&settings, &store), signing::verify(credentials));
        let addresses = settings.addresses(&transport)?;
        let portrayal = Portrayal { addresses, labels: labels.all(), left: false };
        let own = sign(portrayal, clock::wall().0).await.ok_or(StartError::Sign)?;
        let known = signing::remembered(&store, credentials)?;
        let mut parts =
            Parts::new(&runtimes, &transport, &revocations, witness::hold(credentials, &store, &transport));
        let (membership, own, inbound_membership, told) = parts.membership(own, known, sign, &verify);
        let (naming, counts, inbound_dht, found) = parts.dht(&settings, &identity.id, &verify);

        let guards = Guards::new(&settings, &store, &runtimes);
        let registry = Registry::new(Arc::new(guards.gate(&revocations, credentials)));
        let Works { programs, job, exec, shell } =
            parts.works((&settings, &store), (&guards, &systemd), &runtimes.main).await?;
        let watched = (&sampler, registry.counters(), &programs, &membership, &systemd);
        let alerts = parts.alerts((&settings, &store), &guards, watched).await?;
        let portrait = Arc::new(Portrait {
            machine: Machine::read(&Roots::default()),
            started: (Instant::now(), clock::wall()),
            transport: transport.clone(),
            membership: membership.clone(),
            revocations: Arc::clone(&revocations),
            dht: counts,
            calls: registry.counters(),
            http: OnceLock::new(),
            jobs: job.table(),
            identity,
        });
        let handles = Handles::new((&transport, &membership), (labels, &store), alerts, &job);
        let handlers = Handlers {
            node: NodeService {
                portrait: Arc::clone(&portrait),
                transport: transport.clone(),
                membership: membership.clone(),
                naming: naming.clone(),
                labels: handles.labels.clone(),
                permits: Permits::new(&guards.fuse, &revocations, &programs),
            },
            monitor: MonitorService::new(&sampler, parts.history(data, &sampler, registry.counters())),
            revocation: RevocationService { revocations, membership: membership.clone() },
            audit: AuditService::new(settings.data.clone(), store.clone()),
            file: FileService::new((guards.fuse.clone(), settings.reserved()), data, runtimes.main.clone()),
            transfer: transfer::service(&settings, &guards.fuse, &handles.mesh, &runtimes),
            network: parts.network((&guards.fuse, &sampler), &handles.mesh, &runtimes.main),
            alert: AlertService::new(handles.alerts.clone()),
            program: ProgramService::new(programs.clone(), guards.fuse.clone()),
            job,
            exec,
            shell,
        };
        let registry = parts.local(data, handlers.mount(registry, (&sampler, systemd)));
        transport.serve(Routes {
            registry: Arc::clone(&registry),
            dht: inbound_dht,
            membership: inbound_membership,
        });
        let findings = Findings { found, told, own };
        let own = (Arc::clone(credentials), store.clone(), data.clone());
        let kept = (naming, membership.clone(), guards.audit.clone());
        let seen = Seen { sampler, programs, writes_dropped: parts.keep(&settings, store, findings, kept)? };
        let ending = Ending { tasks: parts.tasks, parting: parts.parting, stopping: parts.stopping };
        Ok(Self { transport, membership, registry, portrait, handles, seen, guards, own, ending })
    }

    /// Where the mesh reaches it.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.transport.local_address()
    }

    /// Its name, from its certificate.
    pub fn name(&self) -> &NodeName {
        &self.portrait.identity.name
    }

    /// Its identity.
    pub fn id(&self) -> NodeId {
        self.portrait.identity.id
    }

    /// All its services, behind the gate.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Who it is and what it counts.
    pub fn portrait(&self) -> Arc<Portrait> {
        Arc::clone(&self.portrait)
    }

    /// The members of the mesh.
    pub const fn membership(&self) -> &MembershipHandle {
        &self.membership
    }

    /// The endpoint.
    pub const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Its labels.
    pub fn label_keeper(&self) -> LabelKeeper {
        self.handles.labels.clone()
    }

    /// Its alerts.
    pub fn alerts(&self) -> AlertsHandle {
        self.handles.alerts.clone()
    }

    /// Its queue of jobs.
    pub fn jobs(&self) -> JobsHandle {
        self.handles.jobs.clone()
    }

    /// What anybody may do here at most: services ask it, and a reload changes it.
    pub fn fuse(&self) -> Fuse {
        self.guards.fuse.clone()
    }

    /// Whether every driver of it still runs.
    pub fn is_serving(&self) -> bool {
        self.membership.is_running()
    }

    /// Says good-bye, closes every connection, and ends every task.
    pub async fn shutdown(self) {
        self.ending.parting.cancel();
        if timeout(LEAVE_TIMEOUT, self.membership.leave()).await.is_err() {
            tracing::warn!("nobody heard the good-bye in time");
        }
        self.transport.close().await;
        self.ending.stopping.cancel();
        self.seen.sampler.stop();
        if timeout(AUDIT_TIMEOUT, self.guards.audit.flush()).await.is_err() {
            tracing::error!("the last outcomes did not get into the audit record in time");
        }
        self.ending.tasks.close();
        if timeout(TASKS_TIMEOUT, self.ending.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.ending.tasks.len(), "tasks did not end in time");
        }
    }
}

/// What stands before every call.
#[derive(Debug)]
struct Guards {
    fuse: Fuse,
    audit: Audit,
    // However the node ends, its record is closed then, and the database behind it.
    _recording: DropGuard,
}

impl Guards {
    fn new(settings: &Settings, store: &Store, runtimes: &Runtimes) -> Self {
        let recording = CancellationToken::new();
        let place = (settings.data.as_path(), settings.credentials.identity().name.as_str());
        Self {
            fuse: Fuse::new(settings.policy.clone()),
            audit: Audit::open(place, store.clone(), &runtimes.main, recording.clone()),
            _recording: recording.drop_guard(),
        }
    }

    fn gate(&self, revocations: &Arc<Revocations>, credentials: &Credentials) -> NodeGate {
        let gate = NodeGate::new(self.fuse.clone(), Arc::clone(revocations), self.audit.clone());
        gate.with_proofs(credentials.trust(), credentials.identity().id)
    }
}

/// The database, and what the first hello needs: the one waits for the disk while the other computes.
async fn opened(data: &Path) -> Result<Store, StartError> {
    let data = data.to_owned();
    let opening = spawn_blocking(move || Store::open(&data));
    let hashing = spawn_blocking(services::schema_hashes);
    let store = opening.await.map_err(|error| StartError::Task(error.to_string()))??;
    hashing.await.map_err(|error| StartError::Task(error.to_string()))?;
    Ok(store)
}

/// The endpoint, bound.
fn bound(settings: &Settings, runtimes: &Runtimes) -> Result<Transport, StartError> {
    let listen = transport::Settings { listen: settings.listen, peers_max: settings.peers_max };
    Transport::bind(&listen, &settings.credentials, runtimes.mesh.clone())
        .map_err(|source| StartError::Bind { address: settings.listen, source })
}

/// What every task is given.
struct Parts {
    handle: Handle,
    transport: Transport,
    tasks: TaskTracker,
    /// Cancelled while callers can still be told.
    parting: CancellationToken,
    stopping: CancellationToken,
    revocations: Arc<Revocations>,
    hold: Hold,
    /// Places of scans.
    scans: Arc<Semaphore>,
}

/// What the drivers find, for the chores.
struct Findings {
    found: mpsc::Receiver<DhtEvent>,
    told: mpsc::Receiver<MembershipEvent>,
    own: watch::Receiver<SharedFacts>,
}

type MembershipParts =
    (MembershipHandle, watch::Receiver<SharedFacts>, mpsc::Sender<Inbound>, mpsc::Receiver<MembershipEvent>);
type DhtParts = (Naming, Arc<DhtCounts>, mpsc::Sender<Inbound>, mpsc::Receiver<DhtEvent>);

impl Parts {
    fn new(runtimes: &Runtimes, transport: &Transport, revocations: &Arc<Revocations>, hold: Hold) -> Self {
        Self {
            handle: runtimes.mesh.clone(),
            transport: transport.clone(),
            tasks: TaskTracker::new(),
            parting: CancellationToken::new(),
            stopping: CancellationToken::new(),
            revocations: Arc::clone(revocations),
            hold,
            scans: Arc::new(Semaphore::new(scan::RUNNING_MAX)),
        }
    }

    fn membership(
        &mut self,
        own: SharedFacts,
        known: Vec<SharedFacts>,
        sign: Sign,
        verify: &Verify,
    ) -> MembershipParts {
        let (directory_tx, directory) = watch::channel(Directory::from([]));
        let (own_tx, own_facts) = watch::channel(Arc::clone(&own));
        let (inbound_tx, inbound) = mpsc::channel(INBOUND_QUEUE);
        let (findings, told) = mpsc::channel(FINDINGS_QUEUE);
        let (handle, orders) = MembershipHandle::new(directory);
        let wiring = membership_driver::Wiring {
            transport: self.transport.clone(),
            inbound,
            orders,
            directory: directory_tx,
            own: own_tx,
            findings,
            sign,
            verify: Arc::clone(verify),
            hold: Arc::clone(&self.hold),
            revocations: Arc::clone(&self.revocations),
            stopping: self.stopping.clone(),
        };
        let driver = membership_driver::Driver::new(own, known, seed(), wiring);
        self.tasks.spawn_on(driver.run(), &self.handle);
        (handle, own_facts, inbound_tx, told)
    }

    fn dht(&mut self, settings: &Settings, own: &NodeId, verify: &Verify) -> DhtParts {
        let mesh = settings.credentials.identity().mesh.clone();
        let (inbound_tx, inbound) = mpsc::channel(INBOUND_QUEUE);
        let (findings, found) = mpsc::channel(FINDINGS_QUEUE);
        let (handle, orders) = DhtHandle::new();
        let counts = Arc::new(DhtCounts::default());
        let judge: Judge = {
            let (mesh, verify) = (mesh.clone(), Arc::clone(verify));
            Arc::new(move |record| naming::judge(&mesh, record, &verify).map(|_| ()))
        };
        let core = Dht::new(dht_core::Config {
            own: *own,
            seed: seed(),
            unix_zero: clock::wall(),
            peer_timeout: settings.peer_timeout.into(),
        });
        let wiring = dht_driver::Wiring {
            transport: self.transport.clone(),
            inbound,
            orders,
            findings,
            counts: Arc::clone(&counts),
            judge,
            revoked: self.revocations.watch(),
            stopping: self.stopping.clone(),
        };
        self.tasks.spawn_on(dht_driver::Driver::new(core, wiring).run(), &self.handle);
        (Naming::new(handle, mesh, Arc::clone(verify)), counts, inbound_tx, found)
    }

    /// The tasks that keep, publish and join.
    fn keep(
        &mut self,
        settings: &Settings,
        store: Store,
        findings: Findings,
        (naming, membership, audit): (Naming, MembershipHandle, Audit),
    ) -> Result<Arc<Counter>, StartError> {
        self.hand_over(&settings.credentials, &store, &membership, &audit);
        let Findings { found, told, own } = findings;
        let contacts = keeping::contacts(&store, &settings.credentials.trust())?;
        let kept = keeping::keep_revoked(Arc::clone(&self.revocations), store.clone());
        self.tasks.spawn_on(until(&self.stopping, kept), &self.handle);
        let kept = keeping::keep_told(Arc::clone(&self.revocations), store.clone());
        self.tasks.spawn_on(until(&self.stopping, kept), &self.handle);
        let (writer, writing) = StoreWriter::new(store);
        let dropped = writer.dropped();
        self.tasks.spawn_on(writing, &self.handle);
        let through = (self.transport.clone(), naming.dht().clone(), Arc::clone(&self.revocations));
        let bootstrap = Bootstrap::new(through, settings, contacts);
        let keeper = Keeper { found, told, writer, isolated: bootstrap.isolated() };
        let stopping = &self.stopping;
        self.tasks.spawn_on(until(stopping, keeper.run()), &self.handle);
        self.tasks.spawn_on(until(stopping, bootstrap.run()), &self.handle);
        self.tasks.spawn_on(until(stopping, keeping::publish(naming, membership.clone(), own)), &self.handle);
        let addresses = keeping::follow_addresses(settings.clone(), self.transport.clone(), membership);
        self.tasks.spawn_on(until(stopping, addresses), &self.handle);
        Ok(dropped)
    }
}

/// Runs a task until it ends or the node stops.
fn until(
    stopping: &CancellationToken,
    task: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let stopping = stopping.clone();
    async move {
        stopping.run_until_cancelled_owned(task).await;
    }
}

fn seed() -> u64 {
    let mut seed = [0; 8];
    aws_lc_rs::rand::fill(&mut seed).expect("the system has randomness");
    u64::from_be_bytes(seed)
}
