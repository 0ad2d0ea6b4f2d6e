//! Reading units: rows, the state of one, timers.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use p2p_shared::services::unit::{
    ActiveState, LoadState, TimerInfo, UnitExit, UnitInfo, UnitList, UnitStatus,
};
use p2p_shared::time::UnixMillis;
use zbus::OwnedObjectPath;

use super::bus::{Bus, UNIT};
use super::name::{self, UnitName};
use super::{Systemd, SystemdError};
use crate::clock;

/// Most units in one list.
const UNITS_MAX: usize = 4_096;
/// Units that systemd is asked about at a time.
const ASKED_AT_ONCE: usize = 32;
/// What systemd writes for "nobody counts" and "never".
const NONE: u64 = u64::MAX;

/// A unit as `ListUnits` tells it.
type Listed = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// Which units are meant; everything that is `Some` has to fit.
#[derive(Clone, Debug, Default)]
pub struct UnitFilter {
    /// Stands in the name or the description; case does not count.
    pub text: Option<String>,
    /// The kind: `service`, `timer`, ...
    pub kind: Option<String>,
    /// A word of systemd for what it is doing, or for its file.
    pub state: Option<String>,
}

impl UnitFilter {
    fn fits(&self, unit: &UnitInfo) -> bool {
        let holds = |text: &String| {
            let text = text.to_lowercase();
            unit.name.to_lowercase().contains(&text) || unit.description.to_lowercase().contains(&text)
        };
        let is_in = |state: &String| {
            unit.active.as_str() == state || unit.sub == *state || unit.file_state.as_ref() == Some(state)
        };
        self.text.as_ref().is_none_or(holds)
            && self.kind.as_ref().is_none_or(|kind| name::kind(&unit.name) == kind)
            && self.state.as_ref().is_none_or(is_in)
    }
}

impl Systemd {
    /// The units that fit, loaded ones and files.
    ///
    /// # Errors
    /// If systemd is not there or does not answer.
    pub async fn list(&self, filter: &UnitFilter) -> Result<UnitList, SystemdError> {
        let bus = self.bus().await?;
        let mut units = listed(&bus).await?;
        let files = file_states(&bus).await?;
        let failed = units.values().filter(|unit| unit.active == ActiveState::Failed).count();
        for (name, state) in files {
            let unit = units.entry(name).or_insert_with_key(|name| unloaded(name));
            unit.file_state = Some(state);
        }
        let mut found: Vec<UnitInfo> = units.into_values().filter(|unit| filter.fits(unit)).collect();
        let left_out = found.len().saturating_sub(UNITS_MAX);
        found.truncate(UNITS_MAX);
        let units = with_figures(&bus, found).await;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(UnitList { at: clock::wall(), failed: number(failed), left_out: number(left_out), units })
    }

    /// One unit, without its log.
    ///
    /// # Errors
    /// [`SystemdError::NoSuchUnit`], or if systemd is not there or does not answer.
    pub async fn status(&self, unit: &UnitName) -> Result<UnitStatus, SystemdError> {
        let bus = self.bus().await?;
        let info = info(&bus, unit).await?;
        let name = unit.as_str();
        let texts =
            async |property| -> Vec<String> { bus.property(name, UNIT, property).await.unwrap_or_default() };
        let text = async |property| -> Option<String> {
            bus.property(name, UNIT, property).await.filter(|text: &String| !text.is_empty())
        };
        let own_text = async |property| -> Option<String> {
            bus.own(name, property).await.filter(|text: &String| !text.is_empty())
        };
        Ok(UnitStatus {
            fragment_path: text("FragmentPath").await,
            drop_ins: texts("DropInPaths").await,
            needs_reload: bus.property(name, UNIT, "NeedDaemonReload").await.unwrap_or(false),
            triggers: texts("Triggers").await,
            triggered_by: texts("TriggeredBy").await,
            result: own_text("Result").await,
            exit: exit(&bus, unit).await,
            status_text: own_text("StatusText").await,
            control_group: own_text("ControlGroup").await,
            tasks: bus.own(name, "TasksCurrent").await.filter(|tasks| *tasks != NONE),
            restarts: bus.own(name, "NRestarts").await,
            documentation: texts("Documentation").await,
            log: Vec::new(),
            log_missing: None,
            info,
        })
    }

    /// How often systemd has started a service again by itself; `None` if that cannot be known.
    pub async fn restarts(&self, unit: &UnitName) -> Option<u32> {
        self.bus().await.ok()?.own(unit.as_str(), "NRestarts").await
    }

    /// Every timer, the next one first.
    ///
    /// # Errors
    /// If systemd is not there or does not answer.
    pub async fn timers(&self) -> Result<Vec<TimerInfo>, SystemdError> {
        let bus = &self.bus().await?;
        let units = listed(bus).await?.into_values();
        let timers = units.filter(|unit| name::kind(&unit.name) == "timer" && unit.load == LoadState::Loaded);
        let one = |unit: UnitInfo| async move { timer(bus, unit).await };
        let mut timers: Vec<TimerInfo> =
            stream::iter(timers).map(one).buffered(ASKED_AT_ONCE).collect().await;
        timers.sort_by(|a, b| {
            let order = |timer: &TimerInfo| (timer.next.is_none(), timer.next.map_or(0, |at| at.0));
            (order(a), &a.name).cmp(&(order(b), &b.name))
        });
        Ok(timers)
    }
}

/// Every loaded unit by its name, without figures.
pub(super) async fn listed(bus: &Bus) -> Result<BTreeMap<String, UnitInfo>, SystemdError> {
    let listed: Vec<Listed> = bus.manager("list units", "ListUnits", &()).await?;
    Ok(listed.into_iter().map(|unit| (unit.0.clone(), row(unit))).collect())
}

fn row((name, description, load, active, sub, ..): Listed) -> UnitInfo {
    UnitInfo { description, load: load_state(&load), active: active_state(&active), sub, ..unloaded(&name) }
}

fn unloaded(name: &str) -> UnitInfo {
    UnitInfo {
        name: name.to_owned(),
        description: String::new(),
        load: LoadState::Unloaded,
        active: ActiveState::Inactive,
        sub: "dead".into(),
        file_state: None,
        main_pid: None,
        memory_bytes: None,
        cpu_time_ms: None,
        since: None,
    }
}

/// Unit files by the name of the unit; templates name no unit.
pub(super) async fn file_states(bus: &Bus) -> Result<BTreeMap<String, String>, SystemdError> {
    let files: Vec<(String, String)> = bus.manager("list unit files", "ListUnitFiles", &()).await?;
    let named = files.into_iter().filter_map(|(path, state)| {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        (!name.contains("@.")).then_some((name, state))
    });
    Ok(named.collect())
}

/// Adds what has to be asked of each unit that does something.
pub(super) async fn with_figures(bus: &Bus, units: Vec<UnitInfo>) -> Vec<UnitInfo> {
    let one = |unit: UnitInfo| async move {
        if unit.active == ActiveState::Inactive { unit } else { figures(bus, unit).await }
    };
    stream::iter(units).map(one).buffered(ASKED_AT_ONCE).collect().await
}

async fn figures(bus: &Bus, mut unit: UnitInfo) -> UnitInfo {
    let name = unit.name.clone();
    unit.since = wall(bus.property(&name, UNIT, "StateChangeTimestamp").await);
    let kind = name::kind(&name);
    if matches!(kind, "service" | "scope" | "slice" | "socket" | "mount" | "swap") {
        let count = async |property| bus.own(&name, property).await.filter(|count: &u64| *count != NONE);
        unit.memory_bytes = count("MemoryCurrent").await;
        unit.cpu_time_ms = count("CPUUsageNSec").await.map(|nanos| nanos / 1_000_000);
    }
    if kind == "service" {
        unit.main_pid = bus.own(&name, "MainPID").await.filter(|pid| *pid != 0);
    }
    unit
}

/// The row of one unit.
pub(super) async fn info(bus: &Bus, unit: &UnitName) -> Result<UnitInfo, SystemdError> {
    let name = unit.as_str();
    let text = async |property| bus.property::<String>(name, UNIT, property).await;
    let missing = || SystemdError::NoSuchUnit(unit.to_string());
    let load = load_state(&text("LoadState").await.ok_or_else(missing)?);
    let active = active_state(&text("ActiveState").await.ok_or_else(missing)?);
    if load == LoadState::NotFound && active == ActiveState::Inactive {
        return Err(missing());
    }
    let unit = UnitInfo {
        description: text("Description").await.unwrap_or_default(),
        load,
        active,
        sub: text("SubState").await.unwrap_or_default(),
        file_state: file_state(bus, name).await,
        ..unloaded(name)
    };
    Ok(figures(bus, unit).await)
}

pub(super) async fn file_state(bus: &Bus, unit: &str) -> Option<String> {
    bus.property(unit, UNIT, "UnitFileState").await.filter(|state: &String| !state.is_empty())
}

/// How the main process ended last. The numbers are those of waitid(2).
pub(super) async fn exit(bus: &Bus, unit: &UnitName) -> Option<UnitExit> {
    let own = async |property| bus.own::<i32>(unit.as_str(), property).await;
    let (code, status) = tokio::join!(own("ExecMainCode"), own("ExecMainStatus"));
    let (code, status) = (code?, status?);
    match code {
        1 => Some(UnitExit::Code(status)),
        2 => Some(UnitExit::Signal(status)),
        3 => Some(UnitExit::Dumped(status)),
        _ => None,
    }
}

async fn timer(bus: &Bus, unit: UnitInfo) -> TimerInfo {
    let name = unit.name;
    let micros = async |property| bus.own::<u64>(&name, property).await;
    let real = wall(micros("NextElapseUSecRealtime").await);
    let monotonic = micros("NextElapseUSecMonotonic").await.filter(|at| !matches!(*at, 0 | NONE));
    let next = [real, monotonic.and_then(of_monotonic)].into_iter().flatten().min();
    let last = wall(micros("LastTriggerUSec").await);
    let activates = bus.own(&name, "Unit").await.unwrap_or_default();
    TimerInfo { active: unit.active, next, last, activates, name }
}

/// A point on the clock that timers count by, as one on the wall's.
fn of_monotonic(micros: u64) -> Option<UnixMillis> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now_ms = u64::try_from(now.tv_sec).ok()? * 1_000 + u64::try_from(now.tv_nsec).ok()? / 1_000_000;
    let wall = i128::from(clock::wall().0) + i128::from(micros / 1_000) - i128::from(now_ms);
    u64::try_from(wall).ok().map(UnixMillis)
}

fn wall(micros: Option<u64>) -> Option<UnixMillis> {
    micros.filter(|at| !matches!(*at, 0 | NONE)).map(|micros| UnixMillis(micros / 1_000))
}

pub(super) fn active_state(word: &str) -> ActiveState {
    match word {
        "active" | "refreshing" => ActiveState::Active,
        "reloading" => ActiveState::Reloading,
        "inactive" => ActiveState::Inactive,
        "failed" => ActiveState::Failed,
        "activating" => ActiveState::Activating,
        "deactivating" => ActiveState::Deactivating,
        _ => ActiveState::Unknown,
    }
}

fn load_state(word: &str) -> LoadState {
    match word {
        "loaded" => LoadState::Loaded,
        "not-found" => LoadState::NotFound,
        "bad-setting" => LoadState::BadSetting,
        "error" => LoadState::Error,
        "masked" => LoadState::Masked,
        "merged" => LoadState::Merged,
        "stub" => LoadState::Unloaded,
        _ => LoadState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_looks_at_name_kind_and_state() {
        let unit = UnitInfo {
            description: "A Web Server".into(),
            active: ActiveState::Failed,
            file_state: Some("enabled".into()),
            ..unloaded("nginx.service")
        };
        let some = |text: &str| Some(text.to_owned());
        for (text, kind, state, expected) in [
            (None, None, None, true),
            (some("NGINX"), some("service"), some("failed"), true),
            (some("web s"), None, some("enabled"), true),
            (None, some("timer"), None, false),
            (None, None, some("running"), false),
            (some("apache"), None, None, false),
        ] {
            assert_eq!(UnitFilter { text, kind, state }.fits(&unit), expected);
        }
    }
}
