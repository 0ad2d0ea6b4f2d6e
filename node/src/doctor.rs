//! `p2p-node doctor`: what is wrong with this node's machine, and what to do about it.
//!
//! What the command line says enters, a [`Report`] leaves. Each check is a file: what it looks at, as plain
//! facts, and a pure function from those facts to [`Finding`]s. Every check runs, whatever the others found.
//! It writes nothing, takes no lock, prints no secret, and disturbs no node, least of all the one that runs
//! here: a dialled peer sees a handshake that ends before the hello, which no connection is replaced for.

pub mod address;
pub mod certificate;
pub mod clock;
pub mod finding;
pub mod plan;
pub mod ports;
pub mod reach;
pub mod rights;
pub mod running;
pub mod store;
pub mod unit;

mod command;
mod words;

use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::Given;
use crate::config::paths::Facts;
use crate::host::Roots;

use address::Addresses;
use certificate::CertificateFacts;
use clock::ClockFacts;
pub use finding::{Finding, Report, Verdict};
use plan::Plan;
use ports::Port;
use reach::{Around, Reached};
use rights::RightsFacts;
use running::Running;
use store::StoreFacts;
use unit::{Unit, UnitState};

/// How long what may hang (a disk, a child) is waited for. With the dialling it all stays under ten seconds.
const LOOK_MAX: Duration = Duration::from_secs(4);

/// Runs every check. `None` if the system has not even a thread for it.
pub fn examine(given: &Given, facts: &Facts) -> Option<Report> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let examined = runtime.block_on(look(given, facts));
    // A name server or a disk that hangs holds a thread; nobody waits for it.
    runtime.shutdown_background();
    Some(examined.judge())
}

/// Everything that was looked at: plain facts, which the judgement needs nothing beside.
#[derive(Clone, Debug)]
struct Examined {
    plan: Plan,
    certificate: Looked<CertificateFacts>,
    clock: ClockFacts,
    ports: Vec<Port>,
    addresses: Addresses,
    reached: Vec<Reached>,
    around: Around,
    store: Looked<StoreFacts>,
    running: Running,
    unit: Unit,
    unit_state: Option<UnitState>,
    rights: RightsFacts,
}

async fn look(given: &Given, facts: &Facts) -> Examined {
    let roots = Roots::default();
    let unit = Unit::read();
    let plan = Plan::new(given, facts, unit.installed.as_ref());
    let credentials = plan.certs.as_deref().and_then(certificate::for_dialling);
    let (certificate, store, mut running, reached, unit_state, synchronised) = tokio::join!(
        off_thread(certificate_facts(&plan)),
        off_thread(store_facts(&plan)),
        Running::look(&roots, &plan),
        reach::all(&plan.bootstrap, credentials.as_ref()),
        unit::state(&unit),
        clock::synchronised(),
    );
    if plan.service {
        running.learn(&roots, unit_state.as_ref().and_then(|state| state.main_pid));
    }
    let addresses = Addresses::look(&plan);
    let around = Around {
        own: credentials.map(|credentials| credentials.identity().id),
        hidden: plan.hidden,
        blind: plan.blind && !plan.hidden,
        here: addresses.with_port(plan.quic),
        runs_here: running.is_alive(),
        members_alive: running.members_alive(),
        remembered: store.facts().and_then(|store| store.contacts),
    };
    Examined {
        clock: ClockFacts::new(synchronised, certificate.facts(), store.facts()),
        ports: ports::look(&roots, &plan),
        rights: rights::look(&roots, &running, unit.installed.as_ref().filter(|_| plan.service)),
        plan,
        certificate,
        addresses,
        reached,
        around,
        store,
        running,
        unit,
        unit_state,
    }
}

impl Examined {
    fn judge(&self) -> Report {
        let mut findings = self.plan.judge();
        findings.extend(certificate::judge(&self.plan, &self.certificate, self.clock.now));
        findings.push(clock::judge(&self.clock));
        findings.extend(ports::judge(&self.ports, &self.running));
        findings.extend(address::judge(&self.addresses));
        findings.extend(reach::judge(&self.reached, &self.around));
        findings.extend(store::judge(&self.plan, &self.store));
        findings.push(running::judge(&self.running, &self.plan));
        findings.push(unit::judge(&self.unit, self.unit_state.as_ref()));
        findings.push(rights::judge(&self.rights));
        Report { findings }
    }
}

/// What came of looking at a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked<T> {
    /// The facts.
    At(T),
    /// It is not known where to look.
    Nowhere,
    /// The disk does not answer.
    Hung,
}

impl<T> Looked<T> {
    /// The facts, if there are any.
    pub const fn facts(&self) -> Option<&T> {
        match self {
            Self::At(facts) => Some(facts),
            Self::Nowhere | Self::Hung => None,
        }
    }
}

/// Looks where it may block, and does not wait for ever.
async fn off_thread<T: Send + 'static>(look: impl FnOnce() -> Option<T> + Send + 'static) -> Looked<T> {
    match timeout(LOOK_MAX, spawn_blocking(look)).await {
        Ok(Ok(Some(facts))) => Looked::At(facts),
        Ok(Ok(None)) => Looked::Nowhere,
        Ok(Err(_)) | Err(_) => Looked::Hung,
    }
}

fn certificate_facts(plan: &Plan) -> impl FnOnce() -> Option<CertificateFacts> + Send + 'static {
    let (certs, http) = (plan.certs.clone(), plan.http);
    move || certs.map(|certs| CertificateFacts::look(&certs, http))
}

fn store_facts(plan: &Plan) -> impl FnOnce() -> Option<StoreFacts> + Send + 'static {
    let data = plan.data.clone();
    move || data.map(|data| StoreFacts::look(&Roots::default(), &data))
}
