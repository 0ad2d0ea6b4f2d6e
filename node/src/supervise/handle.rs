//! The way to the supervisor for services: orders go in, what became of every program comes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::services::program::{ProgramDefinition, ProgramInfo, ProgramName, ProgramStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::core::{Input, Refusal};
use super::output::Outputs;

/// What is told of every program.
pub type Programs = Arc<BTreeMap<ProgramName, Arc<ProgramStatus>>>;

/// Orders that wait; beyond, who asks waits too.
pub const ORDERS_QUEUE: usize = 64;

/// What somebody wants of the supervisor, and where the answer goes: after it is on disk.
#[derive(Debug)]
pub enum Asked {
    /// Something that changes.
    Order {
        /// What.
        input: Input,
        /// Whether it was done.
        answer: oneshot::Sender<Result<(), RpcError>>,
    },
    /// The definition as it is.
    Definition {
        /// Whose.
        name: ProgramName,
        /// It, if there is such a program.
        answer: oneshot::Sender<Option<ProgramDefinition>>,
    },
}

/// The handle. Clones lead to the same supervisor.
#[derive(Clone, Debug)]
pub struct SupervisorHandle {
    asked: mpsc::Sender<Asked>,
    programs: watch::Receiver<Programs>,
    outputs: Outputs,
}

impl From<Refusal> for RpcError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Unknown(_) => Self::not_found(message),
            Refusal::Bad(_) => Self::bad_request(message),
            Refusal::Conflict(_) => Self::conflict(message),
        }
    }
}

fn stopped<E>(_: E) -> RpcError {
    RpcError::unavailable("this node is shutting down: it starts and stops no more programs")
}

impl SupervisorHandle {
    pub(super) const fn new(
        asked: mpsc::Sender<Asked>,
        programs: watch::Receiver<Programs>,
        outputs: Outputs,
    ) -> Self {
        Self { asked, programs, outputs }
    }

    /// Every program, by name.
    pub fn list(&self) -> Vec<ProgramInfo> {
        self.programs.borrow().values().map(|status| status.info.clone()).collect()
    }

    /// Every program, now and whenever something changes.
    pub fn watch(&self) -> watch::Receiver<Programs> {
        self.programs.clone()
    }

    /// One program.
    ///
    /// # Errors
    /// `not_found`.
    pub fn status(&self, name: &ProgramName) -> Result<ProgramStatus, RpcError> {
        let found = self.programs.borrow().get(name).cloned();
        let status = found.ok_or_else(|| Refusal::Unknown(name.to_string()))?;
        Ok(ProgramStatus { lost_bytes: self.outputs.of(name).lost(), ..ProgramStatus::clone(&status) })
    }

    /// The definition of a program, with all values.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn definition(&self, name: &ProgramName) -> Result<ProgramDefinition, RpcError> {
        let (answer, answered) = oneshot::channel();
        self.asked.send(Asked::Definition { name: name.clone(), answer }).await.map_err(stopped)?;
        Ok(answered.await.map_err(stopped)?.ok_or_else(|| Refusal::Unknown(name.to_string()))?)
    }

    /// Has something done; answers once it is on disk.
    ///
    /// # Errors
    /// As the supervisor refuses; `unavailable` if it cannot be kept.
    pub async fn order(&self, input: Input) -> Result<(), RpcError> {
        let (answer, answered) = oneshot::channel();
        self.asked.send(Asked::Order { input, answer }).await.map_err(stopped)?;
        answered.await.map_err(stopped)?
    }

    /// Waits until a program is as wanted or gone, or until `deadline`; `None` if it is gone.
    pub async fn settled(
        &self,
        name: &ProgramName,
        deadline: Instant,
        wanted: impl Fn(&ProgramInfo) -> bool,
    ) -> Option<ProgramStatus> {
        let mut programs = self.programs.clone();
        let is_there = |programs: &Programs| programs.get(name).is_none_or(|status| wanted(&status.info));
        // Late or not, what it is then is the answer.
        let _ = timeout_at(deadline, programs.wait_for(is_there)).await.map(|found| found.is_ok());
        self.status(name).ok()
    }

    /// What programs write.
    pub const fn outputs(&self) -> &Outputs {
        &self.outputs
    }
}
