//! What is done with one service of one node. A node that did as it was asked, in vain, has not done it: that its
//! unit failed to start or its program ended at once is how the target ends.

use p2p_shared::error::RpcError;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::program::{ProgramState, ProgramStatus};
use p2p_shared::services::unit::{ActiveState, JobReport, JobResult};

use crate::command::{ServiceKey, ServiceKind, Verb};

/// Does it; how it ended.
pub(super) async fn control(node: &NodeHandle, service: ServiceKey, verb: Verb) -> Result<(), RpcError> {
    let ServiceKey { kind, name } = service;
    match kind {
        ServiceKind::Program => program(node, name, verb).await,
        ServiceKind::Unit => unit(node, name, verb).await,
    }
}

async fn program(node: &NodeHandle, name: String, verb: Verb) -> Result<(), RpcError> {
    let program = node.program();
    match verb {
        Verb::Start => started(&program.start(name, None).await?),
        Verb::Restart => started(&program.restart(name).await?),
        Verb::Stop => program.stop(name).await.map(drop),
        Verb::Remove => program.remove(name).await,
        Verb::Reload | Verb::Enable | Verb::Disable => Err(not_of("units", verb)),
    }
}

async fn unit(node: &NodeHandle, name: String, verb: Verb) -> Result<(), RpcError> {
    let unit = node.unit();
    match verb {
        Verb::Start => done(verb, unit.start(name).await?),
        Verb::Stop => done(verb, unit.stop(name, None).await?),
        Verb::Restart => done(verb, unit.restart(name).await?),
        Verb::Reload => done(verb, unit.reload(name).await?),
        Verb::Enable => unit.enable(name).await.map(drop),
        Verb::Disable => unit.disable(name, None).await.map(drop),
        Verb::Remove => Err(not_of("programs", verb)),
    }
}

fn not_of(kind: &str, verb: Verb) -> RpcError {
    RpcError::bad_request(format!("only {kind} can do that: {}", verb.as_str().to_lowercase()))
}

fn started(status: &ProgramStatus) -> Result<(), RpcError> {
    let info = &status.info;
    match info.state {
        ProgramState::Failed | ProgramState::BackingOff | ProgramState::Stopping => {
            let why = if info.detail.is_empty() { String::new() } else { format!(": {}", info.detail) };
            Err(RpcError::conflict(format!("it is {}{why}", info.state.as_str())))
        }
        _ => Ok(()),
    }
}

/// Whether a unit that is down afterwards is what was asked for.
const fn verb_ends(verb: Verb) -> bool {
    matches!(verb, Verb::Stop)
}

fn done(verb: Verb, report: JobReport) -> Result<(), RpcError> {
    let why = report.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    if report.active == ActiveState::Failed && !verb_ends(verb) {
        return Err(RpcError::conflict(format!("it has failed right after{why}")));
    }
    match report.result {
        JobResult::Done | JobResult::Skipped => Ok(()),
        JobResult::Running => Err(RpcError::unavailable(format!("systemd is still at it{why}"))),
        result => Err(RpcError::conflict(format!("systemd says {}{why}", result.as_str()))),
    }
}
