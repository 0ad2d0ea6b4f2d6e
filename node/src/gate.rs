//! The gate of this node: what stands between a permitted call and its handler.
//!
//! A call enters that its role allows; the local policy is asked, and, where its owner chose so, whether the list
//! of revoked keys is fresh enough; the record of what is about to happen is on disk before it happens. How it ended is recorded and logged. A read passes without waiting.

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::access::{Caller, Proof, Role};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::grant;
use p2p_shared::id::NodeId;
use p2p_shared::rpc::registry::{Arguments, CallContext, Decision, Gate, Outcome, Proven, Ticket};
use p2p_shared::rpc::service::MethodSpec;
use p2p_shared::tls::{PeerIdentity, PeerKind, Trust, clean_text};

use crate::audit::Audit;
use crate::audit::record::{Asked, Ended};
use crate::auth::verified::Holders;
use crate::clock;
use crate::membership::revoked::Revocations;
use crate::policy::Fuse;

/// A node that heard of no revocation state for longer cannot vouch for anybody's key.
pub const SILENCE_MAX: Duration = Duration::from_secs(3_600);
/// Brings a node up to date: it may never be refused for its being out of date.
const ADOPT: &str = "revocation.adopt";

/// Local policy, then the age of the revocation list, then the audit.
#[derive(Clone, Debug)]
pub struct NodeGate {
    fuse: Fuse,
    revocations: Arc<Revocations>,
    audit: Audit,
    proofs: Option<Proofs>,
}

/// By what grants and tokens are judged.
#[derive(Clone, Debug)]
struct Proofs {
    trust: Arc<Trust>,
    own: NodeId,
    holders: Arc<Holders>,
}

impl NodeGate {
    /// A gate of these.
    pub const fn new(fuse: Fuse, revocations: Arc<Revocations>, audit: Audit) -> Self {
        Self { fuse, revocations, audit, proofs: None }
    }

    /// The same, which believes grants of operators whom `trust` believes, if they are good at `own`.
    #[must_use]
    pub fn with_proofs(self, trust: Arc<Trust>, own: NodeId) -> Self {
        let holders = Arc::new(Holders::new(Arc::clone(&trust)));
        Self { proofs: Some(Proofs { trust, own, holders }), ..self }
    }
}

impl Proofs {
    /// The operator whose grant another node came with.
    fn grant(
        &self,
        method: &'static MethodSpec,
        caller: &Caller,
        grant: &[u8],
        arguments: Arguments<'_>,
    ) -> Result<Proven, RpcError> {
        let refused = |why: String| RpcError::unauthenticated(format!("{}: {why}", method.name));
        let Caller::Node { id, .. } = caller else {
            return Err(refused("a grant is for a node that asks".into()));
        };
        let arguments = (method.describe)(arguments.bytes, arguments.encoding)?;
        let asked = grant::Asked {
            holder: *id,
            target: self.own,
            method: method.name,
            arguments: &arguments,
            now: clock::wall(),
        };
        let signer = grant::verify(&self.trust, grant, &asked).map_err(|error| refused(error.to_string()))?;
        let PeerIdentity { id, name, kind: PeerKind::Operator(role), not_after, .. } = signer else {
            return Err(refused("no operator granted it".into()));
        };
        Ok(Proven { caller: Caller::Operator { id, name, role }, until: not_after })
    }
}

impl Proofs {
    /// The operator whose token somebody passed on.
    fn token(&self, method: &'static MethodSpec, token: &[u8]) -> Result<Proven, RpcError> {
        let refused = |why: String| RpcError::unauthenticated(format!("{}: {why}", method.name));
        let token = str::from_utf8(token).map_err(|error| refused(error.to_string()))?;
        let known = self.holders.verify(token, clock::wall()).map_err(|error| refused(error.to_string()))?;
        let holder = &known.0;
        let PeerIdentity { id, name, kind: PeerKind::Operator(role), .. } = &holder.operator else {
            return Err(refused("no operator signed it".into()));
        };
        let caller = Caller::Operator { id: *id, name: name.clone(), role: *role };
        Ok(Proven { caller, until: holder.until })
    }
}

impl Gate for NodeGate {
    fn prove(
        &self,
        method: &'static MethodSpec,
        context: &CallContext,
        proof: &Proof,
        arguments: Arguments<'_>,
    ) -> Result<Proven, RpcError> {
        let unknown = || RpcError::unauthenticated("this node cannot verify that kind of proof");
        let proofs = self.proofs.as_ref().ok_or_else(unknown)?;
        let (kind, proven) = match proof {
            Proof::Grant(grant) => ("grant", proofs.grant(method, &context.caller, grant, arguments)?),
            Proof::Token(token) => ("token", proofs.token(method, token)?),
            Proof::Connection | Proof::SignedRequest(_) => return Err(unknown()),
        };
        let (holder, caller, request) = (&context.caller, &proven.caller, context.request_id);
        tracing::debug!(method = method.name, %holder, %caller, %request, "asked under a {kind}");
        Ok(proven)
    }

    fn before<'a>(
        &'a self,
        method: &'static MethodSpec,
        context: &'a CallContext,
        arguments: Arguments<'a>,
    ) -> Decision<'a> {
        let judged = self.fuse.judge(method, &context.caller).and_then(|()| match context.caller {
            // Root of this machine needs no key, so that none can have been revoked.
            Caller::Unix { .. } => Ok(()),
            _ => vouch(&self.revocations, method),
        });
        if let Err(error) = judged {
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

/// Whether this node may still say whose keys are good, as far as its owner asked for that: what changes
/// something, and what only some roles may, waits until a member has told the state of revocation again.
///
/// # Errors
/// `forbidden`, with words that begin `denied: revocation_strict`.
pub fn vouch(revocations: &Revocations, method: &MethodSpec) -> Result<(), RpcError> {
    let is_privileged = method.verb.is_audited() || method.permission.role() > Role::Viewer;
    if !revocations.is_strict() || !is_privileged || method.name == ADOPT {
        return Ok(());
    }
    let silence = revocations.silence();
    if silence < SILENCE_MAX {
        return Ok(());
    }
    Err(RpcError::forbidden(format!(
        "denied: revocation_strict: no member has told this node which keys are revoked for {} minutes, and its \
         owner allows {}: connect it with another member, or set revocation_strict = false in its node.toml",
        silence.as_secs() / 60,
        SILENCE_MAX.as_secs() / 60
    )))
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

#[cfg(test)]
mod tests {
    use p2p_shared::id::NodeId;
    use p2p_shared::services;
    use p2p_shared::tls::Credentials;
    use tempfile::TempDir;
    use tokio::time::{advance, pause};

    use super::*;
    use crate::clock;
    use crate::pki::{Authority, NewCa, NodeRequest, Sealing};

    /// Revocations of a node whose clock the test moves.
    fn revocations() -> (Revocations, TempDir) {
        let directory = TempDir::new().unwrap();
        let new = NewCa { mesh: "home".parse().unwrap(), days: 30 };
        let authority = Authority::init(directory.path(), &new, &Sealing::Plain, clock::wall()).unwrap();
        let request = NodeRequest { name: "web-1".parse().unwrap(), addresses: Vec::new(), days: 10 };
        let issued = authority.issue_node(&request, clock::wall()).unwrap();
        let credentials = Credentials::load_node(&issued.directory, clock::wall()).unwrap();
        (Revocations::restore(NodeId::new([1; 32]), credentials.trust(), None).0, directory)
    }

    fn says(revocations: &Revocations, method: &str) -> Result<(), String> {
        vouch(revocations, services::method(method).unwrap()).map_err(|error| error.message)
    }

    #[tokio::test]
    async fn strict_refuses_after_an_hour_without_word_what_changes_something_and_what_few_may() {
        pause();
        let (revocations, _directory) = revocations();
        advance(SILENCE_MAX * 3).await;
        assert_eq!(says(&revocations, "exec.run"), Ok(()), "off by default");
        revocations.set_strict(true);
        for method in ["exec.run", "process.signal", "node.set_labels", "audit.list"] {
            let refused = says(&revocations, method).unwrap_err();
            assert!(refused.starts_with("denied: revocation_strict: "), "{method}: {refused}");
            assert!(refused.contains("for 180 minutes"), "{refused}");
        }
        for method in ["node.info", "process.list", "journal.query", "revocation.adopt", "revocation.state"] {
            assert_eq!(says(&revocations, method), Ok(()), "{method}");
        }
        revocations.note_heard();
        assert_eq!(says(&revocations, "exec.run"), Ok(()));
        advance(SILENCE_MAX - Duration::from_secs(1)).await;
        assert_eq!(says(&revocations, "exec.run"), Ok(()));
        advance(Duration::from_secs(1)).await;
        assert!(says(&revocations, "exec.run").is_err());
    }

    #[tokio::test]
    async fn a_restart_is_no_way_around_it() {
        pause();
        let (revocations, _directory) = revocations();
        revocations.set_strict(true);
        assert_eq!(says(&revocations, "exec.run"), Ok(()));
        revocations.note_silent_before(SILENCE_MAX - Duration::from_secs(60));
        assert_eq!(says(&revocations, "exec.run"), Ok(()));
        advance(Duration::from_secs(60)).await;
        assert!(says(&revocations, "exec.run").is_err());
    }
}
