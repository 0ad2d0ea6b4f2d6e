//! Commands through a node: what comes back, and what is left behind when they are cut short (nothing).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use p2p_shared::access::Role;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::client::Duplex;
use p2p_shared::services::Services;
use p2p_shared::services::exec::{CommandLine, ExecExit, ExecInput, ExecItem, ExecRequest, Variable};
use p2p_shared::services::program::{Check, Probe, ProgramDefinition, UnhealthyAction};

use p2p_tui::cli::output::Streams;
use p2p_tui::cli::run_line;
use p2p_tui::effects::settings::Surroundings;

use crate::audit::policy;
use crate::ca::TestCa;
use crate::cluster::{Cluster, LONG, eventually};
use crate::echo::soon;

/// So that each command line has an operator of its own.
static COMMANDS: AtomicUsize = AtomicUsize::new(0);

type Call = Duplex<ExecInput, ExecItem, NodeHandle>;

fn program(program: &str, arguments: &[&str]) -> ExecRequest {
    let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    request(CommandLine::Program { program: program.to_owned(), arguments })
}

fn shell(line: &str) -> ExecRequest {
    request(CommandLine::Shell { line: line.to_owned() })
}

fn request(command: CommandLine) -> ExecRequest {
    ExecRequest {
        command,
        directory: Some("/".into()),
        user: None,
        environment: Vec::new(),
        timeout_ms: None,
        output_bytes_max: None,
    }
}

#[derive(Debug, Default)]
struct Ran {
    out: Vec<u8>,
    err: Vec<u8>,
    exit: ExecExit,
}

async fn run(node: &NodeHandle, request: ExecRequest) -> Result<Ran, RpcError> {
    let mut call = node.exec().run(request).await?;
    call.finish().await?;
    soon("a command", finished(&mut call)).await
}

async fn finished(call: &mut Call) -> Result<Ran, RpcError> {
    let mut ran = Ran::default();
    let mut exits = 0;
    while let Some(item) = call.output.next().await? {
        assert_eq!(exits, 0, "nothing comes after the exit");
        match item {
            ExecItem::Stdout(bytes) => ran.out.extend(bytes),
            ExecItem::Stderr(bytes) => ran.err.extend(bytes),
            ExecItem::Exit(exit) => {
                ran.exit = exit;
                exits += 1;
            }
        }
    }
    assert_eq!(exits, 1);
    Ok(ran)
}

async fn code(node: &NodeHandle, request: ExecRequest) -> (Option<i32>, String) {
    let ran = run(node, request).await.unwrap();
    (ran.exit.code, ran.exit.problem.unwrap_or_default())
}

/// Reads until a line came, and says it.
async fn line(call: &mut Call) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\n") {
        match soon("a line", call.output.next()).await.unwrap() {
            Some(ExecItem::Stdout(bytes)) => text.extend(bytes),
            other => panic!("{other:?} after {text:?}"),
        }
    }
    String::from_utf8(text).unwrap().trim().to_owned()
}

async fn gone(pid: &str) {
    let path = format!("/proc/{pid}");
    eventually("the process is gone, and reaped", LONG, async || (!Path::new(&path).exists()).then_some(()))
        .await;
}

#[tokio::test]
async fn output_comes_apart_and_arguments_see_no_shell() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let hostile = "$(id) `id` ; > /x * \\ ' \" \n\u{1b}[2J";
    let ran = run(&node, program("printf", &["%s", hostile])).await.unwrap();
    assert_eq!((String::from_utf8(ran.out).unwrap().as_str(), ran.exit.code), (hostile, Some(0)));
    let ran = run(&node, shell("echo out; echo err >&2; exit 7")).await.unwrap();
    assert_eq!((ran.out.as_slice(), ran.err.as_slice()), (b"out\n".as_slice(), b"err\n".as_slice()));
    assert_eq!((ran.exit.code, ran.exit.signal, ran.exit.timed_out), (Some(7), None, false));
    let ran = run(&node, shell("kill -9 $$")).await.unwrap();
    assert_eq!((ran.exit.code, ran.exit.signal), (None, Some(9)));
    let ran = run(&node, program("printf", &["\\377\\000\\200"])).await.unwrap();
    assert_eq!(ran.out, [0xff, 0, 0x80]);
}

#[tokio::test]
async fn what_cannot_be_run_is_said_as_shells_say_it() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/nowhere/interpreter\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (request, expected, words) in [
        (program("no-such-program", &[]), 127, "no such program in /usr/local/sbin:"),
        (program("/no/such/program", &[]), 127, "no such file"),
        (program(plain.to_str().unwrap(), &[]), 126, "not executable"),
        (program(script.to_str().unwrap(), &[]), 126, "interpreter"),
        (program("/", &[]), 126, "not executable"),
        (
            ExecRequest { directory: Some("/gone".into()), ..program("true", &[]) },
            126,
            "directory /gone: no such",
        ),
        (ExecRequest { directory: Some("/etc/passwd".into()), ..program("true", &[]) }, 126, "no directory"),
        (
            ExecRequest { user: Some("no-such-user".into()), ..program("true", &[]) },
            126,
            "\"no-such-user\" is in no",
        ),
    ] {
        let (code, problem) = code(&node, request.clone()).await;
        assert_eq!(code, Some(expected), "{request:?}: {problem}");
        assert!(problem.contains(words), "{request:?}: {problem}");
    }
    let variable = |name: &str| vec![Variable { name: name.into(), value: String::new() }];
    for bad in [
        program("", &[]),
        program("echo", &["a\0b"]),
        ExecRequest { environment: variable("A=B"), ..program("true", &[]) },
        ExecRequest { environment: variable(""), ..program("true", &[]) },
        ExecRequest { output_bytes_max: Some(u64::MAX), ..program("true", &[]) },
        program("true", &["x"; 5_000]),
    ] {
        assert_eq!(run(&node, bad).await.unwrap_err().code, Code::BadRequest);
    }
}

#[tokio::test]
async fn a_command_finds_nothing_of_the_nodes_own() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let variables = vec![Variable { name: "GREETING".into(), value: "a b".into() }];
    let asked = ExecRequest {
        environment: variables,
        directory: Some("/usr".into()),
        ..shell("env; pwd; ls -l /proc/self/fd; ps -o tty=,pgid=,pid= -p $$")
    };
    let ran = run(&node, asked).await.unwrap();
    let text = String::from_utf8(ran.out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for expected in ["GREETING=a b", "LANG=C.UTF-8", "/usr"] {
        assert!(lines.iter().any(|line| line.trim() == expected), "{expected} in {text}");
    }
    assert!(!text.contains("CARGO"), "{text}");
    // Neither the endpoint, the store, nor what polls them.
    for descriptor in ["socket:", "anon_inode:", ".redb"] {
        assert!(!text.contains(descriptor), "{text}");
    }
    let ids: Vec<&str> = lines.last().unwrap().split_whitespace().collect();
    assert!(ids[0] == "?" && ids[1] == ids[2], "it leads a group, and has no terminal: {text}");
}

#[tokio::test]
async fn input_is_streamed_and_its_end_is_seen() {
    let cluster = Cluster::start(1).await;
    let mut call = cluster.admin(0).exec().run(program("cat", &[])).await.unwrap();
    for text in ["one\n", "two\n"] {
        call.send(&ExecInput::Stdin(text.into())).await.unwrap();
        assert_eq!(line(&mut call).await, text.trim());
    }
    call.finish().await.unwrap();
    assert_eq!(soon("its end", finished(&mut call)).await.unwrap().exit.code, Some(0));
    // Who reads nothing holds nobody up.
    let mut call = cluster.admin(0).exec().run(program("true", &[])).await.unwrap();
    let sent = async { while call.send(&ExecInput::Stdin(vec![0; 60_000])).await.is_ok() {} };
    soon("more than it takes is refused", sent).await;
    assert_eq!(soon("its end", finished(&mut call)).await.unwrap().exit.code, Some(0));
}

#[tokio::test]
async fn all_of_a_command_is_killed_when_its_time_is_up() {
    let cluster = Cluster::start(1).await;
    let timed = |line: &str| ExecRequest { timeout_ms: Some(200), ..shell(line) };
    let ran = run(&cluster.admin(0), timed("sleep 600 & echo $!; wait")).await.unwrap();
    assert_eq!((ran.exit.timed_out, ran.exit.signal), (true, Some(15)));
    gone(String::from_utf8(ran.out).unwrap().trim()).await;
    // Its child takes no SIGTERM, and goes with it.
    let stubborn = "(trap '' TERM; echo $$; while :; do sleep 1; done) & sleep 600";
    let ran = run(&cluster.admin(0), timed(stubborn)).await.unwrap();
    assert!(ran.exit.timed_out);
    gone(String::from_utf8(ran.out).unwrap().trim()).await;
}

#[tokio::test]
async fn a_command_ends_with_its_caller_and_with_its_callers_connection() {
    let cluster = Cluster::start(1).await;
    let begin = async |node: &NodeHandle| {
        let mut call = node.exec().run(shell("echo $$; sleep 600 & wait")).await.unwrap();
        let pid = line(&mut call).await;
        (call, pid)
    };
    let node = cluster.admin(0);
    let (call, pid) = begin(&node).await;
    drop(call);
    gone(&pid).await;
    let (mut call, pid) = begin(&node).await;
    let link = node.link().await.unwrap();
    link.close(p2p_shared::mesh::failure::CloseCode::Done, "");
    gone(&pid).await;
    let cut = finished(&mut call).await.unwrap_err();
    assert!(cut.message.ends_with("what was asked for may be done all the same"), "{cut}");
}

#[tokio::test]
async fn a_command_ends_with_its_node() {
    let mut cluster = Cluster::start(1).await;
    let mut call = cluster.admin(0).exec().run(shell("echo $$; sleep 600 & wait")).await.unwrap();
    let pid = line(&mut call).await;
    let took = cluster.stop(0).await;
    assert!(took < Duration::from_secs(9), "{took:?}");
    gone(&pid).await;
}

#[tokio::test]
async fn what_forks_away_holds_nobody_up_and_lives_on() {
    let cluster = Cluster::start(1).await;
    let ran = run(&cluster.admin(0), shell("sleep 600 & echo $!")).await.unwrap();
    assert_eq!(ran.exit.code, Some(0));
    let pid = String::from_utf8(ran.out).unwrap().trim().to_owned();
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "it was left behind on purpose");
    run(&cluster.admin(0), program("kill", &["-9", &pid])).await.unwrap();
    let ran = run(&cluster.admin(0), shell("exec >&- 2>&- <&-; exit 3")).await.unwrap();
    assert_eq!(ran.exit.code, Some(3), "closed streams are no end");
}

#[tokio::test]
async fn a_flood_is_cut_and_its_command_still_ends() {
    let cluster = Cluster::start(1).await;
    let bounded = ExecRequest {
        output_bytes_max: Some(10_000),
        ..shell("head -c 3000000 /dev/zero; echo end >&2; exit 5")
    };
    let ran = run(&cluster.admin(0), bounded).await.unwrap();
    assert_eq!(ran.exit.code, Some(5));
    assert_eq!(ran.out.len() + ran.err.len(), 10_000);
    assert_eq!(ran.exit.cut_bytes, 3_000_000 + 4 - 10_000);
    // Nobody reads: the time-out strikes all the same.
    let flood = ExecRequest { timeout_ms: Some(300), ..shell("echo $$; exec yes") };
    let mut call = cluster.admin(0).exec().run(flood).await.unwrap();
    let Some(ExecItem::Stdout(first)) = call.output.next().await.unwrap() else { panic!("no output") };
    let text = String::from_utf8(first).unwrap();
    gone(text.lines().next().unwrap()).await;
    assert!(soon("its end", finished(&mut call)).await.unwrap().exit.timed_out);
}

#[tokio::test]
async fn only_an_administrator_runs_commands() {
    let cluster = Cluster::start(1).await;
    for role in [Role::Viewer, Role::Operator] {
        let error =
            run(&cluster.operator(role).node(cluster.name(0)), program("true", &[])).await.unwrap_err();
        assert_eq!(error.code, Code::Forbidden, "{role}");
    }
}

#[tokio::test]
async fn many_commands_leave_nothing_behind() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let marker = format!("{}", 700_000 + std::process::id());
    for round in 0..60 {
        match round % 3 {
            0 => assert_eq!(code(&node, program("true", &[])).await.0, Some(0)),
            1 => drop(node.exec().run(program("sleep", &[&marker])).await.unwrap()),
            _ => assert_eq!(code(&node, program("no-such-program", &[])).await.0, Some(127)),
        }
    }
    let ours = || {
        let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
        let lines = entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.contains(&marker)).count()
    };
    eventually("no command is left", LONG, async || (ours() == 0).then_some(())).await;
}

/// `p2p-tui` through the first node; its exit code and what it wrote.
pub async fn tui(cluster: &Cluster, line: &[&str]) -> (u8, String, String) {
    tui_by(&cluster.ca, cluster.address(0), line).await
}

/// The same through any node, as an administrator of this mesh.
pub async fn tui_by(ca: &TestCa, entrance: SocketAddr, line: &[&str]) -> (u8, String, String) {
    let empty = tempfile::tempdir().unwrap();
    let certs = ca.operator_files(&format!("cli-{}", COMMANDS.fetch_add(1, Relaxed)), Role::Admin);
    let surroundings = Surroundings {
        config: Some(empty.path().join("config")),
        here: empty.path().to_owned(),
        ..Surroundings::default()
    };
    let entrance = entrance.to_string();
    let all = ["p2p-tui", "--node", &entrance, "--certs", certs.to_str().unwrap()];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams { out: &mut out, err: &mut err, answers: None, width: None };
    let exit = soon("a command line", run_line(all.iter().chain(line), &surroundings, &mut streams)).await;
    (exit.code(), String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test]
async fn every_node_is_accounted_for_also_one_that_is_dead() {
    let mut cluster = Cluster::whole(3).await;
    cluster.kill(2);
    let line = ["exec", "--on", "all", "-o", "json", "--", "echo", "up"];
    let (code, out, _) = tui(&cluster, &line).await;
    assert_eq!(code, 1);
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&said["counts"]["ok"], &said["counts"]["unreachable"]), (&2.into(), &1.into()));
    let total: u64 = said["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((total, said["targets"].as_array().unwrap().len()), (3, 3));
    assert_eq!(said["targets"][0]["stdout"], "up\n");
    let (code, ..) = tui(&cluster, &["exec", "--on", "web-3", "-o", "json", "--", "true"]).await;
    assert_eq!(code, 255, "as ssh");
    let (code, ..) =
        tui(&cluster, &["exec", "--on", "web-2", "-o", "json", "--", "sh", "-c", "exit 9"]).await;
    assert_eq!(code, 9, "the remote one");
}

#[tokio::test]
async fn several_nodes_say_whose_a_line_is_and_alike_ones_are_put_together() {
    let cluster = Cluster::whole(2).await;
    let (code, out, err) = tui(&cluster, &["exec", "--on", "all", "--", "printf", "a\\nb"]).await;
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["web-1: a", "web-1: b", "web-2: a", "web-2: b"]);
    assert_eq!((code, err.as_str()), (0, "2 ok\n"));
    let (_, out, err) = tui(&cluster, &["exec", "--on", "all", "--group", "--", "echo", "x"]).await;
    assert_eq!((out.as_str(), err.as_str()), ("== 2 ok: web-1,web-2\nx\n", "2 alike\n2 ok\n"));
    let stop = ["exec", "--on", "all", "--batch", "1", "--max-fail", "0", "-o", "json", "--", "false"];
    let (_, out, _) = tui(&cluster, &stop).await;
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&said["counts"]["failed"], &said["counts"]["skipped"]), (&1.into(), &1.into()));
    let (code, out, _) =
        tui(&cluster, &["reboot", "--on", "web-1", "--yes", "--timeout", "1s", "--", "true"]).await;
    assert_eq!(code, 1);
    assert!(out.starts_with("web-1: timed out"), "the boot is the same: {out}");
    let (code, ..) = tui(&cluster, &["reboot", "--on", "all"]).await;
    assert_eq!(code, 2, "nobody is there to ask");
}

#[tokio::test]
async fn the_local_policy_caps_commands_and_programs_by_the_file_that_is_really_run() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.admin(0);
    // Under another name, and by a name that is looked for.
    let link = cluster.data(0).with_file_name("harmless");
    std::os::unix::fs::symlink("/bin/sleep", &link).unwrap();
    let link = link.to_str().unwrap().to_owned();
    let is_denied = |error: RpcError| {
        assert_eq!(error.code, Code::Forbidden);
        assert!(error.message.starts_with("denied: local policy"), "{error}");
    };
    let earlier = ProgramDefinition::new("earlier".parse().unwrap(), "/bin/sleep");
    admin.program().define(earlier, false).await.unwrap();
    let echo = fs::canonicalize("/bin/echo").unwrap();
    cluster.fuse(0).replace(policy(&format!("commands = [{:?}]", echo.to_str().unwrap())));
    for allowed in ["echo", "/bin/echo"] {
        assert_eq!(run(&admin, program(allowed, &["hello"])).await.unwrap().out, b"hello\n", "{allowed}");
    }
    for stopped in [program("sleep", &["0"]), program(&link, &["0"]), shell("echo hello")] {
        is_denied(run(&admin, stopped).await.unwrap_err());
    }
    // A PATH of the caller's own decides what is run, and so what is judged.
    let lure = cluster.data(0).with_file_name("lure");
    fs::create_dir(&lure).unwrap();
    std::os::unix::fs::symlink("/bin/sleep", lure.join("echo")).unwrap();
    let lure = lure.to_str().unwrap().to_owned();
    let path = Variable { name: "PATH".into(), value: lure.clone() };
    let lured = ExecRequest { environment: vec![path], ..program("echo", &["0"]) };
    is_denied(run(&admin, lured).await.unwrap_err());
    let mut lured = ProgramDefinition::new("lured".parse().unwrap(), "echo");
    lured.environment.insert("PATH".into(), lure);
    is_denied(admin.program().define(lured, false).await.unwrap_err());
    let probe = Probe {
        check: Check::Command(vec!["/bin/sleep".into(), "0".into()]),
        interval_ms: 1_000,
        timeout_ms: 1_000,
        threshold: 1,
        unhealthy: UnhealthyAction::Report,
    };
    let probed = ProgramDefinition {
        probe: Some(probe),
        ..ProgramDefinition::new("probed".parse().unwrap(), "/bin/echo")
    };
    is_denied(admin.program().define(probed, false).await.unwrap_err());
    let defined = ProgramDefinition::new("linked".parse().unwrap(), link.clone());
    is_denied(admin.program().define(defined, false).await.unwrap_err());
    is_denied(admin.program().start("other".into(), Some(link)).await.unwrap_err());
    is_denied(admin.program().start("earlier".into(), None).await.unwrap_err());
    cluster.fuse(0).replace(policy("run_as = [\"nobody\"]"));
    is_denied(run(&admin, program("echo", &[])).await.unwrap_err());
}
