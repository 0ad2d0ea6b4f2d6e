//! Units and the journal through a node of this machine, where there may be no systemd: then every call says so
//! by its code and a sentence, and what is wrong with a question is said all the same.

use std::path::Path;

use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::services::Services;

use crate::cluster::Cluster;

#[tokio::test]
async fn without_a_systemd_the_calls_are_unsupported() {
    if Path::new("/run/systemd/system").is_dir() {
        // tests/lab/units.rs is for this.
        return;
    }
    let cluster = Cluster::start(1).await;
    let node = cluster.operator(Role::Operator).node(cluster.name(0));
    let errors = [
        node.unit().list(None, None, None).await.unwrap_err(),
        node.unit().restart("cron".into()).await.unwrap_err(),
        node.unit().watch().await.unwrap().next().await.unwrap_err(),
        node.journal()
            .follow(None, None, None, None, None, None, None, None)
            .await
            .unwrap()
            .next()
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code, Code::Unsupported, "{error}");
        assert!(error.to_string().contains("there is no systemd on this machine"), "{error}");
    }
}

#[tokio::test]
async fn a_glob_is_no_unit() {
    let cluster = Cluster::start(1).await;
    let node = cluster.operator(Role::Operator).node(cluster.name(0));
    let units = node.unit();
    let errors = [
        units.stop("*".into(), None).await.unwrap_err(),
        units.status("../../etc/passwd".into(), None).await.unwrap_err(),
        units.list(None, Some("daemon".into()), None).await.unwrap_err(),
        node.journal()
            .follow(Some("ssh*".into()), None, None, None, None, None, None, None)
            .await
            .unwrap()
            .next()
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code, Code::BadRequest, "{error}");
    }
}
