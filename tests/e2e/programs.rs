//! Supervised programs through a node: started, crashed, stopped, and taken up by the node that comes after.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use p2p_shared::access::Role;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::process::ProcessRef;
use p2p_shared::services::program::{
    Check, OutputStream, Probe, ProgramDefinition, ProgramState, ProgramStatus, RestartMode, RestartPolicy,
    StopPolicy, UnhealthyAction,
};
use p2p_shared::tls::Credentials;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::binary::{Program, World};
use crate::cluster::{Cluster, LONG, eventually};

/// A program that a shell acts out.
fn acted(name: &str, script: &str) -> ProgramDefinition {
    let arguments = vec!["-c".to_owned(), script.to_owned()];
    let stop = StopPolicy { timeout_ms: 300, ..StopPolicy::default() };
    ProgramDefinition { arguments, stop, ..ProgramDefinition::new(name.parse().unwrap(), "/bin/sh") }
}

fn once(definition: ProgramDefinition) -> ProgramDefinition {
    ProgramDefinition {
        restart: RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::default() },
        ..definition
    }
}

/// Defines and starts a program.
async fn begin(node: &NodeHandle, definition: ProgramDefinition) -> ProgramStatus {
    let name = definition.name.to_string();
    node.program().define(definition, true).await.unwrap();
    node.program().start(name, None).await.unwrap()
}

/// Its status, once it is in this state.
async fn until(node: &NodeHandle, name: &str, state: ProgramState) -> ProgramStatus {
    let what = format!("{name} is {}", state.as_str());
    eventually(&what, LONG, async || {
        let status = node.program().status(name.into()).await.unwrap();
        (status.info.state == state).then_some(status)
    })
    .await
}

fn pid(process: &ProcessRef) -> Pid {
    Pid::from_raw(i32::try_from(process.pid).unwrap()).unwrap()
}

fn lives(process: &ProcessRef) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
    test_kill_process(pid(process)).is_ok() && !stat.contains(") Z ")
}

#[tokio::test]
async fn the_owners_two_words_are_one_call_each() {
    let cluster = Cluster::start(1).await;
    let programs = cluster.admin(0).program();
    let path = "/bin/cat".to_owned();
    let status = programs.start("my_service".into(), Some("/usr/bin/yes".into())).await.unwrap();
    assert_eq!((status.info.state, status.info.starts), (ProgramState::Running, 1));
    let error = programs.start("my_service".into(), Some(path)).await.unwrap_err();
    assert_eq!(error.code, Code::Conflict, "{error}");
    let again = programs.start("my_service".into(), Some("/usr/bin/yes".into())).await.unwrap();
    assert_eq!(again.info.process, status.info.process);
    let stopped = programs.stop("my_service".into()).await.unwrap();
    assert_eq!(stopped.info.state, ProgramState::Stopped);
    assert!(!lives(&status.info.process.unwrap()));
    assert_eq!(stopped.exits[0].signal, Some(15));
    assert_eq!(stopped.exits[0].asked_by.as_deref(), Some("operator admin (admin)"));
    programs.remove("my_service".into()).await.unwrap();
    assert_eq!(programs.status("my_service".into()).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn what_is_defined_an_operator_controls_and_a_viewer_sees() {
    let cluster = Cluster::start(1).await;
    let mut definition = acted("a", "echo $SECRET; exec sleep 600");
    definition.environment.insert("SECRET".into(), "hush".into());
    cluster.admin(0).program().define(definition, false).await.unwrap();
    let operator = cluster.operator(Role::Operator).node(cluster.name(0)).program();
    let refused =
        |ended: Result<ProgramStatus, RpcError>| assert_eq!(ended.unwrap_err().code, Code::Forbidden);
    refused(operator.start("b".into(), Some("/bin/true".into())).await);
    refused(operator.start("a".into(), Some("/bin/sh".into())).await);
    refused(operator.define(acted("a", "true"), true).await);
    assert_eq!(operator.definition("a".into()).await.unwrap_err().code, Code::Forbidden);
    operator.start("a".into(), None).await.unwrap();
    let viewer = cluster.operator(Role::Viewer).node(cluster.name(0)).program();
    let status = viewer.status("a".into()).await.unwrap();
    assert_eq!(status.definition.environment["SECRET"], "***");
    refused(viewer.stop("a".into()).await);
    operator.stop("a".into()).await.unwrap();
}

#[tokio::test]
async fn a_crash_is_followed_by_a_restart_soon_after_its_back_off() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let mut definition = acted("a", "exec sleep 600");
    definition.restart.delay_ms = 50;
    let first = begin(&node, definition).await.info.process.unwrap();
    kill_process(pid(&first), Signal::KILL).unwrap();
    let status = eventually("it runs again", LONG, async || {
        let status = node.program().status("a".into()).await.unwrap();
        (status.info.starts == 2).then_some(status)
    })
    .await;
    assert_eq!((status.exits[0].signal, status.exits[0].asked_by.as_deref()), (Some(9), None));
    assert_eq!(status.info.restarts, 1);
    node.program().stop("a".into()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_start_is_told_with_its_reason() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "no program").unwrap();
    let plain = plain.to_str().unwrap().to_owned();
    let with = |change: &dyn Fn(&mut ProgramDefinition)| {
        let mut definition = once(acted("a", "true"));
        change(&mut definition);
        definition
    };
    for (definition, words) in [
        (with(&|a| a.command = "/no/such/thing".into()), "cannot run \"/no/such/thing\": no such file"),
        (
            with(&|a| a.command = "no-such-thing".into()),
            "cannot run \"no-such-thing\": no such program in /usr",
        ),
        (with(&|a| a.command = plain.clone()), "plain\": it is not executable"),
        (
            with(&|a| a.working_directory = Some("/no/such".into())),
            "working directory /no/such: no such file",
        ),
        (with(&|a| a.user = Some("nobody-at-all".into())), "this machine knows no user \"nobody-at-all\""),
        (with(&|a| a.group = Some("nobody-at-all".into())), "this machine knows no group \"nobody-at-all\""),
    ] {
        let status = begin(&node, definition).await;
        assert_eq!(status.info.state, ProgramState::Failed, "{words}");
        assert!(status.info.detail.contains(words), "{}", status.info.detail);
        assert_eq!((status.info.starts, status.info.process), (0, None));
    }
}

#[tokio::test]
async fn programs_that_misbehave_end_all_the_same() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    // Exits at once.
    begin(&node, once(acted("exits", "exit 3"))).await;
    let status = until(&node, "exits", ProgramState::Failed).await;
    assert_eq!(status.exits[0].code, Some(3));
    // Ignores SIGTERM, and so do its children.
    let deaf = cluster_file(&cluster, "deaf");
    let script = format!("trap '' TERM; : > {deaf}; sleep 600 & wait; sleep 600");
    let stubborn = begin(&node, acted("stubborn", &script)).await;
    eventually("it is deaf", LONG, async || fs::exists(&deaf).unwrap().then_some(())).await;
    let stopped = node.program().stop("stubborn".into()).await.unwrap();
    assert_eq!((stopped.info.state, stopped.exits[0].signal), (ProgramState::Stopped, Some(9)));
    assert!(!lives(&stubborn.info.process.unwrap()));
    // Leaves a child behind in its group.
    let left = cluster_file(&cluster, "left");
    begin(&node, once(acted("forks", &format!("sleep 600 & echo $! > {left}; exit 0")))).await;
    until(&node, "forks", ProgramState::Completed).await;
    let child: u32 = fs::read_to_string(&left).unwrap().trim().parse().unwrap();
    let child = ProcessRef { boot_id: String::new(), pid: child, start_ticks: 0 };
    eventually("what it left is gone", LONG, async || (!lives(&child)).then_some(())).await;
    // Closes its streams.
    let closes = begin(&node, acted("closes", "exec sleep 600 >&- 2>&-")).await;
    assert_eq!(closes.info.state, ProgramState::Running);
    assert_eq!(node.program().stop("closes".into()).await.unwrap().info.state, ProgramState::Stopped);
    // Starts over and over.
    let mut storm = acted("storm", "exit 1");
    storm.restart = RestartPolicy { delay_ms: 50, delay_max_ms: 50, burst: 3, ..RestartPolicy::default() };
    begin(&node, storm).await;
    let status = until(&node, "storm", ProgramState::Failed).await;
    assert_eq!((status.info.starts, status.exits.len()), (4, 4));
    assert!(status.info.detail.contains("given up after 3 restarts"), "{}", status.info.detail);
}

fn cluster_file(cluster: &Cluster, name: &str) -> String {
    cluster.data(0).with_file_name(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn output_is_kept_apart_followed_and_never_trusted() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let go = cluster_file(&cluster, "go");
    let script = format!(
        "printf 'out \\377\\n'; echo err >&2; until test -e {go}; do sleep 0.01; done; echo more; sleep 600"
    );
    begin(&node, acted("a", &script)).await;
    let log = eventually("both lines", LONG, async || {
        let log = node.program().logs("a".into(), 10).await.unwrap();
        (!log.stdout.is_empty() && !log.stderr.is_empty()).then_some(log)
    })
    .await;
    assert_eq!((log.stdout.as_str(), log.stderr.as_str(), log.lost_bytes), ("out \u{fffd}\n", "err\n", 0));
    let mut follow = node.program().follow("a".into(), 1).await.unwrap();
    let mut next = async || {
        let chunk = follow.next().await.unwrap().unwrap();
        (chunk.stream, chunk.text)
    };
    assert_eq!(next().await, (OutputStream::Stdout, "out \u{fffd}\n".into()));
    assert_eq!(next().await, (OutputStream::Stderr, "err\n".into()));
    fs::write(&go, "").unwrap();
    assert_eq!(next().await, (OutputStream::Stdout, "more\n".into()));
    node.program().stop("a".into()).await.unwrap();
}

#[tokio::test]
async fn a_flood_is_bounded_on_disk_and_loses_nothing_else() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    begin(&node, once(acted("flood", "head -c 9000000 /dev/zero | tr '\\0' x; echo; echo the end"))).await;
    until(&node, "flood", ProgramState::Completed).await;
    let log = eventually("the end", LONG, async || {
        let log = node.program().logs("flood".into(), 1).await.unwrap();
        (log.stdout == "the end\n").then_some(log)
    })
    .await;
    assert_eq!(log.lost_bytes, 0);
    let directory = cluster.data(0).join("programs/flood");
    let bytes: u64 =
        fs::read_dir(directory).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= 8 << 20, "{bytes}");
}

#[tokio::test]
async fn a_probe_decides_what_others_wait_for() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let file = cluster_file(&cluster, "up");
    let check = Check::Command(vec!["test".into(), "-e".into(), file.clone()]);
    let probe = Probe {
        check,
        interval_ms: 100,
        timeout_ms: 5_000,
        threshold: 1,
        unhealthy: UnhealthyAction::Report,
    };
    let db = ProgramDefinition { probe: Some(probe), ..acted("db", "exec sleep 600") };
    node.program().define(db, false).await.unwrap();
    let on =
        serde_json::from_value(serde_json::json!([{ "program": "db", "condition": "healthy" }])).unwrap();
    let web = begin(&node, ProgramDefinition { dependencies: on, ..acted("web", "exec sleep 600") }).await;
    assert_eq!(web.info.state, ProgramState::Waiting);
    until(&node, "db", ProgramState::Unhealthy).await;
    fs::write(&file, "").unwrap();
    until(&node, "web", ProgramState::Running).await;
    fs::remove_file(&file).unwrap();
    let db = until(&node, "db", ProgramState::Unhealthy).await;
    assert!(db.info.detail.contains("exit status: 1"), "{}", db.info.detail);
    for name in ["web", "db"] {
        node.program().stop(name.into()).await.unwrap();
    }
}

/// A machine whose node comes and goes.
struct Machine {
    world: World,
    certs: PathBuf,
    operator: Arc<Credentials>,
}

impl Machine {
    fn new() -> Self {
        let world = World::new();
        let (certs, operator) = (world.ca.node_files("web-1"), world.ca.operator("ann", Role::Admin));
        Self { world, certs, operator }
    }

    /// Its node as a process of its own, and an administrator's handle to it.
    async fn start(&self) -> (Program, NodeHandle) {
        let mut program = self.world.run("web-1", &self.certs, &[]);
        let (quic, _) = program.ready().await;
        let node = self.world.call_as(&self.operator, "web-1", quic);
        (program, node)
    }
}

#[tokio::test]
async fn programs_outlive_the_node_and_are_taken_up_as_what_they_are() {
    let machine = Machine::new();
    let (mut program, node) = machine.start().await;
    let kept =
        begin(&node, acted("kept", "while echo tick; do sleep 0.02; done")).await.info.process.unwrap();
    let lost = begin(&node, acted("lost", "exec sleep 600")).await.info.process.unwrap();
    let rests = begin(&node, once(acted("rests", "exit 5"))).await;
    until(&node, "rests", ProgramState::Failed).await;
    assert_eq!(rests.info.starts, 1);
    program.child.kill().unwrap();
    program.ended().await;
    kill_process(pid(&lost), Signal::KILL).unwrap();
    assert!(lives(&kept), "it goes on while the node is down");

    let (mut program, node) = machine.start().await;
    let status = node.program().status("kept".into()).await.unwrap();
    assert_eq!((status.info.process.as_ref(), status.info.state), (Some(&kept), ProgramState::Running));
    let mut follow = node.program().follow("kept".into(), 0).await.unwrap();
    assert!(follow.next().await.unwrap().unwrap().text.contains("tick"), "its output goes on too");
    let status = eventually("it is started again", LONG, async || {
        let status = node.program().status("lost".into()).await.unwrap();
        (status.info.starts == 2).then_some(status)
    })
    .await;
    assert_eq!(status.exits[0].to_string(), "exit unknown");
    let rests = node.program().status("rests".into()).await.unwrap();
    assert_eq!((rests.info.state, rests.exits[0].code), (ProgramState::Failed, Some(5)));

    // One that was taken up is stopped like any other; how it ended nobody saw.
    let stopped = node.program().stop("kept".into()).await.unwrap();
    assert_eq!(stopped.info.state, ProgramState::Stopped);
    assert!(!lives(&kept));
    assert_eq!(stopped.exits[0].to_string(), "exit unknown");
    node.program().stop("lost".into()).await.unwrap();
    program.stop().await;
}

/// When a node is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Asked,
    Spawned,
    Answered,
    Stopping,
}

#[tokio::test]
async fn a_node_killed_at_any_moment_of_a_start_leaves_one_instance_or_none() {
    let machine = Machine::new();
    let (mut program, mut node) = machine.start().await;
    let marker = format!("sleep 31{}", std::process::id());
    let mut definition = acted("a", &format!("exec {marker}"));
    definition.restart.delay_ms = 50;
    node.program().define(definition, false).await.unwrap();
    for moment in [Moment::Asked, Moment::Spawned, Moment::Answered, Moment::Stopping, Moment::Asked] {
        let asked = node.program();
        let mut start = Box::pin(asked.start("a".into(), None));
        match moment {
            Moment::Asked => assert!((&mut start).now_or_never().is_none()),
            Moment::Spawned => {
                let looked = async || (!instances(&marker).is_empty()).then_some(());
                let there = std::pin::pin!(eventually("it is there", LONG, looked));
                futures::future::select(&mut start, there).await;
            }
            Moment::Answered | Moment::Stopping => assert!(start.as_mut().await.unwrap().info.state.runs()),
        }
        if let Moment::Stopping = moment {
            assert!(node.program().stop("a".into()).now_or_never().is_none());
        }
        program.child.kill().unwrap();
        program.ended().await;
        drop(start);
        (program, node) = machine.start().await;
        node.program().start("a".into(), None).await.unwrap();
        let status = until(&node, "a", ProgramState::Running).await;
        assert_eq!(instances(&marker), [status.info.process.unwrap().pid], "{moment:?}: {}", program.said());
        node.program().stop("a".into()).await.unwrap();
        assert!(instances(&marker).is_empty(), "{moment:?}");
    }
    program.stop().await;
}

/// Pids of processes with this command line.
fn instances(command: &str) -> Vec<u32> {
    let wanted = command.replace(' ', "\0");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.trim_end_matches('\0') == wanted)
    })
    .collect()
}
