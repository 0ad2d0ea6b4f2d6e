//! Scans of ports as jobs: they go on without their caller, say how far they are, are stopped, and end with their
//! node.

use std::net::TcpListener;

use p2p_shared::error::Code;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::job::{JobId, JobInfo, JobRequest, JobState, JobWork};
use p2p_shared::services::network::ScanRequest;
use serde_json::Value;

use crate::audit::policy;
use crate::cluster::{Cluster, LONG, eventually};
use crate::exec::tui;

fn scan(target: &str, ports: &str, rate_per_s: Option<u32>) -> JobRequest {
    let (targets, ports) = (vec![target.to_owned()], Some(ports.to_owned()));
    JobRequest::new(JobWork::Scan(ScanRequest { targets, ports, rate_per_s, ..ScanRequest::default() }))
}

/// One that would take an hour.
fn long() -> JobRequest {
    scan("127.0.0.1", "1-36000", Some(10))
}

async fn until(node: &NodeHandle, id: &JobId, what: &str, wanted: impl Fn(&JobInfo) -> bool) -> JobInfo {
    eventually(what, LONG, async || {
        let info = node.job().inspect(id.clone()).await.unwrap().info;
        wanted(&info).then_some(info)
    })
    .await
}

#[tokio::test]
async fn a_detached_scan_goes_on_and_its_output_is_what_it_found() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ports = format!("1-5,{port}");
    let line = ["network", "scan", "--detach", "--on", "web-1", "--label", "who", "-p", &ports, "127.0.0.1"];
    let (code, out, err) = tui(&cluster, &line).await;
    assert_eq!((code, err.as_str()), (0, ""));
    let id: JobId = out.trim().parse().unwrap();
    let info = until(&node, &id, "its end", |info| info.state.is_final()).await;
    assert_eq!((info.state, info.label.as_str()), (JobState::Succeeded, "who"), "{info:?}");
    assert_eq!(info.work, format!("scan 127.0.0.1 ports {ports}"));
    assert_eq!(info.progress.unwrap().ratio, Some(1.0));
    let (code, out, err) = tui(&cluster, &["jobs", "output", id.as_str(), "--on", "web-1"]).await;
    let found: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(found.iter().any(|open| open["port"] == port && open["address"] == "127.0.0.1"), "{out}");
    assert!(code == 0 && err.starts_with("6 of 6 ports in "), "{err}");
    let (code, out, _) = tui(&cluster, &["jobs", "show", id.as_str(), "--on", "web-1"]).await;
    assert!(code == 0 && out.contains("scan        scan 127.0.0.1"), "{out}");
}

#[tokio::test]
async fn a_scan_that_is_called_off_leaves_its_place_to_one_that_waits() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let mut running = Vec::new();
    for _ in 0..2 {
        let id = node.job().submit(long()).await.unwrap().id;
        let looks = |info: &JobInfo| info.progress.as_ref().is_some_and(|so_far| so_far.ratio < Some(1.0));
        until(&node, &id, "how far it is", looks).await;
        running.push(id);
    }
    let waits = node.job().submit(scan("127.0.0.1", "1-9", None)).await.unwrap().id;
    let says = |info: &JobInfo| {
        let words = info.progress.as_ref().and_then(|so_far| so_far.words.as_deref());
        words.is_some_and(|words| words.contains("another scan"))
    };
    until(&node, &waits, "that it waits", says).await;
    let info = node.job().cancel(running[0].clone()).await.unwrap();
    assert_eq!((info.state, info.exit.unwrap().signal), (JobState::Cancelled, Some(15)));
    let info = until(&node, &waits, "its end", |info| info.state.is_final()).await;
    assert_eq!(info.state, JobState::Succeeded);
    assert_eq!(node.job().cancel(running[1].clone()).await.unwrap().state, JobState::Cancelled);
}

#[tokio::test]
async fn a_scan_as_a_job_may_what_the_direct_call_may() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let refused = node.job().submit(scan("192.0.2.7", "22", None)).await.unwrap_err();
    assert!(refused.message.contains("denied: local policy: without scan_targets"), "{refused}");
    let refused = node.job().submit(scan("127.0.0.1", "0", None)).await.unwrap_err();
    assert_eq!(refused.code, Code::BadRequest);
    cluster.fuse(0).replace(policy("deny = [\"network.scan\"]"));
    let refused = node.job().submit(scan("127.0.0.1", "1", None)).await.unwrap_err();
    assert!(refused.message.contains("denied: local policy: network.scan"), "{refused}");
}

#[tokio::test]
async fn a_scan_ends_with_its_node_and_is_begun_again_only_where_told() {
    let mut cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let once = node.job().submit(long()).await.unwrap().id;
    let twice = node.job().submit(JobRequest { may_run_twice: true, ..long() }).await.unwrap().id;
    for id in [&once, &twice] {
        until(&node, id, "how far it is", |info| info.progress.is_some()).await;
    }
    cluster.stop(0).await;
    cluster.restart(0).await;
    let node = cluster.admin(0);
    let info = until(&node, &once, "its end", |info| info.state.is_final()).await;
    assert_eq!((info.state, info.attempts), (JobState::Interrupted, 1));
    let again = |info: &JobInfo| info.attempts == 2 && info.progress.is_some();
    until(&node, &twice, "another attempt", again).await;
    assert_eq!(node.job().cancel(twice).await.unwrap().state, JobState::Cancelled);
}
