//! SIGHUP to a real process: `policy.toml` and `node.toml` are read again, and a broken file changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use p2p_shared::access::Role;
use p2p_shared::error::RpcError;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::exec::{CommandLine, ExecItem, ExecRequest};
use rustix::process::{Signal, geteuid};

use crate::binary::{Program, World};
use crate::cluster::{LONG, eventually};

fn write(etc: &Path, file: &str, text: &str) {
    let path = etc.join(file);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// Waits until the program said this once more than `before` times.
async fn told(program: &Program, words: &str, before: usize) {
    eventually(words, LONG, async || (program.said().matches(words).count() > before).then_some(())).await;
}

/// Sends SIGHUP and waits for what is said of it.
async fn reload(program: &Program, words: &str) {
    let before = program.said().matches(words).count();
    program.signal(Signal::HUP);
    told(program, words, before).await;
}

async fn run(node: &NodeHandle, word: &str) -> Result<Vec<u8>, RpcError> {
    let command = CommandLine::Program { program: "/bin/echo".into(), arguments: vec![word.to_owned()] };
    let request = ExecRequest {
        command,
        directory: Some("/".into()),
        user: None,
        environment: Vec::new(),
        timeout_ms: None,
        output_bytes_max: None,
    };
    let mut call = node.exec().run(request).await?;
    call.finish().await?;
    let mut out = Vec::new();
    while let Some(item) = call.output.next().await? {
        if let ExecItem::Stdout(bytes) = item {
            out.extend(bytes);
        }
    }
    Ok(out)
}

#[tokio::test]
async fn a_hangup_puts_another_policy_in_force_and_a_broken_one_changes_nothing() {
    // The fuse belongs to root: nobody else can write one.
    if !geteuid().is_root() {
        return;
    }
    let (world, etc) = (World::new(), tempfile::tempdir().unwrap());
    let certs = world.ca.node_files("web-1");
    let env = [("CONFIGURATION_DIRECTORY", etc.path().to_str().unwrap())];
    let mut program = world.run_with("web-1", &certs, &[], &env);
    let (address, _) = program.ready().await;
    let admin = world.call("web-1", address, Role::Admin);
    assert_eq!(run(&admin, "one").await.unwrap(), b"one\n");

    write(etc.path(), "policy.toml", "deny = [\"exec.*\"]\n");
    reload(&program, "configuration read again").await;
    let error = run(&admin, "two").await.unwrap_err();
    assert!(error.message.starts_with("denied: local policy: exec.run is not allowed"), "{error}");
    assert!(program.said().contains("another local policy is in force"), "{}", program.said());

    write(etc.path(), "policy.toml", "deny = [\"exec.*\"\nrole_max = 7\n");
    reload(&program, "the configuration is broken: the old one stays").await;
    assert!(program.said().contains("policy.toml:"), "the file and the line: {}", program.said());
    assert!(run(&admin, "three").await.is_err(), "the old policy stays");
    admin.node().set_labels(Vec::new(), Vec::new()).await.unwrap();

    write(etc.path(), "policy.toml", "commands = [\"/usr/bin/id\"]\n");
    reload(&program, "configuration read again").await;
    let error = run(&admin, "four").await.unwrap_err();
    assert!(error.message.contains("is not among the commands"), "{error}");

    fs::set_permissions(etc.path().join("policy.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    reload(&program, "the configuration is broken: the old one stays").await;
    assert!(program.said().contains("others than its owner may write to it"), "{}", program.said());
    fs::remove_file(etc.path().join("policy.toml")).unwrap();
    reload(&program, "configuration read again").await;
    assert_eq!(run(&admin, "five").await.unwrap(), b"five\n");

    write(etc.path(), "node.toml", "revocation_strict = true\n");
    reload(&program, "configuration read again").await;
    let state = admin.revocation().state().await.unwrap();
    assert!(state.strict && state.silent_ms > 0, "{state:?}");
    assert!(run(&admin, "six").await.is_ok(), "an hour has not passed");

    let receiver = "max_jobs = 2\n[[alerts.receivers]]\nname = \"pager\"\ncommand = [\"/bin/true\"]\n";
    write(etc.path(), "node.toml", receiver);
    reload(&program, "receivers of alerts were read again").await;
    assert!(program.said().contains("receivers=1"), "{}", program.said());

    write(etc.path(), "node.toml", "no_such_key = 1\n");
    write(etc.path(), "policy.toml", "deny = [\"exec.*\"]\n");
    reload(&program, "the configuration is broken: the old one stays").await;
    eventually("the policy", LONG, async || run(&admin, "seven").await.err()).await;
    program.stop().await;
}
