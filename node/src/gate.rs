//! The gate of this node: what stands between a permitted call and its handler.
//!
//! For now it writes the log line of every call that changes something or was refused; audit, local policy
//! and replay protection take their place here.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::rpc::registry::{CallContext, Gate, Outcome};
use p2p_shared::rpc::service::MethodSpec;
use p2p_shared::tls::clean_text;

/// Lets every permitted call pass, and says who did what.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogGate;

impl Gate for LogGate {
    fn before<'a>(
        &'a self,
        method: &'static MethodSpec,
        context: &'a CallContext,
        _: &'a Bytes,
    ) -> BoxFuture<'a, Result<(), RpcError>> {
        if method.verb.is_audited() {
            let (caller, request) = (&context.caller, context.request_id);
            tracing::info!(method = method.name, %caller, %request, "asked");
        }
        std::future::ready(Ok(())).boxed()
    }

    fn after(&self, method: Option<&'static MethodSpec>, context: &CallContext, outcome: &Outcome<'_>) {
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
}

const fn is_refusal(code: Code) -> bool {
    matches!(code, Code::Forbidden | Code::Unauthenticated)
}
