//! R29: what a role may do is what the table says, held by walking every method of every service; and what
//! two versions with different schemas say to each other.

use p2p_shared::access::Role;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::id::NodeId;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::link::Local;
use p2p_shared::rpc::client::{Call, ItemSource, MethodRef};
use p2p_shared::rpc::codec::Encoding;
use p2p_shared::rpc::service::MethodSpec;
use p2p_shared::services::{self, Services};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::echo::soon;

/// Arguments with which a method does no harm: what they aim at is not there.
fn harmless(method: &str) -> Value {
    let process = json!({ "boot_id": "another boot", "pid": 1, "start_ticks": 1 });
    match method {
        "node.find" | "node.look_up" => json!({ "name": "web-1" }),
        "node.can_i" => json!({ "method": "node.info", "arguments": null }),
        "audit.list" => json!({ "filter": null, "limit": 10 }),
        "audit.accept" => json!({ "id": NodeId::new([0; 32]) }),
        "audit.check" => json!({ "at": "" }),
        "node.set_labels" => json!({ "set": [], "remove": [] }),
        "node.forget" => json!({ "id": NodeId::new([0; 32]) }),
        "process.list" => json!({ "filter": null }),
        "process.holders" => json!({ "protocol": "tcp", "local": "127.0.0.1:1", "remote": "127.0.0.1:2" }),
        "process.inspect" => process,
        "process.signal" => json!({ "target": process, "signal": "term" }),
        "process.renice" => json!({ "target": process, "nice": 0 }),
        "revocation.adopt" => json!({ "list": [] }),
        "program.define" => json!({ "definition": { "name": "a", "command": "/bin/true" }, "replace": true }),
        "program.start" => json!({ "name": "nobody", "path": null }),
        "program.logs" | "program.follow" => json!({ "name": "nobody", "lines": 1 }),
        name if name.starts_with("program.") && name != "program.list" => json!({ "name": "nobody" }),
        "process.watch" | "monitor.watch" => json!({ "interval_ms": 1_000 }),
        "unit.status" | "unit.file" | "unit.start" | "unit.stop" | "unit.restart" | "unit.reload"
        | "unit.enable" | "unit.disable" | "unit.mask" | "unit.unmask" => json!({ "unit": "p2p-nowhere" }),
        "job.list" => json!({ "filter": null, "before": null, "limit": 1 }),
        "job.output" | "job.follow" => json!({ "id": "0", "lines": 1 }),
        "job.inspect" | "job.track" | "job.cancel" | "job.retry" | "job.remove" => json!({ "id": "0" }),
        "job.submit" => {
            let command = json!({ "program": { "program": "true", "arguments": [] } });
            json!({ "request": { "work": { "command": { "command": command } } } })
        }
        "monitor.history" => json!({ "series": "load1", "from": 1_000, "to": 61_000, "step_s": null }),
        "monitor.busiest" => json!({ "at": 1_000 }),
        "network.resolve" => json!({ "name": "localhost" }),
        "network.ping" => json!({ "target": "127.0.0.1", "count": 1 }),
        "network.trace" => json!({ "target": "127.0.0.1", "hops": 1, "probes": 1 }),
        "network.scan" => json!({ "request": { "targets": ["127.0.0.1"], "ports": "1" } }),
        "network.throughput" => {
            let order =
                json!({ "node": "nobody", "id": NodeId::new([0; 32]), "echo": "", "down": "", "up": "" });
            json!({ "order": order })
        }
        "network.load" => json!({ "request": { "direction": "down", "time_ms": 10 } }),
        "alert.test" => json!({ "rules": "" }),
        "alert.apply" => json!({ "rules": "", "seen": "" }),
        "alert.silence" => json!({ "matchers": "alertname=\"nobody\"", "reason": "a test", "span_s": 1 }),
        "alert.unsilence" => json!({ "id": 9_999 }),
        "alert.acknowledge" => json!({ "id": "0", "note": "" }),
        "file.write" | "file.append" => json!({ "path": "/p2p-nowhere/x", "content": "" }),
        "file.truncate" => json!({ "path": "/p2p-nowhere/x", "size_bytes": 0 }),
        "file.undo" => json!({ "id": "0" }),
        "file.undos" => json!({}),
        "file.rename" | "file.copy" => json!({ "from": "/p2p-nowhere/x", "to": "/p2p-nowhere/y" }),
        "file.chmod" => json!({ "path": "/p2p-nowhere/x", "mode": 0 }),
        "file.chown" => json!({ "path": "/p2p-nowhere/x", "user": "0" }),
        "file.symlink" => json!({ "path": "/p2p-nowhere/x", "target": "x" }),
        "file.grep" => json!({ "path": "/p2p-nowhere", "regex": "x" }),
        name if name.starts_with("file.") => json!({ "path": "/p2p-nowhere/x" }),
        "transfer.send" => json!({ "source": { "path": "/p2p-nowhere/x", "tree": false } }),
        "transfer.receive" => json!({ "order": { "to": "/p2p-nowhere/x" } }),
        "exec.run" => {
            json!({ "request": { "command": { "program": { "program": "true", "arguments": [] } } } })
        }
        "shell.open" => json!({ "request": { "user": "nobody-here", "term": "dumb" } }),
        "shell.attach" => json!({ "to": { "id": "nobody" } }),
        "shell.end" | "shell.replay" => json!({ "id": "nobody" }),
        _ => json!({}),
    }
}

/// Calls a method by its name, as scripts do.
pub async fn call(node: &NodeHandle, method: &'static MethodSpec) -> Result<(), RpcError> {
    let args = harmless(method.name);
    let reference = MethodRef { encoding: Some(Encoding::Json), ..method.into() };
    if method.verb.streams() {
        let mut opened = node.open(reference, &args).await?;
        return opened.source.next_item().await.map(|item| assert!(item.is_some(), "{}", method.name));
    }
    let answer = node.exchange(reference, &args).await?;
    serde_json::from_slice::<Value>(&answer.bytes).unwrap();
    Ok(())
}

#[tokio::test]
async fn every_method_serves_exactly_the_roles_of_the_table() {
    let cluster = Cluster::start(1).await;
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let node = cluster.operator(role).node(cluster.name(0));
        for method in services::methods() {
            let ended = soon(method.name, call(&node, method)).await;
            match ended.map_err(|error| error.code) {
                Err(Code::Forbidden) => assert!(!role.has(method.permission), "{role}: {}", method.name),
                Ok(()) | Err(Code::Conflict | Code::NotFound | Code::Unsupported) => {
                    assert!(role.has(method.permission), "{role}: {}", method.name);
                }
                // Nothing is no list, which is seen only once it may be handed over.
                Err(Code::BadRequest) if method.name == "revocation.adopt" => {
                    assert!(role.has(method.permission), "{role}");
                }
                Err(code) => panic!("{role}: {}: {code}", method.name),
            }
        }
    }
}

#[tokio::test]
async fn no_method_serves_a_node() {
    let cluster = Cluster::start(1).await;
    let node = cluster.as_seen_by(&cluster.ca.node("web-9")).node(cluster.name(0));
    for method in services::methods() {
        let error = soon(method.name, call(&node, method)).await.unwrap_err();
        assert_eq!(error.code, Code::Forbidden, "{}: {error}", method.name);
    }
}

#[tokio::test]
async fn a_caller_with_other_schemas_is_served_in_json() {
    let cluster = Cluster::start(1).await;
    let operator = cluster.ca.operator("ann", Role::Viewer);
    let mut other = Local::new(operator.identity().mesh.clone());
    for method in ["node.info", "process.watch"] {
        crate::hellos::differ(&mut other, method);
    }
    let node = cluster.saying(&operator, other).node(cluster.name(0));
    let method = |name| MethodRef::from(services::method(name).unwrap());
    let info = node.exchange(method("node.info"), &json!({})).await.unwrap();
    assert_eq!(info.encoding, Encoding::Json);
    assert_eq!(serde_json::from_slice::<Value>(&info.bytes).unwrap()["name"], "web-1");
    assert_eq!(node.node().info().await.unwrap().name, *cluster.name(0));
    let mut watch = node.process().watch(1_000).await.unwrap();
    assert!(watch.next().await.unwrap().unwrap().full);
    // What both describe alike stays compact.
    let stats = services::node::stats::Args {};
    assert_eq!(node.exchange(method("node.stats"), &stats).await.unwrap().encoding, Encoding::Bincode);
}
