//! The runner without a service manager: each program is a child in a process group of its own.
//!
//! What leaves that group (a daemon that makes a session of its own) is not held. Memory is limited by its
//! data segment, processes by those of its user; a share of the processors cannot be held without cgroups.

use std::fs;
use std::process::Child;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::services::process::ProcessRef;
use p2p_shared::services::program::{Limit, ProgramDefinition};
use rustix::process::{Pid, geteuid};
use tokio::task::spawn_blocking;

use super::leash::{ChildLeash, FoundLeash, watch};
use super::{Launch, LaunchError, Runner, Running, command, find, identify, pipes, start_ticks};
use crate::host::Roots;
use crate::host::processes::boot_id;

/// Which program a process belongs to, for people.
const NAME: &str = "P2P_ADMIN_PROGRAM";

/// The runner.
#[derive(Clone, Debug, Default)]
pub struct GroupRunner {
    roots: Roots,
}

impl GroupRunner {
    /// A runner on the machine of these roots.
    pub const fn new(roots: Roots) -> Self {
        Self { roots }
    }
}

impl Runner for GroupRunner {
    fn start(&self, launch: Launch) -> BoxFuture<'static, Result<Running, LaunchError>> {
        let roots = self.roots.clone();
        async move {
            let spawned = spawn_blocking(move || spawn(&roots, &launch)).await;
            let (child, process, outputs) = spawned.map_err(|_| LaunchError::Stopping)??;
            hold(child, process, outputs)
        }
        .boxed()
    }

    fn take_up(&self, launch: Launch, known: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>> {
        let roots = self.roots.clone();
        async move {
            let looking = roots.clone();
            let found = spawn_blocking(move || look(&looking, &launch, known)).await.ok()??;
            let (process, outputs) = found;
            let group = pid_of(process.pid)?;
            let handle = watch(group).ok()?;
            // Verified once more behind the handle: a number that was given anew in between is not taken.
            (start_ticks(&roots, process.pid) == Some(process.start_ticks)).then(|| {
                let leash = Arc::new(FoundLeash { roots, process: process.clone(), group, handle });
                Running { process, outputs, leash }
            })
        }
        .boxed()
    }

    fn unenforced(&self, definition: &ProgramDefinition) -> Vec<Limit> {
        let user = definition.user.as_deref();
        let is_root = user.map_or_else(|| geteuid().is_root(), |user| user == "root" || user == "0");
        let limits = definition.limits;
        let cpu = limits.cpu_percent.map(|_| Limit::Cpu);
        cpu.into_iter().chain(limits.tasks.filter(|_| is_root).map(|_| Limit::Tasks)).collect()
    }
}

type Outputs = [Option<std::os::fd::OwnedFd>; 2];

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn spawn(roots: &Roots, launch: &Launch) -> Result<(Child, ProcessRef, Outputs), LaunchError> {
    let definition = &launch.definition;
    let words = (definition.command.as_str(), definition.arguments.as_slice());
    let (mut command, account) = command::build(roots, definition, words)?;
    let output = |source| LaunchError::Output { path: launch.directory.clone(), source };
    fs::create_dir_all(&launch.directory).map_err(output)?;
    let [out, err] = pipes::make(&launch.directory, account.as_ref())?;
    command.env(find::MARK, find::mark(launch.run)).env(NAME, definition.name.as_str());
    command.stdout(out.write).stderr(err.write);
    let failed = |source| LaunchError::Spawn { command: definition.command.clone(), source };
    let mut child = command.spawn().map_err(failed)?;
    // It has not been reaped, so this is it.
    let process = identify(roots, child.id());
    // What the node was spared is not for its children. Without /proc there is nothing to spare.
    let _ = fs::write(roots.proc.join(child.id().to_string()).join("oom_score_adj"), "0");
    if let Some(process) = process {
        return Ok((child, process, [Some(out.read), Some(err.read)]));
    }
    // What cannot be told from others must not run; it may have ended already.
    let _ = child.kill();
    let _ = child.wait();
    Err(failed(std::io::Error::other(format!("it is not in {}", roots.proc.display()))))
}

fn hold(mut child: Child, process: ProcessRef, outputs: Outputs) -> Result<Running, LaunchError> {
    let held = pid_of(process.pid).ok_or(LaunchError::Stopping).and_then(|group| {
        let failed = |source| LaunchError::Spawn { command: "watching its process".into(), source };
        watch(group).map(|handle| (group, handle)).map_err(failed)
    });
    match held {
        Ok((group, handle)) => {
            let leash = Arc::new(ChildLeash::new(group, child, handle));
            Ok(Running { process, outputs, leash })
        }
        Err(error) => {
            // Out of descriptors: what cannot be watched must not run.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// A run of an earlier life that goes on.
fn look(roots: &Roots, launch: &Launch, known: Option<ProcessRef>) -> Option<(ProcessRef, Outputs)> {
    // As the kernel writes it, where the data directory is reached over a link.
    let directory = fs::canonicalize(&launch.directory).unwrap_or_else(|_| launch.directory.clone());
    let process = match known {
        Some(process) => process,
        None => identify(roots, find::leader(roots, launch.run, &directory)?)?,
    };
    let same_boot = boot_id(roots).is_ok_and(|boot| *boot == *process.boot_id);
    let lives = same_boot && start_ticks(roots, process.pid) == Some(process.start_ticks);
    lives.then(|| (process, pipes::take_up(&launch.directory)))
}
