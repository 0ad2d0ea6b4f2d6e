//! The loop of alerts: figures into the core each second, orders of operators, and what becomes of both to the disk,
//! to the delivery and to those who look.
//!
//! Only what rules want is looked at. The clock for durations never jumps; the wall's is only written down. What
//! fires goes to the delivery first and to the disk then: a crash in between tells it once more, never not at all.

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::monitor::HostSample;
use p2p_shared::services::node::Member;
use p2p_shared::time::Millis;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::alert::Figure;
use super::core::book::Book;
use super::core::engine::{Alerts, Now, Output};
use super::core::wanted::Wanted;
use super::figures::{self, Gatherer};
use super::handle::{AlertsHandle, ConfiguredRules, Order};
use super::keeping::{self, Applied, Keeper, Left};
use super::notices::Untold;
use super::notify::handle::Notifier;
use super::probes::{self, Probing, Seen};
use super::view::View;
use crate::history::figures::MeshSample;
use crate::host::moment::Moment;
use crate::host::sampler::Sampler;
use crate::membership::handle::MembershipHandle;
use crate::store::{Store, StoreError};
use crate::supervise::handle::{Programs, SupervisorHandle};

/// How long the delivery may take to keep what it is given, before the next sample is looked at.
const OFFER_PATIENCE: Duration = Duration::from_secs(2);
/// A node that starts takes every member for alive until it has looked: before that nobody is lost or back.
const MEMBERS_SETTLE: Millis = Millis(30_000);
/// Restarts of programs count for ten minutes: they are counted anew so often, also when nothing changes.
const PROGRAMS_PERIOD: Millis = Millis(30_000);

/// Samples that wait while the disk is slow: what was over a threshold for one second only is seen all the same.
const SAMPLES_MAX: usize = 60;

/// What the alerts are given.
pub struct Wiring {
    /// Whose alerts they are.
    pub node: (NodeName, NodeId),
    /// Where they are kept.
    pub store: Store,
    /// Where samples come from.
    pub sampler: Sampler,
    /// What the node counts of the mesh, now.
    pub mesh: Box<dyn Fn() -> MeshSample + Send>,
    /// The programs that it keeps running.
    pub programs: SupervisorHandle,
    /// The other members.
    pub members: MembershipHandle,
    /// For everything else that rules look at.
    pub probing: Probing,
    /// The rules of the configuration.
    pub configured: Option<ConfiguredRules>,
    /// Where what fires is told.
    pub notifier: Notifier,
    /// Its tasks.
    pub tasks: TaskTracker,
    /// When they end.
    pub stopping: CancellationToken,
}

/// Takes up what an earlier life of the node left, and begins to look.
///
/// # Errors
/// If the store cannot be read.
pub async fn start(wiring: Wiring) -> Result<AlertsHandle, StoreError> {
    let store = wiring.store.clone();
    let opened = spawn_blocking(move || Keeper::open(store)).await;
    // It fails only while the runtime shuts down, and then nobody looks.
    let (keeper, left) = opened.unwrap_or_else(|_| Keeper::open(wiring.store.clone()))?;
    let (seen, view) = watch::channel(Arc::default());
    let (handle, orders) = AlertsHandle::new(view);
    let tasks = wiring.tasks.clone();
    let driver = Driver::new(wiring, (keeper, left), seen);
    tasks.spawn(driver.run(orders));
    Ok(handle)
}

/// The driver. Orders are carried out in `orders.rs`.
pub(super) struct Driver {
    pub(super) alerts: Alerts,
    pub(super) book: Book,
    pub(super) applied: Option<Applied>,
    pub(super) configured: Option<ConfiguredRules>,
    pub(super) looked: Looked,
    node: (NodeName, NodeId),
    keeper: Keeper,
    untold: Untold,
    pub(super) notifier: Notifier,
    wanted: watch::Sender<Arc<Wanted>>,
    gatherer: Gatherer,
    sources: Sources,
    view: watch::Sender<Arc<View>>,
    kept_revision: Option<u64>,
    disk_failed: bool,
    began: Millis,
    stopping: CancellationToken,
}

/// A sample of the host, and when it came.
type Sample = (Moment, Arc<HostSample>);

/// Where figures come from.
struct Sources {
    host: mpsc::Receiver<Sample>,
    mesh: Box<dyn Fn() -> MeshSample + Send>,
    programs: watch::Receiver<Programs>,
    members: watch::Receiver<Arc<[Member]>>,
    probes: Vec<Seen>,
}

/// The figures as they were looked at last.
#[derive(Default)]
pub(super) struct Looked {
    host: Vec<Figure>,
    programs: (Option<Millis>, Vec<Figure>),
    members: Vec<Figure>,
    probes: Vec<Arc<[Figure]>>,
}

impl Looked {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Figure> {
        let probes = self.probes.iter().flat_map(|figures| figures.iter());
        self.host.iter().chain(&self.programs.1).chain(&self.members).chain(probes)
    }
}

impl Driver {
    fn new(wiring: Wiring, (keeper, left): (Keeper, Left), view: watch::Sender<Arc<View>>) -> Self {
        let Left { alerts: fired, silences, applied } = left;
        let book = book(applied.as_ref(), wiring.configured.as_ref());
        let (wanted, wants) = watch::channel(Arc::new(Wanted::of(book.rules.iter().map(|(_, rule)| rule))));
        let probes = probes::start(wiring.probing, &wants, &wiring.tasks, &wiring.stopping);
        let mut alerts = Alerts::default();
        let now = now(Moment::now());
        alerts.restore(now, fired, silences);
        alerts.set_rules(now, book.rules());
        let sources = Sources {
            host: samples(wiring.sampler.host(), &wiring.tasks),
            mesh: wiring.mesh,
            programs: wiring.programs.watch(),
            members: wiring.members.watch(),
            probes,
        };
        let untold = Untold::new(wiring.node.0.clone());
        Self {
            alerts,
            book,
            applied,
            configured: wiring.configured,
            looked: Looked::default(),
            node: wiring.node,
            keeper,
            untold,
            notifier: wiring.notifier,
            wanted,
            gatherer: Gatherer::default(),
            sources,
            view,
            kept_revision: None,
            disk_failed: false,
            began: now.monotonic,
            stopping: wiring.stopping,
        }
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let stopping = self.stopping.clone();
        self.sources.members.mark_changed();
        self.settle_and_log().await;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                sample = self.sources.host.recv() => match sample {
                    Some(sample) => self.on_sample(sample).await,
                    None => return,
                },
                order = orders.recv() => match order {
                    Some(order) => self.on_order(order).await,
                    None => return,
                },
            }
        }
    }

    async fn on_sample(&mut self, sample: Sample) {
        self.look(sample);
        // Orders came meanwhile, perhaps: the core's time never goes back to when a sample was taken.
        self.alerts.handle(now(Moment::now()), self.looked.all());
        self.settle_and_log().await;
    }

    fn look(&mut self, (moment, sample): Sample) {
        let wanted = Arc::clone(&self.wanted.borrow());
        let mesh = (self.sources.mesh)();
        self.looked.host = self.gatherer.host(moment, (&sample, mesh), &wanted);
        let is_due =
            |last: Option<Millis>| last.is_none_or(|last| moment.monotonic.since(last) >= PROGRAMS_PERIOD);
        if self.sources.programs.has_changed().unwrap_or(false) || is_due(self.looked.programs.0) {
            let programs = Arc::clone(&self.sources.programs.borrow_and_update());
            let infos: Vec<_> = programs.values().map(|status| status.info.clone()).collect();
            let figures = self.gatherer.programs(moment, &infos, &wanted);
            self.looked.programs = (Some(moment.monotonic), figures);
        }
        let has_settled = moment.monotonic.since(self.began) >= MEMBERS_SETTLE;
        if has_settled && self.sources.members.has_changed().unwrap_or(false) {
            let members = Arc::clone(&self.sources.members.borrow_and_update());
            self.looked.members = figures::members(&members, self.node.1, &wanted);
        }
        self.looked.probes = self.sources.probes.iter().map(|seen| Arc::clone(&seen.borrow())).collect();
    }

    /// Puts the rules in force that the texts have now.
    pub(super) fn set_rules(&mut self) {
        self.book = book(self.applied.as_ref(), self.configured.as_ref());
        self.alerts.set_rules(now(Moment::now()), self.book.rules());
        let wanted = Wanted::of(self.book.rules.iter().map(|(_, rule)| rule));
        self.wanted.send_replace(Arc::new(wanted));
        // What is looked at only when it changes is looked at anew.
        self.looked.programs.0 = None;
        self.sources.members.mark_changed();
    }

    /// Tells, keeps and shows what has happened. The error is that of the disk.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        while let Some(output) = self.alerts.poll_output() {
            self.on_output(output);
        }
        self.untold.offer(&self.notifier, OFFER_PATIENCE).await;
        let kept = self.keep().await;
        self.view.send_if_modified(|view| {
            let made = View::of(&self.alerts, view);
            let is_new = made != **view;
            if is_new {
                *view = Arc::new(made);
            }
            is_new
        });
        kept
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Fires(alert) => {
                let (rule, severity) = (&alert.rule, alert.severity.as_str());
                tracing::warn!(%rule, severity, summary = %alert.summary, "alert fires");
                self.untold.fires(&alert);
            }
            Output::Resolves(alert) => {
                tracing::info!(rule = %alert.rule, summary = %alert.summary, "alert is resolved");
                self.untold.resolves(&alert);
            }
            Output::SilenceEnded(id) => tracing::info!(silence = id.0, "a silence has ended"),
        }
    }

    async fn keep(&mut self) -> Result<(), String> {
        let revision = (self.alerts.revision(), self.untold.revision());
        let revision = revision.0.wrapping_add(revision.1);
        if self.kept_revision == Some(revision) {
            return Ok(());
        }
        let untold = &self.untold;
        let records = keeping::records_of(&self.alerts, self.applied.as_ref(), |id| untold.holds(id));
        let kept = self.keeper.keep(records).await;
        self.disk_failed = kept.is_err();
        self.kept_revision = kept.is_ok().then_some(revision);
        kept
    }

    /// The same where nobody waits for the disk: it is tried again with the next sample.
    pub(super) async fn settle_and_log(&mut self) {
        let failed_before = self.disk_failed;
        match self.settle().await {
            Err(error) if !failed_before => {
                tracing::error!(%error, "alerts cannot be kept: a restart would tell some of them again");
            }
            Ok(()) if failed_before => tracing::info!("alerts are kept again"),
            Ok(()) | Err(_) => {}
        }
    }

    /// What is seen of it.
    pub(super) fn view_now(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }
}

/// Each sample of the host as it comes. What does not fit is left out.
fn samples(mut host: watch::Receiver<Arc<HostSample>>, tasks: &TaskTracker) -> mpsc::Receiver<Sample> {
    let (put, take) = mpsc::channel(SAMPLES_MAX);
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = put.closed() => return,
                changed = host.changed() => if changed.is_err() { return },
            }
            // While it is full nobody looks.
            let _ = put.try_send((Moment::now(), Arc::clone(&host.borrow_and_update())));
        }
    });
    take
}

/// The book of the rules of all places; what is wrong with them goes to the log.
fn book(applied: Option<&Applied>, configured: Option<&ConfiguredRules>) -> Book {
    let texts = (applied.map(|one| one.text.as_str()), configured.map(|one| one.text.as_str()));
    let book = Book::new(texts.0, texts.1);
    for (origin, mistake) in &book.mistakes {
        let file = configured.map(|one| one.path.display().to_string()).unwrap_or_default();
        let file =
            if *origin == super::core::book::Origin::Configured { file } else { "applied rules".into() };
        tracing::error!(%file, %mistake, "an alert rule is not in force");
    }
    book
}

/// Both clocks, as the core takes them.
pub(super) const fn now(moment: Moment) -> Now {
    Now { monotonic: moment.monotonic, wall: moment.wall }
}
