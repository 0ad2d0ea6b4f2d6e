//! Transient units: how anything runs that has to outlive the node. Its public functions are the whole of what
//! supervised programs, commands and shells need of systemd.
//!
//! A [`TransientSpec`] enters and becomes one service in [`SLICE`], named `p2p-KIND-ID.service`: a stable name, by
//! which it is found again ([`Systemd::transients`]) after a restart of the node. It ends when it ends, or by
//! [`Systemd::stop_transient`] (gently) and [`Systemd::kill_transient`] (a signal to all of its cgroup), never
//! because the node goes. What is left of it is kept until [`Systemd::release_transient`], so that nobody misses
//! its end: call that once its end is on record.
//!
//! Only root may do this; the restricted profile is refused by polkit.

use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;

use p2p_shared::services::unit::{JobReport, JobResult, UnitExit};
use zbus::{Fd, Variant};

use super::bus::{Bus, UNIT};
use super::control::{JobVerb, OwnUnit};
use super::name::UnitName;
use super::{Systemd, SystemdError};

/// Where transient units live.
pub const SLICE: &str = "p2p-admin-managed.slice";
/// How long a start may take until its program is executed.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest identity of a kind or of one of its units, in bytes.
const PART_BYTES_MAX: usize = 100;
/// Most arguments and variables.
const ARGUMENTS_MAX: usize = 4_096;

/// The name of a transient unit of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransientName {
    kind: String,
    id: String,
}

impl TransientName {
    /// `p2p-KIND-ID.service`; a kind is of letters a to z, an id of letters, digits, `_`, `.` and `-`.
    ///
    /// # Errors
    /// [`SystemdError::Invalid`].
    pub fn new(kind: &str, id: &str) -> Result<Self, SystemdError> {
        let is_kind = (1..=PART_BYTES_MAX).contains(&kind.len())
            && kind != "node"
            && kind.bytes().all(|byte| byte.is_ascii_lowercase());
        let in_id = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if is_kind && (1..=PART_BYTES_MAX).contains(&id.len()) && id.bytes().all(in_id) {
            return Ok(Self { kind: kind.to_owned(), id: id.to_owned() });
        }
        Err(SystemdError::Invalid(format!("{kind:?} and {id:?} make no name of a unit")))
    }

    /// The name behind the name of a unit; `None` if that is none of ours.
    pub fn parse(unit: &str) -> Option<Self> {
        let (kind, id) = unit.strip_prefix("p2p-")?.strip_suffix(".service")?.split_once('-')?;
        Self::new(kind, id).ok()
    }

    /// What kind of thing runs in it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Which one of its kind.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the unit.
    ///
    /// # Errors
    /// None in fact: the parts were judged.
    pub fn unit(&self) -> Result<UnitName, SystemdError> {
        UnitName::new(&self.to_string())
    }
}

impl fmt::Display for TransientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p2p-{}-{}.service", self.kind, self.id)
    }
}

/// Where a stream of the program leads.
#[derive(Debug, Default)]
pub enum Stream {
    /// Nowhere: `/dev/null`.
    #[default]
    Null,
    /// Into the journal (not for standard input).
    Journal,
    /// To what this descriptor is open on: a pipe, a file.
    Descriptor(OwnedFd),
    /// To the terminal at this path, which controls the session of the program.
    Terminal(String),
}

/// What the cgroup may use; `None` sets no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Memory in bytes; past it something in the unit is killed.
    pub memory_bytes_max: Option<u64>,
    /// Processor time as a share of one core.
    pub cpu_ratio_max: Option<f64>,
    /// Processes and threads.
    pub tasks_max: Option<u64>,
    /// Open files of each process.
    pub files_max: Option<u64>,
}

/// What to run, and how.
#[derive(Debug)]
pub struct TransientSpec {
    /// Its name.
    pub name: TransientName,
    /// One line for people.
    pub description: String,
    /// The file that is executed: an absolute path, or a name that is looked for.
    pub file: String,
    /// How the program is called, and its arguments, taken as they are: no shell, no `$VARIABLE`, no `%` specifier.
    pub arguments: Vec<String>,
    /// An absolute path; `/` if `None`.
    pub working_directory: Option<String>,
    /// Name or number; root if `None`.
    pub user: Option<String>,
    /// Name or number; the user's own if `None`.
    pub group: Option<String>,
    /// Added to what systemd gives to every service.
    pub environment: Vec<(String, String)>,
    /// Bounds.
    pub limits: Limits,
    /// Standard input, output and error.
    pub streams: [Stream; 3],
    /// The signal by which it is asked to end.
    pub stop_signal: i32,
    /// How long it has for that; then all of it is killed.
    pub stop_timeout: Duration,
    /// How long it may run; `None` for ever. Then its result is `timeout`.
    pub run_timeout: Option<Duration>,
}

/// A unit that was started, or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its name.
    pub name: TransientName,
    /// Its main process; `None` once that has ended.
    pub main_pid: Option<u32>,
    /// Its cgroup, for figures.
    pub control_group: Option<String>,
}

/// How a transient unit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its main process ended and nothing of it is left.
    Exited {
        /// Code or signal; `None` if it was never executed.
        exit: Option<UnitExit>,
        /// systemd's word: `success`, `exit-code`, `signal`, `oom-kill`, `timeout`, `resources`, ...
        result: String,
    },
    /// systemd does not know it (any more): it never was, was released, or the machine started anew.
    Gone,
}

type Property<'a> = (&'static str, Variant<'a>);

impl TransientSpec {
    fn judge(&self) -> Result<(), SystemdError> {
        let invalid = |words: String| Err(SystemdError::Invalid(words));
        let program = &self.file;
        if self.arguments.is_empty() {
            return invalid("there is no program to run".into());
        }
        if program.is_empty() || (program.contains('/') && !program.starts_with('/')) {
            return invalid(format!("{program:?} is neither an absolute path nor the name of a program"));
        }
        if self.arguments.len() > ARGUMENTS_MAX || self.environment.len() > ARGUMENTS_MAX {
            return invalid("more than 4,096 arguments or variables".into());
        }
        if self.working_directory.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return invalid("a working directory is an absolute path".into());
        }
        let name_is_bad = |name: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            name.is_empty()
                || name.starts_with(|first: char| first.is_ascii_digit())
                || !name.bytes().all(fits)
        };
        if let Some((name, _)) = self.environment.iter().find(|(name, _)| name_is_bad(name)) {
            return invalid(format!("{name:?} is no name of a variable"));
        }
        let texts =
            self.arguments.iter().chain([&self.file]).chain(self.environment.iter().map(|(_, value)| value));
        if texts.chain([&self.description]).any(|text| text.contains('\0')) {
            return invalid("a text holds a zero byte".into());
        }
        if matches!(self.streams[0], Stream::Journal) {
            return invalid("the journal is no standard input".into());
        }
        Ok(())
    }

    /// The properties of the unit; the descriptors go with them.
    fn properties(self) -> Vec<Property<'static>> {
        let mut list: Vec<Property<'static>> = vec![
            ("Description", self.description.into()),
            ("Slice", SLICE.into()),
            // The start is over once the program is executed, and fails if it cannot be.
            ("Type", "exec".into()),
            // Its end stays to be read until it is released.
            ("RemainAfterExit", true.into()),
            ("CollectMode", "inactive".into()),
            ("KillMode", "control-group".into()),
            ("KillSignal", self.stop_signal.into()),
            ("TimeoutStopUSec", micros(self.stop_timeout).into()),
            ("TimeoutStartUSec", micros(START_TIMEOUT).into()),
            ("MemoryAccounting", true.into()),
            ("CPUAccounting", true.into()),
            ("TasksAccounting", true.into()),
        ];
        // Not `ExecStartEx` with its flag against this: systemd 252 writes that into a file that it cannot read
        // again, and after the next daemon-reload the unit is shown as broken.
        let arguments: Vec<String> = self.arguments.iter().map(|text| text.replace('$', "$$")).collect();
        list.push(("ExecStart", Variant::new(vec![(self.file, arguments, false)])));
        let mut text = |name, value: Option<String>| list.extend(value.map(|value| (name, value.into())));
        text("WorkingDirectory", Some(self.working_directory.unwrap_or_else(|| "/".into())));
        text("User", self.user);
        text("Group", self.group);
        let variables: Vec<String> =
            self.environment.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !variables.is_empty() {
            list.push(("Environment", Variant::new(variables)));
        }
        let mut number = |name, value: Option<u64>| list.extend(value.map(|value| (name, value.into())));
        number("MemoryMax", self.limits.memory_bytes_max);
        number("CPUQuotaPerSecUSec", self.limits.cpu_ratio_max.map(quota));
        number("TasksMax", self.limits.tasks_max);
        number("LimitNOFILE", self.limits.files_max);
        number("RuntimeMaxUSec", self.run_timeout.map(micros));
        let names = [
            ("StandardInput", "StandardInputFileDescriptor"),
            ("StandardOutput", "StandardOutputFileDescriptor"),
            ("StandardError", "StandardErrorFileDescriptor"),
        ];
        let mut terminal = None;
        for ((by_word, by_descriptor), stream) in names.into_iter().zip(self.streams) {
            list.push(match stream {
                Stream::Null => (by_word, "null".into()),
                Stream::Journal => (by_word, "journal".into()),
                Stream::Descriptor(descriptor) => (by_descriptor, Variant::Fd(Fd::Owned(descriptor))),
                Stream::Terminal(path) => {
                    terminal = Some(path);
                    (by_word, "tty".into())
                }
            });
        }
        list.extend(terminal.map(|path| ("TTYPath", path.into())));
        list
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX - 1)
}

/// Microseconds of processor time in a second; at least one in a hundred thousand.
fn quota(ratio: f64) -> u64 {
    (ratio.clamp(0.000_01, 100_000.0) * 1_000_000.0) as u64
}

/// Exit codes by which systemd says that it could not even execute a program (systemd.exec(5), "Process exit codes").
const NOT_EXECUTED: std::ops::RangeInclusive<i32> = 200..=245;

/// Whether the end of a unit is one of its program.
fn has_run(ended: Option<&Ended>) -> bool {
    match ended {
        Some(Ended::Exited { exit: Some(UnitExit::Code(code)), .. }) => !NOT_EXECUTED.contains(code),
        Some(Ended::Exited { exit: Some(UnitExit::Signal(_) | UnitExit::Dumped(_)), .. }) => true,
        _ => false,
    }
}

impl Systemd {
    /// Starts a unit; returns once its program is executed.
    ///
    /// # Errors
    /// [`SystemdError::Refused`] if there is a unit of that name, or the program cannot be executed (no such
    /// file, no such user, no such directory); nothing is left of it then.
    pub async fn start_transient(&self, spec: TransientSpec) -> Result<Running, SystemdError> {
        spec.judge()?;
        let name = spec.name.clone();
        let unit = name.unit()?;
        let bus = self.bus().await?;
        let what = format!("start {unit}");
        let begin = async {
            let none: [(&str, Vec<Property<'_>>); 0] = [];
            let body = (unit.as_str(), "fail", spec.properties(), &none[..]);
            bus.manager(&what, "StartTransientUnit", &body).await
        };
        let result = super::control::awaited(&bus, &what, START_TIMEOUT, begin).await?;
        // One that ended badly at once has run all the same: its job failed only because nobody was quicker.
        if result == JobResult::Done || has_run(ended(&bus, &unit).await?.as_ref()) {
            return Ok(running(&bus, name).await);
        }
        let report = super::control::report(&bus, &unit, result).await?;
        self.release_transient(&name).await?;
        let words = report.reason.unwrap_or_else(|| format!("the job ended as {}", result.as_str()));
        Err(SystemdError::Refused { what, words: explained(words) })
    }

    /// Waits until a unit has ended. May be dropped and called again, by anybody, also after a restart.
    ///
    /// # Errors
    /// Once the connection is gone: call it again.
    pub async fn wait_transient(&self, name: &TransientName) -> Result<Ended, SystemdError> {
        let unit = name.unit()?;
        let bus = self.bus().await?;
        // Before the look, so that nothing is missed in between.
        let (mut signals, mut removal) = tokio::try_join!(bus.unit_signals(&unit), bus.removal(&unit))?;
        let what = format!("wait for {unit}");
        loop {
            if let Some(ended) = ended(&bus, &unit).await? {
                return Ok(ended);
            }
            tokio::select! {
                changed = signals.next(&what) => drop(changed?),
                removed = removal.next(&what) => drop(removed?),
            }
        }
    }

    /// Asks a unit to end, and kills all of it after its stop time-out; waits for that.
    ///
    /// # Errors
    /// If it is not there, or systemd refuses.
    pub async fn stop_transient(
        &self,
        name: &TransientName,
        patience: Duration,
    ) -> Result<JobReport, SystemdError> {
        self.run_job(JobVerb::Stop, &name.unit()?, OwnUnit::Spare, patience).await
    }

    /// Sends a signal to every process of a unit.
    ///
    /// # Errors
    /// If it is not there, or systemd refuses.
    pub async fn kill_transient(&self, name: &TransientName, signal: i32) -> Result<(), SystemdError> {
        let unit = name.unit()?;
        let bus = self.bus().await?;
        bus.manager(&format!("kill {unit}"), "KillUnit", &(unit.as_str(), "all", signal)).await
    }

    /// Forgets a unit that has ended, or ends it. None of that name is no error.
    ///
    /// # Errors
    /// If systemd does not answer or refuses.
    pub async fn release_transient(&self, name: &TransientName) -> Result<(), SystemdError> {
        let unit = name.unit()?;
        let bus = self.bus().await?;
        let gone = |ended: Result<(), SystemdError>| match ended {
            Err(SystemdError::NoSuchUnit(_)) => Ok(()),
            other => other,
        };
        let stopped = self.run_job(JobVerb::Stop, &unit, OwnUnit::Spare, super::CALL_TIMEOUT).await;
        gone(stopped.map(drop))?;
        gone(bus.manager(&format!("forget {unit}"), "ResetFailedUnit", &(unit.as_str())).await)
    }

    /// One unit, running or ended and not released; `None` if systemd knows none of that name of ours.
    ///
    /// # Errors
    /// If systemd does not answer.
    pub async fn find_transient(&self, name: &TransientName) -> Result<Option<Running>, SystemdError> {
        let unit = name.unit()?;
        let bus = self.bus().await?;
        if ended(&bus, &unit).await? == Some(Ended::Gone) {
            return Ok(None);
        }
        // Somebody else's unit of such a name is not ours.
        let slice: Option<String> = bus.own(unit.as_str(), "Slice").await;
        Ok(if slice.as_deref() == Some(SLICE) { Some(running(&bus, name.clone()).await) } else { None })
    }

    /// The units of a kind that systemd knows, running or ended and not released.
    ///
    /// # Errors
    /// If systemd does not answer.
    pub async fn transients(&self, kind: &str) -> Result<Vec<Running>, SystemdError> {
        let bus = self.bus().await?;
        let mut found = Vec::new();
        for name in super::units::listed(&bus).await?.into_keys() {
            let Some(name) = TransientName::parse(&name).filter(|name| name.kind() == kind) else { continue };
            // Somebody else's unit of such a name is not ours.
            let slice: Option<String> = bus.own(&name.to_string(), "Slice").await;
            if slice.as_deref() == Some(SLICE) {
                found.push(running(&bus, name).await);
            }
        }
        Ok(found)
    }
}

async fn running(bus: &Bus, name: TransientName) -> Running {
    let unit = name.to_string();
    let (main_pid, group) = tokio::join!(bus.own(&unit, "MainPID"), bus.own(&unit, "ControlGroup"));
    Running {
        main_pid: main_pid.filter(|pid| *pid != 0),
        control_group: group.filter(|path: &String| !path.is_empty()),
        name,
    }
}

/// How it ended, if it has.
async fn ended(bus: &Bus, unit: &UnitName) -> Result<Option<Ended>, SystemdError> {
    let text = async |property| bus.property::<String>(unit.as_str(), UNIT, property).await;
    let (Some(load), Some(active), Some(sub)) =
        tokio::join!(text("LoadState"), text("ActiveState"), text("SubState"))
    else {
        // No answer is no end.
        return if bus.answers().await {
            Ok(Some(Ended::Gone))
        } else {
            Err(SystemdError::Broken(format!("wait for {unit}")))
        };
    };
    if load == "not-found" {
        return Ok(Some(Ended::Gone));
    }
    let is_over = matches!(active.as_str(), "inactive" | "failed") || sub == "exited";
    if !is_over {
        return Ok(None);
    }
    let (result, exit) = tokio::join!(bus.own(unit.as_str(), "Result"), super::units::exit(bus, unit));
    Ok(Some(Ended::Exited { exit, result: result.unwrap_or_default() }))
}

/// What the exit codes of systemd's own steps mean, which come before the program.
fn explained(words: String) -> String {
    let meaning = [
        ("code 200", "the working directory is not there"),
        ("code 203", "the program is not there or cannot be executed"),
        ("code 216", "there is no such group"),
        ("code 217", "there is no such user"),
    ];
    match meaning.iter().find(|(code, _)| words.ends_with(code)) {
        Some((_, meaning)) => format!("{meaning} ({words})"),
        None => words,
    }
}

#[cfg(test)]
mod tests;
