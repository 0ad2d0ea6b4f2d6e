//! Throughput and round trips between two nodes: measured by the first, let by the second under the operator's
//! grants alone, and one at a time.

use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::services::Services;
use p2p_shared::services::file::FileContent;
use p2p_shared::services::network::{LoadDirection, LoadRequest, ThroughputOrder};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::echo::soon;
use crate::exec::tui;

#[tokio::test]
async fn two_nodes_measure_what_lies_between_them() {
    let cluster = Cluster::whole(2).await;
    let line = ["network", "throughput", "web-1", "web-2", "-t", "200ms", "-o", "json"];
    let (code, out, err) = tui(&cluster, &line).await;
    assert_eq!((code, err.as_str()), (0, ""));
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&rows[0]["from"], &rows[0]["to"]), (&"web-1".into(), &"web-2".into()));
    for rate in ["sent_bytes_per_s", "received_bytes_per_s"] {
        assert!(rows[0][rate].as_u64().unwrap() > 1 << 20, "{out}");
    }
    let ms = |name: &str| rows[0][name].as_f64().unwrap();
    assert!(ms("rtt_min_ms") > 0.0 && ms("rtt_min_ms") <= ms("rtt_median_ms"), "{out}");
    assert!(ms("rtt_median_ms") <= ms("rtt_p99_ms"), "{out}");
    // Whose word it was stands in the record of the node that let it.
    let rows = cluster.admin(1).audit().list(None, None, Some(10)).await.unwrap().entries;
    assert!(format!("{rows:?}").contains("network.load"), "{rows:?}");

    let (code, out, err) = tui(&cluster, &["network", "throughput", "--on", "web-1", "-t", "100ms"]).await;
    assert!(code == 0 && out.contains("web-1"), "{out}{err}");
    let (code, _, err) = tui(&cluster, &["network", "throughput", "web-1", "web-1"]).await;
    assert!(code == 2 && err.contains("both ends"), "{err}");
    let (code, _, err) = tui(&cluster, &["network", "throughput", "web-1", "web-9"]).await;
    assert!(code == 1 && err.contains("web-9: no node is called so"), "{err}");
}

#[tokio::test]
async fn without_a_grant_for_just_that_nothing_is_measured() {
    let cluster = Cluster::whole(2).await;
    let nothing = || FileContent(Vec::new());
    let order = ThroughputOrder {
        node: cluster.name(1).clone(),
        id: cluster.id(1),
        time_ms: Some(100),
        echo: nothing(),
        down: nothing(),
        up: nothing(),
    };
    let refused = soon("a refusal", cluster.admin(0).network().throughput(order.clone())).await.unwrap_err();
    assert!(refused.code == Code::Unauthenticated && refused.message.contains("web-2: "), "{refused:?}");
    let long = ThroughputOrder { time_ms: Some(4_501), ..order.clone() };
    assert_eq!(cluster.admin(0).network().throughput(long).await.unwrap_err().code, Code::BadRequest);
    let other = ThroughputOrder { id: cluster.id(0), ..order.clone() };
    assert_eq!(cluster.admin(0).network().throughput(other).await.unwrap_err().code, Code::Conflict);
    let viewer = cluster.operator(Role::Viewer).node(cluster.name(0));
    assert_eq!(viewer.network().throughput(order).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn a_node_is_in_one_measurement_at_a_time() {
    let cluster = Cluster::whole(2).await;
    let echo = LoadRequest { direction: LoadDirection::Echo, time_ms: None, bytes_max: None };
    let mut busy = cluster.admin(1).network().load(echo).await.unwrap();
    let item = p2p_shared::services::network::LoadItem { content: FileContent(vec![1]), report: None };
    busy.send(&item).await.unwrap();
    assert_eq!(soon("an echo", busy.output.next()).await.unwrap(), Some(item));
    let line = ["network", "throughput", "web-1", "web-2", "-t", "100ms"];
    let (code, _, err) = tui(&cluster, &line).await;
    assert!(code != 0 && err.contains("web-2: ") && err.contains("runs on this node already"), "{err}");
    busy.finish().await.unwrap();
    while soon("its report", busy.output.next()).await.unwrap().is_some() {}
    let (code, _, err) = tui(&cluster, &line).await;
    assert_eq!((code, err.as_str()), (0, ""));
}
