//! R35: heads of audit records that other members hold. A record that was cut or written anew is found, also
//! where every trace of it was taken away on the machine itself.

use std::fs;
use std::path::Path;

use p2p_node::audit::receipts;
use p2p_node::store::Store;
use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::services::Services;
use p2p_shared::services::audit::{AuditKind, HeldRecord, RecordCheck};

use crate::cluster::{Cluster, LONG, eventually};
use crate::exec::tui;

async fn check(cluster: &Cluster, index: usize) -> RecordCheck {
    cluster.admin(index).audit().check(String::new()).await.unwrap()
}

/// What a node holds of another one.
async fn held(cluster: &Cluster, by: usize, of: usize) -> Option<HeldRecord> {
    let records = cluster.admin(by).audit().heads().await.unwrap();
    records.into_iter().find(|record| record.id == cluster.id(of))
}

/// Waits until both others hold all of the first node's record.
async fn until_held(cluster: &Cluster) {
    eventually("both others hold the head", LONG, async || {
        let last = check(cluster, 0).await.last;
        for by in 1..3 {
            let newest = held(cluster, by, 0).await?.heads.last()?.seq;
            if newest != last {
                return None;
            }
        }
        (check(cluster, 0).await.countersigned.len() == 2).then_some(())
    })
    .await;
}

/// Cuts the last records off, and takes away all that the machine itself knows of them.
fn cut_with_every_trace(data: &Path, records: usize) {
    let segment = data.join("audit/0000000000000001.log");
    let text = fs::read_to_string(&segment).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let kept = &lines[..lines.len() - records];
    fs::write(&segment, format!("{}\n", kept.join("\n"))).unwrap();
    let store = Store::open(data).unwrap();
    let link = kept.last().unwrap().split(' ').nth(1).unwrap();
    let head = serde_json::json!({ "oldest": 1, "seq": kept.len(), "link": link });
    store.put_meta("audit_head", head.to_string().as_bytes()).unwrap();
    store.put_meta("audit_receipts", &[0]).unwrap();
    assert!(receipts::countersigned(&store).unwrap().is_empty());
}

#[tokio::test]
async fn a_tail_that_was_cut_with_every_trace_is_found_by_what_others_hold() {
    let mut cluster = Cluster::whole(3).await;
    for _ in 0..3 {
        cluster.admin(0).node().set_labels(Vec::new(), Vec::new()).await.unwrap();
    }
    until_held(&cluster).await;
    let (exit, out, err) = tui(&cluster, &["audit", "verify", "--on", "web-1"]).await;
    assert_eq!((exit, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("whole") && out.contains("web-2,web-3"), "{out}");

    cluster.stop(0).await;
    cut_with_every_trace(&cluster.data(0), 5);
    cluster.restart(0).await;
    let (exit, out, _) = tui(&cluster, &["audit", "verify", "--on", "web-1"]).await;
    assert_eq!(exit, 1, "{out}");
    assert!(out.contains("somebody cut them off") || out.contains("somebody wrote it anew"), "{out}");
    // The others refuse the shorter record, and the node that hears it says so in its own.
    eventually("an alarm in the record", LONG, async || {
        let notes = cluster.admin(0).audit().list(None, None, Some(100)).await.unwrap().entries;
        notes.into_iter().find(|entry| {
            entry.kind == AuditKind::Note && entry.message.contains("somebody cut it off or wrote it anew")
        })
    })
    .await;
    let evidence =
        eventually("evidence on another node", LONG, async || held(&cluster, 1, 0).await?.contradiction)
            .await;
    let newest = held(&cluster, 1, 0).await.unwrap().heads.pop().unwrap();
    assert!(evidence.seq < newest.seq && evidence.at > newest.at, "a later word of an earlier end");
    let broken = eventually("the node remembers", LONG, async || check(&cluster, 0).await.broken).await;
    assert!(broken.contains("web-2 holds") || broken.contains("web-3 holds"), "{broken}");
    // A node that lost its data begins anew once an administrator says so, on record.
    let (exit, _, err) = tui(&cluster, &["audit", "accept", "web-1", "--yes"]).await;
    assert_eq!((exit, err.contains("2 nodes let go")), (0, true), "{err}");
    assert_eq!(held(&cluster, 1, 0).await.and_then(|held| held.contradiction), None);
    cluster.admin(0).node().set_labels(Vec::new(), Vec::new()).await.unwrap();
    until_held(&cluster).await;
    let (exit, out, _) = tui(&cluster, &["audit", "verify", "--on", "web-1"]).await;
    assert_eq!((exit, out.contains("whole")), (0, true), "{out}");
}

#[tokio::test]
async fn heads_are_listed_with_their_proof_and_for_administrators_alone() {
    let cluster = Cluster::whole(3).await;
    until_held(&cluster).await;
    let (exit, out, _) = tui(&cluster, &["audit", "heads", "--on", "web-1", "-o", "jsonl"]).await;
    assert_eq!(exit, 0);
    let rows: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() >= 2, "{out}");
    for row in &rows {
        assert_eq!((row["node"].as_str(), row["contradicts"].as_bool()), (Some("web-1"), Some(false)));
        assert_eq!(row["signature"].as_str().unwrap().len(), 128);
    }
    let operator = cluster.operator(Role::Operator).node(cluster.name(0));
    assert_eq!(operator.audit().heads().await.unwrap_err().code, Code::Forbidden);
    assert_eq!(operator.audit().check(String::new()).await.unwrap_err().code, Code::Forbidden);
    let bad = cluster.admin(0).audit().check("1,x".into()).await.unwrap_err();
    assert_eq!(bad.code, Code::BadRequest);
}
