use super::*;

struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

/// A command on a machine that has nothing: no certificates, no files, no terminal.
fn ran(arguments: &[&str]) -> Ran {
    let empty = tempfile::tempdir().unwrap();
    let surroundings = Surroundings {
        config: Some(empty.path().join("config")),
        here: empty.path().to_owned(),
        ..Surroundings::default()
    };
    ran_in(arguments, &surroundings)
}

fn ran_in(arguments: &[&str], surroundings: &Surroundings) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams { out: &mut out, err: &mut err, answers: None, width: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let line = std::iter::once(&"p2p-tui").chain(arguments);
    let exit = runtime.block_on(run_line(line, surroundings, &mut streams));
    Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

#[test]
fn the_command_line_holds_together() {
    Options::command().debug_assert();
}

#[test]
fn a_wrong_command_line_is_a_usage_error_without_data() {
    for line in [
        &["nonsense"][..],
        &["ps", "--on", ""],
        &["ps", "--on", "web-1 and"],
        &["ps", "--on", "((((((((((((((((((a"],
        &["ps", "-o", "xml"],
        &["kill", "0x10", "--on", "a"],
        &["kill", "-1", "--on", "a"],
        &["kill", "1"],
        &["kill", "1", "--on", "a", "--signal", "FOO"],
        &["label", "a"],
        &["label", "a", "nonsense"],
        &["top"],
        &["call", "node.inof"],
        &["can-i", "node.inof", "--on", "a"],
        &["can-i", "node.info"],
        &["audit", "--since", "yesterday"],
        &["audit", "--limit", "0"],
        &["history", "--from", "yesterday"],
        &["history", "--step", "1500ms"],
        &["history", "--list", "--step", "1m"],
        &["history", "load1", "--busiest", "-1h"],
        &["completions", "nonsense"],
        &["--port", "1"],
        &["network"],
        &["network", "scan", "10.0.0.1"],
        &["network", "ping", "--on", "a"],
        &["network", "trace", "b", "--on", "a", "--hops", "65"],
        &["forget"],
        &["import"],
        &["import", "a.tar", "b.tar"],
        &["exec", "--on", "a"],
        &["exec", "--on", "", "--", "true"],
        &["exec", "--on", "a", "--", ""],
        &["exec", "--on", "a", "--shell", "--", "a", "b"],
        &["exec", "--on", "a", "--batch", "0", "--", "true"],
        &["exec", "--on", "a", "--batch", "101%", "--", "true"],
        &["exec", "--on", "a", "--timeout", "0", "--", "true"],
        &["exec", "--on", "a", "--env", "=x", "--", "true"],
        &["exec", "--on", "a", "--normalize", "--", "true"],
        &["reboot"],
    ] {
        let ran = ran(line);
        assert_eq!(ran.exit, Exit::Usage, "{line:?}: {}", ran.err);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{line:?}");
    }
}

#[test]
fn help_and_version_are_data() {
    for line in [&["--help"][..], &["ps", "--help"], &["--version"], &["ps", "--version"]] {
        let ran = ran(line);
        assert_eq!((ran.exit, ran.err.as_str()), (Exit::Ok, ""), "{line:?}");
        assert!(ran.out.contains("p2p-tui"), "{line:?}");
    }
}

#[test]
fn completions_need_no_mesh() {
    let ran = ran(&["completions", "bash"]);
    assert_eq!(ran.exit, Exit::Ok);
    assert!(ran.out.contains("p2p-tui"));
}

#[test]
fn without_a_certificate_the_first_steps_are_told() {
    let ran = ran(&["nodes"]);
    assert_eq!(ran.exit, Exit::Config);
    assert!(ran.out.is_empty());
    assert!(ran.err.starts_with("p2p-tui: there is no operator's certificate: looked in "), "{}", ran.err);
    assert!(ran.err.contains("scripts/ca.sh issue operator"), "{}", ran.err);
}

#[test]
fn the_first_steps_fit_a_terminal() {
    for line in first_run::TEXT.lines() {
        assert!(line.len() <= 76, "{line}");
    }
}

#[test]
fn what_is_no_bundle_is_refused_in_a_line_and_nothing_is_made() {
    let root = tempfile::tempdir().unwrap();
    let bundle = root.path().join("anna.tar");
    std::fs::write(&bundle, "no tar at all").unwrap();
    let config = root.path().join("config");
    let surroundings = Surroundings { config: Some(config.clone()), ..Surroundings::default() };
    let bundle = bundle.to_str().unwrap();
    for (line, words) in [
        (["import", bundle], "anna.tar: it is no tar"),
        (["import", "/nowhere/x.tar"], "/nowhere/x.tar: it cannot be read: "),
    ] {
        let ran = ran_in(&line, &surroundings);
        assert_eq!((ran.exit, ran.out.as_str(), ran.err.lines().count()), (Exit::Data, "", 1), "{}", ran.err);
        assert!(ran.err.starts_with("p2p-tui: ") && ran.err.contains(words), "{}", ran.err);
    }
    assert!(!config.exists());
}

#[test]
fn a_directory_without_a_certificate_is_named() {
    let ran = ran(&["nodes", "--certs", "/nowhere"]);
    assert_eq!((ran.exit, ran.err.lines().count()), (Exit::Config, 1));
    assert!(ran.err.contains("/nowhere/operator.crt: there is no such file"), "{}", ran.err);
}

#[test]
fn a_bad_node_is_told_before_anything_else() {
    let ran = ran(&["ps", "--node", "::1"]);
    assert_eq!((ran.exit, ran.err.lines().count()), (Exit::Usage, 1));
    assert!(ran.err.contains("[::1]:5678"), "{}", ran.err);
}

#[test]
fn another_way_in_does_not_go_with_the_socket_of_this_machine() {
    for (line, other) in [
        (&["--local", "--node", "::1"][..], "--node"),
        (&["--local=/run/x.sock", "--certs", "/nowhere"], "--certs"),
        (&["nodes", "--node", "web-1", "--local"], "--node"),
        (&["ps", "--local", "--certs", "/nowhere"], "--certs"),
    ] {
        let ran = ran(line);
        assert_eq!((ran.exit, ran.out.as_str(), ran.err.lines().count()), (Exit::Usage, "", 1), "{line:?}");
        assert!(ran.err.contains(&format!("{other} does not go with it")), "{}", ran.err);
    }
}

#[test]
fn a_bad_settings_file_is_told_with_its_place() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("tui.toml"), "nodes = []\n").unwrap();
    let surroundings = Surroundings { config: Some(root.path().to_owned()), ..Surroundings::default() };
    let ran = ran_in(&["nodes"], &surroundings);
    assert_eq!((ran.exit, ran.err.lines().count()), (Exit::Config, 1));
    assert!(ran.err.contains("tui.toml:1:1: unknown field `nodes`"), "{}", ran.err);
}

#[test]
fn readonly_refuses_before_connecting() {
    for line in [
        &["--readonly", "kill", "1", "--on", "a", "--yes"][..],
        &["forget", "a", "--readonly"],
        &["--readonly", "label", "a", "k=v"],
        &["call", "node.set_labels", "{\"set\": [], \"remove\": []}", "--readonly"],
    ] {
        let ran = ran(line);
        assert_eq!((ran.exit, ran.err.lines().count()), (Exit::Permission, 1), "{line:?}: {}", ran.err);
    }
}
