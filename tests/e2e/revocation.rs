//! R7, R8: a key that the CA revokes is out on every node within seconds, over connections that stand too, and
//! stays out.

use std::time::{Duration, Instant};

use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::mesh::{Dial, Target};
use p2p_shared::services::Services;
use p2p_shared::services::revocation::Verdict;
use p2p_shared::tls::{RefusalReason, SignedRevoked};

use crate::ca::TestCa;
use crate::cluster::{Cluster, LONG, alive, eventually};
use crate::echo::{dial, soon};

/// R7: in force on all connected nodes within this.
const SPREAD: Duration = Duration::from_secs(5);
/// R8: live connections are closed within this of the change.
const SWEPT: Duration = Duration::from_secs(1);

/// Hands a list to one node, as `ca.sh revoke --push` does.
pub async fn push(cluster: &Cluster, index: usize, list: &SignedRevoked) -> Verdict {
    let node = cluster.as_seen_by(&cluster.ca.courier()).node(cluster.name(index));
    let adopted = soon("the push", node.revocation().adopt(list.bytes.clone())).await.unwrap();
    assert!(adopted.kept, "on disk before it is confirmed");
    adopted.verdict
}

async fn until_in_force(cluster: &Cluster, indices: impl IntoIterator<Item = usize>, epoch: u64) {
    for index in indices {
        let mut list = cluster.portrait(index).revocations.watch();
        let newer = |list: &Option<_>| {
            list.as_ref().is_some_and(|signed: &std::sync::Arc<SignedRevoked>| signed.list.epoch >= epoch)
        };
        let waited = tokio::time::timeout(SPREAD, list.wait_for(newer)).await;
        waited
            .unwrap_or_else(|_| panic!("{}: epoch {epoch} within {SPREAD:?}", cluster.name(index)))
            .unwrap();
    }
}

fn verdict(took: Duration, limit: Duration) -> &'static str {
    if took <= limit { "PASS" } else { "FAIL" }
}

#[tokio::test]
async fn a_revoked_node_is_cut_off_everywhere_and_refused_on_both_sides() {
    let cluster = Cluster::whole(4).await;
    let (thief, id) = (3, cluster.id(3));
    let list = cluster.ca.revoke("web-4");
    let began = Instant::now();
    assert_eq!(push(&cluster, 0, &list).await, Verdict::Adopted);
    until_in_force(&cluster, 0..3, 1).await;
    let spread = began.elapsed();
    println!("R7 revoke_last_s={:.3} nodes=4 limit=5 {}", spread.as_secs_f64(), verdict(spread, SPREAD));
    for index in 0..3 {
        let is_open = || cluster.transport(index).link(&id).is_some_and(|link| link.is_open());
        eventually("its connection is closed", SWEPT, async || (!is_open()).then_some(())).await;
        cluster
            .until(index, "it is not listed", SWEPT, |members| members.iter().all(|one| one.id != id))
            .await;
        let dialled = cluster.transport(index).dial(Target {
            name: None,
            id: Some(id),
            addresses: vec![cluster.address(thief)],
        });
        let failures = soon("dialling", dialled).await.unwrap_err().failures;
        assert!(
            failures.iter().all(|failure| failure.error.refusal() == Some(RefusalReason::Revoked)),
            "{failures:?}"
        );
        assert!(!failures.is_empty());
    }
    // It was told by the list itself: it knows, says so, and leaves the others alone.
    eventually("it knows", SWEPT, async || cluster.portrait(thief).stats().revoked.then_some(())).await;
    let dialled = cluster.transport(thief).dial(Target {
        name: None,
        id: Some(cluster.id(0)),
        addresses: vec![cluster.address(0)],
    });
    soon("dialling", dialled).await.unwrap_err();
    let stats = cluster.portrait(0).stats();
    assert_eq!((stats.revocation_epoch, stats.revoked), (1, false));
    assert!(stats.revocation_heard_ms.is_some_and(|age| age < 60_000), "{stats:?}");
}

#[tokio::test]
async fn a_revoked_node_that_does_not_know_it_is_refused_by_name() {
    let cluster = Cluster::whole(2).await;
    let thief = cluster.ca.node("web-9");
    let list = cluster.ca.revoke("web-9");
    push(&cluster, 0, &list).await;
    until_in_force(&cluster, 0..2, 1).await;
    for index in 0..2 {
        let refused = soon("dialling", dial(&thief, cluster.address(index))).await.unwrap_err();
        assert_eq!(refused.refusal(), Some(RefusalReason::Revoked), "{refused}");
    }
}

#[tokio::test]
async fn a_revoked_operator_loses_every_connection_and_nothing_is_served_after() {
    let cluster = Cluster::whole(3).await;
    let operator = cluster.ca.operator("eve", Role::Admin);
    let mesh = cluster.as_seen_by(&operator);
    let mut watches = Vec::new();
    for index in 0..3 {
        let mut watch = mesh.node(cluster.name(index)).monitor().watch(60_000).await.unwrap();
        watch.next().await.unwrap().expect("the first sample");
        watches.push(watch);
    }
    let list = cluster.ca.revoke("eve");
    let began = Instant::now();
    push(&cluster, 1, &list).await;
    let mut last = Duration::ZERO;
    for watch in &mut watches {
        let ended = tokio::time::timeout(SPREAD, watch.next()).await.expect("an end");
        assert_eq!(ended.unwrap_err().code, Code::Unavailable);
        last = last.max(began.elapsed());
    }
    println!("R8 live_connections_closed_s={:.3} limit=1 {}", last.as_secs_f64(), verdict(last, SWEPT));
    assert!(last <= SWEPT, "{last:?}");
    until_in_force(&cluster, 0..3, 1).await;
    let before: Vec<u64> = (0..3).map(|index| cluster.portrait(index).calls.calls.get()).collect();
    for index in 0..3 {
        // Over what the console still holds, and over a new connection.
        let error = mesh.node(cluster.name(index)).node().info().await.unwrap_err();
        assert!(error.message.contains("revoked"), "{error}");
        let refused = soon("dialling", dial(&operator, cluster.address(index))).await.unwrap_err();
        assert_eq!(refused.refusal(), Some(RefusalReason::Revoked), "{refused}");
    }
    let after: Vec<u64> = (0..3).map(|index| cluster.portrait(index).calls.calls.get()).collect();
    let served: u64 = after.iter().zip(&before).map(|(after, before)| after - before).sum();
    println!("R8 requests_served_after={served} limit=0 {}", if served == 0 { "PASS" } else { "FAIL" });
    assert_eq!(served, 0);
}

#[tokio::test]
async fn a_restarted_node_has_the_list_before_anybody_can_come_in() {
    let mut cluster = Cluster::whole(3).await;
    let operator = cluster.ca.operator("eve", Role::Admin);
    push(&cluster, 0, &cluster.ca.revoke("eve")).await;
    // With nobody to tell it: only its own disk remembers.
    (0..3).for_each(|index| cluster.kill(index));
    cluster.restart(0).await;
    assert_eq!(cluster.portrait(0).stats().revocation_epoch, 1);
    let refused = soon("dialling", dial(&operator, cluster.address(0))).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(RefusalReason::Revoked), "{refused}");
}

#[tokio::test]
async fn a_new_node_has_the_list_of_its_bundle_and_an_old_bundle_rolls_nothing_back() {
    let mut cluster = Cluster::whole(1).await;
    cluster.ca.operator("eve", Role::Admin);
    cluster.ca.operator("bob", Role::Viewer);
    let (old, new) = (cluster.ca.revoke("eve"), cluster.ca.revoke("bob"));
    for (list, epoch) in [(&new, 2), (&old, 2)] {
        cluster.stop(0).await;
        cluster.give_list(0, list.bytes.clone());
        cluster.restart(0).await;
        let state = cluster.admin(0).revocation().state().await.unwrap();
        assert_eq!((state.epoch, state.keys.len()), (epoch, 2));
    }
}

#[tokio::test]
async fn an_older_list_and_a_forged_one_change_nothing() {
    let cluster = Cluster::whole(2).await;
    cluster.ca.operator("eve", Role::Admin);
    cluster.ca.operator("bob", Role::Viewer);
    let (old, new) = (cluster.ca.revoke("eve"), cluster.ca.revoke("bob"));
    assert_eq!(push(&cluster, 0, &new).await, Verdict::Adopted);
    assert_eq!(push(&cluster, 0, &old).await, Verdict::Older);
    assert_eq!(push(&cluster, 0, &new).await, Verdict::Known);
    until_in_force(&cluster, 0..2, 2).await;

    let stranger = TestCa::new("home");
    stranger.operator("eve", Role::Admin);
    let mut tampered = new.bytes.clone();
    tampered[10] ^= 1;
    let node = cluster.operator(Role::Admin).node(cluster.name(0));
    for forged in [stranger.revoke("eve").bytes, tampered, Vec::new(), vec![1; 100_000]] {
        let error = soon("the answer", node.revocation().adopt(forged)).await.unwrap_err();
        assert_eq!(error.code, Code::BadRequest, "{error}");
    }
    let state = node.revocation().state().await.unwrap();
    assert_eq!((state.epoch, state.keys.len(), state.own), (2, 2, false));
}

#[tokio::test]
async fn a_new_key_under_the_old_name_joins() {
    let mut cluster = Cluster::whole(3).await;
    push(&cluster, 0, &cluster.ca.revoke("web-3")).await;
    until_in_force(&cluster, 0..2, 1).await;
    cluster.stop(2).await;
    let old = cluster.id(2);
    let credentials = cluster.ca.node("web-3");
    cluster.give(2, credentials);
    assert_ne!(cluster.id(2), old);
    // On the data of the old key, which remembers the others.
    cluster.restart(2).await;
    for index in 0..3 {
        cluster.until(index, "three alive again", LONG, |members| alive(members) == 3).await;
    }
}
