//! `p2p-tui shell` as a program of its own on a terminal: keys, escapes, the size, exit codes, and the terminal
//! given back.
//!
//! This test binary starts itself again as the program, as in `binary`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use p2p_shared::access::Role;
use p2p_shared::services::Services;
use p2p_tui::cli::output::Streams;
use p2p_tui::cli::run_line;
use p2p_tui::effects::settings::Surroundings;
use pty_process::{Pty, Size};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use crate::cluster::{Cluster, LONG};
use crate::echo::soon;

/// The arguments of the program under test, one a line.
const ARGS: &str = "P2P_E2E_CONSOLE";

/// Not a test of its own: the program, when this binary is started as one.
#[test]
fn console_under_test() {
    let Ok(args) = std::env::var(ARGS) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut streams = Streams { out: &mut io::stdout(), err: &mut io::stderr(), answers: None, width: None };
    let args = std::iter::once("p2p-tui").chain(args.lines()).map(OsString::from);
    let exit = runtime.block_on(run_line(args, &Surroundings::of_process(), &mut streams));
    std::process::exit(exit.code().into());
}

/// The program on a terminal of its own.
struct Console {
    pty: Pty,
    child: Child,
    shown: String,
}

impl Console {
    fn start(cluster: &Cluster, certs: &Path, line: &[&str]) -> Self {
        let entrance = cluster.address(0).to_string();
        let args = ["--node", &entrance, "--certs", certs.to_str().unwrap(), "shell", "web-1"];
        let args = [&args[..], line].concat().join("\n");
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(Size::new(24, 80)).unwrap();
        let command = pty_process::Command::new(std::env::current_exe().unwrap());
        let command = command
            .args(["--exact", "shell_command::console_under_test", "--nocapture"])
            .env_clear()
            .env(ARGS, args)
            .env("TERM", "xterm-test")
            .env("HOME", cluster.data(0))
            .kill_on_drop(true);
        Self { pty, child: command.spawn(pts).unwrap(), shown: String::new() }
    }

    async fn type_in(&mut self, text: &str) {
        self.pty.write_all(text.as_bytes()).await.unwrap();
    }

    /// Until this was shown, from where the last wait ended.
    async fn until(&mut self, text: &str) {
        let mut chunk = vec![0; 4_096];
        let waited = async {
            while !self.shown.contains(text) {
                let length = self.pty.read(&mut chunk).await.unwrap_or(0);
                assert!(length > 0, "{text:?} is not shown: {:?}", self.shown);
                self.shown += &String::from_utf8_lossy(&chunk[..length]);
            }
        };
        if tokio::time::timeout(LONG, waited).await.is_err() {
            panic!("{text:?} is not shown: {:?}", self.shown);
        }
        let end = self.shown.find(text).unwrap() + text.len();
        self.shown.drain(..end);
    }

    /// Whether the terminal echoes what is typed, as it does before and after.
    fn is_cooked(&self) -> bool {
        tcgetattr(&self.pty).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().unwrap() as i32).unwrap(), signal).unwrap();
    }

    /// Its end, and what it said last.
    async fn ended(&mut self) -> (ExitStatus, String) {
        let status = soon("its end", self.child.wait()).await.unwrap();
        let mut chunk = vec![0; 4_096];
        while let Ok(length @ 1..) = self.pty.read(&mut chunk).await {
            self.shown += &String::from_utf8_lossy(&chunk[..length]);
        }
        (status, std::mem::take(&mut self.shown))
    }
}

fn ann(cluster: &Cluster) -> PathBuf {
    cluster.ca.operator_files("ann", Role::Admin)
}

const SH: [&str; 6] = ["--cwd", "/", "--", "/bin/sh", "-c", "PS1='ready> ' exec sh -i"];

#[tokio::test]
async fn keys_and_sizes_go_there_and_its_exit_code_comes_back() {
    let cluster = Cluster::start(1).await;
    let certs = ann(&cluster);
    let mut console = Console::start(&cluster, &certs, &SH);
    console.until("ready> ").await;
    assert!(!console.is_cooked());
    console.type_in("echo $TERM $(stty size); cat\r").await;
    console.until("xterm-test 24 80\r\n").await;
    // Once it has what is typed, what interrupts is for it.
    console.type_in("ping\r").await;
    console.until("ping\r\nping\r\n").await;
    // ^C is a key as any other.
    console.type_in("\x03").await;
    console.until("ready> ").await;
    console.pty.resize(Size::new(40, 120)).unwrap();
    console.type_in("while test \"$(stty size)\" != '40 120'; do :; done; echo got_\"it\"\r").await;
    console.until("got_it").await;
    console.type_in("exit 7\r").await;
    let (status, _) = console.ended().await;
    assert_eq!(status.code(), Some(7));
    assert!(console.is_cooked(), "the terminal is given back");
}

#[tokio::test]
async fn who_detaches_is_told_how_to_attach_again_and_who_is_killed_too_finds_it_all() {
    let cluster = Cluster::start(1).await;
    let certs = ann(&cluster);
    let mut console = Console::start(&cluster, &certs, &SH);
    console.until("ready> ").await;
    console.type_in("echo se\"en\" before\r").await;
    console.until("seen before").await;
    console.type_in("~?").await;
    console.until("~.  detach").await;
    console.type_in("\r~.").await;
    let (status, said) = console.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    let (_, id) = said.split_once("the shell goes on: p2p-tui shell web-1 --attach ").expect(&said);
    let id = id.trim();
    assert!(console.is_cooked());

    let mut again = Console::start(&cluster, &certs, &["--attach", &id[..4]]);
    again.until("seen before").await;
    again.type_in("printf '\\033[?1049h\\033[?2004h'; echo in_\"other\" screen\r").await;
    again.until("in_other screen").await;
    again.signal(Signal::TERM);
    let (status, said) = again.ended().await;
    assert_eq!(status.code(), Some(128 + 15));
    assert!(said.contains("\x1b[?1049l") && said.contains("\x1b[?2004l") && said.contains(id), "{said:?}");
    assert!(again.is_cooked());

    let mut killed = Console::start(&cluster, &certs, &["--attach", id]);
    killed.until("in_other screen").await;
    killed.signal(Signal::KILL);
    killed.ended().await;
    let mut last = Console::start(&cluster, &certs, &["--attach", id]);
    last.until("seen before").await;
    last.until("in_other screen").await;
    last.type_in("exit\r").await;
    assert_eq!(last.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn what_was_left_behind_is_said_and_what_is_not_there_too() {
    let cluster = Cluster::start(1).await;
    let certs = ann(&cluster);
    let node = cluster.admin(0);
    let mut left = Console::start(&cluster, &certs, &SH);
    left.until("ready> ").await;
    left.type_in("\r~.").await;
    left.ended().await;
    let left = node.shell().list().await.unwrap().remove(0);
    let mut console = Console::start(&cluster, &certs, &SH);
    console.until(&format!("you have a detached shell here: p2p-tui shell web-1 --attach {}", left.id)).await;
    console.until("ready> ").await;
    let shells = node.shell().list().await.unwrap();
    assert_eq!((shells.len(), shells[0].is_own, shells[0].opened_by.as_str()), (2, false, "operator ann"));
    for shell in shells {
        node.shell().end(shell.id).await.unwrap();
    }
    console.until("the shell was ended: by operator admin").await;
    assert_eq!(console.ended().await.0.code(), Some(255));

    let mut nobody = Console::start(&cluster, &certs, &["--attach", "nobody"]);
    nobody.until("there is no shell nobody on that node").await;
    assert_eq!(nobody.ended().await.0.code(), Some(1));
    let mut user = Console::start(&cluster, &certs, &["--user", "no-such-user"]);
    user.until("\"no-such-user\" is in no line").await;
    assert_eq!(user.ended().await.0.code(), Some(1));
    assert!(user.is_cooked());
}

#[tokio::test]
async fn a_node_that_is_lost_is_said_with_the_way_back() {
    let mut cluster = Cluster::start(1).await;
    let certs = ann(&cluster);
    let mut console = Console::start(&cluster, &certs, &SH);
    console.until("ready> ").await;
    cluster.stop(0).await;
    console.until("--attach ").await;
    assert_eq!(console.ended().await.0.code(), Some(255));
    assert!(console.is_cooked());
}
