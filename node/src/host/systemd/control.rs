//! Acting on one unit: jobs, which are waited for, and changes of unit files.

use std::fs;
use std::pin::pin;
use std::time::Duration;

use p2p_shared::services::unit::{ActiveState, FileReport, JobReport, JobResult, UnitExit};
use tokio::time::{Instant, timeout_at};
use zbus::OwnedObjectPath;

use super::bus::{Bus, Signals, UNIT};
use super::name::UnitName;
use super::units::{active_state, exit, file_state};
use super::{Systemd, SystemdError};

/// Jobs that ended while systemd had not yet said which one is ours: more than that many end at no time.
const ENDED_MAX: usize = 1_024;
/// A link that was made or removed: kind, path, target.
type Change = (String, String, String);

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobVerb {
    /// To active.
    Start,
    /// To inactive.
    Stop,
    /// To inactive and back; a unit that is inactive is started.
    Restart,
    /// Configuration read again.
    Reload,
}

impl JobVerb {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("start", "StartUnit"),
            Self::Stop => ("stop", "StopUnit"),
            Self::Restart => ("restart", "RestartUnit"),
            Self::Reload => ("reload", "ReloadUnit"),
        }
    }
}

/// What is done to the file of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileVerb {
    /// Starts at boot.
    Enable,
    /// Does not.
    Disable,
    /// Cannot start.
    Mask,
    /// Can again.
    Unmask,
}

impl FileVerb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Mask => "mask",
            Self::Unmask => "unmask",
        }
    }
}

/// Whether the node may take itself away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnUnit {
    /// It refuses to.
    Spare,
    /// Told twice.
    Force,
}

impl Systemd {
    /// Has a job run and waits for it, for at most `patience`.
    ///
    /// A job that ends badly is a report, no error. A restart of the node's own unit is not waited for.
    ///
    /// # Errors
    /// [`SystemdError`] if nothing was begun, or if what was begun is out of sight.
    pub async fn run_job(
        &self,
        verb: JobVerb,
        unit: &UnitName,
        own: OwnUnit,
        patience: Duration,
    ) -> Result<JobReport, SystemdError> {
        let (word, method) = verb.words();
        let what = format!("{word} {unit}");
        let is_own = is_own(unit);
        if is_own && verb == JobVerb::Stop && own == OwnUnit::Spare {
            return Err(SystemdError::OwnUnit(what));
        }
        let bus = self.bus().await?;
        let body = (unit.as_str(), "replace");
        let begin = bus.manager(&what, method, &body);
        if is_own && matches!(verb, JobVerb::Restart | JobVerb::Stop) {
            // The answer has to leave before this process goes: what it says is found out beforehand.
            let report = report(&bus, unit, JobResult::Running).await?;
            let _: OwnedObjectPath = begin.await?;
            return Ok(report);
        }
        let result = awaited(&bus, &what, patience, begin).await?;
        report(&bus, unit, result).await
    }

    /// Changes what a unit's file is to systemd, as `systemctl enable` and the like do, and lets it know.
    ///
    /// # Errors
    /// [`SystemdError`] if nothing was changed, or systemd did not read its files anew after it.
    pub async fn change_file(
        &self,
        verb: FileVerb,
        unit: &UnitName,
        own: OwnUnit,
    ) -> Result<FileReport, SystemdError> {
        let what = format!("{} {unit}", verb.as_str());
        if is_own(unit) && matches!(verb, FileVerb::Disable | FileVerb::Mask) && own == OwnUnit::Spare {
            return Err(SystemdError::OwnUnit(what));
        }
        let bus = self.bus().await?;
        let names = [unit.as_str()];
        let (runtime, force) = (false, false);
        let changes: Vec<Change> = match verb {
            FileVerb::Enable => {
                let body = (&names[..], runtime, force);
                let (has_install, changes): (bool, Vec<Change>) =
                    bus.manager(&what, "EnableUnitFiles", &body).await?;
                if !has_install && changes.is_empty() {
                    let words = "its file has no [Install] section: something else starts it".to_owned();
                    return Err(SystemdError::Refused { what, words });
                }
                changes
            }
            FileVerb::Disable => bus.manager(&what, "DisableUnitFiles", &(&names[..], runtime)).await?,
            FileVerb::Mask => bus.manager(&what, "MaskUnitFiles", &(&names[..], runtime, force)).await?,
            FileVerb::Unmask => bus.manager(&what, "UnmaskUnitFiles", &(&names[..], runtime)).await?,
        };
        let () = bus.manager(&format!("read the unit files anew after {what}"), "Reload", &()).await?;
        let state: Result<String, _> = bus.manager(&what, "GetUnitFileState", &(unit.as_str())).await;
        let state = match state {
            Ok(state) => state,
            Err(_) => file_state(&bus, unit.as_str()).await.unwrap_or_else(|| "unknown".into()),
        };
        let shown = |(kind, path, target): Change| match kind.as_str() {
            "symlink" => format!("made {path} -> {target}"),
            "unlink" => format!("removed {path}"),
            _ => format!("{kind} {path}"),
        };
        let changes = changes.into_iter().map(shown).collect();
        Ok(FileReport { unit: unit.to_string(), file_state: state, changes })
    }
}

/// Has a job begun and waits for its end, for at most `patience`.
pub(super) async fn awaited(
    bus: &Bus,
    what: &str,
    patience: Duration,
    begin: impl Future<Output = Result<OwnedObjectPath, SystemdError>>,
) -> Result<JobResult, SystemdError> {
    let ends = Instant::now() + patience;
    let mut removed = bus.manager_signals("JobRemoved").await?;
    let mut early = Vec::new();
    let job = {
        let mut begin = pin!(begin);
        loop {
            tokio::select! {
                job = &mut begin => break job?,
                // Read on while the answer is awaited: the job may end before it is told.
                ended = next_job(&mut removed, what) => if early.len() < ENDED_MAX { early.push(ended?) },
            }
        }
    };
    if let Some((_, result)) = early.into_iter().find(|(path, _)| *path == job.as_str()) {
        return Ok(result);
    }
    let result = timeout_at(ends, result_of(&mut removed, job.as_str(), what)).await;
    result.unwrap_or(Ok(JobResult::Running))
}

/// The next job that ended, and how.
async fn next_job(removed: &mut Signals, what: &str) -> Result<(String, JobResult), SystemdError> {
    loop {
        let message = removed.next(what).await?;
        if let Ok((_, job, _, result)) =
            message.body().deserialize::<(u32, OwnedObjectPath, String, String)>()
        {
            return Ok((job.to_string(), job_result(&result)));
        }
    }
}

async fn result_of(removed: &mut Signals, job: &str, what: &str) -> Result<JobResult, SystemdError> {
    loop {
        let (ended, result) = next_job(removed, what).await?;
        if ended == job {
            return Ok(result);
        }
    }
}

fn job_result(word: &str) -> JobResult {
    match word {
        "done" => JobResult::Done,
        "canceled" => JobResult::Canceled,
        "timeout" => JobResult::Timeout,
        "failed" => JobResult::Failed,
        "dependency" => JobResult::Dependency,
        "skipped" => JobResult::Skipped,
        _ => JobResult::Unknown,
    }
}

/// What there is to say of a unit after a job.
pub(super) async fn report(bus: &Bus, unit: &UnitName, result: JobResult) -> Result<JobReport, SystemdError> {
    let text = async |property| bus.property::<String>(unit.as_str(), UNIT, property).await;
    let active = text("ActiveState").await.map_or(ActiveState::Unknown, |word| active_state(&word));
    let reason = match result {
        JobResult::Done | JobResult::Running => None,
        _ => reason(bus, unit).await,
    };
    let sub = text("SubState").await.unwrap_or_default();
    Ok(JobReport { unit: unit.to_string(), result, active, sub, reason })
}

/// What is left of a failure to be read.
async fn reason(bus: &Bus, unit: &UnitName) -> Option<String> {
    let (_, load_error) =
        bus.property::<(String, String)>(unit.as_str(), UNIT, "LoadError").await.unwrap_or_default();
    if !load_error.is_empty() {
        return Some(load_error);
    }
    let result: String = bus.own(unit.as_str(), "Result").await?;
    if result == "success" {
        return None;
    }
    Some(match exit(bus, unit).await {
        Some(UnitExit::Code(code)) if code != 0 => format!("{result}: it ended with code {code}"),
        Some(UnitExit::Signal(signal) | UnitExit::Dumped(signal)) => {
            format!("{result}: it was ended by signal {signal}")
        }
        _ => result,
    })
}

/// Whether a unit is the one in which this node runs.
fn is_own(unit: &UnitName) -> bool {
    unit.as_str() == "p2p-node.service" || own_name().is_some_and(|own| own == unit.as_str())
}

/// The unit whose cgroup this process is in.
fn own_name() -> Option<String> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("0::"))?.rsplit('/').next()?;
    Some(name.to_owned()).filter(|name| name.ends_with(".service"))
}
