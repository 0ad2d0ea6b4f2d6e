//! Alerts through a node: rules are applied by who saw what they replace, and what fires outlives the node.

use std::fs;

use p2p_shared::error::Code;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::alert::{AlertInfo, AlertState, RuleSource};

use crate::cluster::{Cluster, LONG, eventually};

fn rules(path: &str) -> String {
    format!(
        "[[rule]]\nname = \"spool\"\nwhen = 'file_size_bytes{{path=\"{path}\"}} > 3'\n\
         summary = \"{{path}} has {{value}}\"\n"
    )
}

async fn alert(node: &NodeHandle, rule: &str, state: AlertState) -> AlertInfo {
    eventually("the alert", LONG, async || {
        let alerts = node.alert().list().await.ok()?.alerts;
        alerts.into_iter().find(|alert| alert.rule == rule && alert.state == state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_is_silenced_and_looked_after_and_outlives_the_node() {
    let mut cluster = Cluster::start(1).await;
    let path = cluster.data(0).with_file_name("spool");
    fs::write(&path, b"12345").unwrap();
    let path = path.to_str().unwrap().to_owned();
    let node = cluster.admin(0);
    let applied = node.alert().apply(rules(&path), String::new()).await.unwrap();
    assert_eq!(applied.changes.len(), 1);
    let fires = alert(&node, "spool", AlertState::Firing).await;
    assert_eq!((fires.value, fires.summary), (5.0, format!("{path} has 5 B")));

    let noted = node.alert().acknowledge(fires.id.clone(), "on it".into()).await.unwrap();
    assert!(noted.acknowledged.is_some_and(|who| who.note == "on it"));
    let silence = node.alert().silence("alertname=\"spool\"".into(), "work".into(), 3_600).await.unwrap();
    assert_eq!(silence.alerts, 1);

    cluster.stop(0).await;
    cluster.restart(0).await;
    let node = cluster.admin(0);
    let list = node.alert().list().await.unwrap();
    let after = list.alerts.iter().find(|alert| alert.id == fires.id).expect("it fires still");
    assert_eq!(
        (after.state, after.fired, after.silenced),
        (AlertState::Firing, fires.fired, Some(silence.id))
    );
    assert!(after.acknowledged.is_some());
    assert_eq!(list.silences.len(), 1);

    node.alert().unsilence(silence.id).await.unwrap();
    assert_eq!(node.alert().unsilence(silence.id).await.unwrap_err().code, Code::NotFound);
    let version = node.alert().rules().await.unwrap().version;
    assert_eq!(version, applied.version);
    let gone = node.alert().apply(String::new(), version).await.unwrap();
    assert_eq!((gone.version.as_str(), gone.changes.len()), ("", 1));
    alert(&node, "spool", AlertState::Resolved).await;
    let error = node.alert().acknowledge(fires.id, String::new()).await.unwrap_err();
    assert_eq!(error.code, Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_applied_whole_by_who_saw_what_they_replace() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let bad = "[[rule]]\nname = 'good'\nwhen = 'load1 > 1'\n[[rule]]\nname = 'bad'\nwhen = 'lode1 > 1'\n";
    let tested = node.alert().test(bad.into()).await.unwrap();
    let mistake = tested.mistakes.first().expect("it has one");
    assert_eq!((mistake.line, mistake.column), (6, 8));
    assert!(mistake.message.contains("did you mean load1"), "{}", mistake.message);
    let refused = node.alert().apply(bad.into(), String::new()).await.unwrap_err();
    assert_eq!(refused.code, Code::BadRequest);
    assert!(refused.message.contains("line 6, column 8"), "{}", refused.message);

    let good = "[[rule]]\nname = 'disk_full'\noff = true\n[[rule]]\nname = 'busy'\nwhen = 'load1 > 900'\n";
    let tested = node.alert().test(good.into()).await.unwrap();
    assert_eq!((tested.changes.len(), tested.mistakes.len()), (2, 0));
    let applied = node.alert().apply(good.into(), tested.version).await.unwrap();
    let late = node.alert().apply(String::new(), String::new()).await.unwrap_err();
    assert_eq!(late.code, Code::Conflict);
    let rules = node.alert().rules().await.unwrap();
    assert_eq!((rules.version, rules.applied.as_str()), (applied.version, good));
    let source = |name: &str| rules.rules.iter().find(|rule| rule.name == name).map(|rule| rule.source);
    assert_eq!((source("busy"), source("disk_full")), (Some(RuleSource::Applied), None));
    assert_eq!(source("memory_low"), Some(RuleSource::Default));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_begins_with_everything_and_tells_what_changes() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let mut watch = node.alert().watch().await.unwrap();
    let first = watch.next().await.unwrap().expect("it begins at once");
    assert!(first.full);
    let silence = node.alert().silence("alertname=\"x\"".into(), "work".into(), 60).await.unwrap();
    eventually("the silence", LONG, async || {
        let delta = watch.next().await.unwrap()?;
        assert!(!delta.full);
        delta.silences.iter().any(|one| one.id == silence.id).then_some(())
    })
    .await;
}
