//! P2 to P5: typed calls of ours beside tonic's with mutual TLS, and beside bare quinn: calls a second with 64 in
//! flight, one after the other, processor time a call, and connections with a first call from one socket.
//!
//! Every server has a current-thread runtime of its own; tonic's is tried on two threads as well, and its better
//! one counts. Rounds in turn, medians; prints one line a goal. Run by `scripts/bench.sh peers`.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../../e2e/ca.rs"]
mod ca;
#[path = "../../benches/echo.rs"]
mod echo;
#[expect(dead_code, reason = "the other benches need more of it")]
#[path = "../../benches/support.rs"]
mod support;
mod tonic_echo;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use p2p_shared::access::Role;
use p2p_shared::tls::Credentials;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tonic::transport::Channel;

use ca::TestCa;
use echo::{
    PAYLOAD_BYTES, SERVER_NAME, Server, bare_call, bare_connection, bare_dialler, contract, rate, serve_bare,
    serve_ours,
};
use support::{at_least, at_most, dialler, handle, handle_by, median};
use tonic_echo::{EchoClient, Text};

const NAME: &str = "web-1";
const ROUNDS: usize = 5;
/// Calls one after the other in a round.
const SEQUENTIAL: usize = 4_000;
/// Connections in a round.
const CONNECTIONS: usize = 60;

/// Seconds of processor that this process has used, both ends of a call together.
fn cpu_s() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

fn text() -> String {
    "x".repeat(PAYLOAD_BYTES)
}

async fn say(mut client: EchoClient<Channel>) -> anyhow::Result<()> {
    let said = client.say(Text { text: text() }).await?.into_inner();
    anyhow::ensure!(said.text.len() == PAYLOAD_BYTES);
    Ok(())
}

async fn our_say<C: p2p_shared::rpc::client::Call>(client: contract::Client<C>) -> anyhow::Result<()> {
    client.say(text()).await?;
    Ok(())
}

/// Median microseconds of a call, one after the other.
async fn sequential<F: Future<Output = anyhow::Result<()>>>(call: impl Fn() -> F) -> anyhow::Result<f64> {
    let mut took = Vec::with_capacity(SEQUENTIAL);
    for _ in 0..SEQUENTIAL {
        let began = Instant::now();
        call().await?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took))
}

/// Calls a second, and microseconds of processor a call.
async fn measured<F, Fut>(call: F) -> anyhow::Result<(f64, f64)>
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let (cpu, began) = (cpu_s(), Instant::now());
    let rate = rate(call).await?;
    Ok((rate, (cpu_s() - cpu) * 1e6 / (rate * began.elapsed().as_secs_f64())))
}

struct Servers {
    bare: Server,
    ours: Server,
    tonic: Server,
    tonic_two: SocketAddr,
    // Ends with it.
    _runtime: tokio::runtime::Runtime,
}

impl Servers {
    fn start(files: &std::path::Path) -> anyhow::Result<Self> {
        let node = Arc::new(Credentials::load_node(files, ca::now())?);
        let credentials = Arc::clone(&node);
        let bare = Server::start(move |address| serve_bare(credentials, address))?;
        let ours = Server::start(move |address| serve_ours(node, address))?;
        let directory = files.to_owned();
        let tonic = Server::start(async move |address| tonic_echo::serve(&directory, address).await)?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (said, address) = std::sync::mpsc::channel();
        let directory = files.to_owned();
        runtime.spawn(async move {
            if let Err(error) = tonic_echo::serve(&directory, said).await {
                eprintln!("{error:#}");
            }
        });
        Ok(Self { bare, ours, tonic, tonic_two: address.recv()?, _runtime: runtime })
    }
}

async fn calls(servers: &Servers, (operator, files): (&Credentials, &PathBuf)) -> anyhow::Result<()> {
    let connection = bare_connection(operator, servers.bare.address).await?;
    let client = contract::Client::new(handle(operator, NAME, servers.ours.address)?);
    let one = tonic_echo::endpoint(files, NAME, servers.tonic.address)?.connect().await?;
    let two = tonic_echo::endpoint(files, NAME, servers.tonic_two)?.connect().await?;
    let (one, two) = (EchoClient::new(one), EchoClient::new(two));
    let bare = move || bare_call(connection.clone());
    let ours = move || our_say(client.clone());
    let (one, two) = (move || say(one.clone()), move || say(two.clone()));
    for warm in [
        rate(bare.clone()).await?,
        rate(ours.clone()).await?,
        rate(one.clone()).await?,
        rate(two.clone()).await?,
    ] {
        anyhow::ensure!(warm > 0.0);
    }
    let [mut rates, mut costs, mut floors, mut tonics] = [const { Vec::new() }; 4];
    let mut shown = Vec::new();
    for _ in 0..ROUNDS {
        let ((our_rate, our_cpu), one_thread, two_threads) =
            (measured(ours.clone()).await?, measured(one.clone()).await?, measured(two.clone()).await?);
        let best = if one_thread.0 > two_threads.0 { one_thread } else { two_threads };
        rates.push(our_rate / best.0);
        costs.push(our_cpu / one_thread.1.min(two_threads.1));
        shown.push((our_rate, one_thread.0, two_threads.0, our_cpu, one_thread.1, two_threads.1));
        let (floor, our, their) = (
            sequential(&bare).await?,
            sequential(&ours).await?,
            sequential(&one).await?.min(sequential(&two).await?),
        );
        floors.push(our / floor);
        tonics.push(our / their);
        println!("# one after the other: bare quinn {floor:.0} us, ours {our:.0}, tonic {their:.0}");
    }
    let (ours, one, two, cpu, cpu_one, cpu_two) = shown[ROUNDS / 2];
    println!("# calls/s: ours {ours:.0}, tonic {one:.0} (one thread), {two:.0} (two)");
    println!("# CPU us a call: ours {cpu:.1}, tonic {cpu_one:.1}, {cpu_two:.1}");
    at_least("P2 rpc_rps_vs_tonic", median(rates), 3.5);
    at_most("P3 sequential_p50_vs_quinn", median(floors), 1.25);
    at_most("P3 sequential_p50_vs_tonic", median(tonics), 0.80);
    at_most("P4 cpu_a_call_vs_tonic", median(costs), 0.40);
    Ok(())
}

async fn connections(servers: &Servers, (operator, files): (&Credentials, &PathBuf)) -> anyhow::Result<()> {
    let mut ratios = Vec::new();
    // A node and a console dial from one socket, whoever they dial.
    let (dialler, bare_dialler) = (dialler(operator)?, bare_dialler(operator)?);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..CONNECTIONS {
            our_say(contract::Client::new(handle_by(&dialler, NAME, servers.ours.address)?)).await?;
        }
        let ours = began.elapsed();
        let began = Instant::now();
        for _ in 0..CONNECTIONS {
            bare_call(bare_dialler.connect(servers.bare.address, SERVER_NAME)?.await?).await?;
        }
        let bare = began.elapsed();
        let theirs = [servers.tonic.address, servers.tonic_two].map(|address| connect(files, address));
        let mut best = Duration::MAX;
        for theirs in theirs {
            best = best.min(theirs.await?);
        }
        ratios.push(best.as_secs_f64() / ours.as_secs_f64());
        let (ours, bare, best) = (each_ms(ours), each_ms(bare), each_ms(best));
        println!("# connections with a call, ms each: ours {ours:.2}, bare quinn {bare:.2}, tonic {best:.2}");
    }
    at_least("P5 connections_vs_tonic", median(ratios), 1.0);
    Ok(())
}

async fn connect(files: &std::path::Path, address: SocketAddr) -> anyhow::Result<Duration> {
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        say(EchoClient::new(tonic_echo::endpoint(files, NAME, address)?.connect().await?)).await?;
    }
    Ok(began.elapsed())
}

fn each_ms(all: Duration) -> f64 {
    all.as_secs_f64() * 1e3 / CONNECTIONS as f64
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("bench");
    let files = ca.operator_files("ann", Role::Viewer);
    let unencrypted = |_: &std::path::Path| unreachable!("the key is not encrypted");
    let operator = Credentials::load_operator(&files, ca::now(), unencrypted)?;
    let node = ca.node_files(NAME);
    let servers = Servers::start(&node)?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        calls(&servers, (&operator, &files)).await?;
        connections(&servers, (&operator, &files)).await
    })
}
