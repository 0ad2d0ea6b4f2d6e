//! `p2p-node doctor` on real sockets: what each kind of address answers, and that nobody is disturbed.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::SystemTime;

use p2p_node::config::Given;
use p2p_node::doctor::reach::{Answer, Knocker};
use p2p_node::{doctor, program};
use p2p_shared::access::Role;
use p2p_shared::config::Flag;
use p2p_shared::error::Exit;
use p2p_shared::mesh::failure::{LinkError, RefusedBy};
use p2p_shared::services::Services;
use p2p_shared::services::node::{Peer, PeerRole};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{Credentials, RefusalReason};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::binary::World;
use crate::ca::{DAY, TestCa, now};
use crate::cluster::{LONG, alive, eventually};
use crate::echo::{Server, dial, soon};

async fn knock(credentials: Option<&Credentials>, address: SocketAddr) -> Answer {
    let knocker = Knocker::new(credentials);
    let answer = knocker.knock(address).await;
    knocker.close().await;
    answer
}

fn refusal(answer: &Answer) -> Option<(RefusedBy, RefusalReason)> {
    match answer {
        Answer::Turned(LinkError::Refused { by, reason, .. }) => Some((*by, *reason)),
        _ => None,
    }
}

#[tokio::test]
async fn a_node_of_the_mesh_takes_the_certificate() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let answer = soon("the answer", knock(Some(&ca.node("web-2")), server.address)).await;
    let Answer::Accepted(met) = answer else { panic!("{answer:?}") };
    assert_eq!(met.name.as_str(), "web-1");
}

// On the paused clock the seconds of waiting for a silent socket are over at once.
#[tokio::test(start_paused = true)]
async fn a_socket_that_does_not_answer_is_silent() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ca = TestCa::new("home");
    let address = silent.local_addr().unwrap();
    assert_eq!(knock(Some(&ca.node("web-2")), address).await, Answer::Silent);
    assert_eq!(knock(None, address).await, Answer::Silent);
}

#[tokio::test]
async fn a_port_on_which_nothing_listens_is_told_apart() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ca = TestCa::new("home");
    assert_eq!(soon("the answer", knock(Some(&ca.node("web-2")), closed)).await, Answer::Nobody);
    assert_eq!(soon("the answer", knock(None, closed)).await, Answer::Nobody);
}

#[tokio::test]
async fn a_node_of_another_ca_is_told_apart() {
    let (ours, theirs) = (TestCa::new("home"), TestCa::new("home"));
    let server = Server::start(&theirs.node("web-1"));
    let answer = soon("the answer", knock(Some(&ours.node("web-2")), server.address)).await;
    assert_eq!(refusal(&answer), Some((RefusedBy::Us, RefusalReason::WrongCa)), "{answer:?}");
}

#[tokio::test]
async fn a_node_that_refuses_says_why() {
    let ca = TestCa::since("home", UnixMillis(now().0 - 200 * DAY.0));
    let (node, thief) = (ca.node("web-1"), ca.node("web-3"));
    node.trust().replace_revoked(HashSet::from([thief.identity().id]));
    let server = Server::start(&node);
    let expired = ca.node_at("web-2", UnixMillis(now().0 - 100 * DAY.0));
    for (credentials, reason) in [(expired, RefusalReason::Expired), (thief, RefusalReason::Revoked)] {
        let answer = soon("the answer", knock(Some(&credentials), server.address)).await;
        assert_eq!(refusal(&answer), Some((RefusedBy::Peer, reason)), "{answer:?}");
    }
}

#[tokio::test]
async fn a_node_whose_certificate_has_ended_hears_it_from_itself_and_from_its_peers() {
    let ca = TestCa::since("home", UnixMillis(now().0 - 200 * DAY.0));
    let server = Server::start(&ca.node("web-1"));
    let (certs, data) =
        (ca.node_files_at("web-2", UnixMillis(now().0 - 100 * DAY.0)), TempDir::new().unwrap());
    let flag = |key, text: &dyn Display| Flag { key, name: key, text: text.to_string() };
    let flags = vec![
        flag("certs", &certs.display()),
        flag("data", &data.path().display()),
        flag("host", &"127.0.0.1"),
        flag("quic.port", &0),
        flag("http.port", &0),
        flag("bootstrap", &server.address),
    ];
    let given = Given { flags, ..Given::default() };
    let examined = spawn_blocking(move || doctor::examine(&given, &program::facts()));
    let report = soon("the report", examined).await.unwrap().unwrap();
    assert_eq!(report.exit(), Exit::Config);
    let found = |check| report.findings.iter().find(|finding| finding.check == check).unwrap();
    let (own, peer) = (found("certificate"), found("peer"));
    assert!(own.found.contains("expired") && own.action.as_ref().unwrap().contains("renew"), "{own:?}");
    assert!(peer.found.contains("it refuses our certificate: expired"), "{peer:?}");
}

#[tokio::test]
async fn without_a_certificate_it_is_told_that_something_answers() {
    let server = Server::start(&TestCa::new("home").node("web-1"));
    assert_eq!(soon("the answer", knock(None, server.address)).await, Answer::Quic);
}

#[tokio::test]
async fn a_knock_with_the_key_of_a_connected_node_leaves_its_connection_alone() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let node = ca.node("web-2");
    let link = dial(&node, server.address).await.unwrap();
    let standing = server.transport.link(&node.identity().id).unwrap();
    for _ in 0..3 {
        let answer = soon("the answer", knock(Some(&node), server.address)).await;
        assert!(matches!(answer, Answer::Accepted(_)), "{answer:?}");
    }
    assert!(link.is_open());
    assert!(server.transport.link(&node.identity().id).unwrap().is(&standing));
    assert_eq!((server.transport.peers().len(), server.transport.refused_total()), (1, 0));
}

/// A connection between nodes, by what would differ if it were another one.
fn identities(peers: Vec<Peer>) -> Vec<(String, SocketAddr, String)> {
    let nodes = peers.into_iter().filter(|peer| peer.role == PeerRole::Node);
    nodes.map(|peer| (peer.name.to_string(), peer.address, format!("{:?}", peer.direction))).collect()
}

/// Every file below, with its size and when it was written.
fn files(directory: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let about = |entry: fs::DirEntry| {
        let metadata = entry.metadata().unwrap();
        (entry.file_name().into_string().unwrap(), (metadata.len(), metadata.modified().unwrap()))
    };
    entries.map(about).collect()
}

fn verdict<'a>(report: &'a Value, check: &str) -> &'a str {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("no {check} in {report:#}"))["verdict"].as_str().unwrap()
}

#[tokio::test]
async fn a_running_mesh_is_looked_at_and_left_alone() {
    let world = World::new();
    let (one, two) = (world.ca.node_files("web-1"), world.ca.node_files("web-2"));
    let mut first = world.run("web-1", &one, &[]);
    let (quic, _) = first.ready().await;
    let bootstrap = quic.to_string();
    let mut second = world.run("web-2", &two, &["--bootstrap", &bootstrap]);
    second.ready().await;
    let node = world.call("web-1", quic, Role::Viewer).node();
    let both = async || (alive(&node.members().await.unwrap()) == 2).then_some(());
    eventually("both alive", LONG, both).await;

    let before = node.peers().await.unwrap();
    let age = before.iter().find(|peer| peer.role == PeerRole::Node).unwrap().age_ms;
    let (code, report) = world.doctor("web-2", &two, &["--bootstrap", &bootstrap]).await;
    let after = node.peers().await.unwrap();
    let aged = after.iter().find(|peer| peer.role == PeerRole::Node).unwrap().age_ms;
    assert_eq!(identities(after), identities(before));
    assert!(aged >= age, "it is the connection of before");
    assert_eq!(node.refused().await.unwrap(), []);
    assert_eq!(code, Some(0), "{report:#}");
    for check in ["configuration", "certificate", "udp port", "http port", "peer", "store", "running node"] {
        assert_ne!(verdict(&report, check), "fail", "{report:#}");
    }
    for check in ["certificate", "peer", "running node"] {
        assert_eq!(verdict(&report, check), "ok", "{report:#}");
    }

    second.stop().await;
    let data = world.data("web-2");
    let kept = files(&data);
    let (code, report) = world.doctor("web-2", &two, &["--bootstrap", &bootstrap]).await;
    assert_eq!((code, verdict(&report, "running node")), (Some(0), "warn"), "{report:#}");
    assert_eq!(files(&data), kept, "nothing was written");

    first.stop().await;
    let (code, report) = world.doctor("web-2", &two, &["--bootstrap", &bootstrap]).await;
    assert_eq!((code, verdict(&report, "peer")), (Some(69), "fail"), "{report:#}");
}
