//! Whole fleets: set up by the commands of README, then shaken.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::host::{Lab, eventually};
use crate::mesh::{Mesh, SOON, main_pid};
use crate::packages::Packages;
use crate::readme;

/// What README's reader has besides: passphrases, and a login shell's variables.
const DESK: &str = "cd ~/p2p; export USER=root P2P_CA_DIR=~/p2p-ca
    export P2P_CA_PASSPHRASE_FILE=~/ca-passphrase P2P_KEY_PASSPHRASE_FILE=~/key-passphrase\n";
const FIVE: [&str; 5] = ["web-1", "web-2", "web-3", "db-1", "db-2"];
/// From the first command on a new machine to a member of the mesh.
const MEMBER: Duration = Duration::from_secs(30);

/// README's set-up of five machines, and of a sixth; its renewal, upgrade, diagnosis and removal.
pub fn the_readme() -> Result<()> {
    let packages = Packages::find()?;
    Lab::up(&["desk", "web-1", "web-2", "web-3", "db-1", "db-2", "db-3"])?.test(|lab| {
        Mesh::deliver(lab, "desk", &packages)?;
        lab.run(
            "desk",
            "echo 'correct horse battery' > ~/ca-passphrase; echo 'staple it well' > ~/key-passphrase",
        )?;
        let follow = |heading: &str| -> Result<String> {
            let mut said = String::new();
            for block in readme::blocks(heading)? {
                let answer = lab.attempt("desk", &format!("{DESK}{block}"))?;
                said.push_str(&answer.text());
                ensure!(answer.code == 0, "README, {heading}: {block}\n{answer}");
            }
            Ok(said)
        };
        follow("### On the desk")?;
        let alive = |names: &[&str]| {
            let look = || {
                let seen = lab.run("desk", &format!("{DESK}p2p-tui nodes -o jsonl"))?;
                let line = |name: &str| {
                    seen.lines().any(|line| {
                        line.contains(&format!("\"name\":\"{name}\"")) && line.contains("\"state\":\"alive\"")
                    })
                };
                match names.iter().find(|name| !line(name)) {
                    Some(absent) => bail!("{absent} is not alive in {seen}"),
                    None => Ok(seen.lines().count()),
                }
            };
            eventually("README's machines are alive", SOON, look)
        };
        ensure!(alive(&FIVE)?.0 == 5, "five members");
        the_console(lab)?;

        let begun = Instant::now();
        follow("### A sixth machine")?;
        alive(&["db-3"])?;
        let took = begun.elapsed();
        let word = if took <= MEMBER { "PASS" } else { "FAIL" };
        println!("install_to_member_s={:.1} goal<=30 {word}", took.as_secs_f64());
        ready_time(lab)?;

        follow("### Renew")?;
        alive(&["web-1", "web-2", "web-3", "db-1", "db-2", "db-3"])?;
        follow("### Upgrade")?;
        let said = follow("### When a node does not come back")?;
        ensure!(said.contains("Active: active (running)") && said.contains("certificate"), "{said}");
        ensure!(alive(&FIVE)?.0 == 5, "db-3 is forgotten");
        lab.attempt("db-3", "test -e /usr/bin/p2p-node -o -e /etc/p2p-admin -o -e /var/lib/p2p-admin")?
            .expect(1, &[])?;
        Ok(())
    })
}

/// The console on a real terminal shows all five.
fn the_console(lab: &Lab) -> Result<()> {
    lab.run("desk", &format!("{DESK} tmux new-session -d -x 120 -y 36 'p2p-tui 2>/root/console.err'"))?;
    let look = || {
        let screen = lab.run("desk", "tmux capture-pane -p")?;
        match FIVE.iter().find(|name| !screen.contains(**name)) {
            Some(absent) => bail!("{absent} is not on the screen:\n{screen}"),
            None => Ok(screen),
        }
    };
    let (screen, took) = eventually("the console shows five machines", SOON, look)?;
    println!("{screen}\nafter {:.1} s", took.as_secs_f64());
    lab.run("desk", "tmux kill-server")?;
    Ok(())
}

/// How long the program took from its start to READY.
fn ready_time(lab: &Lab) -> Result<()> {
    let mut took = Vec::new();
    for host in FIVE {
        for _ in 0..3 {
            lab.run(host, "systemctl restart p2p-node")?;
            let stamp = |of: &str| -> Result<u64> {
                let text = lab.run(host, &format!("systemctl show -P {of}TimestampMonotonic p2p-node"))?;
                Ok(text.trim().parse()?)
            };
            took.push((stamp("ActiveEnter")? - stamp("ExecMainStart")?) / 1000);
        }
    }
    took.sort_unstable();
    let median = *took.get(took.len() / 2).context("there are some")?;
    println!("ready_ms={median} of {took:?} goal<=150 {}", if median <= 150 { "PASS" } else { "FAIL" });
    Ok(())
}

/// Reboot, power cut, freeze, a network that is gone, another host name.
pub fn comes_back() -> Result<()> {
    let hosts = ["one", "two", "three"];
    let packages = Packages::find()?;
    Lab::up(&hosts)?.test(|lab| {
        let mesh = Mesh::new(lab, &hosts, &packages)?;
        let silent = ["suspect", "lost"];
        let others = ["one", "two"];
        let told =
            |what: &str, took: Duration| println!("{what}: alive again after {:.1} s", took.as_secs_f64());

        let boot = "cat /proc/sys/kernel/random/boot_id";
        let before = lab.run("three", boot)?;
        lab.attempt("three", "systemctl reboot")?;
        let rebooted = || match lab.run("three", boot)? {
            after if after == before => bail!("still the old boot"),
            _ => Ok(()),
        };
        let begun = Instant::now();
        eventually("three has rebooted", SOON, rebooted)?;
        mesh.all_alive(&hosts)?;
        told("reboot", begun.elapsed());

        lab.verb("kill", &["three"])?;
        mesh.becomes("three", &["lost"], &others)?;
        lab.verb("start", &["three"])?;
        told("power cut", mesh.becomes("three", &["alive"], &others)?);

        lab.verb("freeze", &["three"])?;
        mesh.becomes("three", &["lost"], &others)?;
        lab.verb("thaw", &["three"])?;
        told("frozen until it was lost", mesh.becomes("three", &["alive"], &others)?);

        lab.verb("cut", &["three"])?;
        mesh.becomes("three", &silent, &others)?;
        mesh.becomes("three", &["lost"], &others)?;
        // Silence beyond the idle limit of a connection: it has to be made anew.
        let ask =
            "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /api/stats HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3; cat <&3";
        let none = || match lab.run("three", ask)? {
            text if text.contains("\"connections\":0") => Ok(()),
            text => bail!("{text}"),
        };
        eventually("three has no connection left", SOON, none)?;
        lab.verb("heal", &[])?;
        told("cut off until no connection was left", mesh.becomes("three", &["alive"], &others)?);

        lab.verb("loss", &["30"])?;
        lab.run("three", "systemctl restart p2p-node")?;
        told("restart with 30 % loss each way", mesh.becomes("three", &["alive"], &["one"])?);
        lab.verb("heal", &[])?;

        lab.run("three", "hostname renamed; echo renamed > /etc/hostname; systemctl restart p2p-node")?;
        mesh.all_alive(&hosts)?;
        Ok(())
    })
}

/// An address that is not there yet, and bootstrap addresses of which none answers any more.
pub fn remembers() -> Result<()> {
    let hosts = ["one", "two", "three"];
    let packages = Packages::find()?;
    Lab::up(&hosts)?.test(|lab| {
        let mesh = Mesh::new(lab, &hosts, &packages)?;
        // Their only bootstrap address is gone for good; the operator enters by another node.
        lab.run("one", "systemctl disable --now p2p-node")?;
        mesh.becomes("one", &["left", "lost"], &["two", "three"])?;
        lab.run("three", "systemctl restart p2p-node")?;
        let begun = Instant::now();
        mesh.becomes("two", &["alive"], &["three"])?;
        mesh.becomes("three", &["alive"], &["two"])?;
        println!("rejoined by memory after {:.1} s", begun.elapsed().as_secs_f64());

        lab.run(
            "three",
            "sed -i '1i host = \"10.86.0.200\"' /etc/p2p-admin/node.toml
             systemctl restart p2p-node || true",
        )?;
        let tries =
            || match lab.run("three", "systemctl show -P NRestarts p2p-node")?.trim().parse::<u32>()? {
                0 | 1 => bail!("not tried again yet"),
                tries => Ok(tries),
            };
        eventually("it keeps trying", SOON, tries)?;
        lab.run("three", "journalctl -u p2p-node --no-pager -o cat | grep -F '10.86.0.200'")?;
        lab.run("three", "ip address add 10.86.0.200/24 dev host0")?;
        main_pid(lab, "three")?;
        mesh.becomes("three", &["alive"], &["two"])?;
        Ok(())
    })
}
