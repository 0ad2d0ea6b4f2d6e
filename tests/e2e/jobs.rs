//! The task queue through a node: what is taken on is kept, begun once, ended and told; by library and command line.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use p2p_shared::access::Role;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::exec::{CommandLine, ExecRequest, Variable};
use p2p_shared::services::job::{
    JobCounts, JobId, JobInfo, JobPriority, JobRequest, JobRetry, JobState, JobWork,
};
use p2p_shared::services::program::OutputStream;
use p2p_shared::tls::Credentials;
use serde_json::Value;

use crate::audit::policy;
use crate::binary::{Program, World};
use crate::cluster::{Cluster, LONG, eventually};
use crate::echo::soon;
use crate::exec::{tui, tui_by};

fn shell(line: &str) -> JobRequest {
    JobRequest::new(JobWork::Command(ExecRequest {
        command: CommandLine::Shell { line: line.to_owned() },
        directory: Some("/".into()),
        user: None,
        environment: Vec::new(),
        timeout_ms: None,
        output_bytes_max: None,
    }))
}

fn with(request: JobRequest, change: impl FnOnce(&mut ExecRequest)) -> JobRequest {
    let mut request = request;
    let JobWork::Command(exec) = &mut request.work else { panic!("a command") };
    change(exec);
    request
}

async fn submit(node: &NodeHandle, request: JobRequest) -> JobInfo {
    soon("a submission", node.job().submit(request)).await.unwrap()
}

/// What a job is once it has ended.
async fn ended(node: &NodeHandle, id: &JobId) -> JobInfo {
    let mut tracked = node.job().track(id.clone()).await.unwrap();
    soon("its end", async {
        loop {
            let info = tracked.next().await.unwrap().expect("its end is told");
            if info.state.is_final() {
                assert_eq!(tracked.next().await.unwrap(), None, "and nothing after it");
                return info;
            }
        }
    })
    .await
}

async fn output(node: &NodeHandle, id: &JobId) -> (String, String) {
    let output = node.job().output(id.clone(), 10_000).await.unwrap();
    assert!(!output.dropped && output.lost_bytes == 0);
    (output.stdout, output.stderr)
}

fn file(cluster: &Cluster, name: &str) -> String {
    cluster.data(0).with_file_name(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_command_is_run_kept_and_told_with_all_that_it_wrote() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let request = with(shell("echo $WORD; echo bad >&2; exit 3"), |exec| {
        exec.environment.push(Variable { name: "WORD".into(), value: "hush".into() });
    });
    let submitted = submit(&node, request).await;
    assert!(matches!(submitted.state, JobState::Queued | JobState::Running));
    let info = ended(&node, &submitted.id).await;
    assert_eq!((info.state, info.detail.as_str(), info.attempts), (JobState::Failed, "exit 3", 1));
    assert_eq!((info.owner.name.as_str(), info.owner.role), ("admin", Some(Role::Admin)));
    assert_eq!(output(&node, &info.id).await, ("hush\n".into(), "bad\n".into()));
    let status = node.job().inspect(info.id.clone()).await.unwrap();
    let JobWork::Command(exec) = status.request.work else { panic!("a command") };
    assert_eq!(exec.environment[0].value, "***");
    assert_eq!((status.exits.len(), status.output_bytes), (1, 9));
    let counts = node.node().stats().await.unwrap().jobs;
    assert_eq!(counts, JobCounts { failed: 1, ..JobCounts::default() });
    node.job().remove(info.id.clone()).await.unwrap();
    assert_eq!(node.job().inspect(info.id.clone()).await.unwrap_err().code, Code::NotFound);
    let place = cluster.data(0).join("jobs").join(info.id.as_str());
    eventually("its output is gone", LONG, async || (!place.exists()).then_some(())).await;
}

#[tokio::test]
async fn what_cannot_be_run_fails_with_its_reason() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let program = |program: &str| CommandLine::Program { program: program.into(), arguments: Vec::new() };
    for (request, code, words) in [
        (with(shell(""), |exec| exec.command = program("no-such-thing")), 127, "no such program"),
        (with(shell(""), |exec| exec.command = program("/etc/passwd")), 126, "not executable"),
        (with(shell(""), |exec| exec.directory = Some("/no/such".into())), 126, "/no/such"),
        (with(shell(""), |exec| exec.user = Some("nobody-at-all".into())), 126, "nobody-at-all"),
    ] {
        let id = submit(&node, request).await.id;
        let info = ended(&node, &id).await;
        let exit = info.exit.unwrap();
        assert_eq!((info.state, exit.code), (JobState::Failed, Some(code)), "{words}");
        assert!(exit.problem.unwrap().contains(words), "{}", info.detail);
    }
    let empty = with(shell(""), |exec| exec.command = program(""));
    assert_eq!(node.job().submit(empty).await.unwrap_err().code, Code::BadRequest);
}

#[tokio::test]
async fn jobs_are_called_off_timed_out_and_done_once_more() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let id = submit(&node, shell("trap 'echo bye; exit 0' TERM; echo hi; sleep 600 & wait")).await.id;
    let mut follow = node.job().follow(id.clone(), 10).await.unwrap();
    let first = soon("its first line", follow.next()).await.unwrap().unwrap();
    assert_eq!((first.stream, first.text.as_str()), (OutputStream::Stdout, "hi\n"));
    let info = soon("a cancel", node.job().cancel(id.clone())).await.unwrap();
    assert_eq!(
        (info.state, info.detail.as_str()),
        (JobState::Cancelled, "called off by operator admin (admin)")
    );
    assert_eq!(soon("the rest", follow.next()).await.unwrap().unwrap().text, "bye\n");
    assert_eq!(soon("the end", follow.next()).await.unwrap(), None);
    assert_eq!(node.job().cancel(id.clone()).await.unwrap().state, JobState::Cancelled);

    let slow = with(shell("sleep 600"), |exec| exec.timeout_ms = Some(50));
    let info = ended(&node, &submit(&node, slow).await.id).await;
    assert!(info.exit.unwrap().timed_out);
    assert_eq!((info.state, info.detail.as_str()), (JobState::Failed, "signal 15, timed out"));

    let go = file(&cluster, "go");
    let id = submit(&node, shell(&format!("test -e {go} || exit 1; echo there"))).await.id;
    assert_eq!(ended(&node, &id).await.state, JobState::Failed);
    fs::write(&go, "").unwrap();
    node.job().retry(id.clone()).await.unwrap();
    let info = ended(&node, &id).await;
    assert_eq!((info.state, info.attempts), (JobState::Succeeded, 2));
    let refused: Result<JobInfo, RpcError> = node.job().retry(id.clone()).await;
    assert_eq!(refused.unwrap_err().code, Code::Conflict);
    assert_eq!(node.job().cancel(id).await.unwrap_err().code, Code::Conflict);
}

#[tokio::test]
async fn a_job_is_tried_again_by_itself_where_its_author_said_so() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let count = file(&cluster, "count");
    let retry = JobRetry { attempts: 3, delay_ms: 100, delay_max_ms: 100 };
    let line = format!("echo x >> {count}; test $(wc -l < {count}) = 3");
    let id = submit(&node, JobRequest { retry: Some(retry), ..shell(&line) }).await.id;
    let info = ended(&node, &id).await;
    assert_eq!((info.state, info.attempts), (JobState::Succeeded, 3));
    assert_eq!(fs::read_to_string(count).unwrap(), "x\nx\nx\n");
}

#[tokio::test]
async fn who_may_what_with_jobs() {
    let cluster = Cluster::start(1).await;
    let id = submit(&cluster.admin(0), shell("echo secret; sleep 600")).await.id;
    let viewer = cluster.operator(Role::Viewer).node(cluster.name(0)).job();
    assert_eq!(viewer.list(None, None, None).await.unwrap().jobs[0].id, id);
    let forbidden = |code: Code| assert_eq!(code, Code::Forbidden);
    forbidden(viewer.output(id.clone(), 1).await.unwrap_err().code);
    forbidden(viewer.cancel(id.clone()).await.unwrap_err().code);
    let operator = cluster.operator(Role::Operator).node(cluster.name(0)).job();
    forbidden(operator.submit(shell("true")).await.unwrap_err().code);
    assert_eq!(operator.cancel(id).await.unwrap().state, JobState::Cancelled);
}

#[tokio::test]
async fn the_local_policy_judges_a_job_when_it_is_submitted_and_when_it_begins() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let blockers = [1, 2, 3, 4].map(|_| shell("sleep 600"));
    let mut running = Vec::new();
    for blocker in blockers {
        running.push(submit(&node, blocker).await.id);
    }
    let waits = submit(&node, shell("true")).await;
    assert_eq!(waits.state, JobState::Queued);
    cluster.fuse(0).replace(policy("commands = [\"/usr/bin/uptime\"]"));
    let error = node.job().submit(shell("true")).await.unwrap_err();
    assert!(error.message.contains("denied: local policy"), "{error}");
    node.job().cancel(running[0].clone()).await.unwrap();
    let info = ended(&node, &waits.id).await;
    assert_eq!((info.state, info.attempts), (JobState::Cancelled, 1));
    assert!(info.detail.contains("denied: local policy"), "{}", info.detail);
    assert_eq!(info.exit, None);
}

#[tokio::test]
async fn keys_priorities_pages_and_differences() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let go = file(&cluster, "go");
    let waits = format!("until test -e {go}; do sleep 0.02; done");
    let mut first = Vec::new();
    for _ in 0..4 {
        first.push(submit(&node, shell(&waits)).await.id);
    }
    let log = file(&cluster, "log");
    let keyed = |word: &str| JobRequest { key: Some("k".into()), ..shell(&format!("echo {word} >> {log}")) };
    let low = JobRequest { priority: JobPriority::Low, label: Some("the last".into()), ..keyed("low") };
    let low = submit(&node, low).await;
    assert_eq!(node.job().submit(keyed("other")).await.unwrap_err().code, Code::Conflict);
    let high = JobRequest { priority: JobPriority::High, ..shell(&format!("echo high >> {log}")) };
    let high = submit(&node, high).await;
    let page = node.job().list(Some("state:queued".into()), None, Some(1)).await.unwrap();
    assert_eq!((&page.jobs[0].id, page.next.as_ref()), (&high.id, Some(&high.id)));
    assert_eq!((page.counts.queued, page.counts.running), (2, 4));
    let page = node.job().list(Some("LAST key:k".into()), page.next, None).await.unwrap();
    assert_eq!((page.jobs.len(), &page.jobs[0].id, page.next), (1, &low.id, None));
    assert_eq!(
        node.job().list(Some("state:tired".into()), None, None).await.unwrap_err().code,
        Code::BadRequest
    );
    assert_eq!(node.job().list(None, None, Some(501)).await.unwrap_err().code, Code::BadRequest);

    let mut watch = node.job().watch().await.unwrap();
    let all = soon("all", watch.next()).await.unwrap().unwrap();
    assert_eq!((all.full, all.more, all.changed.len()), (true, false, 6));
    // One place is free: the high one comes first.
    node.job().cancel(first[0].clone()).await.unwrap();
    ended(&node, &low.id).await;
    ended(&node, &high.id).await;
    assert_eq!(fs::read_to_string(&log).unwrap(), "high\nlow\n");
    fs::write(&go, "").unwrap();
    soon("every change", async {
        loop {
            let delta = watch.next().await.unwrap().unwrap();
            assert!(!delta.full);
            if delta.counts == (JobCounts { succeeded: 5, cancelled: 1, ..JobCounts::default() }) {
                return;
            }
        }
    })
    .await;
    node.job().remove(low.id.clone()).await.unwrap();
    let delta = soon("a removal", watch.next()).await.unwrap().unwrap();
    assert_eq!(delta.removed, [low.id]);
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

    async fn start(&self) -> (Program, NodeHandle) {
        let mut program = self.world.run("web-1", &self.certs, &[]);
        let (quic, _) = program.ready().await;
        let node = self.world.call_as(&self.operator, "web-1", quic);
        (program, node)
    }

    /// Its node, reached where it was before.
    async fn start_at(&self, port: u16) -> Program {
        let (data, port) = (self.world.data("web-1"), port.to_string());
        let paths = ["--certs", self.certs.to_str().unwrap(), "--data", data.to_str().unwrap()];
        let run = [&["run", "--host", "127.0.0.1", "--port", "0", "--dht-port", &port][..], &paths].concat();
        let mut program = self.world.program(&data, &run);
        program.ready().await;
        program
    }
}

#[tokio::test]
async fn a_node_killed_with_jobs_queued_and_running_forgets_none_and_begins_none_twice() {
    let machine = Machine::new();
    let (mut program, node) = machine.start().await;
    let log = machine.world.data("begun.txt");
    let log = log.to_str().unwrap();
    // Without a reader it ends by itself: where no unit holds it, nobody else ends what a killed node leaves.
    let line = |name: &str| {
        format!("echo {name} >> {log}; echo said {name}; while echo tick >&2; do sleep 0.1; done")
    };
    let mut running = Vec::new();
    for name in ["a", "b", "c"] {
        running.push(submit(&node, shell(&line(name))).await.id);
    }
    let twice = submit(&node, JobRequest { may_run_twice: true, ..shell(&line("twice")) }).await.id;
    let begun = || fs::read_to_string(log).unwrap_or_default();
    eventually("all four run", LONG, async || (begun().lines().count() == 4).then_some(())).await;
    let queued =
        submit(&node, JobRequest { key: Some("k".into()), ..shell(&format!("echo queued >> {log}")) }).await;
    assert_eq!(queued.state, JobState::Queued);
    program.child.kill().unwrap();
    program.ended().await;

    let (mut program, node) = machine.start().await;
    let again = JobRequest { key: Some("k".into()), ..shell(&format!("echo queued >> {log}")) };
    assert_eq!(submit(&node, again).await.id, queued.id, "its key is known");
    assert_eq!(ended(&node, &queued.id).await.state, JobState::Succeeded);
    for id in &running {
        let info = ended(&node, id).await;
        assert_eq!((info.state, info.attempts), (JobState::Interrupted, 1), "{}", program.said());
    }
    assert_eq!(output(&node, &running[0]).await.0, "said a\n");
    eventually("it runs again", LONG, async || {
        let info = node.job().inspect(twice.clone()).await.unwrap().info;
        (info.state == JobState::Running && info.attempts == 2).then_some(())
    })
    .await;
    eventually("and says so", LONG, async || {
        (begun().lines().filter(|name| *name == "twice").count() == 2).then_some(())
    })
    .await;
    let mut names: Vec<String> = begun().lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "c", "queued", "twice", "twice"]);
    node.job().cancel(twice).await.unwrap();
    program.stop().await;
}

#[tokio::test]
async fn detached_commands_are_accounted_for_on_every_node() {
    let mut cluster = Cluster::whole(3).await;
    cluster.kill(2);
    let exec = ["exec", "--detach", "--on", "web-1,web-2,web-3", "-o", "json"];
    let (code, out, err) = tui(&cluster, &[&exec[..], &["--", "true"]].concat()).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["counts"]["ok"], &report["counts"]["unreachable"]),
        (1, &2.into(), &1.into()),
        "{err}"
    );
    let id: JobId = report["targets"][0]["job"].as_str().unwrap().parse().unwrap();
    assert_eq!(ended(&cluster.admin(0), &id).await.state, JobState::Succeeded);

    let (code, out, err) =
        tui(&cluster, &["exec", "--detach", "--on", "web-1", "--", "sh", "-c", "echo out; echo err >&2"])
            .await;
    assert_eq!(code, 0, "{err}");
    let id = out.trim().to_owned();
    assert_eq!(ended(&cluster.admin(0), &id.parse().unwrap()).await.state, JobState::Succeeded);
    let (code, out, err) = tui(&cluster, &["jobs", "output", &id, "--on", "web-1", "-f"]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "out\n", "err\n"));

    let waited = ["exec", "--detach", "--batch", "1", "--on", "web-1,web-2", "--"];
    let (code, out, err) = tui(&cluster, &[&waited[..], &["sh", "-c", "echo done; exit 7"]].concat()).await;
    assert_eq!((code, out.as_str()), (1, "web-1: done\nweb-2: done\n"), "{err}");
    assert!(err.contains("web-1: exit code 7") && err.contains("2 failed"), "{err}");

    let (code, out, _) =
        tui(&cluster, &["jobs", "--on", "web-1", "--filter", "state:failed", "-o", "json"]).await;
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, rows.as_array().unwrap().len(), &rows[0]["exit"]["code"]), (0, 1, &7.into()));
    let failed = rows[0]["id"].as_str().unwrap().to_owned();
    let (code, out, _) = tui(&cluster, &["jobs", "show", &failed, "--on", "web-1"]).await;
    assert!(code == 0 && out.contains("failed for") && out.contains("exit 7 after"), "{out}");
    let (code, _, err) = tui(&cluster, &["jobs", "remove", &failed, "--on", "web-1,web-2"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    let (code, _, err) = tui(&cluster, &["jobs", "retry", &failed, "--on", "web-1,web-2"]).await;
    assert!(code == 1 && err.contains("no such job"), "{err}");
}

#[tokio::test]
async fn a_detached_batch_is_awaited_over_the_restart_of_its_node() {
    let machine = Machine::new();
    let (mut program, node) = machine.start().await;
    let (quic, _) = program.ready().await;
    let go = machine.world.data("go");
    let line = format!("until test -e {}; do sleep 0.02; done; echo whole", go.display());
    let line = ["exec", "--detach", "--batch", "1", "--may-run-twice", "--on", "all", "--shell", "--", &line];
    let mut waiting = std::pin::pin!(tui_by(&machine.world.ca, quic, &line));
    let runs = eventually("it runs", LONG, async || {
        (node.node().stats().await.unwrap().jobs.running == 1).then_some(())
    });
    tokio::select! {
        early = &mut waiting => panic!("{early:?}"),
        () = runs => {}
    }
    program.stop().await;
    fs::write(&go, "").unwrap();
    let mut program = machine.start_at(quic.port()).await;
    let (code, out, err) = waiting.await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "web-1: whole\n", ""), "{}", program.said());
    program.stop().await;
}
