//! The runner where systemd is: each run is a transient unit in `p2p-admin-managed.slice`, with a cgroup that holds
//! all of it, and goes on when this node ends, is started anew or upgraded.
//!
//! Named pipes carry what it writes: the next life of this node opens them again, and the descriptor store keeps
//! them open meanwhile, so that neither a byte nor the program is lost. The masters of terminals are in the store
//! too. What ended is kept by systemd, with how it ended, until it is released.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::services::program::Limit;
use p2p_shared::services::unit::UnitExit;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::account::Account;
use super::fork::{check_directory, terminal};
use super::leash::remove;
use super::{
    End, Ends, Kind, Leash, Limits, RunError, RunId, Runner, Running, Stdin, Streams, Work, identify, kept,
    pipes,
};
use crate::host::Roots;
use crate::host::control::number_of;
use crate::host::systemd::transient::{self, Ended, Stream, TransientName, TransientSpec};
use crate::host::systemd::{Systemd, SystemdError};

/// How long is waited before systemd is asked again that did not answer.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a start is tried while the bus is not there yet.
const TRIES: u32 = 20;

/// The runner.
#[derive(Clone, Debug)]
pub struct UnitRunner {
    systemd: Systemd,
    roots: Roots,
    directory: Arc<Path>,
}

impl UnitRunner {
    /// A runner over this systemd, which keeps what belongs to runs under `directory`.
    pub fn new(systemd: Systemd, roots: Roots, directory: &Path) -> Self {
        Self { systemd, roots, directory: directory.into() }
    }

    fn hold(&self, id: &RunId, name: TransientName) -> Arc<Hold> {
        let directory = self.directory.join(id.to_string());
        Arc::new(Hold { systemd: self.systemd.clone(), name, id: id.clone(), directory })
    }

    async fn begin(self, work: Work) -> Result<Running, RunError> {
        let id = work.id.clone();
        let hold = self.hold(&id, name_of(&id)?);
        let (place, name) = (hold.directory.clone(), hold.name.clone());
        let prepared = spawn_blocking(move || prepare(&place, work, name)).await;
        let prepared = prepared.unwrap_or_else(|_| Err(RunError::Failed("this node is stopping".into())));
        let Prepared { spec, ends, program, _other } = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                hold.clear().await;
                return Err(error);
            }
        };
        keep_ends(&id, &ends);
        match self.started(spec).await {
            Ok(running) => {
                let process = running.main_pid.and_then(|pid| identify(&self.roots, pid));
                Ok(Running { process, ends, leash: hold })
            }
            Err(error) => {
                // One that was asked for, and not answered, may run: it is looked for and never started twice.
                if matches!(error, SystemdError::Broken(_))
                    && let Some(found) = self.find(id).await
                {
                    return Ok(Running { ends, ..found });
                }
                hold.clear().await;
                Err(refused(&program, error))
            }
        }
    }

    async fn started(&self, spec: TransientSpec) -> Result<transient::Running, SystemdError> {
        // Early in the boot the bus may not be there yet.
        let mut tries = 0;
        while let Err(SystemdError::Unreachable(_)) = self.systemd.answers().await
            && tries < TRIES
        {
            tries += 1;
            sleep(AGAIN).await;
        }
        self.systemd.start_transient(spec).await
    }

    async fn find(self, id: RunId) -> Option<Running> {
        let hold = self.hold(&id, name_of(&id).ok()?);
        let mut tries = 0;
        let found = loop {
            match self.systemd.find_transient(&hold.name).await {
                Ok(found) => break found,
                Err(error) if tries >= TRIES => {
                    tracing::error!(run = %id, %error, "what became of a run cannot be learnt");
                    return None;
                }
                Err(_) => {
                    tries += 1;
                    sleep(AGAIN).await;
                }
            }
        };
        let Some(found) = found else {
            hold.forget();
            return None;
        };
        let process = found.main_pid.and_then(|pid| identify(&self.roots, pid));
        let ends = match kept::take(&stream_name(&id, TERMINAL)) {
            Some(master) => Ends::Terminal(master),
            None => {
                let [stdout, stderr] = STREAMS.map(|stream| kept::take(&stream_name(&id, stream)));
                let [named_out, named_err] = pipes::take_up(&hold.directory);
                Ends::Pipes { stdin: None, stdout: stdout.or(named_out), stderr: stderr.or(named_err) }
            }
        };
        // A store that was dropped, because this node was stopped and not started anew, is filled again.
        keep_ends(&id, &ends);
        Some(Running { process, ends, leash: hold })
    }
}

impl Runner for UnitRunner {
    fn start(&self, work: Work) -> BoxFuture<'static, Result<Running, RunError>> {
        self.clone().begin(work).boxed()
    }

    fn take_up(&self, id: &RunId, _: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>> {
        self.clone().find(id.clone()).boxed()
    }

    fn left(&self, kind: Kind) -> BoxFuture<'static, Vec<RunId>> {
        let systemd = self.systemd.clone();
        async move {
            match systemd.transients(kind.as_str()).await {
                Ok(found) => {
                    found.into_iter().map(|one| RunId { kind, id: one.name.id().to_owned() }).collect()
                }
                Err(error) => {
                    tracing::error!(%error, "what an earlier life of this node left cannot be learnt");
                    Vec::new()
                }
            }
        }
        .boxed()
    }

    fn outlives(&self) -> bool {
        true
    }

    fn unenforced(&self, _: &Limits, _: Option<&Account>) -> Vec<Limit> {
        Vec::new()
    }

    fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) {
        kept::give(name, descriptor);
    }

    fn kept(&self, name: &str) -> Option<OwnedFd> {
        kept::take(name)
    }

    fn unkeep(&self, name: &str) {
        kept::forget(name);
    }
}

const STREAMS: [&str; 2] = ["stdout", "stderr"];
const TERMINAL: &str = "terminal";

fn stream_name(id: &RunId, stream: &str) -> String {
    format!("{id}.{stream}")
}

fn keep_ends(id: &RunId, ends: &Ends) {
    let give = |stream, descriptor: &OwnedFd| kept::give(&stream_name(id, stream), descriptor.as_fd());
    match ends {
        Ends::Terminal(master) => give(TERMINAL, master),
        Ends::Pipes { stdout, stderr, .. } => {
            for (stream, descriptor) in STREAMS.into_iter().zip([stdout, stderr]) {
                if let Some(descriptor) = descriptor {
                    give(stream, descriptor);
                }
            }
        }
    }
}

fn name_of(id: &RunId) -> Result<TransientName, RunError> {
    TransientName::new(id.kind.as_str(), &id.id).map_err(|error| RunError::Failed(error.to_string()))
}

/// What systemd is given, and what is kept here.
struct Prepared {
    spec: TransientSpec,
    ends: Ends,
    program: String,
    // A terminal hangs up while nobody has its other side open: until the unit has.
    _other: Option<pty_process::Pts>,
}

fn prepare(place: &Path, work: Work, name: TransientName) -> Result<Prepared, RunError> {
    check_directory(&work)?;
    let file = work.resolved()?;
    let (streams, ends, other) = streams(place, &work)?;
    let account = work.account.as_ref().filter(|account| !account.is_own());
    let spec = TransientSpec {
        name,
        description: work.description,
        file: file.to_string_lossy().into_owned(),
        arguments: std::iter::once(work.program.clone()).chain(work.arguments).collect(),
        working_directory: Some(work.directory.to_string_lossy().into_owned()),
        user: account.map(|account| account.uid.to_string()),
        group: account.map(|account| account.gid.to_string()),
        environment: work.environment,
        limits: transient::Limits {
            memory_bytes_max: work.limits.memory_bytes,
            cpu_ratio_max: work.limits.cpu_percent.map(|percent| f64::from(percent) / 100.0),
            tasks_max: work.limits.tasks,
            files_max: work.limits.files,
        },
        streams,
        stop_signal: number_of(work.stop.signal).unwrap_or(rustix::process::Signal::TERM).as_raw(),
        stop_timeout: work.stop.timeout,
        run_timeout: None,
    };
    Ok(Prepared { spec, ends, program: work.program, _other: other })
}

type Both = ([Stream; 3], Ends, Option<pty_process::Pts>);

/// Both ends of its streams.
fn streams(place: &Path, work: &Work) -> Result<Both, RunError> {
    let failed = |error: io::Error| RunError::Failed(format!("its streams: {error}"));
    Ok(match work.streams {
        Streams::Null => (Default::default(), Ends::NONE, None),
        Streams::Terminal(size) => {
            let (master, other) = terminal(size, work.account.as_ref()).map_err(failed)?;
            let path = rustix::termios::ttyname(&other, Vec::new()).map_err(|errno| failed(errno.into()))?;
            let path = path.to_string_lossy().into_owned();
            ([(); 3].map(|()| Stream::Terminal(path.clone())), Ends::Terminal(master), Some(other))
        }
        Streams::Pipes { stdin } => {
            let (own_in, input) = match stdin {
                Stdin::Null => (None, Stream::Null),
                Stdin::Pipe => {
                    let (read, write) = pipes::input().map_err(failed)?;
                    (Some(write), Stream::Descriptor(read))
                }
            };
            let [out, err] = pipes::make(place, work.account.as_ref())?;
            let ends = Ends::Pipes { stdin: own_in, stdout: Some(out.read), stderr: Some(err.read) };
            let [out, err] = [out.write, err.write].map(|file| Stream::Descriptor(file.into()));
            ([input, out, err], ends, None)
        }
    })
}

fn refused(program: &str, error: SystemdError) -> RunError {
    match error {
        SystemdError::Refused { words: why, .. } | SystemdError::Invalid(why) => {
            RunError::NotRunnable { program: program.to_owned(), why }
        }
        other => RunError::Failed(other.to_string()),
    }
}

/// The hold on a unit.
#[derive(Debug)]
struct Hold {
    systemd: Systemd,
    name: TransientName,
    id: RunId,
    directory: PathBuf,
}

impl Hold {
    fn forget(&self) {
        for stream in STREAMS.into_iter().chain([TERMINAL]) {
            kept::forget(&stream_name(&self.id, stream));
        }
    }

    /// Takes away what this node keeps of it.
    async fn clear(&self) {
        self.forget();
        remove(&self.directory).await;
    }
}

impl Leash for Hold {
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), RunError>> {
        async move {
            let invalid = || RunError::Failed("this node does not know that signal".into());
            let number = number_of(signal).ok_or_else(invalid)?.as_raw();
            match self.systemd.kill_transient(&self.name, number).await {
                // It has ended.
                Ok(()) | Err(SystemdError::NoSuchUnit(_)) => Ok(()),
                Err(SystemdError::Refused { words, .. }) if words.contains("No process to kill") => Ok(()),
                Err(error) => Err(RunError::Failed(error.to_string())),
            }
        }
        .boxed()
    }

    fn ended(&self) -> BoxFuture<'_, End> {
        async {
            loop {
                match self.systemd.wait_transient(&self.name).await {
                    Ok(ended) => {
                        let end = end_of(&ended);
                        // What it left behind goes with it.
                        let left = self.signal(Signal::Kill).await;
                        if let Err(error) = left {
                            tracing::debug!(run = %self.id, %error, "nothing is left of a run, or it cannot be killed");
                        }
                        return end;
                    }
                    Err(error) => {
                        tracing::warn!(run = %self.id, %error, "the end of a run cannot be awaited: tried again");
                        sleep(AGAIN).await;
                    }
                }
            }
        }
        .boxed()
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        async {
            // First what would be found by nobody once the unit is gone.
            self.clear().await;
            if let Err(error) = self.systemd.release_transient(&self.name).await {
                tracing::warn!(run = %self.id, %error, "a unit that ended is left");
            }
        }
        .boxed()
    }
}

fn end_of(ended: &Ended) -> End {
    let Ended::Exited { exit, result } = ended else { return End::default() };
    let (code, signal) = match exit {
        Some(UnitExit::Code(code)) => (Some(*code), None),
        Some(UnitExit::Signal(signal) | UnitExit::Dumped(signal)) => (None, Some(*signal)),
        Some(UnitExit::Unknown) | None => (None, None),
    };
    End { code, signal, out_of_memory: Some(result == "oom-kill") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let end = |exit, result: &str| end_of(&Ended::Exited { exit, result: result.into() });
        assert_eq!(
            end(Some(UnitExit::Code(3)), "exit-code"),
            End { code: Some(3), signal: None, out_of_memory: Some(false) }
        );
        assert_eq!(
            end(Some(UnitExit::Signal(9)), "oom-kill"),
            End { code: None, signal: Some(9), out_of_memory: Some(true) }
        );
        assert_eq!(end_of(&Ended::Gone), End::default(), "nobody saw it");
    }
}
