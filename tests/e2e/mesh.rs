//! What the mesh promises: who is listed where, how soon, and what becomes of those that go.

use std::time::Duration;

use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::Dial;
use p2p_shared::mesh::Target;
use p2p_shared::mesh::link::Side;
use p2p_shared::services::Services;
use p2p_shared::services::node::{Label, MemberState, PeerRole};

use crate::ca::TestCa;
use crate::cluster::{Cluster, LONG, alive, eventually, state};
use crate::echo::{Server, soon};

/// R1: a node is in every directory within this.
const VISIBLE: Duration = Duration::from_secs(2);
/// A killed node counts as lost everywhere within this.
const LOST: Duration = Duration::from_secs(10);
/// The connection of a caller to a vanished node ends within this: the idle time-out and a little.
const SILENT: Duration = Duration::from_secs(25);

fn label(key: &str, value: &str) -> Label {
    Label { key: key.into(), value: value.into() }
}

#[tokio::test]
async fn nodes_that_know_one_address_see_each_other_within_two_seconds() {
    let cluster = Cluster::start(3).await;
    for index in 0..3 {
        cluster.until(index, "three alive", VISIBLE, |members| alive(members) == 3).await;
    }
    let mesh = cluster.operator(Role::Viewer);
    for index in 0..3 {
        let list = mesh.node(cluster.name(index)).process().list(None).await.unwrap();
        let own = list.processes.iter().find(|process| process.key.pid == std::process::id());
        assert!(own.is_some(), "{}", cluster.name(index));
    }
}

#[tokio::test]
async fn a_killed_node_is_lost_everywhere_and_stays_listed_until_it_is_forgotten() {
    let mut cluster = Cluster::whole(3).await;
    let (gone, id) = (cluster.name(2).clone(), cluster.id(2));
    let mesh = cluster.operator(Role::Admin);
    let mut watch = mesh.node(&gone).monitor().watch(60_000).await.unwrap();
    watch.next().await.unwrap().expect("the first sample");
    let alive = mesh.node(cluster.name(0)).node().forget(id).await.unwrap_err();
    assert_eq!(alive.code, Code::Conflict, "{alive}");

    cluster.kill(2);
    for index in 0..2 {
        let lost = |members: &[_]| state(members, &gone) == Some(MemberState::Lost);
        cluster.until(index, "web-3 is lost", LOST, lost).await;
    }
    let error = tokio::time::timeout(SILENT, watch.next()).await.expect("an end").unwrap_err();
    assert_eq!(error.code, Code::Unavailable, "{error}");

    let unknown = mesh.node(cluster.name(0)).node().forget(NodeId::new([0; 32])).await.unwrap_err();
    assert_eq!(unknown.code, Code::NotFound, "{unknown}");
    mesh.node(cluster.name(0)).node().forget(id).await.unwrap();
    for index in 0..2 {
        cluster.until(index, "web-3 is forgotten", VISIBLE, |members| members.len() == 2).await;
    }
}

#[tokio::test]
async fn a_node_that_says_good_bye_has_left_at_once_and_comes_back_through_whom_it_remembers() {
    let mut cluster = Cluster::whole(3).await;
    let name = cluster.name(2).clone();
    let set = cluster.admin(2).node().set_labels(vec![label("role", "web")], Vec::new()).await.unwrap();
    assert_eq!(set, [label("role", "web")]);
    let took = cluster.stop(2).await;
    assert!(took < Duration::from_secs(2), "leaving took {took:?}");
    for index in 0..2 {
        let left = |members: &[_]| state(members, &name) == Some(MemberState::Left);
        cluster.until(index, "web-3 has left", VISIBLE, left).await;
    }

    cluster.restart(2).await;
    for index in 0..3 {
        cluster.until(index, "web-3 is back", LONG, |members| alive(members) == 3).await;
    }
    assert_eq!(cluster.admin(2).node().labels().await.unwrap(), [label("role", "web")]);
    let members = cluster.admin(0).node().members().await.unwrap();
    let back = members.iter().find(|member| member.name == name).unwrap();
    assert_eq!(back.labels, [label("role", "web")]);
    assert_eq!(back.addresses, [cluster.address(2)]);
}

#[tokio::test]
async fn a_node_alone_stops_at_once() {
    let mut cluster = Cluster::whole(1).await;
    let took = cluster.stop(0).await;
    assert!(took < Duration::from_secs(1), "leaving took {took:?}");
}

#[tokio::test]
async fn labels_set_on_one_node_are_in_the_fleet_watch_of_another() {
    let cluster = Cluster::whole(2).await;
    let mut fleet = cluster.operator(Role::Viewer).node(cluster.name(0)).node().fleet().await.unwrap();
    let first = fleet.next().await.unwrap().unwrap();
    assert_eq!((first.seq, first.full, first.changed.len()), (0, true, 2));
    cluster.admin(1).node().set_labels(vec![label("role", "db")], Vec::new()).await.unwrap();
    let seen = async {
        loop {
            let delta = fleet.next().await.unwrap().unwrap();
            assert!(!delta.full, "differences only");
            let changed = delta.changed.iter().find(|member| member.name == *cluster.name(1));
            if changed.is_some_and(|member| member.labels == [label("role", "db")]) {
                return;
            }
        }
    };
    soon("the label", seen).await;
}

#[tokio::test]
async fn every_node_finds_every_name_in_the_dht() {
    let cluster = Cluster::whole(3).await;
    let mesh = cluster.operator(Role::Viewer);
    for from in 0..3 {
        let node = mesh.node(cluster.name(from)).node();
        for target in 0..3 {
            let found =
                eventually("the record", LONG, async || node.find(cluster.name(target).clone()).await.ok())
                    .await;
            assert_eq!((found.id, &found.name), (cluster.id(target), cluster.name(target)));
            assert_eq!(found.addresses, [cluster.address(target)]);
            let told = node.look_up(cluster.name(target).clone()).await.unwrap();
            let had_it = told.questions.iter().filter(|question| question.had_record).count();
            assert!(told.held_here || had_it > 0, "{told:?}");
            assert_eq!(told.messages as usize, told.questions.len());
            assert_eq!(told.found.map(|found| found.id), Some(cluster.id(target)));
        }
        let nobody = node.find("web-9".parse().unwrap()).await.unwrap_err();
        assert_eq!(nobody.code, Code::NotFound, "{nobody}");
        let told = node.look_up("web-9".parse().unwrap()).await.unwrap();
        assert!(told.found.is_none() && !told.held_here, "{told:?}");
        assert!(told.questions.iter().all(|question| !question.had_record && question.name.is_some()));
    }
}

#[tokio::test]
async fn a_node_tells_who_is_connected_who_was_refused_and_whom_it_routes_to() {
    let cluster = Cluster::whole(3).await;
    let node = cluster.operator(Role::Viewer).node(cluster.name(0)).node();
    let peers = eventually("both peers", LONG, async || {
        let peers = node.peers().await.unwrap();
        (peers.len() == 3).then_some(peers)
    })
    .await;
    let nodes = peers.iter().filter(|peer| peer.role == PeerRole::Node);
    let states: Vec<_> = nodes.map(|peer| (peer.name.as_str(), peer.state)).collect();
    assert_eq!(states, [("web-2", Some(MemberState::Alive)), ("web-3", Some(MemberState::Alive))]);
    assert!(peers.iter().all(|peer| peer.sent_bytes > 0 && peer.received_bytes > 0));

    let stranger = TestCa::new("home").operator("eve", Role::Admin);
    let refused = cluster.as_seen_by(&stranger).node(cluster.name(0)).node().info().await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable, "{refused}");
    assert!(refused.message.contains("refused here: wrong_ca: the certificate"), "{refused}");
    assert!(!refused.message.contains("OtherError"), "{refused}");
    let entry = eventually("the refusal", LONG, async || node.refused().await.unwrap().pop()).await;
    assert_eq!(entry.reason, "wrong_ca");

    let contacts = eventually("both contacts", LONG, async || {
        let buckets = node.routing().await.unwrap();
        let contacts: Vec<_> = buckets.into_iter().flat_map(|bucket| bucket.contacts).collect();
        (contacts.len() == 2).then_some(contacts)
    })
    .await;
    assert!(contacts.iter().all(|contact| contact.name.is_some()), "{contacts:?}");
}

#[tokio::test]
async fn of_crossed_dials_one_connection_remains() {
    let ca = TestCa::new("home");
    let (one, other) = (ca.node("web-1"), ca.node("web-2"));
    for _ in 0..5 {
        let (a, b) = (Server::start(&one), Server::start(&other));
        let target = |credentials: &p2p_shared::tls::Credentials, server: &Server| Target {
            name: None,
            id: Some(credentials.identity().id),
            addresses: vec![server.address],
        };
        let (there, back) = (a.transport.dial(target(&other, &b)), b.transport.dial(target(&one, &a)));
        let (there, back) = soon("both dials", async { tokio::join!(there, back) }).await;
        there.unwrap();
        back.unwrap();
        let lower_dials = |server: &Server, own: NodeId, peer: NodeId| {
            let peers = server.transport.peers();
            let side = if own < peer { Side::Dialler } else { Side::Listener };
            peers.len() == 1 && peers[0].link.is_open() && peers[0].link.side() == side
        };
        let (low, high) = (one.identity().id, other.identity().id);
        eventually("one connection", LONG, async || {
            (lower_dials(&a, low, high) && lower_dials(&b, high, low)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn nodes_tell_each_other_what_their_clocks_say() {
    let cluster = Cluster::whole(2).await;
    for index in 0..2 {
        let peers = cluster.admin(index).node().peers().await.unwrap();
        let other = peers.iter().find(|peer| peer.id == cluster.id(1 - index)).expect("they are connected");
        let ahead = other.clock_ahead_ms.expect("it told its clock");
        assert!(ahead.abs() < 5_000, "on one machine: {ahead} ms");
    }
}
