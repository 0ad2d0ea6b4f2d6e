//! Units, journals and transient units on hosts with a real systemd.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use p2p_node::host::systemd::transient::{Ended, Limits, Stream, TransientName, TransientSpec};
use p2p_node::host::systemd::{Systemd, SystemdError};
use p2p_shared::services::unit::UnitExit;

use crate::host::Lab;
use crate::mesh::{Mesh, PLACE, main_pid};
use crate::packages::Packages;

/// Names a scene that this program plays when it runs on a host of the lab.
pub const INSIDE: &str = "P2P_LAB_INSIDE";

/// Listed, acted upon, watched, read and followed, all from one node about both.
pub fn seen_and_controlled() -> Result<()> {
    let packages = Packages::find()?;
    let hosts = ["one", "two"];
    Lab::up(&hosts)?.test(|lab| {
        Mesh::new(lab, &hosts, &packages)?;
        let desk = |lines: &str| lab.attempt("one", lines);
        desk("p2p-tui units ssh")?.expect(0, &["one   ssh.service", "two   ssh.service", "running"])?;
        desk("p2p-tui units restart ssh --on all -o jsonl")?.expect(0, &["\"result\":\"done\""])?;
        desk("p2p-tui units stop p2p-node --on two")?
            .expect(77, &["denied: node: to stop p2p-node.service"])?;
        desk("p2p-tui units stop 's*' --on two")?.expect(65, &["no name of a unit"])?;
        desk("p2p-tui units start nowhere --on two")?.expect(1, &["there is no unit nowhere.service"])?;
        desk("p2p-tui units disable ssh --on two")?
            .expect(0, &["disabled", "removed /etc/systemd/system/"])?;
        desk("p2p-tui units enable ssh --on two")?.expect(0, &["enabled", "made /etc/systemd/system/"])?;
        lab.run(
            "two",
            "printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n' > /run/systemd/system/bad.service
                        systemctl daemon-reload",
        )?;
        desk("p2p-tui units start bad --on two")?
            .expect(1, &["failed", "exit-code: it ended with code 1"])?;
        desk("p2p-tui units --state failed --on two")?.expect(0, &["bad.service"])?;
        desk("p2p-tui call unit.status '{\"unit\": \"bad\"}' --on two")?
            .expect(0, &["Main process exited"])?;
        desk("p2p-tui call unit.timers --on two")?.expect(0, &["systemd-tmpfiles-clean.timer"])?;
        watched(lab)?;
        followed(lab)?;

        // The node restarts itself and answers before it goes.
        let pid = main_pid(lab, "two")?;
        desk("p2p-tui units restart p2p-node --on two")?.expect(0, &["running"])?;
        let restarted = || {
            ensure!(main_pid(lab, "two")? != pid, "still {pid}");
            Ok(())
        };
        crate::host::eventually("the node restarted itself", crate::mesh::SOON, restarted)?;

        let noise = lab.run("two", "journalctl --no-pager -o cat -t dbus-daemon")?;
        ensure!(!noise.contains("Rejected"), "the bus is asked nothing that it refuses: {noise}");
        Ok(())
    })
}

/// What changes on one host is pushed to the other.
fn watched(lab: &Lab) -> Result<()> {
    let lines = "timeout -s INT 20 p2p-tui call unit.watch --on two -o jsonl > watch.out & watch=$!
                 until grep -q '\"full\":true' watch.out; do sleep 0.1; done
                 ssh two systemd-run --quiet --unit=seen sleep 1
                 until grep -q '\"seq\":[1-9].*seen.service.*running' watch.out; do sleep 0.1; done
                 until grep -q '\"gone\":\\[[^]]*seen.service' watch.out; do sleep 0.1; done
                 kill -INT $watch; wait $watch || true";
    lab.run("one", lines)?;
    Ok(())
}

/// Both journals in one, a flood bounded and counted, and no child left.
fn followed(lab: &Lab) -> Result<()> {
    let lines = "timeout -s INT 60 p2p-tui logs -f --on all -n 0 > follow.out 2> follow.err & follow=$!
                 until ssh two pgrep -x journalctl > /dev/null && pgrep -x journalctl > /dev/null; do sleep 0.1; done
                 logger -t here hello-one; ssh two logger -t there hello-two
                 until grep -q ' one .*here.*: hello-one' follow.out && grep -q ' two .*there.*: hello-two' follow.out
                 do sleep 0.1; done
                 seq 20000 | logger -t flood
                 until grep -q 'left out: too many at once' follow.err; do sleep 0.1; done
                 kill -INT $follow; wait $follow || true
                 while pgrep -x journalctl > /dev/null || ssh two pgrep -x journalctl > /dev/null; do sleep 0.1; done";
    lab.run("one", lines)?;
    lab.attempt("one", "p2p-tui logs --on all -g '^hello-' -n 2")?.expect(0, &["hello-one", "hello-two"])?;
    Ok(())
}

/// What one process started another one finds, ends and learns the end of.
pub fn transient() -> Result<()> {
    Lab::up(&["one"])?.test(|lab| {
        let program = std::env::current_exe()?;
        lab.push(&[program.as_path()], "one", PLACE)?;
        let name = program.file_name().context("it has a name")?.to_string_lossy().into_owned();
        let play = |scene: &str| lab.attempt("one", &format!("{INSIDE}={scene} {PLACE}/{name}"));
        play("start")?.expect(0, &["started"])?;
        lab.run("one", "systemctl is-active p2p-lab-long.service; pgrep -x sleep")?;
        lab.run("one", "systemctl show -P Slice p2p-lab-long | grep -x p2p-admin-managed.slice")?;
        play("find-and-kill")?.expect(0, &["ended by signal 9"])?;
        play("ends")?.expect(0, &["all ends are as they should be"])?;
        let left = lab.run("one", "systemctl list-units --all --no-legend 'p2p-lab-*'")?;
        ensure!(left.trim().is_empty(), "nothing is left: {left}");
        Ok(())
    })
}

/// Plays a scene on a host; a failure ends the program with 101.
pub fn inside(scene: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    let played = runtime.block_on(async {
        let systemd = Systemd::new();
        match scene {
            "start" => start(&systemd).await,
            "find-and-kill" => find_and_kill(&systemd).await,
            _ => ends(&systemd).await,
        }
    });
    if let Err(error) = played {
        panic!("{scene}: {error:#}");
    }
}

fn spec(id: &str, arguments: &[&str]) -> Result<TransientSpec> {
    Ok(TransientSpec {
        name: TransientName::new("lab", id)?,
        description: "a program of the lab".into(),
        file: arguments.first().copied().unwrap_or_default().to_owned(),
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        working_directory: None,
        user: None,
        group: None,
        environment: vec![("GREETING".into(), "a  $b".into())],
        limits: Limits { tasks_max: Some(64), files_max: Some(64), ..Limits::default() },
        streams: [Stream::Null, Stream::Journal, Stream::Journal],
        stop_signal: 15,
        stop_timeout: Duration::from_secs(5),
        run_timeout: None,
    })
}

async fn start(systemd: &Systemd) -> Result<()> {
    let running = systemd.start_transient(spec("long", &["sleep", "4242"])?).await?;
    ensure!(running.main_pid.is_some(), "{running:?}");
    let again = systemd.start_transient(spec("long", &["sleep", "1"])?).await;
    ensure!(matches!(again, Err(SystemdError::Refused { .. })), "two of one name: {again:?}");
    println!("started");
    Ok(())
}

async fn find_and_kill(systemd: &Systemd) -> Result<()> {
    let found = systemd.transients("lab").await?;
    ensure!(found.len() == 1 && found[0].main_pid.is_some(), "{found:?}");
    let name = &found[0].name;
    let (ended, killed) = tokio::join!(systemd.wait_transient(name), systemd.kill_transient(name, 9));
    killed?;
    let expected = Ended::Exited { exit: Some(UnitExit::Signal(9)), result: "signal".into() };
    let ended = ended?;
    ensure!(ended == expected, "{ended:?}");
    systemd.release_transient(name).await?;
    ensure!(systemd.wait_transient(name).await? == Ended::Gone, "it is gone");
    println!("ended by signal 9");
    Ok(())
}

async fn ends(systemd: &Systemd) -> Result<()> {
    for (id, program, code) in [("well", "exit 0", 0), ("badly", "exit 7", 7)] {
        let arguments =
            ["/bin/sh", "-c", &format!("printf '%s|%s' \"$GREETING\" \"$1\"; {program}"), "sh", "$HOME %i"];
        let path = format!("/tmp/{id}");
        let mut spec = spec(id, &arguments)?;
        spec.streams[1] = Stream::Descriptor(File::create(&path)?.into());
        let name = spec.name.clone();
        systemd.start_transient(spec).await?;
        let ended = systemd.wait_transient(&name).await?;
        ensure!(
            matches!(ended, Ended::Exited { exit: Some(UnitExit::Code(found)), .. } if found == code),
            "{ended:?}"
        );
        let said = std::fs::read_to_string(Path::new(&path))?;
        ensure!(said == "a  $b|$HOME %i", "{said:?}");
        systemd.release_transient(&name).await?;
    }
    let missing = systemd.start_transient(spec("missing", &["/nowhere/program"])?).await;
    let Err(SystemdError::Refused { words, .. }) = &missing else { anyhow::bail!("{missing:?}") };
    ensure!(words.contains("the program is not there"), "{words}");
    println!("all ends are as they should be");
    Ok(())
}
