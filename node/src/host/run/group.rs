//! The runner without a service manager: each run is a child of this node that leads a group, most also a session.
//!
//! What leaves that group (a daemon that makes a session of its own) is not held. Memory is limited by its
//! data segment, processes by those of its user; a share of the processors cannot be held without cgroups.
//! Programs outlive the node; whatever else runs is killed when its leash is dropped, and so when the node ends.

use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::services::process::ProcessRef;
use p2p_shared::services::program::Limit;
use rustix::process::{Pid, geteuid};
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;

use super::account::Account;
use super::fork::fork;
use super::leash::{ChildLeash, FoundLeash, remove, watch};
use super::{
    Ends, Kind, Leash, Limits, RunError, RunId, Runner, Running, Streams, Work, find, identify, pipes,
    start_ticks,
};
use crate::host::Roots;
use crate::host::processes::boot_id;

/// The runner.
#[derive(Clone, Debug)]
pub struct GroupRunner {
    roots: Roots,
    runs: PathBuf,
}

impl GroupRunner {
    /// A runner on the machine of these roots. The pipes of programs lie under `runs`.
    pub const fn new(roots: Roots, runs: PathBuf) -> Self {
        Self { roots, runs }
    }

    async fn begin(self, work: Work) -> Result<Running, RunError> {
        let (kind, directory) = (work.id.kind, self.runs.join(work.id.to_string()));
        let is_named = kind == Kind::Program && matches!(work.streams, Streams::Pipes { .. });
        let begun = async {
            let (mut child, ends) = fork(work, directory.clone()).await?;
            match self.hold(child.id()) {
                Ok((process, group, handle)) => {
                    let directory = Some(directory.clone()).filter(|_| is_named);
                    let leash = ChildLeash::new((kind, group), child, handle, directory);
                    Ok(Running { process: Some(process), ends, leash: Arc::new(leash) })
                }
                Err(error) => {
                    // What cannot be watched, or told from others, must not run.
                    let _ = child.start_kill();
                    let _ = child.wait().await;
                    Err(error)
                }
            }
        }
        .await;
        if begun.is_err() && is_named {
            remove(&directory).await;
        }
        begun
    }

    /// What identifies a child that was not reaped, and the handle on it.
    fn hold(&self, child: Option<u32>) -> Result<(ProcessRef, Pid, AsyncFd<OwnedFd>), RunError> {
        let failed = |what: String| RunError::Failed(format!("the new process: {what}"));
        let pid = child.ok_or_else(|| failed("it has no number".into()))?;
        let group = pid_of(pid).ok_or_else(|| failed("it has no number".into()))?;
        let process = identify(&self.roots, pid);
        let process = process.ok_or_else(|| failed(format!("it is not in {}", self.roots.proc.display())))?;
        // What the node was spared is not for its children. Without /proc there is nothing to spare.
        let _ = fs::write(self.roots.proc.join(pid.to_string()).join("oom_score_adj"), "0");
        let handle = watch(group).map_err(|error| failed(error.to_string()))?;
        Ok((process, group, handle))
    }

    /// A run of an earlier life that goes on.
    fn look(&self, id: &RunId, known: Option<ProcessRef>) -> Option<(ProcessRef, Ends)> {
        let directory = self.runs.join(id.to_string());
        // As the kernel writes it, where the data directory is reached over a link.
        let real = fs::canonicalize(&directory).unwrap_or_else(|_| directory.clone());
        let process = match known {
            Some(process) => process,
            None => identify(&self.roots, find::leader(&self.roots, id, &real)?)?,
        };
        let same_boot = boot_id(&self.roots).is_ok_and(|boot| *boot == *process.boot_id);
        let lives = same_boot && start_ticks(&self.roots, process.pid) == Some(process.start_ticks);
        lives.then(|| {
            let [stdout, stderr] = pipes::take_up(&directory);
            (process, Ends::Pipes { stdin: None, stdout, stderr })
        })
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

impl Runner for GroupRunner {
    fn start(&self, work: Work) -> BoxFuture<'static, Result<Running, RunError>> {
        self.clone().begin(work).boxed()
    }

    fn take_up(&self, id: &RunId, known: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>> {
        let (runner, id) = (self.clone(), id.clone());
        async move {
            let directory = runner.runs.join(id.to_string());
            let looking = runner.clone();
            let found = spawn_blocking(move || looking.look(&id, known)).await.ok()?;
            let Some((process, ends)) = found else {
                remove(&directory).await;
                return None;
            };
            let group = pid_of(process.pid)?;
            let handle = watch(group).ok()?;
            // Verified once more behind the handle: a number that was given anew in between is not taken.
            (start_ticks(&runner.roots, process.pid) == Some(process.start_ticks)).then(|| {
                let leash: Arc<dyn Leash> = Arc::new(FoundLeash {
                    roots: runner.roots,
                    process: process.clone(),
                    group,
                    handle,
                    directory,
                });
                Running { process: Some(process), ends, leash }
            })
        }
        .boxed()
    }

    fn left(&self, _: Kind) -> BoxFuture<'static, Vec<RunId>> {
        async { Vec::new() }.boxed()
    }

    fn outlives(&self) -> bool {
        false
    }

    fn unenforced(&self, limits: &Limits, account: Option<&Account>) -> Vec<Limit> {
        let is_root = account.map_or_else(|| geteuid().is_root(), |account| account.uid == 0);
        let cpu = limits.cpu_percent.map(|_| Limit::Cpu);
        cpu.into_iter().chain(limits.tasks.filter(|_| is_root).map(|_| Limit::Tasks)).collect()
    }

    fn keep(&self, _: &str, _: BorrowedFd<'_>) {}

    fn kept(&self, _: &str) -> Option<OwnedFd> {
        None
    }

    fn unkeep(&self, _: &str) {}
}

#[cfg(test)]
mod tests;
