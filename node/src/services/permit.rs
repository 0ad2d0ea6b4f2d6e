//! What a call would be told, without making it: every layer that could refuse is asked in its order.
//!
//! A method and its arguments enter, a [`Permit`] leaves. Arguments are judged by the service that would take
//! them, so that the answer is that of the call; nothing is started, written or recorded.

use std::sync::Arc;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::rpc::registry::{CallContext, permitted};
use p2p_shared::rpc::service::MethodSpec;
use p2p_shared::services::node::Permit;
use p2p_shared::services::{alert, exec, network, program};
use serde::de::DeserializeOwned;

use super::alert::judge_rules;
use super::exec::judge_request as judge_command;
use super::network::judge_request as judge_scan;
use super::program::ProgramService;
use crate::gate::vouch;
use crate::membership::revoked::Revocations;
use crate::policy::Fuse;
use crate::supervise::handle::SupervisorHandle;

/// Everything that may refuse a call.
#[derive(Debug)]
pub struct Permits {
    fuse: Fuse,
    revocations: Arc<Revocations>,
    /// Judges definitions of programs, and those that it has.
    programs: ProgramService,
}

impl Permits {
    /// By this policy, for keys that these revocations vouch for, of the programs of this supervisor.
    pub fn new(fuse: &Fuse, revocations: &Arc<Revocations>, programs: &SupervisorHandle) -> Self {
        let (fuse, revocations) = (fuse.clone(), Arc::clone(revocations));
        Self { programs: ProgramService::new(programs.clone(), fuse.clone()), fuse, revocations }
    }

    /// What `context` would be told of `method`, as far as that shows beforehand.
    pub async fn of(&self, method: &MethodSpec, context: &CallContext, arguments: Option<&str>) -> Permit {
        if let Err(error) = permitted(method, &context.caller) {
            return refused("role", error);
        }
        if let Err(error) = self.fuse.judge(method, &context.caller) {
            return refused("local policy", error);
        }
        if let Err(error) = vouch(&self.revocations, method) {
            return refused("revocation", error);
        }
        let Some(text) = arguments else { return allowed() };
        if let Err(error) = (method.describe)(text.as_bytes(), Encoding::Json) {
            return refused("arguments", error);
        }
        match self.judge(method.name, context, text).await {
            Ok(()) => allowed(),
            Err(error) if error.code == Code::Forbidden => {
                let layer = error.message.split(": ").nth(1).unwrap_or("arguments").to_owned();
                refused(&layer, error)
            }
            Err(error) => refused("arguments", error),
        }
    }

    /// Asks the service whose arguments decide.
    async fn judge(&self, method: &str, context: &CallContext, text: &str) -> Result<(), RpcError> {
        match method {
            "alert.apply" => judge_rules(&context.caller, &read::<alert::apply::Args>(text)?.rules),
            "exec.run" => judge_command(&self.fuse, read::<exec::run::Args>(text)?.request),
            "program.define" => self.programs.judge(&read::<program::define::Args>(text)?.definition),
            "program.start" => {
                let program::start::Args { name, path } = read(text)?;
                self.programs.judge_start(context, name, path).await
            }
            "program.restart" => {
                let program::restart::Args { name } = read(text)?;
                self.programs.judge_start(context, name, None).await
            }
            "network.scan" => judge_scan(&self.fuse, &read::<network::scan::Args>(text)?.request),
            _ => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, RpcError> {
    codec::decode(text.as_bytes(), Encoding::Json).map_err(|error| RpcError::bad_request(error.to_string()))
}

const fn allowed() -> Permit {
    Permit { allowed: true, layer: None, message: String::new() }
}

fn refused(layer: &str, error: RpcError) -> Permit {
    Permit { allowed: false, layer: Some(layer.to_owned()), message: error.message }
}
