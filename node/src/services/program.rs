//! The service `program`: orders to the supervisor, and what programs write.

use std::path::Path;
use std::time::Duration;

use p2p_shared::access::Permission;
use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::program::{
    Check, LogChunk, OutputStream, Program, ProgramDefinition, ProgramInfo, ProgramLog, ProgramName,
    ProgramState, ProgramStatus,
};
use tokio::time::Instant;

use crate::host::Roots;
use crate::host::run::account::Account;
use crate::host::run::{own_user, really_run};
use crate::policy::Fuse;
use crate::services::followed::{Followed, check_lines, reading, text};
use crate::supervise::core::{Input, Order, Refusal, Replace};
use crate::supervise::handle::SupervisorHandle;

/// An answer comes so long before the caller stops waiting for it.
const MARGIN: Duration = Duration::from_millis(500);
/// How long an order without a deadline may take to be carried out.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// The implementation.
#[derive(Debug)]
pub struct ProgramService {
    supervisor: SupervisorHandle,
    fuse: Fuse,
}

impl ProgramService {
    /// A service over this supervisor, for what `fuse` allows.
    pub const fn new(supervisor: SupervisorHandle, fuse: Fuse) -> Self {
        Self { supervisor, fuse }
    }

    pub(super) fn judge(&self, definition: &ProgramDefinition) -> Result<(), RpcError> {
        judge(&self.fuse, definition)
    }

    /// Whether a start of this program would be let in, of one that it defines too.
    pub(super) async fn judge_start(
        &self,
        context: &CallContext,
        name: String,
        path: Option<String>,
    ) -> Result<(), RpcError> {
        let name = named(name)?;
        match path {
            None => self.judge(&self.supervisor.definition(&name).await?),
            Some(path) => {
                may_define(context)?;
                self.judge(&ProgramDefinition::new(name, path))
            }
        }
    }

    async fn ask(&self, context: &CallContext, name: &ProgramName, order: Order) -> Result<(), RpcError> {
        if matches!(order, Order::Start | Order::Restart) {
            self.judge(&self.supervisor.definition(name).await?)?;
        }
        let by = context.caller.to_string();
        self.supervisor.order(Input::Ask { name: name.clone(), order, by }).await
    }

    async fn settled(
        &self,
        context: &CallContext,
        name: &ProgramName,
        wanted: impl Fn(&ProgramInfo) -> bool,
    ) -> Result<ProgramStatus, RpcError> {
        let most = Instant::now() + SETTLE_MAX;
        let deadline = context.deadline.map_or(most, |deadline| (deadline - MARGIN).min(most));
        let settled = self.supervisor.settled(name, deadline, wanted).await;
        settled.ok_or_else(|| RpcError::not_found(format!("{name} was removed meanwhile")))
    }

    /// Defines a program of nothing but a command, unless it is just that already.
    async fn define_path(&self, name: &ProgramName, path: String) -> Result<(), RpcError> {
        match self.supervisor.definition(name).await {
            Ok(known) if known.command == path && known.arguments.is_empty() => Ok(()),
            Ok(known) => {
                let what = known.command;
                Err(RpcError::conflict(format!(
                    "{name} is defined already, as {what}: start it without a path"
                )))
            }
            Err(_) => {
                let definition = Box::new(ProgramDefinition::new(name.clone(), path));
                self.judge(&definition)?;
                self.supervisor.order(Input::Define { definition, replace: Replace::No }).await
            }
        }
    }
}

/// A start with a path defines a program, which needs more than a start.
fn may_define(context: &CallContext) -> Result<(), RpcError> {
    if !context.caller.may(Permission::Exec) {
        let (caller, exec) = (&context.caller, Permission::Exec);
        let text = format!(
            "denied: role: program.start with a path: {exec} needs role {}, which {caller} has not",
            exec.role()
        );
        return Err(RpcError::forbidden(text));
    }
    Ok(())
}

/// Whether the local policy lets this program run, whoever defined it and when.
///
/// # Errors
/// What it says of the command, of the probe, or of the user.
pub fn judge(fuse: &Fuse, definition: &ProgramDefinition) -> Result<(), RpcError> {
    let named = |user: &String| {
        Account::find(&Roots::default(), user).map_or_else(|| user.clone(), |account| account.name)
    };
    let user = definition.user.as_ref().map_or_else(own_user, named);
    let directory = Path::new(definition.working_directory.as_deref().unwrap_or("/"));
    let environment: Vec<_> = definition.environment.clone().into_iter().collect();
    let probe = match definition.probe.as_ref().map(|probe| &probe.check) {
        Some(Check::Command(words)) => words.first(),
        _ => None,
    };
    std::iter::once(&definition.command).chain(probe).try_for_each(|word| {
        let file = really_run(word, directory, &environment);
        fuse.judge_command(file.to_string_lossy().into_owned(), &user)
    })
}

/// A text that can name a program names one, or nothing that is there.
fn named(name: String) -> Result<ProgramName, RpcError> {
    Ok(ProgramName::try_from(name.clone()).map_err(|_| Refusal::Unknown(name))?)
}

impl Program for ProgramService {
    async fn list(&self, _: &CallContext) -> Result<Vec<ProgramInfo>, RpcError> {
        Ok(self.supervisor.list())
    }

    async fn status(&self, _: &CallContext, name: String) -> Result<ProgramStatus, RpcError> {
        self.supervisor.status(&named(name)?)
    }

    async fn logs(&self, _: &CallContext, name: String, lines: u32) -> Result<ProgramLog, RpcError> {
        let name = named(name)?;
        let lost_bytes = self.supervisor.status(&name)?.lost_bytes;
        check_lines(lines, 1)?;
        let output = self.supervisor.outputs().of(&name);
        let [out, err] = output.streams.clone();
        let (stdout, stderr) =
            reading(name.as_str(), move || Ok((out.tail(lines)?, err.tail(lines)?))).await?;
        Ok(ProgramLog { stdout: text(&stdout), stderr: text(&stderr), lost_bytes })
    }

    async fn follow(
        &self,
        _: &CallContext,
        name: String,
        lines: u32,
        items: Items<LogChunk>,
    ) -> Result<(), RpcError> {
        let name = named(name)?;
        self.supervisor.status(&name)?;
        check_lines(lines, 0)?;
        let [out, err] = self.supervisor.outputs().of(&name).streams.clone();
        let mut out = Followed::begin(name.as_str(), OutputStream::Stdout, out, lines).await?;
        let mut err = Followed::begin(name.as_str(), OutputStream::Stderr, err, lines).await?;
        for followed in [&mut out, &mut err] {
            followed.send_first(&items).await?;
        }
        loop {
            let chunk = tokio::select! {
                chunk = out.next() => chunk,
                chunk = err.next() => chunk,
                () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
            };
            match chunk {
                Some(chunk) => items.send(&chunk).await?,
                None => return Err(RpcError::not_found(format!("{name} was removed"))),
            }
        }
    }

    async fn definition(&self, _: &CallContext, name: String) -> Result<ProgramDefinition, RpcError> {
        self.supervisor.definition(&named(name)?).await
    }

    async fn define(
        &self,
        _: &CallContext,
        definition: ProgramDefinition,
        replace: bool,
    ) -> Result<ProgramStatus, RpcError> {
        self.judge(&definition)?;
        let name = definition.name.clone();
        let replace = if replace { Replace::Yes } else { Replace::No };
        self.supervisor.order(Input::Define { definition: Box::new(definition), replace }).await?;
        self.supervisor.status(&name)
    }

    async fn start(
        &self,
        context: &CallContext,
        name: String,
        path: Option<String>,
    ) -> Result<ProgramStatus, RpcError> {
        let Some(path) = path else {
            let name = named(name)?;
            self.ask(context, &name, Order::Start).await?;
            return self.settled(context, &name, has_begun).await;
        };
        may_define(context)?;
        let name = ProgramName::try_from(name).map_err(|error| RpcError::bad_request(error.to_string()))?;
        self.define_path(&name, path).await?;
        self.ask(context, &name, Order::Start).await?;
        self.settled(context, &name, has_begun).await
    }

    async fn stop(&self, context: &CallContext, name: String) -> Result<ProgramStatus, RpcError> {
        let name = named(name)?;
        self.ask(context, &name, Order::Stop).await?;
        self.settled(context, &name, |info| info.state != ProgramState::Stopping).await
    }

    async fn restart(&self, context: &CallContext, name: String) -> Result<ProgramStatus, RpcError> {
        let name = named(name)?;
        self.ask(context, &name, Order::Restart).await?;
        self.settled(context, &name, has_begun).await
    }

    async fn remove(&self, context: &CallContext, name: String) -> Result<(), RpcError> {
        let name = named(name)?;
        self.ask(context, &name, Order::Remove).await?;
        match self.settled(context, &name, |_| false).await {
            Ok(_) => Err(RpcError::deadline(format!("{name} has not ended yet; it is removed when it has"))),
            Err(_) => Ok(()),
        }
    }
}

/// Whether what a start leads to is there.
fn has_begun(info: &ProgramInfo) -> bool {
    !matches!(info.state, ProgramState::Starting | ProgramState::Stopping)
}
