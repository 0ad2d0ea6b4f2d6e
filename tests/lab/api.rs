//! The HTTP API on an installed node, tried against its own description by schemathesis from PyPI.
//!
//! Without a token, as a reader, as an administrator of the node, and with an operator's token. What it does
//! happens on a host of the lab alone. Streams that have no end are left out.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::host::{Lab, top};
use crate::mesh::Mesh;
use crate::packages::Packages;

/// The version that the settings beside this file are for.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
const URL: &str = "http://127.0.0.1:8000";
/// How long random calls, and chains of them, are tried for each caller, in seconds.
const RANDOM_S: &str = "90";
const PASSWORD: &str = "correct horse battery";

pub fn agrees_with_its_description() -> Result<()> {
    let program = install()?;
    Lab::up(&["one"])?.test(|lab| {
        let mesh = Mesh::new(lab, &["one"], &Packages::find()?)?;
        for (name, role) in [("vera", "viewer"), ("adam", "admin")] {
            lab.run("one", &format!("echo '{PASSWORD}' | p2p-node user add {name} --role {role}"))?;
        }
        attempt(mesh.lab, &program, None)?;
        for name in ["vera", "adam"] {
            attempt(mesh.lab, &program, Some(&login(mesh.lab, name)?))?;
        }
        let token = lab.run("one", "p2p-tui token")?;
        attempt(mesh.lab, &program, Some(token.trim()))?;
        // It may have been told to restart its own unit, and was waited for then; it never ended by itself.
        let restarts = lab.run("one", "systemctl show -P NRestarts p2p-node")?;
        ensure!(restarts.trim() == "0", "the node ended {restarts} times");
        Ok(())
    })
}

/// Its program, in an environment of its own under `target`.
fn install() -> Result<String> {
    let place = place()?;
    let program = format!("{place}/bin/schemathesis");
    if !Path::new(&program).is_file() {
        run(Command::new("python3").args(["-m", "venv", &place]))?;
        run(Command::new(format!("{place}/bin/pip")).args(["install", "-q", SCHEMATHESIS]))?;
    }
    Ok(program)
}

/// Where its environment and all that it keeps lie.
fn place() -> Result<String> {
    let place = top().canonicalize()?.join("target/schemathesis");
    Ok(place.to_str().context("a path that is no text")?.to_owned())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

fn login(lab: &Lab, name: &str) -> Result<String> {
    let body = serde_json::json!({ "username": name, "password": PASSWORD }).to_string();
    let url = format!("{URL}/api/v1/auth/token");
    let json = "Content-Type: application/json";
    // The trial before may have tried to log in as often as one address may: then it is said when to come again.
    let line = ["one", "curl", "-sf", "--retry", "5", "-H", json, "-d", &body, &url];
    let said = lab.verb("near", &line)?;
    let tokens: serde_json::Value = serde_json::from_str(&said)?;
    Ok(tokens["access_token"].as_str().context("no token")?.to_owned())
}

fn attempt(lab: &Lab, program: &str, token: Option<&str>) -> Result<()> {
    let settings = top().canonicalize()?.join("tests/lab/api/schemathesis.toml");
    let settings = settings.to_str().context("a path that is no text")?;
    let place = place()?;
    let (description, header) =
        (format!("{URL}/openapi.json"), format!("Authorization: Bearer {}", token.unwrap_or_default()));
    for phases in [["examples,coverage", "600"], ["fuzzing,stateful", RANDOM_S]] {
        // What it keeps lies where it was started.
        let mut line = vec!["one", "env", "-C", &place, "timeout", "700", program];
        line.extend(["--config-file", settings, "run", &description, "--request-retries", "5"]);
        line.extend(["--phases", phases[0], "--max-time", phases[1], "--continue-on-failure", "--no-color"]);
        line.extend(["--exclude-by=/x-verb == \"watch\"", "--request-timeout", "15"]);
        if token.is_some() {
            // With its own session gone, everything after would be refused.
            line.extend(["-H", &header, "--exclude-path", "/api/v1/auth/logout"]);
        }
        lab.verb("near", &line)?;
    }
    Ok(())
}
