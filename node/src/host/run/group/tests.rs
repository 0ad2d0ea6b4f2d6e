use std::io::Write as _;
use std::time::Duration;

use p2p_shared::services::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

use super::*;
use crate::host::run::{End, Size, Stdin, Stop, base_environment};

const SOON: Duration = Duration::from_secs(30);

fn shell(kind: Kind, line: &str, streams: Streams) -> Work {
    Work {
        id: RunId { kind, id: "1".into() },
        description: "a test".into(),
        program: "sh".into(),
        file: None,
        arguments: vec!["-c".into(), line.into()],
        directory: "/".into(),
        account: None,
        environment: base_environment(None),
        limits: Limits::default(),
        stop: Stop::default(),
        streams,
    }
}

const PIPES: Streams = Streams::Pipes { stdin: Stdin::Null };

async fn start(work: Work) -> (tempfile::TempDir, Running) {
    let runs = tempfile::tempdir().unwrap();
    let runner = GroupRunner::new(Roots::default(), runs.path().to_owned());
    let running = runner.start(work).await.unwrap();
    (runs, running)
}

fn output(ends: Ends) -> Receiver {
    let Ends::Pipes { stdin: None, stdout: Some(stdout), .. } = ends else { panic!("{ends:?}") };
    Receiver::from_owned_fd(stdout).unwrap()
}

async fn rest(mut output: Receiver) -> String {
    let mut text = String::new();
    timeout(SOON, output.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

async fn line(output: &mut Receiver) {
    while timeout(SOON, output.read_u8()).await.unwrap().unwrap() != b'\n' {}
}

#[expect(deprecated, reason = "unsound only for what gives its descriptor away, which an OwnedFd does not")]
fn terminal(master: OwnedFd) -> AsyncFd<OwnedFd> {
    AsyncFd::with_interest(master, tokio::io::Interest::READABLE).unwrap()
}

/// Reads a terminal until it says `wanted`.
async fn says(master: &AsyncFd<OwnedFd>, wanted: &str) -> String {
    let mut said = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&said).contains(wanted) {
            let mut ready = master.readable().await.unwrap();
            let mut bytes = [0; 256];
            match rustix::io::read(master.get_ref(), &mut bytes) {
                Ok(count) => said.extend_from_slice(&bytes[..count]),
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(errno) => panic!("{errno}"),
            }
        }
    };
    let found = timeout(SOON, reading).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    found.unwrap_or_else(|_| panic!("{wanted:?} is not in {said:?}"));
    said
}

#[tokio::test]
async fn an_end_is_told_again_and_what_a_command_left_gets_signals_until_it_is_released() {
    let (_runs, running) = start(shell(Kind::Exec, "sleep 600 & echo; exit 7", PIPES)).await;
    let expected = End { code: Some(7), ..End::default() };
    for _ in 0..2 {
        assert_eq!(timeout(SOON, running.leash.ended()).await.unwrap(), expected);
    }
    running.leash.signal(Signal::Kill).await.unwrap();
    assert_eq!(rest(output(running.ends)).await, "\n", "the pipe ends once nobody holds it");
    running.leash.release().await;
    running.leash.signal(Signal::Kill).await.unwrap();
    assert_eq!(running.leash.ended().await, End::default(), "it was released");
}

#[tokio::test]
async fn a_command_goes_with_its_leash_and_a_program_does_not() {
    let (_runs, running) = start(shell(Kind::Exec, "sleep 600 & echo; wait", PIPES)).await;
    let mut told = output(running.ends);
    line(&mut told).await;
    drop(running.leash);
    assert_eq!(rest(told).await, "");

    let (runs, running) = start(shell(Kind::Program, "echo; sleep 600", PIPES)).await;
    let mut told = output(running.ends);
    line(&mut told).await;
    let (process, id) = (running.process, RunId { kind: Kind::Program, id: "1".into() });
    drop((running.leash, told));
    let runner = GroupRunner::new(Roots::default(), runs.path().to_owned());
    for known in [process, None] {
        let again = runner.take_up(&id, known).await.expect("it goes on");
        again.leash.signal(Signal::Cont).await.unwrap();
    }
    let again = runner.take_up(&id, None).await.unwrap();
    again.leash.signal(Signal::Kill).await.unwrap();
    assert_eq!(timeout(SOON, again.leash.ended()).await.unwrap(), End::default(), "nobody saw it");
    again.leash.release().await;
    assert_eq!(fs::read_dir(runs.path()).unwrap().count(), 0, "its pipes are gone");
}

#[tokio::test]
async fn what_runs_leads_its_group_and_a_program_its_session() {
    for kind in [Kind::Exec, Kind::Job, Kind::Program] {
        let line = "read -r stat < /proc/$$/stat; set -- $stat; echo $$ $5 $6";
        let (_runs, running) = start(shell(kind, line, PIPES)).await;
        let mut told = output(running.ends);
        let mut text = Vec::new();
        while !text.ends_with(b"\n") {
            text.push(timeout(SOON, told.read_u8()).await.unwrap().unwrap());
        }
        let text = String::from_utf8(text).unwrap();
        let [own, group, session] = text.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert_eq!(own, group, "{kind:?}");
        if kind == Kind::Program {
            assert_eq!(own, session, "it outlives this node");
        }
        running.leash.release().await;
    }
}

#[tokio::test]
async fn a_terminal_has_its_size_controls_its_session_and_takes_interrupts() {
    // As a node has it: whoever ignores SIGINT itself hands that on, and is itself started so by some shells.
    let _handled = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
    let line = "trap 'echo stopped; exit 3' INT; stty size; tty; read line < /dev/tty; echo got $line; \
                while :; do sleep 0.1; done";
    let streams = Streams::Terminal(Size { rows: 31, columns: 97 });
    let (_runs, running) = start(shell(Kind::Shell, line, streams)).await;
    let Ends::Terminal(master) = running.ends else { panic!("no terminal") };
    let mut typed = fs::File::from(master.try_clone().unwrap());
    let master = terminal(master);
    // Both may come at once.
    assert!(says(&master, "/dev/pts/").await.starts_with("31 97"));
    typed.write_all(b"hello\n").unwrap();
    says(&master, "got hello").await;
    typed.write_all(b"\x03").unwrap();
    says(&master, "stopped").await;
    let end = timeout(SOON, running.leash.ended()).await.unwrap();
    assert_eq!(end, End { code: Some(3), ..End::default() });
    running.leash.release().await;
}
