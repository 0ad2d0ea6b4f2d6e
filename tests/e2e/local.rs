//! Calls over a node's Unix socket, and the console by it: no certificate is shown, and the gate is the same.

use p2p_node::transport::socket::CONNECTIONS_MAX;
use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::mesh::socket::FILE;
use p2p_shared::mesh::{Mesh, NodeHandle};
use p2p_shared::services::Services;
use p2p_shared::services::node::Label;
use p2p_tui::cli::output::Streams;
use p2p_tui::cli::run_line;
use p2p_tui::command::{Command, Subscription, Topic};
use p2p_tui::effects::Effects;
use p2p_tui::effects::settings::Surroundings;
use p2p_tui::event::MeshEvent;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::audit::policy;
use crate::cluster::{Cluster, LONG, eventually};
use crate::echo::soon;

fn local(cluster: &Cluster) -> NodeHandle {
    Mesh::of_socket(cluster.data(0).join(FILE)).node(cluster.name(0))
}

fn label() -> Label {
    Label { key: "role".into(), value: "web".into() }
}

#[tokio::test]
async fn who_owns_the_machine_calls_without_a_certificate_and_is_in_the_record() {
    let cluster = Cluster::start(1).await;
    let node = local(&cluster);
    let info = soon("a call", node.node().info()).await.unwrap();
    assert_eq!((info.id, &info.name), (cluster.id(0), cluster.name(0)));
    let mut fleet = node.node().fleet().await.unwrap();
    assert!(soon("an item", fleet.next()).await.unwrap().unwrap().full);
    soon("a change", node.node().set_labels(vec![label()], Vec::new())).await.unwrap();
    let entry = eventually("the record", LONG, async || {
        node.audit().list(Some("method:node.set_labels".into()), None, Some(1)).await.unwrap().entries.pop()
    })
    .await;
    assert_eq!((entry.caller.as_str(), entry.role), ("unix", Some(Role::Admin)));
    assert!(entry.who.starts_with("local:"), "{}", entry.who);
}

#[tokio::test]
async fn the_local_policy_holds_for_root_too() {
    let cluster = Cluster::start(1).await;
    cluster.fuse(0).replace(policy("deny = [\"node.set_labels\"]"));
    let error = local(&cluster).node().set_labels(vec![label()], Vec::new()).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden, "{error:?}");
}

#[tokio::test]
async fn one_call_too_many_is_told_so_and_a_call_that_is_given_up_frees_its_place() {
    let cluster = Cluster::start(1).await;
    let node = local(&cluster);
    let mut watches = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut watch = node.node().fleet().await.unwrap();
        soon("an item", watch.next()).await.unwrap();
        watches.push(watch);
    }
    let error = node.node().info().await.unwrap_err();
    assert_eq!(error.code, Code::RateLimited, "{error:?}");
    watches.pop();
    eventually("a place", LONG, async || node.node().info().await.ok()).await;
}

#[tokio::test]
async fn the_socket_goes_with_the_node() {
    let mut cluster = Cluster::start(1).await;
    let path = cluster.data(0).join(FILE);
    // Somebody who says nothing does not hold the end up.
    let idle = UnixStream::connect(&path).await.unwrap();
    cluster.stop(0).await;
    assert!(!path.exists());
    drop(idle);
    let error = local(&cluster).node().info().await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable, "{error:?}");
}

/// One run of `p2p-tui --local`, by somebody who has no certificate: exit code, output, words.
async fn tui(cluster: &Cluster, line: &[&str]) -> (u8, String, String) {
    let empty = tempfile::tempdir().unwrap();
    let surroundings = Surroundings { here: empty.path().to_owned(), ..Surroundings::default() };
    let socket = format!("--local={}", cluster.data(0).join(FILE).display());
    let all = ["p2p-tui", socket.as_str()];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams { out: &mut out, err: &mut err, answers: None, width: None };
    let exit = soon("a command line", run_line(all.iter().chain(line), &surroundings, &mut streams)).await;
    (exit.code(), String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test]
async fn commands_without_a_certificate_are_about_this_machine_alone() {
    let cluster = Cluster::whole(2).await;
    let (exit, nodes, err) = tui(&cluster, &["nodes", "-o", "jsonl"]).await;
    assert_eq!((exit, nodes.lines().count()), (0, 1), "{nodes}{err}");
    assert!(nodes.contains("web-1"), "{nodes}");
    let (exit, processes, err) = tui(&cluster, &["ps", "-o", "jsonl"]).await;
    assert!(exit == 0 && processes.lines().count() > 1, "{err}");
    let (exit, _, err) = tui(&cluster, &["label", "web-1", "role=web"]).await;
    assert_eq!(exit, 0, "{err}");
    let (exit, _, err) = tui(&cluster, &["token"]).await;
    assert!(exit != 0 && err.contains("operator's key"), "{err}");
    let (exit, _, err) = tui(&cluster, &["ps", "--on", "web-2"]).await;
    assert!(exit != 0 && err.contains("web-2"), "{err}");
}

#[tokio::test]
async fn the_console_shows_this_machine_and_acts_on_it() {
    let cluster = Cluster::whole(2).await;
    let (told, mut events) = mpsc::channel(64);
    let mut effects = Effects::local(cluster.data(0).join(FILE), told);
    let node = cluster.id(0);
    let mut met = Vec::new();
    effects.carry_out(Command::Subscribe(Subscription { node, topic: Topic::Sample }));
    let mut sampled = false;
    soon("a member and its sample, in whichever order", async {
        while !sampled || met.is_empty() {
            match events.recv().await.expect("the console goes on") {
                MeshEvent::Fleet(delta) => met.extend(delta.changed.into_iter().map(|member| member.id)),
                MeshEvent::Sample { node: from, .. } => sampled |= from == node,
                _ => {}
            }
        }
    })
    .await;
    assert!(met.iter().all(|id| *id == node), "{met:?}");
    effects.close().await;
}
