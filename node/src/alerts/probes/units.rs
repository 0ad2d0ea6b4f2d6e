//! Units of systemd: which have failed, which are active, and which are started again and again.
//!
//! systemd says what changes; looks are [`GATHER`] apart, so that a machine whose units come and go costs little.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::services::unit::{ActiveState, UnitInfo};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::super::core::recent::Recent;
use super::super::core::wanted::Wanted;
use super::super::figures::{labelled, plain, truth};
use super::{Told, pause, tell};
use crate::host::moment::Moment;
use crate::host::systemd::changes::UnitWatch;
use crate::host::systemd::name::UnitName;
use crate::host::systemd::{Systemd, SystemdError};

/// Looks are so far apart.
const GATHER: Duration = Duration::from_secs(5);
/// Counts of the last ten minutes go down by themselves: they are told so often.
const COUNT_PERIOD: Duration = Duration::from_secs(30);
/// Without systemd, or after a failure, it is tried again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// Kinds that are looked at.
const KINDS: &[&str] = &[".service", ".timer", ".socket", ".mount", ".automount", ".swap", ".path"];
const FIGURES: &[&str] = &["unit_failed", "unit_active", "unit_restarts_10m", "units_failed"];

pub(super) async fn run(systemd: Systemd, mut wanted: watch::Receiver<Arc<Wanted>>, told: Told) {
    let mut restarts = Recent::default();
    loop {
        let is_wanted = wanted.borrow_and_update().any(FIGURES);
        if is_wanted && Systemd::is_here() {
            let watched = follow(&systemd, (&mut wanted, &told), &mut restarts).await;
            if let Err(error) = watched {
                tracing::debug!(%error, "units are not looked at for a while");
            }
        }
        tell(&told, Vec::new());
        if !pause(AGAIN, &mut wanted).await {
            return;
        }
    }
}

/// Follows units until other figures are wanted.
async fn follow(
    systemd: &Systemd,
    (wanted, told): (&mut watch::Receiver<Arc<Wanted>>, &Told),
    restarts: &mut Recent,
) -> Result<(), SystemdError> {
    let mut units = systemd.watch().await?;
    let mut states: BTreeMap<String, ActiveState> = BTreeMap::new();
    loop {
        let news = {
            // Run to its end: what it has begun to look at would be lost.
            let next = units.next();
            tokio::pin!(next);
            loop {
                tokio::select! {
                    news = &mut next => break news?,
                    () = sleep(COUNT_PERIOD) => {}
                    changed = wanted.changed() => if changed.is_err() { return Ok(()) },
                }
                let now_wanted = Arc::clone(&wanted.borrow_and_update());
                if !now_wanted.any(FIGURES) {
                    return Ok(());
                }
                tell(told, figures(&states, restarts, &now_wanted));
            }
        };
        if news.full {
            states.clear();
        }
        // One that systemd forgot is told once more, as inactive: what was said of it ends with that.
        let mut departed = BTreeSet::new();
        for unit in news.gone {
            restarts.forget(&unit);
            if let Some(state) = states.get_mut(&unit) {
                *state = ActiveState::Inactive;
                departed.insert(unit);
            }
        }
        for unit in news.changed.into_iter().filter(is_of_interest) {
            note_restarts(systemd, &unit, (restarts, news.full)).await;
            departed.remove(&unit.name);
            states.insert(unit.name, unit.active);
        }
        tell(told, figures(&states, restarts, &wanted.borrow()));
        states.retain(|unit, _| !departed.contains(unit));
        gather(&mut units).await?;
    }
}

/// Takes signals in for a while without looking.
async fn gather(units: &mut UnitWatch) -> Result<(), SystemdError> {
    match timeout(GATHER, units.gather()).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}

fn is_of_interest(unit: &UnitInfo) -> bool {
    KINDS.iter().any(|kind| unit.name.ends_with(kind))
}

/// Asks how often systemd started a service again. Of a whole list only those that are about to be started are
/// asked about: for all others counting begins with their first change.
async fn note_restarts(systemd: &Systemd, unit: &UnitInfo, (restarts, full): (&mut Recent, bool)) {
    let is_asked = unit.name.ends_with(".service") && (!full || unit.active == ActiveState::Activating);
    if !is_asked {
        return;
    }
    if let Ok(name) = UnitName::new(&unit.name)
        && let Some(total) = systemd.restarts(&name).await
    {
        restarts.note(Moment::now().monotonic, &unit.name, total.into());
    }
}

fn figures(
    states: &BTreeMap<String, ActiveState>,
    restarts: &mut Recent,
    wanted: &Wanted,
) -> Vec<super::super::core::alert::Figure> {
    let is = |metric: &str| wanted.metrics.contains(metric);
    let mut found = Vec::new();
    for (name, state) in states {
        if is("unit_failed") {
            found.push(labelled("unit_failed", ("unit", name), truth(*state == ActiveState::Failed)));
        }
        if is("unit_active") {
            let active = matches!(state, ActiveState::Active | ActiveState::Reloading);
            found.push(labelled("unit_active", ("unit", name), truth(active)));
        }
    }
    if is("units_failed") {
        let failed = states.values().filter(|state| **state == ActiveState::Failed).count();
        found.push(plain("units_failed", failed as f64));
    }
    if is("unit_restarts_10m") {
        let counts = restarts.counts(Moment::now().monotonic);
        found.extend(counts.map(|(name, count)| labelled("unit_restarts_10m", ("unit", name), count as f64)));
    }
    found
}
