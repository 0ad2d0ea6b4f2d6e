//! A mesh on the hosts of a lab, as its operator sees it.
//!
//! The first host keeps the CA and the operator's certificate; every host is a node of its own name.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::{Lab, eventually, top};
use crate::packages::Packages;

/// Where the packages and `install.sh` lie on a host.
pub const PLACE: &str = "/root/p2p";
/// What is seen of a change within this is fine; a lost node takes the longest.
pub const SOON: Duration = Duration::from_secs(40);

/// The hosts, and the view from the first one.
pub struct Mesh<'a> {
    pub lab: &'a Lab,
    pub desk: &'a str,
}

impl<'a> Mesh<'a> {
    /// Makes a CA on the first host and a node of every host.
    pub fn new(lab: &'a Lab, hosts: &[&'a str], packages: &Packages) -> Result<Self> {
        let desk = hosts[0];
        Self::deliver(lab, desk, packages)?;
        lab.run(
            desk,
            "cd ~/p2p; dpkg -i p2p-node_*.deb p2p-tui_*.deb
             export P2P_CA_DIR=/root/p2p-ca
             p2p-ca init --mesh home --no-passphrase
             p2p-ca issue operator ann --role admin --no-passphrase
             p2p-ca bundle operator ann > ann.tar; p2p-tui import ann.tar",
        )?;
        let mesh = Self { lab, desk };
        for host in hosts {
            mesh.install(host, &format!("{desk}:5678"))?;
        }
        mesh.all_alive(hosts)?;
        Ok(mesh)
    }

    /// Puts the packages and `install.sh` on a host.
    pub fn deliver(lab: &Lab, host: &str, packages: &Packages) -> Result<()> {
        let script = top().join("scripts/install.sh");
        lab.push(&[&script, &packages.node, &packages.console], host, PLACE)
    }

    /// Issues a certificate and installs the node.
    pub fn install(&self, host: &str, bootstrap: &str) -> Result<()> {
        self.lab.run(
            self.desk,
            &format!(
                "cd ~/p2p; export P2P_CA_DIR=/root/p2p-ca
                 p2p-ca issue node {host} --address {host}
                 p2p-ca bundle node {host} --bootstrap {bootstrap} > {host}.tar
                 scp -q install.sh p2p-node_*.deb {host}.tar {host}:
                 ssh {host} ./install.sh --bundle {host}.tar"
            ),
        )?;
        Ok(())
    }

    /// The state of every member, as seen from `host`.
    pub fn seen_from(&self, entry: &str) -> Result<Vec<(String, String)>> {
        let text = self.lab.run(self.desk, &format!("p2p-tui --node {entry}:5678 nodes -o json"))?;
        let rows: Value = serde_json::from_str(&text).context("nodes -o json")?;
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let rows = rows.as_array().context("an array")?;
        Ok(rows.iter().map(|row| (text(row, "name"), text(row, "state"))).collect())
    }

    /// The states of one member, as the first host and all of `entries` see it.
    pub fn becomes(&self, name: &str, states: &[&str], entries: &[&str]) -> Result<Duration> {
        let what = format!("{name} is {states:?} for {entries:?}");
        let look = || {
            for entry in entries {
                let seen = self.seen_from(entry)?;
                let state = seen.iter().find(|(found, _)| found == name).map(|(_, state)| state.as_str());
                if !state.is_some_and(|state| states.contains(&state)) {
                    bail!("{entry} says {state:?} of {name}: {seen:?}");
                }
            }
            Ok(())
        };
        Ok(eventually(&what, SOON, look)?.1)
    }

    /// All of these are alive, and nobody else is listed as such.
    pub fn all_alive(&self, names: &[&str]) -> Result<Duration> {
        let mut names: Vec<&str> = names.to_vec();
        names.sort_unstable();
        let look = || {
            let seen = self.seen_from(self.desk)?;
            let mut alive: Vec<&str> =
                seen.iter().filter(|(_, state)| state == "alive").map(|(name, _)| name.as_str()).collect();
            alive.sort_unstable();
            if alive != names {
                bail!("alive are {alive:?}, not {names:?}");
            }
            Ok(())
        };
        Ok(eventually("everybody is alive", SOON, look)?.1)
    }
}

/// The process of the node, once the service runs.
pub fn main_pid(lab: &Lab, host: &str) -> Result<u32> {
    let look = || -> Result<u32> {
        lab.run(host, "systemctl --quiet is-active p2p-node")?;
        let pid: u32 = lab.run(host, "systemctl show -P MainPID p2p-node")?.trim().parse()?;
        if pid == 0 { bail!("no main process") } else { Ok(pid) }
    };
    Ok(eventually("the service runs", SOON, look)?.0)
}

/// The service has given up with the exit code of a bad configuration, which no restart mends.
pub fn refused_to_start(lab: &Lab, host: &str) -> Result<()> {
    let property = |name: &str| lab.run(host, &format!("systemctl show -P {name} p2p-node"));
    let (state, status) = (property("ActiveState")?, property("ExecMainStatus")?);
    match (state.trim(), status.trim()) {
        ("failed", "78") => Ok(()),
        found => bail!("{found:?}"),
    }
}
