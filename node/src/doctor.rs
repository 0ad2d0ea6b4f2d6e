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

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::tls::Credentials;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::Given;
use crate::config::paths::Facts;
use crate::host::Roots;

pub use finding::{Finding, Report, Verdict};
use plan::Plan;
use running::Running;
use unit::Unit;

/// How long what may hang (a disk, a child) is waited for. With the dialling it all stays under ten seconds.
const LOOK_MAX: Duration = Duration::from_secs(4);

/// Runs every check. `None` if the system has not even a thread for it.
pub fn examine(given: &Given, facts: &Facts) -> Option<Report> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let report = runtime.block_on(look(given, facts));
    // A name server or a disk that hangs holds a thread; nobody waits for it.
    runtime.shutdown_background();
    Some(report)
}

async fn look(given: &Given, facts: &Facts) -> Report {
    let roots = Roots::default();
    let unit = Unit::read(&roots);
    let plan = Plan::new(given, facts, unit.installed.as_ref());
    let credentials = plan.certs.as_deref().and_then(certificate::for_dialling).map(Arc::new);

    let (certificate, store) = (off_thread(certificate_facts(&plan)), off_thread(store_facts(&plan)));
    let running = Running::look(&roots, &plan);
    let reached = reach::all(&plan.bootstrap, credentials.as_deref());
    let unit_state = unit::state(&unit);
    let kernel = clock::synchronised();
    let (certificate, store, mut running, reached, unit_state, synchronised) =
        tokio::join!(certificate, store, running, reached, unit_state, kernel);
    if plan.service {
        running.learn(&roots, unit_state.as_ref().and_then(|state| state.main_pid));
    }
    let ports = ports::look(&roots, &plan);
    let clock = clock::ClockFacts::new(synchronised, certificate.facts(), store.facts());
    let own = credentials.as_ref().map(|credentials: &Arc<Credentials>| credentials.identity().clone());

    let mut findings = plan.judge();
    findings.extend(certificate::judge(&plan, &certificate, clock.now));
    findings.push(clock::judge(&clock));
    findings.extend(ports::judge(&ports, &running));
    findings.extend(address::judge(&address::Addresses::look(&plan)));
    let around = reach::Around {
        own: own.map(|own| own.id),
        hidden: plan.hidden,
        runs_here: running.is_alive(),
        members_alive: running.members_alive(),
        remembered: store.facts().and_then(|store| store.contacts),
    };
    findings.extend(reach::judge(&reached, &around));
    findings.extend(store::judge(&plan, &store));
    findings.push(running::judge(&running, &plan));
    findings.push(unit::judge(&unit, unit_state.as_ref()));
    findings.push(rights::judge(&rights::look(
        &roots,
        &running,
        unit.installed.as_ref().filter(|_| plan.service),
    )));
    Report { findings }
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

fn certificate_facts(plan: &Plan) -> impl FnOnce() -> Option<certificate::CertificateFacts> + Send + 'static {
    let (certs, http) = (plan.certs.clone(), plan.http);
    move || certs.map(|certs| certificate::CertificateFacts::look(&certs, http))
}

fn store_facts(plan: &Plan) -> impl FnOnce() -> Option<store::StoreFacts> + Send + 'static {
    let data = plan.data.clone();
    move || data.map(|data| store::StoreFacts::look(&Roots::default(), &data))
}
