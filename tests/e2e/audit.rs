//! The local fuse and the audit record over a real mesh: what is asked leaves a record with its outcome, what
//! is refused leaves one too, and what the policy stops is stopped for administrators.

use std::fs;
use std::path::Path;

use p2p_node::audit;
use p2p_node::audit::disk::Directory;
use p2p_node::audit::verify::verify;
use p2p_node::policy::Policy;
use p2p_node::store::Store;
use p2p_shared::access::Role;
use p2p_shared::config::Document;
use p2p_shared::error::Code;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::service::Verb;
use p2p_shared::services::audit::{AuditEntry, AuditKind};
use p2p_shared::services::{self, Services};

use crate::cluster::{Cluster, LONG, eventually};
use crate::echo::soon;
use crate::permissions::call;

pub fn policy(text: &str) -> Policy {
    let document = Document::from_bytes(Path::new("/etc/p2p-admin/policy.toml"), text.into()).unwrap();
    Policy::parse(&document).unwrap()
}

/// The newest entry of a caller and a method, once it is of this kind and says how it ended.
async fn ended(admin: &NodeHandle, kind: AuditKind, who: &str, method: &str) -> AuditEntry {
    eventually(&format!("{who}: {method} in the record"), LONG, async || {
        let list = admin.audit().list(Some(format!("who:{who} method:{method}")), None, Some(1)).await;
        list.unwrap().entries.pop().filter(|entry| entry.kind == kind && entry.code.is_some())
    })
    .await
}

#[tokio::test]
async fn every_call_that_changes_something_leaves_a_record_and_every_refusal_does() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.admin(0);
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let node = cluster.operator(role).node(cluster.name(0));
        let audited = |verb: Verb| matches!(verb, Verb::Post | Verb::Duplex);
        for method in services::methods() {
            let allowed = role.has(method.permission);
            if allowed && !audited(method.verb) {
                continue;
            }
            let result = soon(method.name, call(&node, method)).await;
            let kind = if allowed { AuditKind::Call } else { AuditKind::Refused };
            let entry = ended(&admin, kind, role.as_str(), method.name).await;
            assert_eq!(entry.role, Some(role), "{role}: {}", method.name);
            let code = result.err().map_or("ok".to_owned(), |error| error.code.to_string());
            assert_eq!(entry.code, Some(code), "{role}: {}", method.name);
            assert_eq!(entry.duration_ms.is_some(), allowed, "{role}: {}", method.name);
            assert!(entry.from.unwrap().starts_with("127.0.0.1:"));
            assert!(entry.arguments.starts_with('{'), "{}", entry.arguments);
        }
    }
    let reads = admin.audit().list(Some("method:node.info".into()), None, Some(10)).await.unwrap().entries;
    assert!(reads.is_empty(), "reads are not recorded: {reads:?}");
}

#[tokio::test]
async fn a_node_without_authority_is_recorded_by_its_name() {
    let cluster = Cluster::start(1).await;
    let node = cluster.as_seen_by(&cluster.ca.node("web-9")).node(cluster.name(0));
    assert_eq!(node.node().set_labels(Vec::new(), Vec::new()).await.unwrap_err().code, Code::Forbidden);
    let entry = ended(&cluster.admin(0), AuditKind::Refused, "web-9", "node.set_labels").await;
    assert_eq!((entry.caller.as_str(), entry.role), ("node", None));
}

#[tokio::test]
async fn the_local_policy_stops_an_administrator_until_it_changes() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.admin(0);
    let set = || async { admin.node().set_labels(Vec::new(), Vec::new()).await };
    set().await.unwrap();
    cluster.fuse(0).replace(policy("deny = [\"node.set_labels\"]"));
    let error = set().await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);
    assert!(error.message.starts_with("denied: local policy"), "{error}");
    let entry = ended(&admin, AuditKind::Refused, "admin", "node.set_labels").await;
    assert_eq!(entry.message, error.message);
    let permit = admin.node().can_i("node.set_labels".into(), None).await.unwrap();
    assert_eq!((permit.allowed, permit.layer.as_deref()), (false, Some("local policy")));
    assert_eq!(permit.message, error.message, "the question beforehand gets the same words");
    cluster.fuse(0).replace(policy("role_max = \"viewer\""));
    assert!(set().await.is_err() && admin.node().info().await.is_ok());
    cluster.fuse(0).replace(Policy::default());
    set().await.unwrap();
}

#[tokio::test]
async fn who_asks_beforehand_gets_the_answer_of_the_call() {
    let cluster = Cluster::start(1).await;
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let node = cluster.operator(role).node(cluster.name(0));
        for method in services::methods() {
            let permit = node.node().can_i(method.name.into(), None).await.unwrap();
            assert_eq!(permit.allowed, role.has(method.permission), "{role}: {}", method.name);
            let layer = (!permit.allowed).then_some("role");
            assert_eq!(permit.layer.as_deref(), layer);
        }
    }
    let admin = cluster.admin(0);
    let wrong = admin.node().can_i("node.forget".into(), Some("{\"id\": 7}".into())).await.unwrap();
    assert_eq!((wrong.allowed, wrong.layer.as_deref()), (false, Some("arguments")));
    assert_eq!(admin.node().can_i("no.such".into(), None).await.unwrap_err().code, Code::Unsupported);
}

#[tokio::test]
async fn arguments_are_judged_beforehand_as_by_the_call() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.admin(0);
    cluster.fuse(0).replace(policy("commands = [\"/usr/bin/id\"]\nrun_as = [\"root\"]"));
    let ask = async |method: &str, arguments: serde_json::Value| {
        let permit = admin.node().can_i(method.into(), Some(arguments.to_string())).await.unwrap();
        (permit.layer.unwrap_or_else(|| "allowed".to_owned()), permit.message)
    };
    let run = |program: &str, user: Option<&str>| {
        let command = serde_json::json!({ "program": { "program": program, "arguments": [] } });
        serde_json::json!({ "request": { "command": command, "user": user } })
    };
    let (layer, message) = ask("exec.run", run("/bin/sh", None)).await;
    assert_eq!((layer.as_str(), message.starts_with("denied: local policy: ")), ("local policy", true));
    let (layer, message) = ask("exec.run", run("/usr/bin/id", Some("nobody"))).await;
    assert_eq!((layer.as_str(), message.contains("as \"nobody\"")), ("local policy", true), "{message}");
    let (layer, message) = ask("exec.run", run("", None)).await;
    assert_eq!((layer.as_str(), message.as_str()), ("arguments", "the command is empty"));
    let (layer, _) = ask(
        "program.define",
        serde_json::json!({
            "definition": { "name": "a", "command": "/bin/sleep" }, "replace": false
        }),
    )
    .await;
    assert_eq!(layer, "local policy");
    let (layer, _) = ask("program.start", serde_json::json!({ "name": "nobody", "path": null })).await;
    assert_eq!(layer, "arguments", "there is no such program");
    let operator = cluster.operator(Role::Operator).node(cluster.name(0));
    let path = serde_json::json!({ "name": "a", "path": "/usr/bin/id" }).to_string();
    let permit = operator.node().can_i("program.start".into(), Some(path)).await.unwrap();
    assert_eq!(permit.layer.as_deref(), Some("role"), "{permit:?}");
    cluster.fuse(0).replace(Policy::default());
    assert_eq!(ask("exec.run", run("/bin/sh", None)).await.0, "allowed");
    let record = admin.audit().list(Some("method:exec.*".into()), None, Some(10)).await.unwrap().entries;
    assert!(record.is_empty(), "asking is not doing: {record:?}");
}

#[tokio::test]
async fn the_record_outlasts_a_restart_and_shows_what_was_changed() {
    let mut cluster = Cluster::start(1).await;
    cluster.admin(0).node().set_labels(Vec::new(), Vec::new()).await.unwrap();
    cluster.stop(0).await;
    cluster.restart(0).await;
    let entry = ended(&cluster.admin(0), AuditKind::Call, "admin", "node.set_labels").await;
    assert_eq!(entry.code.as_deref(), Some("ok"));
    cluster.stop(0).await;
    let data = cluster.data(0);
    let head = audit::head_in(&Store::copy_of(&data).unwrap().unwrap()).unwrap();
    assert!(verify(&Directory::of(&data), head.as_ref()).is_ok());
    let segment = data.join("audit/0000000000000001.log");
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replace("\"code\":\"ok\"", "\"code\":\"no\"")).unwrap();
    let error = verify(&Directory::of(&data), head.as_ref()).unwrap_err().to_string();
    assert!(error.contains("it is not bound to the one before it"), "{error}");
}
