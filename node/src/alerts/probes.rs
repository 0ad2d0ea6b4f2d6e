//! Looks at what no sample has: units, files, ports, certificates, and who keeps the clock.
//!
//! Each is a task of its own that looks only while a rule wants it; figures leave through a `watch`, so that one
//! that hangs delays no other. What cannot be known has no figure.

mod certificates;
mod files;
mod ports;
mod units;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::time::UnixMillis;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::alert::Figure;
use super::core::wanted::Wanted;
use super::figures::{plain, truth};
use crate::doctor::clock::{Synchronised, synchronised};
use crate::host::files::reserved::Reserved;
use crate::host::systemd::Systemd;
use crate::policy::Fuse;

/// How often it is asked who keeps the clock.
const CLOCK_PERIOD: Duration = Duration::from_secs(600);

/// What one of them saw last.
pub(super) type Seen = watch::Receiver<Arc<[Figure]>>;
pub(super) type Told = watch::Sender<Arc<[Figure]>>;

/// What they need.
#[derive(Debug)]
pub struct Probing {
    /// For units.
    pub systemd: Systemd,
    /// What may be looked at here.
    pub fuse: Fuse,
    /// The node's own, which no rule looks into.
    pub reserved: Arc<Reserved>,
    /// When the node's own certificate ends.
    pub certificate_ends: UnixMillis,
    /// The certificate of the HTTP face, if it has one.
    pub http_certificate: Option<PathBuf>,
}

/// Starts all of them.
pub(super) fn start(
    probing: Probing,
    wanted: &watch::Receiver<Arc<Wanted>>,
    tasks: &TaskTracker,
    stopping: &CancellationToken,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut channel = || {
        let (told, look) = watch::channel(Arc::from([]));
        seen.push(look);
        told
    };
    let units = units::run(probing.systemd, wanted.clone(), channel());
    tasks.spawn(stopping.clone().run_until_cancelled_owned(units));
    let files = files::run((probing.fuse.clone(), Arc::clone(&probing.reserved)), wanted.clone(), channel());
    tasks.spawn(stopping.clone().run_until_cancelled_owned(files));
    let ports = ports::run(probing.fuse.clone(), wanted.clone(), channel());
    tasks.spawn(stopping.clone().run_until_cancelled_owned(ports));
    let own = (probing.certificate_ends, probing.http_certificate, probing.fuse, probing.reserved);
    let certificates = certificates::run(own, wanted.clone(), channel());
    tasks.spawn(stopping.clone().run_until_cancelled_owned(certificates));
    tasks.spawn(stopping.clone().run_until_cancelled_owned(clock(wanted.clone(), channel())));
    seen
}

/// Waits for `period`, or until other things are wanted; false once nobody wants anything any more.
async fn pause(period: Duration, wanted: &mut watch::Receiver<Arc<Wanted>>) -> bool {
    !matches!(timeout(period, wanted.changed()).await, Ok(Err(_)))
}

/// Tells it if it is something else than before.
fn tell(told: &Told, figures: Vec<Figure>) {
    told.send_if_modified(|before| {
        let is_new = **before != *figures;
        if is_new {
            *before = figures.into();
        }
        is_new
    });
}

async fn clock(mut wanted: watch::Receiver<Arc<Wanted>>, told: Told) {
    loop {
        let is_wanted = wanted.borrow_and_update().any(&["clock_synchronised"]);
        let figure = |kept| vec![plain("clock_synchronised", truth(kept))];
        let figures = match is_wanted {
            false => Vec::new(),
            true => match synchronised().await {
                Synchronised::By(_) => figure(true),
                Synchronised::No => figure(false),
                Synchronised::HostOfContainer | Synchronised::Unknown => Vec::new(),
            },
        };
        tell(&told, figures);
        if !pause(CLOCK_PERIOD, &mut wanted).await {
            return;
        }
    }
}
