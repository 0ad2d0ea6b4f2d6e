//! Containers with a real engine: `docker-compose up -d` in a copy of the checkout, as its user types it.
//!
//! No image can be pulled in the lab: the base is a `debootstrap` tree made an image by `docker import`, and the
//! programs are the given ones: that the Rust image builds them is what this does not show. The engine and all that
//! it makes are gone afterwards.

mod engine;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use engine::{Engine, Machine, output};

use crate::host::{base_tree, eventually};
use crate::packages::Packages;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// What an engine with nothing to pull takes, several times over.
const HEALTHY_MAX: Duration = Duration::from_secs(60);
/// What is in .env beside the example: ports that another node of this machine may use must disturb nobody here.
const SETTINGS: &str = "NODE_HOST=127.0.0.1\nNODE_PORT=9000\nDHT_PORT=9001\nBOOTSTRAP_NODES=192.0.2.1:5678\nNODE_LABELS=role=web\n";
/// The files that a node is given, and all that it sees of the CA.
const OWN_FILES: &str = "ca.crt http.crt http.key node.crt node.key";
/// Ends the node as a crash does, from inside its container.
const CRASH: &str = r#"for process in /proc/[0-9]*; do
    [ "$(cat "$process/comm")" = p2p-node ] && kill -KILL "${process#/proc/}"
done"#;

/// The programs are those of the packages, the base is the tree of the lab's hosts.
pub fn compose() -> Result<()> {
    let programs = Packages::find()?.unpacked()?;
    let before = Machine::look()?;
    let outcome = in_an_engine(&programs.path().join("usr/bin"), &base_tree()?);
    let left = before.left(&Machine::look()?);
    if left.is_empty() {
        return outcome;
    }
    outcome.with_context(|| format!("it failed, and left on the machine:\n{left}"))?;
    bail!("left on the machine:\n{left}")
}

fn in_an_engine(binaries: &Path, base_tree: &Path) -> Result<()> {
    let engine = Engine::start()?;
    engine.import(base_tree)?;
    engine.check_out(binaries, SETTINGS)?;
    let mesh = Mesh(&engine);
    let ids = mesh.up()?;
    mesh.is_confined()?;
    mesh.up_again_changes_nothing()?;
    mesh.comes_back_from_a_restart_and_a_crash(&ids)?;
    engine.compose(&["down"])?;
    ensure!(mesh.up()? == ids, "the mesh that came up after `down` is another one");
    mesh.down_leaves_nothing()?;
    engine.stop()
}

/// The three nodes of compose.yaml.
struct Mesh<'a>(&'a Engine);

impl Mesh<'_> {
    /// Brings it up; the id of each node.
    fn up(&self) -> Result<BTreeMap<String, String>> {
        self.0.compose(&["up", "-d"])?;
        self.is_whole()
    }

    /// Every node is healthy, and the console sees all three.
    fn is_whole(&self) -> Result<BTreeMap<String, String>> {
        for node in NODES {
            let look = || match self.inspect(node, "{{.State.Health.Status}}")?.as_str() {
                "healthy" => Ok(()),
                state => bail!("{node} is {state}"),
            };
            eventually("the nodes are healthy", HEALTHY_MAX, look)?;
        }
        let look = || {
            let alive = self.alive()?;
            ensure!(alive.len() == NODES.len(), "alive are {alive:?}");
            Ok(alive)
        };
        Ok(eventually("three nodes alive", HEALTHY_MAX, look)?.0)
    }

    /// Who is alive, and labelled as .env says.
    fn alive(&self) -> Result<BTreeMap<String, String>> {
        let text = self.0.compose(&["run", "--rm", "-T", "tui", "nodes", "-o", "json"])?;
        let rows: Vec<Value> = serde_json::from_str(&text).with_context(|| format!("nodes: {text}"))?;
        let ours = rows.iter().filter(|row| row["state"] == "alive" && row["labels"]["role"] == "web");
        let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        Ok(ours.map(|row| (word(row, "name"), word(row, "id"))).collect())
    }

    /// A node sees its own files alone, as a user of no rights who can write to its data only.
    fn is_confined(&self) -> Result<()> {
        let inside = |script: &str| self.0.compose(&["exec", "-T", "node-1", "bash", "-c", script]);
        let seen = inside("cd /etc/p2p-admin/pki && echo *")?;
        ensure!(seen.trim() == OWN_FILES, "node-1 sees {seen}");
        let keys = inside(
            "find / -xdev -name '*.key' 2>/dev/null; find /var/lib/p2p-issued /var/lib/p2p-ca -type f",
        )?;
        ensure!(keys.is_empty(), "node-1 sees {keys}");
        let rights = inside("id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status | tr -d '\\t'")?;
        let expected = "5678\nCapEff:0000000000000000\nNoNewPrivs:1\n";
        ensure!(rights == expected, "node-1 runs with {rights}");
        for path in ["/x", "/etc/p2p-admin/pki/x"] {
            let said = inside(&format!("touch {path} 2>&1 || true"))?;
            ensure!(said.contains("Read-only file system"), "node-1 writes to {path}: {said}");
        }
        let ports = self.0.docker(&["ps", "--format", "{{.Ports}}"])?;
        ensure!(!ports.contains("->"), "ports of this machine are taken: {ports}");
        Ok(())
    }

    fn up_again_changes_nothing(&self) -> Result<()> {
        let running = || NODES.map(|node| self.inspect(node, "{{.Id}} {{.State.StartedAt}}").ok());
        let before = running();
        self.0.compose(&["up", "-d"])?;
        ensure!(before == running(), "`up -d` twice: {before:?}, then {:?}", running());
        Ok(())
    }

    fn comes_back_from_a_restart_and_a_crash(&self, ids: &BTreeMap<String, String>) -> Result<()> {
        self.0.compose(&["restart", "node-2"])?;
        ensure!(self.is_whole()? == *ids, "node-2 came back as another");
        self.0.compose(&["exec", "-T", "node-3", "bash", "-c", CRASH]).ok();
        let restarted = || match self.inspect("node-3", "{{.RestartCount}}")?.as_str() {
            "1" => Ok(()),
            count => bail!("restarted {count} times"),
        };
        eventually("node-3 is started anew", HEALTHY_MAX, restarted)?;
        ensure!(self.is_whole()? == *ids, "node-3 came back as another");
        // SIGTERM is a way to leave, not to be killed: the log says so, and the exit code.
        self.0.compose(&["stop", "node-1"])?;
        let code = self.inspect("node-1", "{{.State.ExitCode}}")?;
        ensure!(code == "0", "node-1 stopped with exit code {code}");
        Ok(())
    }

    fn down_leaves_nothing(&self) -> Result<()> {
        self.0.compose(&["down", "-v"])?;
        let lists: [&[&str]; 3] =
            [&["ps", "-aq"], &["volume", "ls", "-q"], &["network", "ls", "-q", "--filter", "type=custom"]];
        for list in lists {
            let left = self.0.docker(list)?;
            ensure!(left.is_empty(), "`down -v` leaves, by docker {list:?}: {left}");
        }
        Ok(())
    }

    fn inspect(&self, node: &str, format: &str) -> Result<String> {
        let container = format!("p2p-admin_{node}_1");
        Ok(self.0.docker(&["inspect", "-f", format, &container])?.trim().to_owned())
    }
}

impl Engine {
    /// Makes the tree the image `base`, without what is of no use in it.
    fn import(&self, tree: &Path) -> Result<()> {
        ensure!(tree.join("usr/bin/bash").is_file(), "{}: no debootstrap tree", tree.display());
        let script = r#"set -o pipefail
            tar -C "$1" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --exclude=./usr/share/doc \
                --exclude=./usr/share/locale --exclude=./usr/share/man -c . | docker import - base"#;
        output(self.command("bash").args(["-c", script, "import"]).arg(tree))?;
        Ok(())
    }

    /// A copy of the checkout with ready programs, and `.env` as the example has it, with `more`.
    fn check_out(&self, binaries: &Path, more: &str) -> Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the checkout")?;
        let (top, release) = (self.top(), self.top().join("target/release"));
        fs::create_dir_all(&release)?;
        let script = r#"set -o pipefail
            tar -C "$1" --exclude=./target --exclude=./.git --exclude=./certs --exclude=./.env -c . | tar -C "$2" -x"#;
        output(Command::new("bash").args(["-c", script, "copy"]).args([root, &top]))?;
        for program in ["p2p-node", "p2p-tui"] {
            output(Command::new("strip").arg("-o").args([release.join(program), binaries.join(program)]))?;
        }
        let example = fs::read_to_string(top.join(".env.example"))?;
        fs::write(top.join(".env"), example + more)?;
        Ok(())
    }

    /// docker-compose at the top of the copy.
    fn compose(&self, arguments: &[&str]) -> Result<String> {
        output(self.command("docker-compose").args(arguments))
    }

    fn docker(&self, arguments: &[&str]) -> Result<String> {
        output(self.command("docker").args(arguments))
    }
}
