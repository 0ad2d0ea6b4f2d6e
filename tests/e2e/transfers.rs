//! Files from node to node: under the operator's grant alone, straight, and taken up where they were cut.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use p2p_shared::access::{Proof, Role};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::link::Local;
use p2p_shared::services::Services;
use p2p_shared::services::file::FilePath;
use p2p_shared::services::transfer::{TransferProgress, TransferSource, TransferSummary};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::Credentials;
use p2p_tui::effects::transfer::{self, End, Move, Operator, There};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::audit::policy;
use crate::cluster::Cluster;
use crate::echo::soon;

fn path(path: impl AsRef<Path>) -> FilePath {
    FilePath::new(path.as_ref().as_os_str().as_bytes()).unwrap()
}

fn now() -> UnixMillis {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    UnixMillis(u64::try_from(since.as_millis()).unwrap())
}

/// Two nodes and an operator; the first node has files, the second takes them.
struct Ground {
    cluster: Cluster,
    operator: Arc<Credentials>,
    top: TempDir,
}

impl Ground {
    async fn new(role: Role) -> Self {
        let cluster = Cluster::whole(2).await;
        let top = tempfile::tempdir().unwrap();
        for name in ["a", "b", "here"] {
            fs::create_dir(top.path().join(name)).unwrap();
        }
        for (index, name) in ["a", "b"].into_iter().enumerate() {
            let roots = format!("file_roots = [{:?}]", top.path().join(name));
            assert!(cluster.fuse(index).replace(policy(&roots)));
        }
        fs::create_dir(top.path().join("a/tree")).unwrap();
        fs::write(top.path().join("a/tree/small"), "small").unwrap();
        fs::write(top.path().join("a/tree/large"), vec![7; 1 << 20]).unwrap();
        let operator = cluster.operator_credentials(role);
        Self { cluster, operator, top }
    }

    fn end(&self, index: usize, name: &str) -> End {
        let node = self.cluster.as_seen_by(&self.operator).node(self.cluster.name(index));
        End::There(There { id: self.cluster.id(index), node, path: path(self.top.path().join(name)) })
    }

    async fn run(&self, from: End, to: End) -> Result<TransferSummary, RpcError> {
        let what = Move { from, to, tree: true, bytes_per_second_max: None };
        let operator = Operator { credentials: Some(&self.operator), now: now() };
        let (told, _watched) = watch::channel(TransferProgress::default());
        soon("a transfer", transfer::run(what, operator, &told)).await
    }

    fn is_whole(&self, name: &str) {
        for file in ["small", "large"] {
            let [from, to] =
                ["a/tree", name].map(|top| fs::read(self.top.path().join(top).join(file)).unwrap());
            assert!(from == to, "{name}/{file}");
        }
    }
}

#[tokio::test]
async fn a_tree_goes_from_node_to_node_and_to_and_from_the_console() {
    let ground = Ground::new(Role::Admin).await;
    let summary = ground.run(ground.end(0, "a/tree"), ground.end(1, "b/tree")).await.unwrap();
    assert_eq!((summary.progress.entries, summary.failed.len()), (3, 0));
    ground.is_whole("b/tree");
    let here = ground.top.path().join("here/tree");
    ground.run(ground.end(1, "b/tree"), End::Here(here.clone())).await.unwrap();
    ground.is_whole("here/tree");
    fs::write(here.join("small"), "other").unwrap();
    ground.run(End::Here(here), ground.end(1, "b/tree")).await.unwrap();
    assert_eq!(fs::read_to_string(ground.top.path().join("b/tree/small")).unwrap(), "other");
    // Whose word it was stands in the record of the sending node.
    let rows = ground.cluster.admin(0).audit().list(None, None, Some(100)).await.unwrap().entries;
    let text = format!("{rows:?}");
    assert!(
        text.contains("transfer.send") && text.contains(ground.operator.identity().name.as_str()),
        "{text}"
    );
}

#[tokio::test]
async fn the_local_policy_of_either_side_holds() {
    let ground = Ground::new(Role::Admin).await;
    let error = ground.run(ground.end(0, "b"), ground.end(1, "b/x")).await.unwrap_err();
    assert!(error.message.contains("denied: file roots"), "{error}");
    let error = ground.run(ground.end(0, "a/tree"), ground.end(1, "a/x")).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.contains("denied: file roots")),
        (Code::Forbidden, true),
        "{error}"
    );
    assert!(!ground.top.path().join("a/x").exists());
}

#[tokio::test]
async fn a_node_without_a_grant_gets_nothing_nor_does_an_operator_without_the_right() {
    let ground = Ground::new(Role::Operator).await;
    let error = ground.run(ground.end(0, "a/tree"), ground.end(1, "b/x")).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden, "{error}");
    // One that is no grant at all is no authority, whoever comes with it.
    let node = ground.cluster.admin(0).with_proof(Proof::Grant(b"none".to_vec()));
    let source = TransferSource { path: path(ground.top.path().join("a/tree")), tree: true };
    let (mut answers, _asks) = node.transfer().send(source).await.unwrap().split();
    assert_eq!(soon("a refusal", answers.next()).await.unwrap_err().code, Code::Unauthenticated);
}

#[tokio::test]
async fn bytes_that_are_no_text_go_both_ways_between_programs_of_two_versions() {
    let ground = Ground::new(Role::Admin).await;
    fs::write(ground.top.path().join("a/tree/large"), vec![0xff; 1 << 20]).unwrap();
    // Both methods are described in another way there: so both sides speak JSON.
    let mut other = Local::new(ground.operator.identity().mesh.clone());
    for method in ["transfer.send", "transfer.receive"] {
        crate::hellos::differ(&mut other, method);
    }
    let mesh = ground.cluster.saying(&ground.operator, other);
    let there = |index: usize, name: &str| {
        let node = mesh.node(ground.cluster.name(index));
        End::There(There { id: ground.cluster.id(index), node, path: path(ground.top.path().join(name)) })
    };
    let here = ground.top.path().join("here/tree");
    ground.run(there(0, "a/tree"), End::Here(here.clone())).await.unwrap();
    ground.is_whole("here/tree");
    ground.run(End::Here(here), there(1, "b/tree")).await.unwrap();
    ground.is_whole("b/tree");
}
