//! P7: a call by HTTP with a token at the release program, under `wrk` with 64 connections that stay, beside bare axum
//! that has the same answer ready and writes it as JSON, on a runtime of the same flavour; then what it costs more to
//! have a call passed on to another node, in round trips of bare quinn.
//!
//! The same requests to both, in turns, medians. Takes some two minutes; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod echo;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use axum::routing::get;
use axum::{Json, Router};
use p2p_node::auth::password;
use p2p_node::auth::users::{User, Users, UsersError};
use p2p_shared::access::{Proof, Role};
use p2p_shared::rpc::client::{Call, MethodRef};
use p2p_shared::rpc::codec::Encoding;
use p2p_shared::services;
use p2p_shared::services::node::NodeInfo;
use p2p_shared::tls::{TOKEN_LIFE_MAX, mint_token};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use ca::{TestCa, now};
use echo::{Server, bare_call, bare_connection, serve_bare};
use support::{Program, at_least, at_most, handle, median};

const ROUNDS: usize = 5;
const CONNECTIONS: &str = "-c64";
/// Of one load, in seconds.
const SPAN: &str = "-d2s";
/// Calls of one round of those that come one after the other.
const SINGLE: usize = 1_000;
const JOIN_MAX: Duration = Duration::from_secs(30);
/// Threads of the node's main runtime.
const WORKERS: usize = 2;
const PATH: &str = "/api/v1/nodes/self/node/info";
const PASSWORD: &str = "correct horse battery";

/// One connection that stays, and its one request.
struct Client {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Client {
    fn new(address: SocketAddr, path: &str, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
        Ok(Self { stream: BufReader::new(stream), request })
    }

    fn ask(&mut self) -> anyhow::Result<String> {
        self.stream.get_mut().write_all(self.request.as_bytes())?;
        let (mut line, mut length, mut status) = (String::new(), 0, String::new());
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection ended");
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                None if line.starts_with("HTTP/1.1") => status.clone_from(&line),
                None => break,
                Some(("content-length", value)) => length = value.parse()?,
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        ensure!(status.starts_with("HTTP/1.1 200"), "{status}{body}");
        Ok(body)
    }

    /// The middle one of a round, in microseconds.
    fn p50(&mut self) -> anyhow::Result<f64> {
        p50(|| self.ask().map(drop))
    }
}

/// The middle one of a round of calls, in microseconds.
fn p50(mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut took = Vec::with_capacity(SINGLE);
    for _ in 0..SINGLE {
        let began = Instant::now();
        call()?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took))
}

/// Axum and nothing else: what a program would be whose only work is this answer.
struct Bare {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Bare {
    fn start(info: NodeInfo) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let answer = move || {
            let info = info.clone();
            async move { Json(info) }
        };
        let app = Router::new().route(PATH, get(answer));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, _runtime: runtime })
    }
}

/// What `wrk` found: requests a second, and the slowest but one of a hundred in microseconds.
#[derive(Clone, Copy)]
struct Load {
    rate: f64,
    p99_us: f64,
}

impl Load {
    fn of(address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let header = format!("Authorization: Bearer {token}");
        let url = format!("http://{address}{PATH}");
        let run =
            Command::new("wrk").args(["-t2", CONNECTIONS, SPAN, "--latency", "-H", &header, &url]).output();
        let said = String::from_utf8(run.context("wrk is missing: scripts/bench.sh installs it")?.stdout)?;
        let figure = |name: &str| {
            let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(str::trim).with_context(|| format!("wrk says no {name}: {said}"))
        };
        ensure!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
        Ok(Self { rate: figure("Requests/sec:")?.parse()?, p99_us: in_us(figure("99%")?)? })
    }
}

fn in_us(text: &str) -> anyhow::Result<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let found = units.iter().find_map(|(unit, us)| Some((text.strip_suffix(unit)?, us)));
    let (number, us) = found.with_context(|| format!("no time: {text}"))?;
    Ok(number.parse::<f64>()? * us)
}

/// The token of a user's session.
fn log_in(node: &Program) -> anyhow::Result<String> {
    Users::change(node.data(), |users| {
        let password = password::hash(PASSWORD).ok();
        let (name, role) = ("ann".to_owned(), Role::Viewer);
        users.users.push(User { name, role, password, changed: now(), tokens: Vec::new() });
        Ok::<(), UsersError>(())
    })?;
    let body = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let mut stream = TcpStream::connect(node.http)?;
    write!(
        stream,
        "POST /api/v1/auth/token HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        node.http,
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").context("no answer")?.1;
    let tokens: Value = serde_json::from_str(body).with_context(|| answer.clone())?;
    Ok(tokens["access_token"].as_str().context("no token")?.to_owned())
}

/// Both kinds of token at the node beside the same requests at bare axum.
fn under_load(node: &Program, (session, operator): (&str, &str)) -> anyhow::Result<()> {
    let answer = Client::new(node.http, PATH, session)?.ask()?;
    let bare = Bare::start(serde_json::from_str(&answer)?)?;
    let same = Client::new(bare.address, PATH, session)?.ask()?;
    ensure!(same.len() == answer.len(), "{same} is not like {answer}");
    for (name, token) in [("session", session), ("operator", operator)] {
        let (mut rates, mut tails, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        Load::of(node.http, token)?;
        for _ in 0..ROUNDS {
            let (floor, ours) = (Load::of(bare.address, token)?, Load::of(node.http, token)?);
            rates.push(ours.rate / floor.rate);
            tails.push(ours.p99_us / floor.p99_us);
            seen.push((floor, ours));
        }
        let middle = |of: fn(&(Load, Load)) -> f64| median(seen.iter().map(of).collect());
        println!(
            "# {name}, {} bytes: bare axum {:.0} requests/s, p99 {:.0} us; ours {:.0}, {:.0} us",
            answer.len(),
            middle(|(floor, _)| floor.rate),
            middle(|(floor, _)| floor.p99_us),
            middle(|(_, ours)| ours.rate),
            middle(|(_, ours)| ours.p99_us),
        );
        at_least(&format!("P7 http_rps_vs_axum_{name}"), median(rates), 0.80);
        at_most(&format!("P7 http_p99_vs_axum_{name}"), median(tails), 1.3);
    }
    Ok(())
}

/// One call after the other: here, passed on to the other node, and there and back by bare quinn. Besides, what the
/// call passed on cannot do without: the same one with the same token, over QUIC from a thread of its own.
fn passed_on(ca: &TestCa, (node, other): (&Program, &Program), token: &str) -> anyhow::Result<()> {
    let (peer, operator) = (ca.node("web-3"), ca.operator("olga", Role::Viewer));
    let bare = Server::start(move |address| serve_bare(peer, address))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let connection = runtime.block_on(bare_connection(&operator, bare.address))?;
    let direct = runtime.block_on(async { handle(&operator, "web-2", other.quic) })?;
    let direct = direct.with_proof(Proof::Token(token.as_bytes().to_vec()));
    let read = services::method("node.info").context("no such method")?;
    let read = MethodRef { encoding: Some(Encoding::Json), ..read.into() };
    let none = json!({});
    let mut here = Client::new(node.http, PATH, token)?;
    let mut there = Client::new(node.http, "/api/v1/nodes/web-2/node/info", token)?;
    let (mut local, mut passed, mut trips, mut calls, mut ratios) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..=ROUNDS {
        trips.push(p50(|| runtime.block_on(bare_call(connection.clone())))?);
        calls.push(p50(|| Ok(runtime.block_on(direct.exchange(read, &none)).map(drop)?))?);
        local.push(here.p50()?);
        passed.push(there.p50()?);
        ratios.push((passed[passed.len() - 1] - local[local.len() - 1]) / trips[trips.len() - 1]);
    }
    println!(
        "# p50: here {:.0} us, passed on {:.0} us; a bare QUIC round trip {:.0} us, the same call by QUIC {:.0} us",
        median(local),
        median(passed),
        median(trips),
        median(calls)
    );
    at_most("P7 http_passed_on_in_quic_trips", median(ratios), 1.0);
    Ok(())
}

fn wait_for_join(node: &Program, token: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        match Client::new(node.http, "/api/v1/nodes/web-2/node/info", token)?.ask() {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() > JOIN_MAX => bail!("web-2 did not join: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("home");
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("node.toml");
    fs::write(&config, "[http]\nrate_max = 1000000\n")?;
    let config = config.to_str().context("a path that is no text")?;
    let node = Program::start(&ca.node_files("web-1"), &["--config", config])?;
    let bootstrap = node.quic.to_string();
    let other = Program::start(&ca.node_files("web-2"), &["--bootstrap", &bootstrap])?;
    let session = log_in(&node)?;
    let operator = mint_token(&ca.operator("ann", Role::Viewer), now(), TOKEN_LIFE_MAX)?;
    wait_for_join(&node, &operator)?;
    under_load(&node, (&session, &operator))?;
    passed_on(&ca, (&node, &other), &operator)
}
