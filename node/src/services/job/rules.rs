//! What jobs may do: the same as their author could by `exec`, asked when one is submitted and when it begins.

use std::sync::Arc;

use p2p_shared::access::{Caller, Permission};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::services::exec::{ExecExit, NOT_RUNNABLE};
use p2p_shared::services::job::{JobOwner, JobRequest, JobWork, submit};
use p2p_shared::services::network::{self, ScanRequest};
use p2p_shared::tls::Trust;
use tokio::runtime::Handle;

use crate::host::network::interfaces::own_addresses;
use crate::jobs::core::Author;
use crate::jobs::hands::{Errand, Rules};
use crate::policy::Fuse;
use crate::services::exec;
use crate::services::network::plan;

/// The local policy, and who is revoked.
pub struct JobRules {
    fuse: Fuse,
    trust: Arc<Trust>,
}

impl JobRules {
    /// Rules of these.
    pub const fn new(fuse: Fuse, trust: Arc<Trust>) -> Self {
        Self { fuse, trust }
    }
}

impl Rules for JobRules {
    fn judge(&self, request: &JobRequest, author: &Author) -> Result<Result<Errand, ExecExit>, RpcError> {
        let caller = caller(&author.owner);
        let (needed, what) = match &request.work {
            JobWork::Command(_) => (Permission::Exec, "run anything"),
            JobWork::Scan(_) => (Permission::NetworkScan, "scan anything"),
        };
        if !caller.may(needed) {
            return Err(RpcError::forbidden(format!("denied: role: {caller} may not {what}")));
        }
        if author.owner.id.is_some_and(|id| self.trust.is_revoked(&id)) {
            return Err(RpcError::forbidden(format!("denied: revoked: the key of {caller}")));
        }
        self.fuse.judge(&submit::METHOD, &caller)?;
        let request = match &request.work {
            JobWork::Command(request) => request,
            JobWork::Scan(request) => {
                self.fuse.judge(&network::scan::METHOD, &caller)?;
                return self.scan(request);
            }
        };
        let mut command = exec::command(request.clone())?;
        // What cannot be run is no question of being allowed: that is how it ends.
        if let Ok(work) = &mut command {
            exec::judge(&self.fuse, work)?;
        }
        Ok(command.map(|work| Errand::Command(Box::new(work))))
    }
}

impl JobRules {
    /// The scan that is meant. Names are looked up anew each time; one that is not known now may be later.
    fn scan(&self, request: &ScanRequest) -> Result<Result<Errand, ExecExit>, RpcError> {
        let own = own_addresses()?;
        match Handle::current().block_on(plan(&self.fuse.policy(), request, &own)) {
            Ok(plan) => Ok(Ok(Errand::Scan(plan))),
            Err(error) if matches!(error.code, Code::Forbidden | Code::BadRequest) => Err(error),
            Err(error) => {
                let (code, problem) = (Some(NOT_RUNNABLE), Some(error.message));
                Ok(Err(ExecExit { code, problem, ..ExecExit::default() }))
            }
        }
    }
}

/// Who it was, as far as rules ask.
fn caller(owner: &JobOwner) -> Caller {
    match (owner.id, owner.name.parse(), owner.role) {
        (Some(id), Ok(name), Some(role)) => Caller::Operator { id, name, role },
        (Some(id), Ok(name), None) => Caller::Node { id, name },
        (_, _, Some(role)) => Caller::User { name: owner.name.clone(), role },
        (_, _, None) => Caller::Unix { uid: u32::MAX, name: owner.name.clone(), role: None },
    }
}
