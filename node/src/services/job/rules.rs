//! What jobs may do: the same as their author could by `exec`, asked when one is submitted and when it begins.

use std::sync::Arc;

use p2p_shared::access::{Caller, Permission};
use p2p_shared::error::RpcError;
use p2p_shared::services::exec::ExecExit;
use p2p_shared::services::job::{JobOwner, JobRequest, JobWork, submit};
use p2p_shared::tls::Trust;

use crate::host::run::Work;
use crate::jobs::core::Author;
use crate::jobs::hands::Rules;
use crate::policy::Fuse;
use crate::services::exec;

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
    fn judge(&self, request: &JobRequest, author: &Author) -> Result<Result<Work, ExecExit>, RpcError> {
        let caller = caller(&author.owner);
        if !caller.may(Permission::Exec) {
            return Err(RpcError::forbidden(format!("denied: role: {caller} may not run anything")));
        }
        if author.owner.id.is_some_and(|id| self.trust.is_revoked(&id)) {
            return Err(RpcError::forbidden(format!("denied: revoked: the key of {caller}")));
        }
        self.fuse.judge(&submit::METHOD, &caller)?;
        let JobWork::Command(request) = &request.work;
        let mut command = exec::command(request.clone())?;
        // What cannot be run is no question of being allowed: that is how it ends.
        if let Ok(work) = &mut command {
            exec::judge(&self.fuse, work)?;
        }
        Ok(command)
    }
}

/// Who it was, as far as rules ask.
fn caller(owner: &JobOwner) -> Caller {
    match (owner.id, owner.name.parse(), owner.role) {
        (Some(id), Ok(name), Some(role)) => Caller::Operator { id, name, role },
        (Some(id), Ok(name), None) => Caller::Node { id, name },
        (_, _, Some(role)) => Caller::User { name: owner.name.clone(), role },
        (_, _, None) => Caller::Unix { uid: u32::MAX },
    }
}
