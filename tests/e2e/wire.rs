//! Calls over real connections, and what happens to those that make no sense: the sender gets a code, the
//! connection stays, the node goes on.

use p2p_shared::access::Role;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::link::Link;
use p2p_shared::mesh::stream::FrameReader;
use p2p_shared::rpc::client::Call;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::rpc::frame::{FrameKind, RequestHead, RequestId, StreamKind, put_frame};

use crate::ca::TestCa;
use crate::echo::{Client, Server, dial, handle, soon};

fn head(method: &str) -> Vec<u8> {
    RequestHead {
        method: method.into(),
        request_id: RequestId([1; 16]),
        deadline: None,
        encoding: Encoding::Json,
        trace_id: None,
        proof: Default::default(),
    }
    .to_bytes()
}

/// Opens a call stream, writes exactly `bytes`, ends it, and reads the error that answers.
async fn answer(link: &Link, bytes: &[u8]) -> Code {
    let (mut send, receive) = link.open(StreamKind::Rpc, &[]).await.unwrap();
    send.write_all(bytes).await.unwrap();
    send.finish().unwrap();
    let frame = soon("an answer", FrameReader::new(receive).next_frame()).await.unwrap().unwrap();
    assert_eq!(frame.kind, FrameKind::Error, "{frame:?}");
    codec::decode::<RpcError>(&frame.payload, Encoding::Json).unwrap().code
}

fn frames(frames: &[(FrameKind, &[u8])]) -> Vec<u8> {
    let mut wire = bytes::BytesMut::new();
    for (kind, payload) in frames {
        put_frame(&mut wire, *kind, payload).unwrap();
    }
    wire.to_vec()
}

struct Pair {
    server: Server,
    link: Link,
    _ca: TestCa,
}

async fn pair(role: Role) -> Pair {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let link = dial(&ca.operator("ann", role), server.address).await.unwrap();
    Pair { server, link, _ca: ca }
}

async fn client(role: Role) -> (Client<impl Call>, Server, TestCa) {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let client = Client::new(handle(&ca.operator("ann", role), "web-1", server.address));
    (client, server, ca)
}

#[tokio::test]
async fn all_four_verbs_go_over_the_wire() {
    let (client, server, _ca) = client(Role::Admin).await;
    assert_eq!(client.say("hello".into()).await.unwrap(), "hello");
    assert_eq!(client.change("done".into()).await.unwrap(), "done by operator ann (admin)");
    let mut count = client.count().await.unwrap();
    for expected in 0..100 {
        assert_eq!(count.next().await.unwrap(), Some(expected));
    }
    drop(count);
    soon("the handler's end", server.dropped.notified()).await;
    let mut double = client.double().await.unwrap();
    for number in [1, 2, 3] {
        double.send(&number).await.unwrap();
        assert_eq!(double.output.next().await.unwrap(), Some(2 * number));
    }
    double.finish().await.unwrap();
    assert_eq!(double.output.next().await.unwrap(), None);
}

#[tokio::test]
async fn on_the_machine_itself_nothing_is_sent_to_find_out_how_large_a_datagram_may_be() {
    let pair = pair(Role::Viewer).await;
    // Behind the answer to a call, probes would have gone.
    answer(&pair.link, &[]).await;
    let path = pair.link.connection().stats().path;
    assert_eq!((path.current_mtu, path.sent_plpmtud_probes), (6_500, 0));
}

#[tokio::test]
async fn a_result_larger_than_a_frame_comes_in_parts() {
    let (client, _server, _ca) = client(Role::Viewer).await;
    assert_eq!(client.bytes(3 << 20).await.unwrap().len(), 3 << 20);
    assert_eq!(client.bytes(9 << 20).await.unwrap_err().code, Code::TooLarge);
}

#[tokio::test]
async fn a_caller_that_gives_up_ends_the_handler() {
    let (client, server, _ca) = client(Role::Viewer).await;
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), client.hang());
    waiting.await.unwrap_err();
    soon("the handler's end", server.dropped.notified()).await;
}

#[tokio::test]
async fn a_role_that_is_too_low_is_told_so() {
    let (client, _server, _ca) = client(Role::Viewer).await;
    let error = client.change("x".into()).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);
    assert!(error.message.starts_with("denied: role:"), "{}", error.message);
    assert_eq!(error.node.unwrap().as_str(), "web-1");
}

#[tokio::test]
async fn a_node_has_no_authority_by_its_certificate() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let client = Client::new(handle(&ca.node("web-2"), "web-1", server.address));
    assert_eq!(client.say("hello".into()).await.unwrap_err().code, Code::Forbidden);
    assert_eq!(client.change("hello".into()).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn malformed_requests_get_a_code_and_the_connection_stays() {
    let Pair { server: _server, link, _ca } = pair(Role::Viewer).await;
    let say = head("echo.say");
    let whole = frames(&[(FrameKind::Head, &say), (FrameKind::Args, br#"{"text":"a"}"#)]);
    let cases: [(&str, Vec<u8>, Code); 10] = [
        ("nothing", vec![], Code::BadRequest),
        ("one byte of a length", vec![0], Code::BadRequest),
        ("4 GiB", vec![0xff, 0xff, 0xff, 0xff, 1], Code::TooLarge),
        ("64 KiB and one byte", vec![0, 1, 0, 1, 1], Code::TooLarge),
        ("a truncated frame", whole[..whole.len() - 3].to_vec(), Code::BadRequest),
        ("an unknown frame", vec![0, 0, 0, 0, 99], Code::BadRequest),
        ("an answer as a request", frames(&[(FrameKind::Result, b"{}")]), Code::BadRequest),
        ("a head of another version", frames(&[(FrameKind::Head, &[9, 9, 9])]), Code::BadRequest),
        ("a second frame", [whole.clone(), frames(&[(FrameKind::Item, b"1")])].concat(), Code::BadRequest),
        (
            "bytes behind the arguments",
            frames(&[(FrameKind::Head, &say), (FrameKind::Args, br#"{"text":"a"} x"#)]),
            Code::BadRequest,
        ),
    ];
    for (what, bytes, code) in cases {
        assert_eq!(answer(&link, &bytes).await, code, "{what}");
    }
    let unknown = frames(&[(FrameKind::Head, &head("echo.nothing")), (FrameKind::Args, b"{}")]);
    assert_eq!(answer(&link, &unknown).await, Code::Unsupported);
    assert!(link.is_open());
}

#[tokio::test]
async fn a_peer_that_makes_no_sense_for_long_is_closed() {
    let Pair { server: _server, link, _ca } = pair(Role::Viewer).await;
    let nonsense = async {
        while link.is_open() {
            if let Ok((mut send, _receive)) = link.open(StreamKind::Relay, &[]).await {
                let _ = send.finish();
            }
        }
    };
    soon("the close", nonsense).await;
}
