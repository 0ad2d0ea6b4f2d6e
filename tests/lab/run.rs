//! What runs for operators on hosts with a real systemd: programs, commands, jobs and shells go on when the node does
//! not, and nothing of them is left.

use anyhow::{Result, ensure};

use crate::host::{Lab, eventually};
use crate::mesh::{Mesh, SOON, main_pid};
use crate::packages::Packages;

/// A program that says a line ten times a second.
const TICK: &str = "p2p programs define tick --on two --restart always -- \
                    /bin/sh -c 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done'";

/// Defined on one node from another; restarts and deaths of the node are nothing to it.
pub fn programs() -> Result<()> {
    let packages = Packages::find()?;
    let hosts = ["one", "two"];
    Lab::up(&hosts)?.test(|lab| {
        Mesh::new(lab, &hosts, &packages)?;
        lab.run("one", TICK)?;
        lab.attempt("one", "p2p programs start tick --on two")?.expect(0, &["running"])?;
        let pid = lab.run("two", PROCESS)?;
        lab.run("two", "systemctl show -P Slice 'p2p-program-tick.*' | grep -x p2p-admin-managed.slice")?;
        for end in [
            "systemctl restart p2p-node",
            "systemctl kill -s KILL p2p-node || true",
            "systemctl daemon-reload",
        ] {
            let node = main_pid(lab, "two")?;
            lab.run("two", end)?;
            eventually("the node is back", SOON, || {
                ensure!(end.contains("reload") || main_pid(lab, "two")? != node, "still {node}");
                lab.attempt("one", "p2p programs --on two")?.expect(0, &["tick", "running", pid.trim()])
            })?;
        }
        // Not a line is missing, before, during and after.
        lab.run(
            "one",
            "p2p programs logs tick --on two -n 10000 > all; seq -f 'line %.0f' $(wc -l < all) | diff - all",
        )?;
        lab.run("two", &format!("kill -9 {pid}"))?;
        eventually("it was started again", SOON, || {
            let answer = lab.attempt("one", "p2p programs status tick --on two")?;
            let status = answer.expect(0, &["state      running", "signal 9"])?;
            ensure!(!status.text().contains(&format!("pid        {}\n", pid.trim())), "still {pid}");
            Ok(())
        })?;
        lab.run("one", "p2p programs remove tick --on two --yes")?;
        nothing_is_left(lab)
    })
}

/// The first process of the program.
const PROCESS: &str = "systemctl show -P MainPID 'p2p-program-tick.*'";

/// A command outlives the node that runs it, and no node its own upgrade.
pub fn commands() -> Result<()> {
    let packages = Packages::find()?;
    let hosts = ["one", "two"];
    Lab::up(&hosts)?.test(|lab| {
        Mesh::new(lab, &hosts, &packages)?;
        let desk = |lines: &str| lab.attempt("one", lines);
        desk("p2p exec --on two -- sh -c 'cat /proc/self/cgroup; exit 3'")?.expect(3, &["p2p-exec-"])?;
        desk("p2p exec --timeout 1s --on two -- sh -c 'setsid sleep 4711'")?.expect(124, &[])?;
        lab.run("two", "! pgrep -f 'sleep 471[1]'")?;
        // Its node is restarted meanwhile: it is told, and the command goes on.
        desk(
            "p2p exec --on two -- sh -c 'echo begun; until test -e /root/go; do sleep 0.1; done; echo ok > /root/done' \
               > out 2>&1 & exec=$!
             until grep -q begun out; do sleep 0.1; done
             ssh two systemctl restart p2p-node
             code=0; wait $exec || code=$?; cat out; exit $code",
        )?
        .expect(255, &["begun", "the command goes on as p2p-exec-"])?;
        lab.run("two", "touch /root/go; until test -e /root/done; do sleep 0.1; done")?;
        // Each node is upgraded by itself, one after the other.
        lab.run("one", "cp ~/p2p/p2p-node_*.deb /root/p2p-node.deb; scp -q /root/p2p-node.deb two:/root/")?;
        let before = (main_pid(lab, "one")?, main_pid(lab, "two")?);
        desk("p2p exec --detach --batch 1 --on all -- dpkg -i /root/p2p-node.deb")?
            .expect(0, &["one: Setting up p2p-node", "two: Setting up p2p-node", "2 ok"])?;
        ensure!(main_pid(lab, "one")? != before.0 && main_pid(lab, "two")? != before.1, "not restarted");
        desk("p2p jobs --on all")?.expect(0, &["succeeded"])?;
        nothing_is_left(lab)
    })
}

/// A shell lives on over the end of its console and of its node.
pub fn shells() -> Result<()> {
    let packages = Packages::find()?;
    let hosts = ["one", "two"];
    Lab::up(&hosts)?.test(|lab| {
        Mesh::new(lab, &hosts, &packages)?;
        let until_seen = |session: &str, words: &str| {
            let look = format!("tmux capture-pane -p -S -100 -t {session} | grep -q '{words}'");
            eventually(words, SOON, || lab.run("one", &look))
        };
        lab.run("one", "tmux new-session -d -s first -x 80 -y 24 'p2p shell two'")?;
        until_seen("first", "root@two")?;
        lab.run("one", "tmux send-keys -t first 'echo be''fore; tty; sleep 4711' Enter")?;
        until_seen("first", "/dev/pts/")?;
        lab.run("one", "tmux send-keys -t first C-c 'echo interr''upted' Enter")?;
        until_seen("first", "interrupted")?;
        lab.run("one", "kill -9 $(pgrep -f '[p]2p shell two')")?;
        lab.run("two", "systemctl restart p2p-node")?;
        eventually("the node is back", SOON, || {
            lab.attempt("one", "p2p shell two --list")?.expect(0, &["running", "operator ann (you)"])
        })?;
        lab.run(
            "one",
            "tmux new-session -d -s again -x 80 -y 24 \"p2p shell two --attach $(p2p shell two --list | awk 'NR == 2 { print $1 }')\"",
        )?;
        until_seen("again", "before")?;
        lab.run("one", "tmux send-keys -t again 'echo af''ter; exit' Enter")?;
        eventually("it is over", SOON, || {
            let units = lab.run("two", "systemctl list-units --all --no-legend --plain 'p2p-shell-*'")?;
            ensure!(units.trim().is_empty(), "{units}");
            Ok(())
        })?;
        nothing_is_left(lab)
    })
}

/// No unit, no pipe, no descriptor in the store.
fn nothing_is_left(lab: &Lab) -> Result<()> {
    let look = "systemctl list-units --all --no-legend --plain 'p2p-program-*' 'p2p-exec-*' 'p2p-job-*' 'p2p-shell-*'
                ls /var/lib/p2p-admin/runs 2>/dev/null || true; systemctl show -P NFileDescriptorStore p2p-node";
    eventually("nothing is left", SOON, || {
        let left = lab.run("two", look)?;
        ensure!(left.trim() == "0", "{left}");
        Ok(())
    })?;
    Ok(())
}
