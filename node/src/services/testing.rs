//! Calls of a service without a transport.

use bytes::Bytes;
use p2p_shared::access::{Caller, Role};
use p2p_shared::id::NodeId;
use p2p_shared::rpc::codec::{Encoding, decode};
use p2p_shared::rpc::frame::RequestId;
use p2p_shared::rpc::registry::{CallContext, Face};
use p2p_shared::rpc::service::{Io, Items, Payload};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

/// A call of an operator.
pub(crate) fn context() -> CallContext {
    CallContext {
        caller: Caller::Operator {
            id: NodeId::new([1; 32]),
            name: "ann".parse().unwrap(),
            role: Role::Admin,
        },
        caller_until: None,
        face: Face::Quic,
        address: None,
        request_id: RequestId([0; 16]),
        trace_id: None,
        deadline: None,
    }
}

/// The two ends of a watch.
pub(crate) fn items<T>() -> (Items<T>, mpsc::Receiver<Bytes>) {
    let (output, received) = mpsc::channel(1);
    let (_, input) = mpsc::channel(1);
    let io = Some(Io { output, input });
    let mut payload = Payload { args: Bytes::new(), encoding: Encoding::Bincode, io };
    (payload.items().unwrap(), received)
}

/// The next item of a watch.
pub(crate) async fn next<T: DeserializeOwned>(received: &mut mpsc::Receiver<Bytes>) -> T {
    decode(&received.recv().await.unwrap(), Encoding::Bincode).unwrap()
}
