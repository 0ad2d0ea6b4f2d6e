//! Which way of running things fits this machine: units where systemd is and this node is root, groups elsewhere.
//!
//! The choice is made from what does not change while the machine runs, never from whether the bus answers just now:
//! a bus that comes late is waited for. What an earlier life started the other way is still taken up.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::services::process::ProcessRef;
use p2p_shared::services::program::Limit;
use rustix::process::geteuid;

use super::account::Account;
use super::group::GroupRunner;
use super::units::UnitRunner;
use super::{Kind, Limits, RunError, RunId, Runner, Running, Work};
use crate::host::Roots;
use crate::host::systemd::Systemd;

/// The directory below that of the data, where what belongs to runs is kept.
const DIRECTORY: &str = "runs";

/// The runner of this machine.
#[derive(Clone, Debug)]
pub struct MachineRunner {
    groups: GroupRunner,
    units: Option<UnitRunner>,
}

impl MachineRunner {
    /// The one that fits; what belongs to runs is kept below `data`.
    pub fn new(systemd: &Systemd, roots: &Roots, data: &Path) -> Self {
        let directory = data.join(DIRECTORY);
        // Others are refused by polkit.
        let may = Systemd::is_here() && geteuid().is_root();
        Self {
            groups: GroupRunner::new(roots.clone(), directory.clone()),
            units: may.then(|| UnitRunner::new(systemd.clone(), roots.clone(), &directory)),
        }
    }

    /// The one of this very machine, for all that run things.
    pub fn shared(systemd: &Systemd, data: &Path) -> Arc<dyn Runner> {
        Arc::new(Self::new(systemd, &Roots::default(), data))
    }

    fn chosen(&self) -> &dyn Runner {
        match &self.units {
            Some(units) => units,
            None => &self.groups,
        }
    }
}

impl Runner for MachineRunner {
    fn start(&self, work: Work) -> BoxFuture<'static, Result<Running, RunError>> {
        self.chosen().start(work)
    }

    fn take_up(&self, id: &RunId, known: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>> {
        let (this, id) = (self.clone(), id.clone());
        async move {
            if let Some(units) = &this.units
                && let Some(found) = units.take_up(&id, known.clone()).await
            {
                return Some(found);
            }
            this.groups.take_up(&id, known).await
        }
        .boxed()
    }

    fn left(&self, kind: Kind) -> BoxFuture<'static, Vec<RunId>> {
        self.chosen().left(kind)
    }

    fn outlives(&self) -> bool {
        self.chosen().outlives()
    }

    fn unenforced(&self, limits: &Limits, account: Option<&Account>) -> Vec<Limit> {
        self.chosen().unenforced(limits, account)
    }

    fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) {
        self.chosen().keep(name, descriptor);
    }

    fn kept(&self, name: &str) -> Option<OwnedFd> {
        self.chosen().kept(name)
    }

    fn unkeep(&self, name: &str) {
        self.chosen().unkeep(name);
    }
}
