//! `POST /p2p/message`: a call that a member of the mesh signed, for this node.
//!
//! An envelope of anybody enters; who signed it is judged, and the call goes to the registry as that member's. A
//! node's certificate gives no authority, here as on every other way in: it may call nothing (rule zero). No
//! message counts twice, and after a start none that this node could have taken before it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use p2p_shared::access::{Caller, Proof};
use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::rpc::codec::Encoding;
use p2p_shared::rpc::frame::RequestId;
use p2p_shared::rpc::registry::{CallContext, Face, Request};
use p2p_shared::rpc::service::Payload;
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{Envelope, EnvelopeError, MESSAGE_AHEAD_MAX, PeerIdentity, PeerKind, Received};

use super::Api;
use super::bearer::{charge, held};
use super::call::method;
use super::methods::answer;
use crate::clock;
use crate::http::Problem;
use crate::http::body::JsonBody;

/// Messages that are remembered: as many as may come in the time in which they are good.
const REMEMBERED_MAX: usize = 65_536;

/// What came already, until it is too old in any case.
#[derive(Debug)]
pub struct Seen {
    since: UnixMillis,
    // Held for one look-up, never across a wait.
    until: Mutex<BTreeMap<(NodeId, [u8; 16]), UnixMillis>>,
}

impl Seen {
    /// Nothing yet, from `started` on.
    pub fn new(started: UnixMillis) -> Self {
        Self { since: started.plus(MESSAGE_AHEAD_MAX), until: Mutex::default() }
    }

    /// Notes a message.
    fn note(&self, received: &Received, now: UnixMillis) -> Result<(), RpcError> {
        if received.message.sent < self.since {
            let why = "it was sent when this node had just started: sign it again in a few seconds";
            return Err(RpcError::unavailable(why));
        }
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= REMEMBERED_MAX {
            until.retain(|_, until| *until >= now);
        }
        if until.len() >= REMEMBERED_MAX {
            return Err(RpcError::unavailable("too many messages in a minute: try again later"));
        }
        match until.insert(received.key(), received.forget_after()) {
            None => Ok(()),
            Some(_) => Err(RpcError::conflict("this message came before: a new one has a nonce of its own")),
        }
    }
}

pub(super) async fn post(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let envelope: Envelope = body.read()?;
    let now = clock::wall();
    let received = envelope.open(&api.0.trust, api.0.id, now).map_err(|error| refused(&error))?;
    let caller = caller(&received.signer);
    let turn = charge(&api, &caller.to_string().into())?;
    api.0.seen.note(&received, now)?;
    let spec = method(&received.message.method)?;
    if spec.verb.streams() {
        return Err(RpcError::unsupported(format!("{} streams: a message has one answer", spec.name)).into());
    }
    let context = CallContext {
        caller,
        caller_until: Some(received.signer.not_after),
        face: Face::Http,
        address: Some(from),
        request_id: RequestId(received.message.nonce),
        trace_id: None,
        deadline: CallContext::deadline(Some(spec), None),
    };
    let args = received.message.arguments.into_bytes().into();
    let payload = Payload { args, encoding: Encoding::Json, io: None };
    let request = Request { method: spec.name.to_owned(), context, proof: Proof::Connection, payload };
    Ok(answer(held(api.0.registry.call(request).await?, Some(turn))))
}

/// As the certificate says, and no more.
fn caller(signer: &PeerIdentity) -> Caller {
    let (id, name) = (signer.id, signer.name.clone());
    match signer.kind {
        PeerKind::Node => Caller::Node { id, name },
        PeerKind::Operator(role) => Caller::Operator { id, name, role },
    }
}

fn refused(error: &EnvelopeError) -> Problem {
    let why = format!("the message is not taken: {error}");
    match error {
        EnvelopeError::Malformed(_) | EnvelopeError::Payload(_) => RpcError::bad_request(why),
        EnvelopeError::Target => RpcError::conflict(why),
        EnvelopeError::Refused(_) | EnvelopeError::Stale(_) | EnvelopeError::Early(_) => {
            RpcError::unauthenticated(why)
        }
    }
    .into()
}

#[cfg(test)]
mod tests {
    use p2p_shared::error::Code;
    use p2p_shared::rpc::registry::permitted;
    use p2p_shared::services;
    use p2p_shared::tls::Message;

    use super::*;

    fn received(nonce: u8, sent: u64) -> Received {
        let signer = PeerIdentity {
            id: NodeId::new([1; 32]),
            name: "web-1".parse().unwrap(),
            mesh: "home".parse().unwrap(),
            kind: PeerKind::Node,
            not_after: UnixMillis(u64::MAX),
        };
        let message = Message {
            target: NodeId::new([2; 32]),
            sent: UnixMillis(sent),
            nonce: [nonce; 16],
            method: "node.info".to_owned(),
            arguments: "{}".to_owned(),
        };
        Received { signer, message }
    }

    #[test]
    fn a_nodes_certificate_may_call_nothing_at_all() {
        let caller = caller(&received(1, 0).signer);
        for method in services::methods() {
            assert!(permitted(method, &caller).is_err(), "{}", method.name);
        }
    }

    #[test]
    fn a_message_counts_once_and_not_if_it_could_have_counted_before_a_restart() {
        let (started, now) = (UnixMillis(1_000_000), UnixMillis(1_010_000));
        let seen = Seen::new(started);
        let code = |received: &Received| seen.note(received, now).map_err(|error| error.code);
        assert_eq!(code(&received(1, 1_006_000)), Ok(()));
        assert_eq!(code(&received(1, 1_006_000)), Err(Code::Conflict));
        assert_eq!(code(&received(1, 1_007_000)), Err(Code::Conflict), "the nonce is the signer's for good");
        assert_eq!(code(&received(2, 1_006_000)), Ok(()));
        assert_eq!(code(&received(3, 1_004_999)), Err(Code::Unavailable));
    }
}
