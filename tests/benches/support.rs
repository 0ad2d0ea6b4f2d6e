//! What the benches of whole nodes share: a throw-away CA, the release program, and the lines they print.
//!
//! The program is the one beside this binary in `target/`; `scripts/bench.sh` builds it first.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use p2p_shared::mesh::endpoint::ClientEndpoint;
use p2p_shared::mesh::link::Local;
use p2p_shared::mesh::{Mesh, NodeHandle, Resolve, Target};
use p2p_shared::services::Services;
use p2p_shared::tls::Credentials;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;

/// Between two calls of somebody else.
const LOOK: Duration = Duration::from_millis(5);
const START_MAX: Duration = Duration::from_secs(20);
/// Before the argument of a bench that runs itself again.
const INSIDE: &str = "inside";
/// What a node says to people, beside its data.
const SAID: &str = "stderr";

/// Prints one line of a goal that is a least value.
pub fn at_least(name: &str, value: f64, goal: f64) {
    let verdict = if value >= goal { "PASS" } else { "FAIL" };
    println!("{name}={value:.3} goal>={goal} {verdict}");
}

/// Prints one line of a goal that is a most value.
pub fn at_most(name: &str, value: f64, goal: f64) {
    let verdict = if value <= goal { "PASS" } else { "FAIL" };
    println!("{name}={value:.4} goal<={goal} {verdict}");
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The slowest but one of a hundred calls to a node while something else is done, in milliseconds.
pub async fn beside<T>(
    node: &NodeHandle,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    let calls = async {
        loop {
            let began = Instant::now();
            if let Err(error) = node.node().info().await {
                break error;
            }
            took.push(began.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = work => drop(done?),
        error = calls => return Err(error.into()),
    }
    took.sort_by(f64::total_cmp);
    Ok(took.get(took.len() * 99 / 100).copied().unwrap_or(f64::NAN))
}

/// A figure of `/proc/PID/status`, in KiB.
pub fn status_kib(pid: u32, key: &str) -> anyhow::Result<f64> {
    figure(&fs::read_to_string(format!("/proc/{pid}/status"))?, key)
}

/// The number behind `key` in the text of a `status` file.
pub fn figure(status: &str, key: &str) -> anyhow::Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)).context("no such figure")?;
    Ok(line.trim_start_matches(':').split_whitespace().next().context("no number")?.parse()?)
}

/// Processor time that a process used so far, in seconds.
pub fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    // schedstat counts nanoseconds, stat only ticks of 10 ms.
    let mut nanos = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split_whitespace().next().context("no schedstat")?.parse::<f64>()?;
    }
    Ok(nanos / 1e9)
}

/// A running `p2p-node`, killed when it is dropped.
pub struct Program {
    child: Child,
    pid: u32,
    pub quic: SocketAddr,
    pub http: SocketAddr,
    data: PathBuf,
    // Of a node whose data nobody else needs.
    _kept: Option<TempDir>,
}

impl Program {
    /// Starts one on any ports and waits until it is ready.
    pub fn start(certs: &Path, more: &[&str]) -> anyhow::Result<Self> {
        Self::start_under(&[], certs, more)
    }

    /// The same, under another command.
    pub fn start_under(wrapper: &[&str], certs: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let data = TempDir::new()?;
        let mut started = Self::spawn(wrapper, (data.path(), certs), more)?;
        started._kept = Some(data);
        Ok(started)
    }

    /// Starts one on data that an earlier one left.
    pub fn start_on(data: &Path, certs: &Path) -> anyhow::Result<Self> {
        // What a killed one left, which says where it was.
        let _ = fs::remove_file(data.join("run.json"));
        Self::spawn(&[], (data, certs), &[])
    }

    fn spawn(wrapper: &[&str], (data, certs): (&Path, &Path), more: &[&str]) -> anyhow::Result<Self> {
        let binary = binary()?;
        let mut line: Vec<&str> = wrapper.to_vec();
        let (certs, path) = (text(certs)?, text(data)?);
        line.extend([text(&binary)?, "run", "--certs", certs, "--data", path, "--host", "127.0.0.1"]);
        line.extend(["--port", "0", "--dht-port", "0"]);
        line.extend(more);
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).current_dir(data).stdin(Stdio::null());
        let said = fs::File::create(data.join(SAID))?;
        let child = command.stdout(Stdio::null()).stderr(said).spawn()?;
        let (pid, none) = (child.id(), SocketAddr::from(([0, 0, 0, 0], 0)));
        let mut started = Self { pid, child, quic: none, http: none, data: data.to_owned(), _kept: None };
        started.wait_until_ready()?;
        Ok(started)
    }

    /// Where it keeps its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process id.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let (path, began) = (self.data.join("run.json"), Instant::now());
        loop {
            if let Some(run) =
                fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok())
            {
                let address = |key: &str| anyhow::Ok(run[key].as_str().context("no address")?.parse()?);
                (self.quic, self.http) = (address("quic_address")?, address("http_address")?);
                return Ok(());
            }
            let said = || fs::read_to_string(self.data.join(SAID)).unwrap_or_default();
            let ended = self.child.try_wait()?;
            if let Some(status) = ended {
                bail!("the node ended: {status}: {}", said());
            }
            ensure!(began.elapsed() < START_MAX, "the node is not ready in time: {}", said());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A figure of `/proc/PID/status`, in KiB.
    pub fn status_kib(&self, key: &str) -> anyhow::Result<f64> {
        status_kib(self.pid, key)
    }

    /// Processor time used so far, in seconds.
    pub fn cpu_s(&self) -> anyhow::Result<f64> {
        cpu_s(self.pid)
    }

    /// Ends it without a good-bye.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.kill();
    }
}

/// Namespaces in which a bench alone has processes; needs root.
pub const OWN_PROCESSES: [&str; 4] = ["--pid", "--fork", "--kill-child", "--mount-proc"];

/// This bench once more, in namespaces of its own (as unshare(1) is told them), with an argument that [`inside`] finds
/// there.
pub fn again(namespaces: &[&str], argument: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("unshare");
    command.args(namespaces).arg(std::env::current_exe()?).args([INSIDE, argument]);
    Ok(command)
}

/// The argument of a bench that runs in namespaces of its own.
pub fn inside() -> Option<String> {
    std::env::args().skip_while(|word| word != INSIDE).nth(1)
}

/// Processes that sleep, for as long as it lives or their namespace does.
pub struct Sleepers(Child);

impl Sleepers {
    /// So many.
    pub fn start(count: usize) -> anyhow::Result<Self> {
        let line = format!("for _ in $(seq {count}); do sleep 3600 & done; wait");
        Ok(Self(Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).spawn()?))
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let directory = own.parent().and_then(Path::parent).context("no target directory")?;
    let path = directory.join("p2p-node");
    ensure!(path.is_file(), "{} is not built: run scripts/bench.sh", path.display());
    Ok(path)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}

struct Only(SocketAddr);

impl Resolve for Only {
    async fn resolve(&self, name: &p2p_shared::id::NodeName) -> Option<Target> {
        Some(Target { name: Some(name.clone()), id: None, addresses: vec![self.0] })
    }
}

/// A way to the node `name` at `address`, over a connection of its own.
pub fn handle(credentials: &Credentials, name: &str, address: SocketAddr) -> anyhow::Result<NodeHandle> {
    handle_by(&dialler(credentials)?, name, address)
}

/// A socket to dial from.
pub fn dialler(credentials: &Credentials) -> anyhow::Result<ClientEndpoint> {
    let local = Local::new(credentials.identity().mesh.clone());
    Ok(ClientEndpoint::new(credentials, local, Handle::current())?)
}

/// The same as [`handle`], over a socket that others use too.
pub fn handle_by(dialler: &ClientEndpoint, name: &str, address: SocketAddr) -> anyhow::Result<NodeHandle> {
    Ok(Mesh::new(Only(address), dialler.clone()).node(&name.parse()?))
}
