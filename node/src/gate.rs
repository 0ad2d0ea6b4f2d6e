//! The gate of this node: what stands between a permitted call and its handler.
//!
//! A call enters that its role allows; the local policy is asked, and the record of what is about to happen is
//! on disk before it happens. How it ended is recorded and logged. A read passes without waiting.

use p2p_shared::error::Code;
use p2p_shared::rpc::registry::{Arguments, CallContext, Decision, Gate, Outcome, Ticket};
use p2p_shared::rpc::service::MethodSpec;
use p2p_shared::tls::clean_text;

use crate::audit::Audit;
use crate::audit::record::{Asked, Ended};
use crate::policy::Fuse;

/// Local policy, then the audit.
#[derive(Clone, Debug)]
pub struct NodeGate {
    fuse: Fuse,
    audit: Audit,
}

impl NodeGate {
    /// A gate of these.
    pub const fn new(fuse: Fuse, audit: Audit) -> Self {
        Self { fuse, audit }
    }
}

impl Gate for NodeGate {
    fn before<'a>(
        &'a self,
        method: &'static MethodSpec,
        context: &'a CallContext,
        arguments: Arguments<'a>,
    ) -> Decision<'a> {
        if let Err(error) = self.fuse.judge(method, &context.caller) {
            return Decision::Now(Err(error));
        }
        if !method.verb.is_audited() {
            return Decision::Now(Ok(Ticket::default()));
        }
        Decision::Later(Box::pin(async move {
            let number = self.audit.call(Asked::new(method, context, Some(arguments))).await?;
            let (caller, request) = (&context.caller, context.request_id);
            tracing::info!(method = method.name, %caller, %request, record = number, "asked");
            Ok(Ticket(Some(number)))
        }))
    }

    fn after(&self, method: Option<&'static MethodSpec>, context: &CallContext, outcome: &Outcome<'_>) {
        let ticket = outcome.ticket.and_then(|ticket| ticket.0);
        match (ticket, method, outcome.error) {
            (Some(number), ..) => self.audit.outcome(Ended::new(number, outcome)),
            (None, Some(method), Some(error)) if is_refusal(error.code) => {
                self.audit.refused(|| Asked::new(method, context, outcome.arguments), error);
            }
            _ => {}
        }
        log(method, context, outcome);
    }
}

fn log(method: Option<&'static MethodSpec>, context: &CallContext, outcome: &Outcome<'_>) {
    let (caller, request) = (&context.caller, context.request_id);
    let elapsed_ms = outcome.elapsed.as_millis() as u64;
    // A known name needs no cleaning, and most calls need no line.
    let cleaned = if method.is_none() { clean_text(outcome.name.as_bytes()) } else { String::new() };
    let name = method.map_or(cleaned.as_str(), |method| method.name);
    match outcome.error {
        Some(error) if is_refusal(error.code) => {
            tracing::warn!(method = name, %caller, %request, code = %error.code, "refused: {}", error.message);
        }
        Some(error) => {
            tracing::debug!(method = name, %caller, %request, code = %error.code, elapsed_ms, "failed");
        }
        None if method.is_some_and(|method| method.verb.is_audited()) => {
            tracing::info!(method = name, %caller, %request, elapsed_ms, "done");
        }
        None => tracing::trace!(method = name, %caller, %request, elapsed_ms, "served"),
    }
}

const fn is_refusal(code: Code) -> bool {
    matches!(code, Code::Forbidden | Code::Unauthenticated)
}
