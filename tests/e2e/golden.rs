//! What is on the wire, held as golden bytes: a change here is a change that two versions notice.

use std::fs;
use std::path::Path;
use std::time::Duration;

use p2p_node::membership::core::message::{Body, Gossip, Message, View};
use p2p_node::membership::wire;
use p2p_shared::access::{Permission, Proof};
use p2p_shared::error::RpcError;
use p2p_shared::id::{NodeId, hex};
use p2p_shared::mesh::hello::Hello;
use p2p_shared::rpc::codec::{Encoding, encode};
use p2p_shared::rpc::frame::{FrameKind, RequestHead, RequestId, put_frame};
use p2p_shared::services;
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::services::process::{ProcessRef, Signal, signal};
use p2p_shared::time::UnixMillis;
use p2p_shared::witness::Statement;

/// Compares with a golden file, or writes it where `P2P_GOLDEN=write` asks for that.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("P2P_GOLDEN").is_some_and(|what| what == "write") {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{} differs: P2P_GOLDEN=write writes it anew", path.display());
}

fn head() -> RequestHead {
    RequestHead {
        method: "process.signal".into(),
        request_id: RequestId([7; 16]),
        deadline: Some(Duration::from_secs(10)),
        encoding: Encoding::Bincode,
        trace_id: Some([9; 16]),
        proof: Proof::Grant(b"grant".to_vec()),
    }
}

fn hello() -> Hello {
    Hello {
        protocol: (1, 0),
        mesh: "home".parse().unwrap(),
        version: "0.1.0".into(),
        instance: 5,
        features: 0,
        observed: Some("192.0.2.1:5678".parse().unwrap()),
        methods: [("node.info".to_owned(), 1)].into(),
        clock: Some(UnixMillis(1_795_404_123_000)),
        digest: Some(7),
    }
}

fn member() -> Member {
    Member {
        name: "web-1".parse().unwrap(),
        id: NodeId::new([3; 32]),
        state: MemberState::Suspect,
        state_since: UnixMillis(1_795_404_123_000),
        addresses: vec!["[2001:db8::1]:5678".parse().unwrap()],
        version: "0.1.0".into(),
        labels: Vec::new(),
        started: UnixMillis(1),
        sequence: 300,
        http: None,
    }
}

/// A head of an audit record on its way to another member.
fn audit_head() -> Vec<u8> {
    let head = Statement { certificate: vec![1], payload: vec![2; 2], signature: vec![3; 3] };
    let view = View { sequence: 1, fingerprint: 2, revoked: 3 };
    wire::encode(&Message { view, body: Body::AuditHead { head }, gossip: Gossip::default() }).unwrap()
}

#[test]
fn the_bytes_on_the_wire_are_the_golden_ones() {
    let target = ProcessRef { boot_id: "boot".into(), pid: 70_000, start_ticks: 5 };
    let args = signal::Args { target, signal: Signal::Term };
    let mut framed = bytes::BytesMut::new();
    put_frame(&mut framed, FrameKind::Item, b"item").unwrap();
    let mut text = String::new();
    for (name, bytes) in [
        ("request head", head().to_bytes()),
        ("hello", hello().to_bytes()),
        ("frame", framed.to_vec()),
        ("process.signal arguments", encode(&args, Encoding::Bincode).unwrap().to_vec()),
        ("node.members item", encode(&member(), Encoding::Bincode).unwrap().to_vec()),
        ("membership audit head", audit_head()),
        ("error", encode(&RpcError::conflict("no longer that process"), Encoding::Json).unwrap().to_vec()),
    ] {
        text.push_str(&format!("{name}: {}\n", hex(&bytes)));
    }
    golden("wire.txt", &text);
}

#[test]
fn the_schemas_of_the_methods_are_the_golden_ones() {
    let text: String = services::schema_hashes()
        .iter()
        .map(|(name, hash)| {
            let method = services::method(name).unwrap();
            format!("{name} {} {} {hash:016x}\n", method.verb.as_str(), method.permission)
        })
        .collect();
    golden("methods.txt", &text);
}

#[test]
fn the_readme_prints_the_table_of_roles() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for permission in Permission::ALL {
        let row = format!("| `{permission}` | {} |", permission.role());
        assert!(readme.contains(&row), "README lacks {row}");
    }
}

#[test]
fn the_description_of_the_http_api_is_the_golden_one() {
    golden("openapi.json", &format!("{:#}\n", p2p_node::http::document()));
}
