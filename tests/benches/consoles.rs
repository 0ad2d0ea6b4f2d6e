//! What the console costs beside btm and htop, all on terminals of one size, over the same processes, in the same
//! run: P14, P15, how soon the first screen is there, and what a screen writes on which nothing changes.
//!
//! Runs itself again in a namespace of processes, once with 300 that sleep and once with 2,000. Needs root, and
//! both peers on PATH (or `P2P_BTM`); takes some minutes and prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, ensure};
use p2p_shared::access::Role;
use pty_process::{Pty, Size};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use ca::TestCa;
use support::{OWN_PROCESSES, Program, Sleepers, again, at_most, cpu_s, figure, median, status_kib};

/// Sleeping processes in the two runs.
const FEW: usize = 300;
const MANY: usize = 2_000;
/// How long each console is watched.
const SPAN: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(4);
/// How long nobody touches a key before a still screen is watched: the figures of all nodes are not followed any more.
const UNTOUCHED: Duration = Duration::from_secs(65);
/// How long a still screen is watched.
const STILL: Duration = Duration::from_secs(20);
const STARTS: usize = 7;
/// Between two looks at a screen.
const LOOK: Duration = Duration::from_millis(1);
const SHOWN_MAX: Duration = Duration::from_secs(10);
/// A name that only the rows of processes hold.
const ROW: &str = "sleep";
/// Keys that wait to be typed.
const QUEUE: usize = 64;
const ROWS: u16 = 50;
const COLUMNS: u16 = 200;
/// What a terminal answers to the questions that programs ask it.
const ANSWERS: [(&[u8], &[u8]); 4] = [
    (b"\x1b[c", b"\x1b[?62;22c"),
    (b"\x1b[6n", b"\x1b[1;1R"),
    (b"\x1b]11;?", b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
    (b"\x1b[?u", b"\x1b[?0u"),
];

fn main() -> anyhow::Result<()> {
    match support::inside() {
        Some(count) => inside(count.parse()?),
        None => outside(),
    }
}

/// Both runs, and how the cost grows between them.
fn outside() -> anyhow::Result<()> {
    let mut costs = Vec::new();
    for count in [FEW, MANY] {
        let out = again(&OWN_PROCESSES, &count.to_string())?.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8(out.stdout)?;
        print!("{text}");
        ensure!(out.status.success(), "a run in a namespace of processes failed: it needs root");
        let cost =
            text.lines().find_map(|line| line.strip_prefix("# console_share=")).context("no figure")?;
        costs.push(cost.parse::<f64>()?);
    }
    at_most("P14 growth_300_to_2000", costs[1] / costs[0], 1.5);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn inside(count: usize) -> anyhow::Result<()> {
    let _sleepers = Sleepers::start(count)?;
    let ca = TestCa::new("home");
    let node = Program::start(&ca.node_files("web-1"), &[])?;
    let (certs, address) = (ca.operator_files("bench", Role::Admin), node.quic.to_string());
    let home = TempDir::new()?;
    let world = World { home: home.path(), certs: &certs, address: &address };
    if count == FEW {
        let ours = world.steady(&world.console(&[]), Some("1"), &node).await?;
        println!("# console_share={:.5}", ours.cpu);
        return Ok(());
    }
    let btm = vec![env::var("P2P_BTM").unwrap_or_else(|_| "btm".into()), "--rate".into(), "1000ms".into()];
    let htop = vec!["htop".to_owned(), "-d".into(), "10".into()];
    world.compare(&btm, &htop, &node).await?;
    world.starts(&htop).await?;
    world.still().await
}

/// What all consoles of a run share.
struct World<'a> {
    home: &'a Path,
    certs: &'a Path,
    address: &'a str,
}

/// What one cost while it was watched, in cores and MiB.
struct Cost {
    cpu: f64,
    node: f64,
    rss: f64,
}

impl World<'_> {
    /// The line that starts our console, entering by `first` and then by the node.
    fn console(&self, first: &[&str]) -> Vec<String> {
        let own = env::current_exe().unwrap_or_default();
        let binary =
            own.parent().and_then(Path::parent).map(|there| there.join("p2p-tui")).unwrap_or_default();
        let mut line = vec![binary.display().to_string(), "--certs".into(), self.certs.display().to_string()];
        for node in first.iter().chain([&self.address]) {
            line.extend(["--node".into(), (*node).to_owned()]);
        }
        line
    }

    /// What a console costs, once `key` brought it to where it is to be.
    async fn steady(&self, line: &[String], key: Option<&str>, node: &Program) -> anyhow::Result<Cost> {
        let screen = Screen::open(line, self.home)?;
        if let Some(key) = key {
            screen.until("web-1").await?;
            screen.press(key)?;
        }
        screen.until(if key == Some("0") { "web-1" } else { ROW }).await?;
        sleep(SETTLE).await;
        let (began, before, of_node) = (Instant::now(), screen.cpu_s()?, node.cpu_s()?);
        sleep(SPAN).await;
        let span = began.elapsed().as_secs_f64();
        let (cpu, node) = ((screen.cpu_s()? - before) / span, (node.cpu_s()? - of_node) / span);
        Ok(Cost { cpu, node, rss: screen.rss_mib()? })
    }

    async fn compare(&self, btm: &[String], htop: &[String], node: &Program) -> anyhow::Result<()> {
        let (mut ours, mut idle, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            ours.push(self.steady(&self.console(&[]), Some("1"), node).await?);
            theirs.push(self.steady(btm, None, node).await?);
            idle.push(self.steady(&self.console(&[]), Some("0"), node).await?);
        }
        let htop = self.steady(htop, None, node).await?;
        let of = |costs: &[Cost], figure: fn(&Cost) -> f64| median(costs.iter().map(figure).collect());
        let (console, btm) = (of(&ours, |cost| cost.cpu), of(&theirs, |cost| cost.cpu));
        println!("# console_share={console:.5}");
        println!(
            "# btm {btm:.4} of a core, htop {:.4}, our node with the console {:.4}",
            htop.cpu,
            of(&ours, |cost| cost.node)
        );
        at_most("P14 console_cpu_vs_btm", console / btm, 0.25);
        at_most("P14 console_and_node_cpu_vs_btm", of(&ours, |cost| cost.cpu + cost.node) / btm, 0.6);
        let (rss, rss_btm) = (of(&ours, |cost| cost.rss), of(&theirs, |cost| cost.rss));
        println!("# resident: console {rss:.1} MiB, btm {rss_btm:.1}, htop {:.1}", htop.rss);
        at_most("P15 rss_vs_btm", rss / rss_btm, 2.0);
        at_most("P15 idle_screen_cpu_vs_btm", of(&idle, |cost| cost.cpu) / btm, 0.1);
        Ok(())
    }

    /// From the start of the program to what it is for.
    async fn starts(&self, htop: &[String]) -> anyhow::Result<()> {
        let silent = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let (mut rows, mut theirs, mut first, mut one_down) = (vec![], vec![], vec![], vec![]);
        for _ in 0..STARTS {
            rows.push(self.start(&self.console(&[]), Some("1"), ROW).await?);
            theirs.push(self.start(htop, None, ROW).await?);
            first.push(self.start(&self.console(&[]), None, "web-1").await?);
            one_down.push(self.start(&self.console(&[&silent]), None, "web-1").await?);
        }
        let (rows, theirs) = (median(rows), median(theirs));
        println!("# rows of processes after {rows:.0} ms, htop {theirs:.0}");
        at_most("P15 first_rows_vs_htop", rows / theirs, 0.3);
        at_most("first_screen_ms", median(first), 300.0);
        at_most("first_screen_with_a_node_down_ms", median(one_down), 1_000.0);
        Ok(())
    }

    async fn start(&self, line: &[String], key: Option<&str>, shown: &str) -> anyhow::Result<f64> {
        let began = Instant::now();
        let screen = Screen::open(line, self.home)?;
        if let Some(key) = key {
            // As somebody does who sees the first screen.
            screen.until("web-1").await?;
            screen.press(key)?;
        }
        screen.until(shown).await?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    /// A view on which nothing changes.
    async fn still(&self) -> anyhow::Result<()> {
        let screen = Screen::open(&self.console(&[]), self.home)?;
        screen.until("web-1").await?;
        screen.press("4")?;
        sleep(UNTOUCHED).await;
        let (written, woken) = (screen.written(), screen.wakes()?);
        sleep(STILL).await;
        let written = screen.written() - written;
        at_most("still_screen_bytes", written as f64, 0.0);
        at_most("still_screen_wakes_per_s", (screen.wakes()? - woken) / STILL.as_secs_f64(), 1.0);
        Ok(())
    }
}

/// A program on a terminal of its own, ended when it is dropped.
struct Screen {
    // Ended when it is dropped.
    _child: Child,
    pid: u32,
    keys: Sender<Vec<u8>>,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    fn open(line: &[String], home: &Path) -> anyhow::Result<Self> {
        let (pty, terminal) = pty_process::open()?;
        pty.resize(Size::new(ROWS, COLUMNS))?;
        let (program, rest) = line.split_first().context("no program")?;
        let command = pty_process::Command::new(program).args(rest).current_dir(home).kill_on_drop(true);
        let command = command.env("TERM", "xterm-256color").env("HOME", home).env_remove("NO_COLOR");
        let child = command.spawn(terminal).with_context(|| format!("{program} does not start"))?;
        let pid = child.id().context("it ended")?;
        let (keys, typed) = channel(QUEUE);
        let shown = Arc::new(Mutex::new(Vec::new()));
        TaskTracker::new().spawn(serve(pty, typed, Arc::clone(&shown)));
        Ok(Self { _child: child, pid, keys, shown })
    }

    fn press(&self, key: &str) -> anyhow::Result<()> {
        Ok(self.keys.try_send(key.into())?)
    }

    fn written(&self) -> usize {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until `text` was written.
    async fn until(&self, text: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let there = {
                let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                shown.windows(text.len()).any(|part| part == text.as_bytes())
            };
            if there {
                return Ok(());
            }
            ensure!(began.elapsed() < SHOWN_MAX, "{text:?} is not on the screen in time");
            sleep(LOOK).await;
        }
    }

    fn cpu_s(&self) -> anyhow::Result<f64> {
        cpu_s(self.pid)
    }

    fn rss_mib(&self) -> anyhow::Result<f64> {
        Ok(status_kib(self.pid, "VmRSS")? / 1_024.0)
    }

    /// How often its threads gave up the processor by themselves.
    fn wakes(&self) -> anyhow::Result<f64> {
        let mut wakes = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            wakes += figure(&fs::read_to_string(task?.path().join("status"))?, "voluntary_ctxt_switches")?;
        }
        Ok(wakes)
    }
}

/// The terminal's side: keeps what is written, answers what is asked, passes on what is typed.
async fn serve(mut pty: Pty, mut typed: Receiver<Vec<u8>>, shown: Arc<Mutex<Vec<u8>>>) {
    let mut part = vec![0; 64 << 10];
    loop {
        let mut reply = Vec::new();
        tokio::select! {
            Ok(length @ 1..) = pty.read(&mut part) => {
                let part = &part[..length];
                for (question, answer) in ANSWERS {
                    if part.windows(question.len()).any(|at| at == question) {
                        reply.extend(answer);
                    }
                }
                shown.lock().unwrap_or_else(PoisonError::into_inner).extend(part);
            }
            Some(keys) = typed.recv() => reply = keys,
            else => return,
        }
        if pty.write_all(&reply).await.is_err() {
            return;
        }
    }
}
