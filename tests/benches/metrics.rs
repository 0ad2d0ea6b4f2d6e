//! P13: one scrape of `/metrics` of the release program beside one of Debian's node_exporter, in turns, over connections
//! that stay.
//!
//! Takes some seconds; prints one line.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use p2p_shared::access::Role;
use p2p_shared::tls::{TOKEN_LIFE_MAX, mint_token};

use ca::{TestCa, now};
use support::{Program, at_most, median};

const ROUNDS: usize = 7;
/// Scrapes of a round; those before are not counted.
const SCRAPES: usize = 50;
const WARM: usize = 5;
const START_MAX: Duration = Duration::from_secs(10);

/// Debian's node_exporter, ended when it is dropped.
struct Exporter {
    child: Child,
    address: SocketAddr,
}

impl Exporter {
    fn start() -> anyhow::Result<Self> {
        // Its port is free until it takes it.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new("prometheus-node-exporter");
        command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        let child =
            command.spawn().context("prometheus-node-exporter is missing: scripts/bench.sh installs it")?;
        let (mut exporter, began) = (Self { child, address }, Instant::now());
        while TcpStream::connect(address).is_err() {
            ensure!(exporter.child.try_wait()?.is_none(), "node_exporter ended");
            ensure!(began.elapsed() < START_MAX, "node_exporter does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(exporter)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection that stays.
struct Scraper {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Scraper {
    fn new(address: SocketAddr, headers: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        Ok(Self { stream: BufReader::new(stream), request })
    }

    /// Scrapes once: how long it took in seconds, and how many bytes came.
    fn scrape(&mut self) -> anyhow::Result<(f64, usize)> {
        let began = Instant::now();
        self.stream.get_mut().write_all(self.request.as_bytes())?;
        let status = self.line()?;
        ensure!(status.starts_with("HTTP/1.1 200"), "{status}");
        let mut length = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(": ") {
                None => break,
                Some(("content-length", value)) => length = Some(value.parse::<usize>()?),
                Some(_) => {}
            }
        }
        let mut bytes = 0;
        match length {
            Some(length) => bytes = self.take(length)?,
            None => loop {
                match usize::from_str_radix(&self.line()?, 16)? {
                    0 => break self.line().map(|_| ())?,
                    length => bytes += self.take(length + 2)?,
                }
            },
        }
        Ok((began.elapsed().as_secs_f64(), bytes))
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection ended");
        }
        Ok(line.trim_end().to_owned())
    }

    fn take(&mut self, length: usize) -> anyhow::Result<usize> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(length)
    }

    /// The middle one of a round, in seconds.
    fn round(&mut self) -> anyhow::Result<f64> {
        let all: Vec<f64> = (0..SCRAPES).map(|_| Ok(self.scrape()?.0)).collect::<anyhow::Result<_>>()?;
        Ok(median(all))
    }
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("home");
    let node = Program::start(&ca.node_files("web-1"), &[])?;
    let exporter = Exporter::start()?;
    let token = mint_token(&ca.operator("prometheus", Role::Viewer), now(), TOKEN_LIFE_MAX)?;
    let mut own = Scraper::new(node.http, &format!("Authorization: Bearer {token}\r\n"))?;
    let mut peer = Scraper::new(exporter.address, "")?;
    let mut sizes = (0, 0);
    for _ in 0..WARM {
        sizes = (own.scrape()?.1, peer.scrape()?.1);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(own.round()?);
        theirs.push(peer.round()?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let in_us = |seconds: f64| seconds * 1e6;
    println!(
        "# p50: ours {:.0} us of {} bytes, node_exporter {:.0} us of {} bytes",
        in_us(ours),
        sizes.0,
        in_us(theirs),
        sizes.1
    );
    at_most("P13 metrics_p50_vs_node_exporter", ours / theirs, 0.25);
    Ok(())
}
