//! Three network namespaces in a line: a trace shows both hops, of IPv4 and IPv6, and a scan the one open port.
//!
//! What the node does is done by this program itself, inside of the first namespace; the last one listens.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, TcpListener};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use p2p_node::host::Roots;
use p2p_node::host::network::scan::{self, Plan};
use p2p_node::host::network::trace::{Bounds, Trace};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What this program does inside of a namespace: `look` or `listen`.
pub const INSIDE: &str = "P2P_LAB_NETWORK";
const PORT: u16 = 7_777;
const TARGETS: [&str; 2] = ["10.91.2.2", "fd91:2::2"];

/// Namespaces that go with it.
struct Line {
    names: [String; 3],
    listener: Option<(Child, ChildStdin)>,
}

impl Line {
    fn up() -> Result<Self> {
        let name = |place: &str| format!("p2p-{}-{place}", std::process::id());
        let line = Self { names: [name("a"), name("b"), name("c")], listener: None };
        let [first, middle, last] = &line.names;
        for name in &line.names {
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        for (near, far, network) in [(first, middle, 1), (middle, last, 2)] {
            let (left, right) = (format!("r{network}"), format!("l{network}"));
            ip(&format!("link add {left} netns {near} type veth peer name {right} netns {far}"))?;
            for (name, link, host) in [(near, &left, 1), (far, &right, 2)] {
                ip(&format!("-n {name} addr add 10.91.{network}.{host}/24 dev {link}"))?;
                ip(&format!("-n {name} addr add fd91:{network}::{host}/64 dev {link} nodad"))?;
                ip(&format!("-n {name} link set {link} up"))?;
            }
        }
        for (name, network, host) in [(first, 1, 2), (last, 2, 1)] {
            ip(&format!("-n {name} route add default via 10.91.{network}.{host}"))?;
            ip(&format!("-n {name} -6 route add default via fd91:{network}::{host}"))?;
        }
        let forward = "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1";
        ip(&format!("netns exec {middle} sysctl -qw {forward}"))?;
        Ok(line)
    }

    /// This program inside of a namespace.
    fn inside(&self, place: usize, what: &str) -> Result<Command> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[place]]).arg(std::env::current_exe()?).env(INSIDE, what);
        Ok(command)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some((mut child, input)) = self.listener.take() {
            drop(input);
            let _ = child.wait();
        }
        for name in &self.names {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn ip(words: &str) -> Result<()> {
    let ended = Command::new("ip").args(words.split(' ')).output().context("ip(8) is missing")?;
    ensure!(ended.status.success(), "ip {words}: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}

/// The test.
pub fn three_in_a_line() -> Result<()> {
    let mut line = Line::up()?;
    let mut child = line.inside(2, "listen")?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let input = child.stdin.take().context("no stdin")?;
    let output = child.stdout.take().context("no stdout")?;
    line.listener = Some((child, input));
    let mut said = String::new();
    BufReader::new(output).read_line(&mut said)?;
    ensure!(said.trim() == "listening", "the last host says {said:?}");

    let seen = line.inside(0, "look")?.output()?;
    let told = String::from_utf8_lossy(&seen.stdout).into_owned();
    ensure!(seen.status.success(), "{told}{}", String::from_utf8_lossy(&seen.stderr));
    print!("{told}");
    let expected = format!(
        "10.91.2.2: 1 10.91.1.2, 2 10.91.2.2 reached\n10.91.2.2: open {PORT}\n\
         fd91:2::2: 1 fd91:1::2, 2 fd91:2::2 reached\nfd91:2::2: open {PORT}\n"
    );
    ensure!(told == expected, "seen:\n{told}expected:\n{expected}");
    Ok(())
}

/// What is done inside of a namespace.
pub fn inside(what: &str) {
    let done = if what == "listen" { listen() } else { look() };
    if let Err(error) = done {
        eprintln!("{error:#}");
        std::process::exit(1);
    }
}

/// Listens on one port of both families until nobody holds the other end of stdin.
fn listen() -> Result<()> {
    let _listeners = [TcpListener::bind((TARGETS[0], PORT))?, TcpListener::bind((TARGETS[1], PORT))?];
    println!("listening");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn look() -> Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        for target in TARGETS {
            let target: IpAddr = target.parse()?;
            println!("{target}: {}", way(target).await?);
            println!("{target}: open {}", open(target).await?);
        }
        Ok(())
    })
}

/// `1 10.91.1.2, 2 10.91.2.2 reached`.
async fn way(target: IpAddr) -> Result<String> {
    let bounds = Bounds { hops: 10, probes: 3, patience: Duration::from_secs(5) };
    let mut trace = Trace::new(target, bounds);
    let (mut hops, mut ended) = (Vec::new(), String::new());
    while let Some(step) = trace.next().await? {
        let address = step.hop.probes.iter().find_map(|probe| probe.address);
        let address = address.map_or_else(|| "*".to_owned(), |address| address.to_string());
        hops.push(format!("{} {address}", step.hop.ttl));
        ended = step.end.map(|end| format!("{end:?}").to_lowercase()).unwrap_or_default();
    }
    Ok(format!("{} {ended}", hops.join(", ")))
}

/// The open ports of all, with commas.
async fn open(target: IpAddr) -> Result<String> {
    let plan = Plan {
        addresses: vec![target],
        ports: scan::ports("1-65535")?,
        rate_per_s: None,
        patience: Duration::from_secs(5),
        banner: false,
    };
    let (told, mut news) = mpsc::channel(4);
    let roots = Roots::default();
    let run = scan::run(&roots, plan, told, CancellationToken::new());
    let gather = async {
        let mut ports = Vec::new();
        while let Some(found) = news.recv().await {
            ports.extend(found.open.iter().map(|open| open.port.to_string()));
        }
        ports.join(",")
    };
    let (ended, ports) = tokio::join!(run, gather);
    ended?;
    Ok(ports)
}
