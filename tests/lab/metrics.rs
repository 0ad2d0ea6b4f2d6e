//! Debian's Prometheus follows three nodes, and Debian's nginx stands before a fourth, with the files that we ship.
//!
//! All of them run in one network namespace, whose addresses and names are its own. Every expression of the dashboards
//! has to bring data from a real scrape; every rule has to be well there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::host::{Answer, eventually, top};
use crate::packages::Packages;

/// Three nodes on the network, by their addresses; the fourth serves its own machine alone, behind nginx.
const NODES: [(&str, &str); 3] = [("web-1", "10.93.0.1"), ("web-2", "10.93.0.2"), ("web-3", "10.93.0.3")];
const BEHIND: &str = "web-4";
/// Until something that begins has begun.
const SOON: Duration = Duration::from_secs(60);
const PROMETHEUS: &str = "http://127.0.0.1:9090/api/v1";

/// The namespace, what runs in it, and where its files are.
struct Scene {
    name: String,
    directory: TempDir,
    programs: TempDir,
    running: Vec<Child>,
}

impl Scene {
    fn up(packages: &Packages) -> Result<Self> {
        let name = format!("p2p-{}-metrics", std::process::id());
        let programs = packages.unpacked()?;
        let scene = Self { name, directory: TempDir::new()?, programs, running: Vec::new() };
        // Of the user that nginx and Prometheus run as here: root.
        fs::set_permissions(scene.directory.path(), fs::Permissions::from_mode(0o700))?;
        let own = Path::new("/etc/netns").join(&scene.name);
        fs::create_dir_all(&own)?;
        let hosts: String = NODES.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        fs::write(own.join("hosts"), format!("127.0.0.1 localhost {BEHIND}\n{hosts}"))?;
        sh(&format!("ip netns add {0} && ip -n {0} link set lo up", scene.name))?;
        sh(&format!(
            "ip -n {0} link add eth0 type veth peer name eth1 && ip -n {0} link set eth1 up",
            scene.name
        ))?;
        sh(&format!("ip -n {} link set eth0 up", scene.name))?;
        for (_, address) in NODES {
            sh(&format!("ip -n {} addr add {address}/24 dev eth0", scene.name))?;
        }
        Ok(scene)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A program of ours or of Debian's, inside, in the directory of the scene.
    fn command(&self, program: &str, arguments: &str) -> Command {
        let own = self.programs.path().join("usr/bin").join(program);
        let program = if own.is_file() { own } else { PathBuf::from(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program).args(arguments.split(' '));
        command.current_dir(self.directory.path()).stdin(Stdio::null()).env("P2P_CA_DIR", self.path("ca"));
        command
    }

    fn begin(&mut self, program: &str, arguments: &str) -> Result<()> {
        let said = fs::File::create(self.path(&format!("{program}-{}.log", self.running.len())))?;
        let mut command = self.command(program, arguments);
        let child = command.stdout(Stdio::null()).stderr(said).spawn();
        self.running.push(child.with_context(|| format!("{program} {arguments}"))?);
        Ok(())
    }

    fn run(&self, program: &str, arguments: &str) -> Result<String> {
        let answer: Answer = self.command(program, arguments).output()?.into();
        ensure!(answer.code == 0, "{program} {arguments}: {answer}");
        Ok(answer.out)
    }

    /// Lines of a shell inside; what they print.
    fn shell(&self, lines: &str) -> Result<String> {
        let mut command = self.command("bash", "-euo pipefail -c");
        let answer: Answer = command.arg(lines).output()?.into();
        ensure!(answer.code == 0, "{lines}: {answer}");
        Ok(answer.out)
    }

    fn logs(&self) -> String {
        let entries = fs::read_dir(self.directory.path()).into_iter().flatten().flatten();
        let logs =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
        logs.map(|path| {
            format!("---- {}\n{}\n", path.display(), fs::read_to_string(&path).unwrap_or_default())
        })
        .collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for child in &mut self.running {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        // A supervised program outlives its node.
        let _ = sh(&format!("ip netns pids {0} | xargs -r kill -9; ip netns del {0}", self.name));
        let _ = fs::remove_dir_all(Path::new("/etc/netns").join(&self.name));
    }
}

fn sh(line: &str) -> Result<()> {
    let answer: Answer = Command::new("sh").args(["-c", line]).output()?.into();
    ensure!(answer.code == 0, "{line}: {answer}");
    Ok(())
}

/// The test.
pub fn prometheus_and_nginx() -> Result<()> {
    let mut scene = Scene::up(&Packages::find()?)?;
    let tried = nodes(&mut scene)
        .and_then(|()| checked(&scene))
        .and_then(|()| followed(&mut scene))
        .and_then(|()| proxied(&mut scene));
    tried.with_context(|| scene.logs())
}

fn nodes(scene: &mut Scene) -> Result<()> {
    scene.run("p2p-node", "ca init --mesh lab --no-passphrase")?;
    for (name, _) in NODES.into_iter().chain([(BEHIND, "")]) {
        scene.run("p2p-node", &format!("ca issue node {name}"))?;
    }
    scene.run("p2p-node", "ca issue operator prometheus --role viewer --no-passphrase")?;
    scene.run("p2p-node", "ca issue operator ann --role admin --no-passphrase")?;
    for (name, address) in NODES.into_iter().chain([(BEHIND, "127.0.0.1")]) {
        fs::create_dir(scene.path(name))?;
        fs::set_permissions(scene.path(name), fs::Permissions::from_mode(0o700))?;
        let place = format!("--certs ca/nodes/{name} --data {name} --host {address}");
        let join = if address.starts_with("10.") { " --bootstrap 10.93.0.1:5678" } else { "" };
        scene.begin("p2p-node", &format!("run {place} --port 8000 --dht-port 5678{join}"))?;
    }
    let alive = "curl -sSf --cacert ca/ca.crt --cert ca/operators/ann/operator.crt --key ca/operators/ann/operator.key \
                 https://web-1:8000/api/v1/nodes/self/node/members | grep -o '\"state\":\"alive\"' | wc -l";
    eventually("three members", SOON, || {
        let seen = scene.shell(alive)?;
        ensure!(seen.trim() == "3", "{seen} alive");
        Ok(())
    })?;
    // What is counted by program is there once there is one.
    let program =
        r#"{"definition":{"name":"sleeper","command":"/bin/sleep","arguments":["1000"]},"replace":false}"#;
    for (method, body) in [("define", program), ("start", r#"{"name":"sleeper"}"#)] {
        scene.shell(&format!(
            "curl -sSf --cacert ca/ca.crt --cert ca/operators/ann/operator.crt --key ca/operators/ann/operator.key \
             -H 'Content-Type: application/json' -d '{body}' https://web-1:8000/api/v1/nodes/self/program/{method}"
        ))?;
    }
    Ok(())
}

/// What can be said of the files before they are used, and of one scrape.
fn checked(scene: &Scene) -> Result<()> {
    let shipped = top().join("node/packaging/prometheus");
    for file in ["prometheus.yml", "p2p-admin.rules.yml", "p2p-admin.test.yml"] {
        fs::copy(shipped.join(file), scene.path(file))?;
    }
    scene.shell("cp -r ca/operators/prometheus p2p-admin")?;
    scene.run("promtool", "check config prometheus.yml")?;
    // Compose's own, where its files would be.
    fs::copy(top().join("node/packaging/docker/prometheus.yml"), scene.path("compose.yml"))?;
    scene.shell("cp -r p2p-admin pki")?;
    scene.run("promtool", "check config compose.yml")?;
    scene.run("promtool", "check rules p2p-admin.rules.yml")?;
    scene.run("promtool", "test rules p2p-admin.test.yml")?;
    let scrape = "curl -sSf --cacert ca/ca.crt --cert p2p-admin/operator.crt --key p2p-admin/operator.key \
                  https://web-1:8000/metrics";
    scene.shell(&format!("{scrape} > scrape && promtool check metrics < scrape"))?;
    Ok(())
}

fn query(scene: &Scene, expression: &str) -> Result<Vec<Value>> {
    let output = scene
        .command("curl", "-sSG --data-urlencode")
        .arg(format!("query={expression}"))
        .arg(format!("{PROMETHEUS}/query"))
        .output()?;
    let answer: Value = serde_json::from_slice(&output.stdout).context("no JSON of Prometheus")?;
    ensure!(answer["status"] == "success", "{expression}: {answer}");
    Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
}

fn followed(scene: &mut Scene) -> Result<()> {
    // As it ships, only faster.
    let text = fs::read_to_string(scene.path("prometheus.yml"))?.replace("interval: 15s", "interval: 1s");
    fs::write(scene.path("prometheus.yml"), text)?;
    scene.begin(
        "prometheus",
        "--config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address=127.0.0.1:9090",
    )?;
    let scene = &*scene;
    eventually("three nodes scraped, by their names", SOON, || {
        let up = query(scene, "up{job=\"p2p-admin\"} == 1")?;
        let mut names: Vec<_> =
            up.iter().map(|one| one["metric"]["instance"].as_str().unwrap_or_default()).collect();
        names.sort_unstable();
        ensure!(names == NODES.map(|(name, _)| name), "scraped are {names:?}");
        Ok(())
    })?;
    let scrape = fs::read_to_string(scene.path("scrape"))?;
    for dashboard in ["fleet", "node", "mesh"] {
        for expression in expressions(dashboard)? {
            eventually(&format!("{dashboard}: {expression}"), SOON, || {
                let found = query(scene, &expression)?;
                ensure!(!found.is_empty() || is_lacking(&expression, &scrape), "nothing");
                Ok(())
            })?;
        }
    }
    eventually("every rule was evaluated", SOON, || {
        let rules = scene.run("curl", &format!("-sS {PROMETHEUS}/rules"))?;
        let rules: Value = serde_json::from_str(&rules)?;
        let groups = rules["data"]["groups"].as_array().context("groups")?;
        let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array()).flatten().collect();
        ensure!(rules.len() == 20, "{} rules", rules.len());
        match rules.iter().find(|rule| rule["health"] != "ok") {
            Some(ill) => bail!("{ill}"),
            None => Ok(()),
        }
    })?;
    Ok(())
}

/// Those of a dashboard, with what Grafana would put in.
fn expressions(dashboard: &str) -> Result<Vec<String>> {
    let file = top().join("node/packaging/grafana").join(format!("{dashboard}.json"));
    let dashboard: Value = serde_json::from_slice(&fs::read(file)?)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let filled = |text: &str| text.replace("$instance", ".+").replace("$__rate_interval", "30s");
    Ok(targets.filter_map(|target| target["expr"].as_str()).map(filled).collect())
}

/// Whether it asks for what this very machine does not have: a scrape has nothing of it.
fn is_lacking(expression: &str, scrape: &str) -> bool {
    let optional = ["p2p_admin_temperature_", "p2p_admin_pressure_"];
    optional.iter().any(|name| expression.starts_with(name) && !scrape.contains(&format!("\n{name}")))
}

fn proxied(scene: &mut Scene) -> Result<()> {
    let pki = scene.path("ca/nodes").join(BEHIND);
    let site = fs::read_to_string(top().join("node/packaging/nginx/p2p-admin.conf"))?
        .replace("/etc/p2p-admin/pki", &pki.to_string_lossy())
        .replace("server_name web-1", &format!("server_name {BEHIND}"));
    let place = scene.directory.path().display();
    let whole = format!(
        "daemon off; user root; pid {place}/nginx.pid; error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{site}\n}}\n"
    );
    fs::write(scene.path("nginx.conf"), whole)?;
    let conf = scene.path("nginx.conf");
    scene.run("/usr/sbin/nginx", &format!("-t -q -c {}", conf.display()))?;
    scene.running.push(
        scene.command("/usr/sbin/nginx", &format!("-c {}", conf.display())).stderr(Stdio::null()).spawn()?,
    );
    let scene = &*scene;
    let curl = "curl -sS --cacert ca/ca.crt";
    let (near, far) = ("http://127.0.0.1:8000", format!("https://{BEHIND}"));
    eventually("nginx answers", SOON, || scene.shell(&format!("{curl} -f {far}/health")))?;
    let token = scene.run("p2p-tui", "--certs ca/operators/ann token")?;
    let bearer = format!("-H 'Authorization: Bearer {}'", token.trim());
    let info = scene.shell(&format!("{curl} -f {bearer} {far}/api/v1/nodes/self/node/info"))?;
    ensure!(info.contains(&format!("\"name\":\"{BEHIND}\"")), "REST: {info}");
    let events = format!("{curl} -N {bearer} '{far}/api/v1/nodes/self/monitor/watch?interval_ms=1000'");
    let items = scene.shell(&format!("{{ {events} || true; }} | grep -m 3 'event: item' | wc -l"))?;
    ensure!(items.trim() == "3", "events: {items}");
    let status = "-o /dev/null -w '%{http_code}' --max-time 3";
    let upgrade = "--http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
                   -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='";
    let asked = |base: &str| scene.shell(&format!("{curl} {status} {upgrade} {base}/ws || true"));
    let (direct, through) = (asked(near)?, asked(&far)?);
    ensure!(direct == through, "an upgrade is answered by {direct}, and through nginx by {through}");
    let follow = top().join("tests/lab/api/follow.py");
    let follow = format!("python3 {} {BEHIND} ca/ca.crt {} 3", follow.display(), token.trim());
    let told = scene.shell(&follow)?;
    let expected = ["welcome", "subscribed", "item", "item", "item"];
    let mut words = told.lines().skip(1).filter_map(|line| line.split(' ').next());
    ensure!(
        told.starts_with("HTTP/1.1 101") && expected.iter().all(|kind| words.any(|word| word == *kind)),
        "a WebSocket: {told}"
    );
    let local = scene.shell(&format!("{curl} {status} {near}/api/info; {curl} {status} {far}/api/info"))?;
    ensure!(local == "200401", "what is told on the own machine alone: {local}");
    Ok(())
}
