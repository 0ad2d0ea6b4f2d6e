use clap::CommandFactory;

use super::*;
use crate::config::Given;

/// How the program ends when nothing but its arguments decides.
fn exit(args: &[&str]) -> Exit {
    match Cli::try_parse_from(["p2p-node"].iter().chain(args)) {
        Err(error) if error.use_stderr() => {
            let line = usage_line(&error);
            assert!(!line.contains('\n') && line.len() < 400, "{line}");
            Exit::Usage
        }
        Ok(_) | Err(_) => Exit::Ok,
    }
}

fn given(args: &[&str]) -> Given {
    let cli = Cli::try_parse_from(["p2p-node", "run"].iter().chain(args)).unwrap();
    match cli.command {
        Command::Run(args) => args.given(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_usage_ends_in_2() {
    let long = "x".repeat(100_000);
    let table: &[&[&str]] = &[
        &[],
        &["fly"],
        &["run", "--config"],
        &["run", "--config", "a", "--config", "b"],
        &["run", "--", "junk"],
        &["run", "--daemon"],
        &["run", "--log-level", "trace"],
        &["run", "--name", &long],
        &["run", "--name", "-x"],
        &["run", "--name=-x"],
        &["run", "--host", "web-1"],
        &["run", "--bootstrap", "web-1"],
        &["config"],
        &["completions", "cobol"],
        &["import"],
        &["import", "a.tar", "b.tar"],
    ];
    for args in table {
        assert_eq!(exit(args), Exit::Usage, "{args:.60?}");
    }
    let many: Vec<&str> = std::iter::once("run").chain(std::iter::repeat_n("x", 10_000)).collect();
    assert_eq!(exit(&many), Exit::Usage);
}

#[test]
fn a_port_is_digits_in_range() {
    for port in ["abc", "-1", "65536", "1e3", " 80", "0x50", "+80", "", "22"] {
        assert_eq!(exit(&["run", &format!("--port={port}")]), Exit::Usage, "{port:?}");
    }
    for port in ["0", "443", "1024", "65535"] {
        assert_eq!(given(&["--port", port]).flags[0].text, port);
    }
}

#[test]
fn help_and_version_are_no_failure() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["run", "--help"],
        &["config", "template"],
        &["import", "--help"],
    ] {
        assert_eq!(exit(args), Exit::Ok, "{args:?}");
    }
}

#[test]
fn every_flag_of_run_sets_its_key() {
    let given = given(&[
        "--config",
        "c",
        "--name",
        "web-1",
        "--host",
        "[::1]",
        "--port",
        "0",
        "--dht-port",
        "1024",
        "--bootstrap",
        "a:1",
        "--bootstrap",
        "[::1]:2",
        "--certs",
        "x",
        "--data",
        "y",
        "--env-file",
        "e",
    ]);
    assert_eq!((given.config, given.env_file), (Some("c".into()), Some("e".into())));
    let flags: Vec<_> = given.flags.iter().map(|flag| (flag.key, flag.name, flag.text.as_str())).collect();
    assert_eq!(
        flags,
        [
            ("name", "--name", "web-1"),
            ("host", "--host", "::1"),
            ("http.port", "--port", "0"),
            ("quic.port", "--dht-port", "1024"),
            ("bootstrap", "--bootstrap", "a:1,[::1]:2"),
            ("certs", "--certs", "x"),
            ("data", "--data", "y"),
        ]
    );
}
