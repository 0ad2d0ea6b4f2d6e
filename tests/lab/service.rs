//! The node as a service: what systemd and the journal see of it, in both profiles.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::host::{Lab, eventually};
use crate::mesh::{Mesh, SOON, main_pid, refused_to_start};
use crate::packages::Packages;

/// Readiness, status, reload, credentials, fields of the journal, restarts.
pub fn systemd_is_told() -> Result<()> {
    let packages = Packages::find()?;
    Lab::up(&["one"])?.test(|lab| {
        Mesh::new(lab, &["one"], &packages)?;
        let status = lab.run("one", "systemctl status --no-pager p2p-node")?;
        ensure!(status.contains("Status: \"1 of 1 members alive\""), "{status}");
        let verified =
            lab.attempt("one", "systemd-analyze verify --man=no p2p-node.service p2p-admin-managed.slice")?;
        ensure!(verified.code == 0 && verified.text().is_empty(), "{verified}");

        let ready = entry(lab, "ready")?;
        for (field, value) in [("SYSLOG_IDENTIFIER", "p2p-node"), ("PRIORITY", "6"), ("F_NAME", "one")] {
            ensure!(ready[field] == value, "{field} is {value}: {ready}");
        }
        ensure!(ready["F_QUIC"].as_str().is_some_and(|address| address.ends_with(":5678")), "{ready}");

        // A field alone is not seen by whoever reads the journal.
        let said = ready["MESSAGE"].as_str().unwrap_or_default();
        ensure!(said.contains("quic=[::]:5678") && said.contains("http=127.0.0.1:8000"), "{said}");

        reload(lab)?;
        credentials(lab)?;

        let pid = main_pid(lab, "one")?;
        lab.run("one", &format!("kill -9 {pid}"))?;
        let restarted = || match main_pid(lab, "one")? {
            again if again == pid => bail!("still {pid}"),
            again => Ok(again),
        };
        eventually("a killed node is started anew", SOON, restarted)?;
        lab.run("one", "systemctl stop p2p-node; test \"$(systemctl show -P Result p2p-node)\" = success")?;
        Ok(())
    })
}

/// A changed configuration is taken over; a broken one is told and changes nothing.
fn reload(lab: &Lab) -> Result<()> {
    let pid = main_pid(lab, "one")?;
    lab.run(
        "one",
        "sed -i 's/^#log_level.*/log_level = \"debug\"/' /etc/p2p-admin/node.toml; systemctl reload p2p-node",
    )?;
    entry(lab, "configuration read again")?;
    lab.run("one", "echo nonsense >> /etc/p2p-admin/node.toml; systemctl reload p2p-node")?;
    let told = entry(lab, "the configuration is broken: the old one stays")?;
    ensure!(
        told["PRIORITY"] == "3" && told["F_ERROR"].as_str().is_some_and(|why| why.contains("node.toml")),
        "{told}"
    );
    ensure!(main_pid(lab, "one")? == pid, "a reload keeps the process");
    lab.run("one", "sed -i '/^nonsense$/d' /etc/p2p-admin/node.toml; systemctl reload p2p-node")?;
    Ok(())
}

/// A secret from the credential store is read: a bad one stops the start, a good one does not.
fn credentials(lab: &Lab) -> Result<()> {
    lab.run("one", "mkdir -p -m 700 /etc/credstore; echo short > /etc/credstore/auth-secret")?;
    lab.attempt("one", "systemctl restart p2p-node")?;
    eventually("a bad secret stops the start", SOON, || refused_to_start(lab, "one"))?;
    let said = lab.run("one", "journalctl -u p2p-node --no-pager -o cat")?;
    ensure!(said.contains("auth-secret") && said.contains("at least 32 are needed"), "{said}");
    lab.run("one", "openssl rand -base64 48 > /etc/credstore/auth-secret; systemctl restart p2p-node")?;
    main_pid(lab, "one")?;
    Ok(())
}

/// The last entry of the journal that begins so.
fn entry(lab: &Lab, message: &str) -> Result<Value> {
    let look = || {
        let lines = lab.run("one", "journalctl -u p2p-node -o json --no-pager")?;
        let mut entries = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        match entries.rfind(|entry| entry["MESSAGE"].as_str().is_some_and(|said| said.starts_with(message))) {
            Some(found) => Ok(found),
            None => bail!("no entry {message:?} in\n{lines}"),
        }
    };
    Ok(eventually("the journal has it", SOON, look)?.0)
}

/// A user of its own, few capabilities, a bound on its exposure, and still a member; and back to root.
pub fn restricted() -> Result<()> {
    let hosts = ["one", "two"];
    let packages = Packages::find()?;
    Lab::up(&hosts)?.test(|lab| {
        let mesh = Mesh::new(lab, &hosts, &packages)?;
        lab.run("two", "./install.sh --profile restricted")?;
        let pid = main_pid(lab, "two")?;
        ensure!(lab.run("two", &format!("stat -c %U /proc/{pid}"))?.trim() == "p2p-admin", "its own user");
        mesh.becomes("two", &["alive"], &["one", "two"])?;
        let judged = lab.run("two", "systemd-analyze security --no-pager p2p-node | tail -1")?;
        println!("restricted: {}", judged.trim());
        lab.run("two", "systemd-analyze security --threshold=30 p2p-node >/dev/null")?;
        let lacks = lab.run("two", "journalctl -u p2p-node --no-pager -o cat")?;
        ensure!(lacks.contains("this node cannot: "), "it says what it cannot do: {lacks}");

        // It reads and ends processes of others, as an administrator expects.
        lab.run("two", "systemd-run --quiet --unit=victim --uid=nobody sleep 4242")?;
        let seen = || match mesh.lab.run("one", "p2p-tui ps --on two -o jsonl | grep -F 'sleep'")? {
            line if line.is_empty() => bail!("not seen"),
            line => Ok(line),
        };
        eventually("a process of somebody else is seen", SOON, seen)?;
        let victim = lab.run("two", "systemctl show -P MainPID victim")?;
        lab.run("one", &format!("p2p-tui kill {} --on two --yes", victim.trim()))?;
        let gone = || lab.attempt("two", "systemctl is-active victim")?.expect(3, &[]);
        eventually("it is ended", SOON, gone)?;

        // Named units by the rule; what would be root by another name is refused.
        let as_node = |command: &str| lab.attempt("two", &format!("runuser -u p2p-admin -- {command}"));
        as_node("systemctl restart ssh.service")?.expect(0, &[])?;
        for refused in ["systemd-run true", "systemctl edit ssh --force", "systemctl daemon-reexec"] {
            ensure!(as_node(refused)?.code != 0, "{refused} has to be refused");
        }

        lab.run("two", "./install.sh --profile full")?;
        let pid = main_pid(lab, "two")?;
        ensure!(lab.run("two", &format!("stat -c %U /proc/{pid}"))?.trim() == "root", "root again");
        mesh.becomes("two", &["alive"], &["one", "two"])?;
        let judged = lab.run("two", "systemd-analyze security --no-pager p2p-node | tail -1")?;
        println!("full: {}", judged.trim());
        Ok(())
    })
}

/// A node that does not move any more is ended and started anew.
pub fn watchdog() -> Result<()> {
    let packages = Packages::find()?;
    Lab::up(&["one"])?.test(|lab| {
        Mesh::new(lab, &["one"], &packages)?;
        lab.run(
            "one",
            "mkdir -p /etc/systemd/system/p2p-node.service.d
             printf '[Service]\\nWatchdogSec=2\\n' > /etc/systemd/system/p2p-node.service.d/test.conf
             systemctl daemon-reload; systemctl restart p2p-node",
        )?;
        let pid = main_pid(lab, "one")?;
        lab.run("one", &format!("kill -STOP {pid}"))?;
        let again = || match main_pid(lab, "one")? {
            again if again == pid => bail!("still {pid}"),
            again => Ok(again),
        };
        eventually("a stuck node is started anew", Duration::from_secs(60), again)?;
        let said = lab.run("one", "journalctl -u p2p-node --no-pager -o cat")?;
        ensure!(said.contains("Watchdog timeout"), "{said}");
        Ok(())
    })
}
