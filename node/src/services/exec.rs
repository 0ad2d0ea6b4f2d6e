//! The service `exec`: judges a request, has `host::run` run it, and tends it to its end.
//!
//! Each command has a task of its own on the node's main runtime, so that its time-out and its death do not
//! depend on whether its caller reads. The call holds a guard: where the call is dropped, the command is killed.

mod adopt;
mod tend;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::exec::{
    CommandLine, Exec, ExecExit, ExecInput, ExecItem, ExecRequest, NOT_FOUND, NOT_RUNNABLE,
    OUTPUT_BYTES_DEFAULT, OUTPUT_BYTES_MAX,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::host::Roots;
use crate::host::run::account::Account;
use crate::host::run::{
    Kind, Limits as Bounds, RunError, RunId, Runner, Stdin, Stop, Streams, Work, base_environment, own_user,
    really_run,
};
use crate::policy::Fuse;

pub use adopt::adopt;
use tend::{Fate, Limits, Tended};

/// Commands that run at the same time; one more is refused.
pub const RUNNING_MAX: usize = 256;
/// Arguments and variables of one command.
const WORDS_MAX: usize = 4_096;

/// The implementation.
#[derive(Debug)]
pub struct ExecService {
    fuse: Fuse,
    runner: Arc<dyn Runner>,
    runtime: Handle,
    tasks: TaskTracker,
    stopping: CancellationToken,
    places: Arc<Semaphore>,
}

impl ExecService {
    /// A service whose commands `fuse` allows and `runner` starts. They are tended on the given runtime as tasks of the tracker,
    /// and are killed once the token is cancelled.
    pub fn new(
        fuse: Fuse,
        runner: Arc<dyn Runner>,
        (runtime, tasks, stopping): (Handle, TaskTracker, CancellationToken),
    ) -> Self {
        Self { fuse, runner, runtime, tasks, stopping, places: Arc::new(Semaphore::new(RUNNING_MAX)) }
    }
}

impl Exec for ExecService {
    async fn run(
        &self,
        _: &CallContext,
        request: ExecRequest,
        inputs: Inputs<ExecInput>,
        items: Items<ExecItem>,
    ) -> Result<(), RpcError> {
        let limits = limits(&request)?;
        let mut command = command(request)?;
        if let Ok(work) = &mut command {
            judge(&self.fuse, work)?;
        }
        let full = || {
            RpcError::new(
                p2p_shared::error::Code::RateLimited,
                format!("{RUNNING_MAX} commands run on this node already: try again when some have ended"),
            )
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| full())?;
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        let (runner, stopping) = (Arc::clone(&self.runner), self.stopping.clone());
        let task = self.tasks.spawn_on(
            async move {
                let _place = place;
                match command {
                    Err(exit) => items.send(&ExecItem::Exit(exit)).await,
                    Ok(command) => match runner.start(command.clone()).await {
                        Ok(running) => {
                            let fate = if runner.outlives() { Fate::GoesOn } else { Fate::Ends };
                            let tended = Tended { id: command.id, running, fate, limits, gone, stopping };
                            tended.run(inputs, items).await
                        }
                        Err(error) => items.send(&ExecItem::Exit(never_ran(error)?)).await,
                    },
                }
            },
            &self.runtime,
        );
        let ended = task.await;
        drop(guard);
        ended.unwrap_or_else(|error| Err(RpcError::internal(format!("tending a command failed: {error}"))))
    }
}

/// Asks the local policy, and has what was judged be what is run; what is not there says so when it is started.
pub(crate) fn judge(fuse: &Fuse, work: &mut Work) -> Result<(), RpcError> {
    let user = work.account.as_ref().map_or_else(own_user, |account| account.name.clone());
    let file = really_run(&work.program, &work.directory, &work.environment);
    fuse.judge_command(file.to_string_lossy().into_owned(), &user)?;
    work.file = Some(file).filter(|file| file.is_absolute());
    Ok(())
}

/// Whether a request would be let in: what it asks for, and whether the local policy lets its command run.
///
/// # Errors
/// As the call itself.
pub(super) fn judge_request(fuse: &Fuse, request: ExecRequest) -> Result<(), RpcError> {
    limits(&request)?;
    let Ok(mut work) = command(request)? else { return Ok(()) };
    judge(fuse, &mut work)
}

fn limits(request: &ExecRequest) -> Result<Limits, RpcError> {
    let output_bytes = request.output_bytes_max.unwrap_or(OUTPUT_BYTES_DEFAULT);
    if output_bytes > OUTPUT_BYTES_MAX {
        return Err(RpcError::bad_request(format!("output_bytes_max is at most {OUTPUT_BYTES_MAX}")));
    }
    Ok(Limits { output_bytes, time: request.timeout_ms.map(Duration::from_millis) })
}

/// The command that is meant. The inner error is one of its own: it ends as one that cannot be run.
pub(crate) fn command(request: ExecRequest) -> Result<Result<Work, ExecExit>, RpcError> {
    let (program, arguments) = match request.command {
        CommandLine::Program { program, arguments } => (program, arguments),
        CommandLine::Shell { line } => ("/bin/sh".to_owned(), vec!["-c".to_owned(), line]),
    };
    if program.is_empty() {
        return Err(RpcError::bad_request("the command is empty"));
    }
    if arguments.len() > WORDS_MAX || request.environment.len() > WORDS_MAX {
        return Err(RpcError::bad_request(format!(
            "a command has at most {WORDS_MAX} arguments and variables"
        )));
    }
    let variables = request.environment.iter();
    if let Some(bad) = variables.clone().find(|one| one.name.is_empty() || one.name.contains('=')) {
        return Err(RpcError::bad_request(format!("{:?} is no name of a variable", bad.name)));
    }
    let texts = arguments.iter().chain([&program]).chain(&request.directory);
    if texts.chain(variables.flat_map(|one| [&one.name, &one.value])).any(|text| text.contains('\0')) {
        return Err(RpcError::bad_request("a command holds a zero byte, which none can"));
    }
    let roots = Roots::default();
    let own = rustix::process::geteuid().as_raw().to_string();
    let wanted = request.user.as_deref();
    let account = Account::find(&roots, wanted.unwrap_or(&own));
    let account = match (account, wanted) {
        (None, Some(user)) => {
            let why = format!("user {user:?} is in no line of /etc/passwd");
            return Ok(Err(problem(NOT_RUNNABLE, RunError::NotRunnable { program, why }.to_string())));
        }
        (account, _) => account,
    };
    let home = account.as_ref().map(|account| account.home.clone()).filter(|home| home.is_dir());
    let directory = request.directory.map_or_else(|| home.unwrap_or_else(|| "/".into()), PathBuf::from);
    let mut environment = base_environment(account.as_ref());
    environment.extend(request.environment.into_iter().map(|one| (one.name, one.value)));
    let account = account.filter(|account| wanted.is_some() && account.uid.to_string() != own);
    Ok(Ok(Work {
        id: RunId { kind: Kind::Exec, id: uuid::Uuid::now_v7().simple().to_string() },
        description: format!("P2P Admin: command {program}"),
        program,
        file: None,
        arguments,
        directory,
        account,
        environment,
        limits: Bounds::default(),
        stop: Stop::default(),
        streams: Streams::Pipes { stdin: Stdin::Pipe },
    }))
}

fn problem(code: i32, problem: String) -> ExecExit {
    ExecExit { code: Some(code), problem: Some(problem), ..ExecExit::default() }
}

/// What is wrong with a command is how it ended; what is wrong with the node is an error of the call.
pub(crate) fn never_ran(error: RunError) -> Result<ExecExit, RpcError> {
    let text = error.to_string();
    match error {
        RunError::NotFound { .. } => Ok(problem(NOT_FOUND, text)),
        RunError::NotRunnable { .. } | RunError::Unknown { .. } => Ok(problem(NOT_RUNNABLE, text)),
        RunError::Denied { .. } => Err(RpcError::forbidden(text)),
        RunError::Failed(_) => Err(RpcError::unavailable(text)),
    }
}
