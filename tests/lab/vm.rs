//! What needs a kernel of its own: limits that are enforced, and the node under them.
//!
//! `limits.sh` runs in the lab's virtual machine and judges there; what it prints leaves as it comes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::host::top;
use crate::packages::Packages;

/// What `limits.sh` has to have shown, in this order.
const SHOWN: [&str; 7] = ["cgroup", "node", "memory", "program", "tasks", "processor", "network"];
/// From power-on to power-off. Two minutes were seen.
const SECONDS: &str = "900";

/// Out of memory, a fork bomb, a starved processor and a slow network: each as the kernel does it, and the node lives.
pub fn limits_are_real() -> Result<()> {
    let packages = Packages::find()?;
    let lab = top().join("scripts/lab.sh");
    // Whatever ends this process ends the machine.
    let mut machine = Command::new("setpriv")
        .args(["--pdeathsig", "TERM"])
        .arg(&lab)
        .args(["vm", "run"])
        .arg(top().join("tests/lab/limits.sh"))
        .arg(&packages.node)
        .arg(&packages.console)
        .env("P2P_LAB_VM_SECONDS", SECONDS)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be run", lab.display()))?;
    let said = BufReader::new(machine.stdout.take().context("it is piped")?);
    let mut shown = Vec::new();
    for line in said.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        shown.extend(line.split_once(": ").map(|(name, _)| name.to_owned()));
    }
    let status = machine.wait()?;
    ensure!(status.success(), "lab.sh vm run limits.sh: {status}, after {shown:?}; what it said is above");
    ensure!(shown == SHOWN, "shown were {shown:?}, not {SHOWN:?}");
    Ok(())
}
