//! The console on a real terminal against two hosts: every view is opened, what its menus offer is done once, rows come
//! and go by the thousand, and the terminal shrinks to one cell and back.
//!
//! What is pressed and has to be seen stands in `console.sh`, which runs on the first host.

use anyhow::Result;

use crate::host::{Lab, top};
use crate::mesh::{Mesh, PLACE};
use crate::packages::Packages;

/// Something of everything to look at: a unit on both hosts, a file, a program, a job, and an alert that fires.
const WORLD: &str = r#"
for host in one two; do
    ssh $host 'printf "[Service]\nExecStart=/bin/sleep infinity\n" > /etc/systemd/system/p2p-demo.service
               systemctl daemon-reload; systemctl start p2p-demo; echo hello > /root/plain.txt'
done
p2p programs define tick --on two --restart always -- \
    /bin/sh -c 'i=0; while :; do i=$((i+1)); echo line $i; sleep 1; done'
p2p programs start tick --on two
p2p exec --detach --on two -- echo hello
printf '[[rule]]\nname = "always"\nwhen = "load1 >= 0"\nseverity = "info"\n' > always.toml
p2p alerts apply -f always.toml --on one
"#;

/// What `console.sh` is called with, one after the other.
const WALKS: [&str; 4] = ["views", "actions", "rows", "sizes"];

/// Walks through the console.
pub fn walked() -> Result<()> {
    let packages = Packages::find()?;
    let hosts = ["one", "two"];
    Lab::up(&hosts)?.test(|lab| {
        Mesh::new(lab, &hosts, &packages)?;
        lab.run("one", WORLD)?;
        lab.push(&[&top().join("tests/lab/console.sh")], "one", PLACE)?;
        for walk in WALKS {
            lab.run("one", &format!("bash {PLACE}/console.sh {walk}"))?;
        }
        Ok(())
    })
}
