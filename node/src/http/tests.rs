use std::fs;
use std::net::IpAddr;
use std::path::Path;

use axum::routing::{get, post};
use p2p_shared::id::NodeId;
use p2p_shared::services::job::JobCounts;
use p2p_shared::services::node::{NodeInfo, NodeStats};
use p2p_shared::time::UnixMillis;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::body::JsonBody;
use super::*;

/// What a body of these tests is said to be.
const JSON: &str = "Content-Type: application/json\r\n";

struct Fixed {
    store: Result<(), String>,
}

impl Status for Fixed {
    fn info(&self) -> NodeInfo {
        NodeInfo {
            id: NodeId::new([7; 32]),
            name: "web-1".parse().unwrap(),
            mesh: "mesh".parse().unwrap(),
            version: "0.1.0".to_owned(),
            hostname: "host".to_owned(),
            os: "Debian".to_owned(),
            kernel: "6.1".to_owned(),
            arch: "x86_64".to_owned(),
            cores: 2,
            boot_id: "boot".to_owned(),
            started: UnixMillis(1),
            now: UnixMillis(2),
            addresses: Vec::new(),
            http_address: None,
            labels: Vec::new(),
            certificate_ends: UnixMillis(3),
        }
    }

    fn stats(&self) -> NodeStats {
        NodeStats {
            uptime_s: 5,
            rss_bytes: 0,
            cpu_time_ms: 0,
            open_files: 0,
            connections: 0,
            refused_total: 0,
            calls_total: 0,
            calls_failed_total: 0,
            members_alive: 1,
            members: 1,
            dht_contacts: 0,
            revocation_epoch: 0,
            revocation_heard_ms: None,
            revoked: false,
            revocation_silent_ms: 0,
            revocation_strict: false,
            dht_records: 0,
            jobs: JobCounts::default(),
        }
    }

    fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        vec![("mesh", Ok(())), ("store", self.store.clone())]
    }
}

struct World {
    face: Face,
    tracker: TaskTracker,
}

/// The face of a node, with routes that read a body and that panic beside the real ones.
fn world(address: &str, certs: &Path, store: Result<(), String>) -> World {
    let routes = status::routes(Arc::new(Fixed { store }))
        .route("/echo", post(async |body: JsonBody| body.bytes().clone()))
        .route("/panic", get(async || -> &'static str { panic!("on purpose") }));
    let hosts = Hosts::new(["web-1".to_owned()], []);
    let listener = bind(address.parse().unwrap(), certs, Limits::default()).unwrap();
    let tracker = TaskTracker::new();
    let rules = Rules { hosts, ..Rules::default() };
    let here = Handle::current();
    let entrance = Entrance::new(routes, None, Guard::new(rules, Requests::default()));
    let face = listener.serve(entrance, &tracker, &Runtimes { main: here.clone(), mesh: here }).unwrap();
    World { face, tracker }
}

fn loopback() -> World {
    world("127.0.0.1:0", Path::new("/nonexistent"), Ok(()))
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The problem that it must be, with its code.
    fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status, problem["status"].as_u64()), (status, Some(status.into())), "{}", self.body);
        assert_eq!(problem["code"], code);
        assert!(self.head.contains("content-type: application/problem+json\r\n"), "{}", self.head);
        let id = problem["request_id"].as_str().unwrap();
        assert!(id.len() == 36 && self.head.contains(&format!("x-request-id: {id}\r\n")), "{}", self.head);
        problem
    }
}

impl World {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.face.address()).await.unwrap()
    }

    /// Sends `text` and reads until the server closes.
    async fn raw(&self, text: &str) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        // The server may cut a connection whose body it did not read.
        let _ = stream.read_to_end(&mut reply).await;
        let reply = String::from_utf8(reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Reply { status, head: format!("{head}\r\n"), body: body.to_owned() }
    }

    async fn request(&self, line: &str, headers: &str) -> Reply {
        self.raw(&format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.request(&format!("GET {path}"), "").await
    }
}

#[tokio::test]
async fn health_is_told_to_everybody_without_a_cache() {
    let world = loopback();
    let reply = world.get("/health").await;
    assert_eq!((reply.status, reply.json()["status"].as_str()), (200, Some("ok")));
    assert!(reply.head.contains("cache-control: no-store\r\n"), "{}", reply.head);
    assert!(reply.head.contains("x-content-type-options: nosniff\r\n"));
    assert_eq!(world.request("HEAD /health", "").await.body, "");
}

#[tokio::test]
async fn readiness_names_its_checks() {
    let reply = loopback().get("/ready").await;
    assert_eq!((reply.status, reply.json()["checks"][1]["name"].as_str()), (200, Some("store")));
    let broken = || world("127.0.0.1:0", Path::new("/"), Err("disk full".to_owned()));
    let problem = broken().get("/ready").await.problem(503, "unavailable");
    assert_eq!(problem["detail"], "not ready: store");
    assert_eq!(problem["checks"][1]["detail"], "disk full");
    let proxied = broken().request("GET /ready", "X-Forwarded-For: 192.0.2.1\r\n").await;
    assert!(proxied.problem(503, "unavailable")["checks"][1]["detail"].is_null());
}

#[tokio::test]
async fn who_a_node_is_is_told_on_its_machine_alone() {
    let world = loopback();
    assert_eq!(world.get("/api/info").await.json()["name"], "web-1");
    assert_eq!(world.get("/api/stats").await.json()["uptime_s"], 5);
    for path in ["/api/info", "/api/stats"] {
        let reply = world.request(&format!("GET {path}"), "Forwarded: for=192.0.2.1\r\n").await;
        reply.problem(401, "unauthenticated");
        assert!(reply.head.contains("www-authenticate: Bearer\r\n"), "{}", reply.head);
    }
}

#[tokio::test]
async fn every_failure_is_a_problem() {
    let world = loopback();
    world.get("/nothing").await.problem(404, "not_found");
    let reply = world.request("DELETE /health", "").await;
    reply.problem(405, "unsupported");
    assert!(reply.head.contains("allow: GET,HEAD\r\n"), "{}", reply.head);
    let problem = world.get("/panic").await.problem(500, "internal");
    assert!(!problem.to_string().contains("on purpose"));
    assert_eq!(world.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_announced_or_not() {
    let world = loopback();
    world.request("POST /echo", "Content-Length: 1048577\r\n").await.problem(413, "too_large");
    let chunk = "x".repeat(64 * 1024);
    let body: String = (0..17).map(|_| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
    let reply =
        world.request("POST /echo", &format!("{JSON}Transfer-Encoding: chunked\r\n\r\n{body}0\r\n")).await;
    reply.problem(413, "too_large");
    let reply = world.request("POST /echo", &format!("{JSON}Content-Length: 2\r\n\r\nhi")).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hi"));
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_misdirected() {
    let world = loopback();
    for host in ["evil.example", "evil.example:8000", "198.51.100.7"] {
        let request = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        world.raw(&request).await.problem(421, "bad_request");
    }
    let own = world.raw("GET /health HTTP/1.1\r\nHost: WEB-1:8000\r\nConnection: close\r\n\r\n").await;
    assert_eq!(own.status, 200);
    let twice = "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: web-1\r\nConnection: close\r\n\r\n";
    world.raw(twice).await.problem(400, "bad_request");
    world.raw("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").await.problem(400, "bad_request");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = loopback();
    let head = |bytes: usize| format!("X-A: {}\r\n", "x".repeat(bytes));
    world.request("GET /health", &head(28 << 10)).await.problem(431, "too_large");
    world.request(&format!("GET /health?{}", "x".repeat(28 << 10)), "").await.problem(431, "too_large");
    let reply = world.request("GET /health", &head(40 << 10)).await;
    assert!(matches!(reply.status, 0 | 431), "{}", reply.head);
    assert_eq!(world.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_slow_head_is_cut_and_its_place_given_back() {
    for start in ["", "GET /health HT", "GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: "] {
        let world = loopback();
        let mut stream = world.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        tokio::time::pause();
        let before = tokio::time::Instant::now();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(before.elapsed() <= HEAD_MAX + Duration::from_secs(1), "{start:?}");
        world.face.shut_down(Duration::ZERO);
        world.tracker.close();
        world.tracker.wait().await;
        assert_eq!(world.face.connections(), 0);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let world = loopback();
    let mut stream = world.connect().await;
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{JSON}Content-Length: 9\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    assert!(before.elapsed() <= Duration::from_secs(11), "{:?}", before.elapsed());
    assert!(
        String::from_utf8_lossy(&reply).starts_with("HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&reply)
    );
}

#[tokio::test]
async fn shutting_down_ends_with_the_last_connection() {
    let world = loopback();
    let _idle = world.connect().await;
    assert_eq!(world.get("/health").await.status, 200);
    world.face.shut_down(Duration::from_secs(5));
    world.tracker.close();
    world.tracker.wait().await;
    assert!(TcpStream::connect(world.face.address()).await.is_err());
}

#[test]
fn a_port_in_use_and_a_foreign_address_are_unavailable() {
    let first = bind("127.0.0.1:0".parse().unwrap(), Path::new("/"), Limits::default()).unwrap();
    let error = bind(first.address(), Path::new("/"), Limits::default()).unwrap_err();
    assert_eq!(error.exit, Exit::Unavailable);
    assert!(error.message.contains(&format!("HTTP: {}: is in use", first.address())), "{error}");
    let error = listen("203.0.113.1:0".parse().unwrap()).map(|_| ()).unwrap_err();
    assert!(
        refused("203.0.113.1:0".parse().unwrap(), &error).to_string().contains("is no address of this host")
    );
}

/// A certificate directory for the HTTP face on `address`.
fn certificates(address: IpAddr) -> (tempfile::TempDir, rustls::pki_types::CertificateDer<'static>) {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec![address.to_string()]).unwrap().self_signed(&key).unwrap();
    fs::write(dir.path().join("http.crt"), certificate.pem()).unwrap();
    fs::write(dir.path().join("http.key"), key.serialize_pem()).unwrap();
    (dir, certificate.der().clone())
}

#[tokio::test]
async fn beyond_loopback_it_is_tls_or_nothing() {
    let error = bind("0.0.0.0:0".parse().unwrap(), Path::new("/nonexistent"), Limits::default()).unwrap_err();
    assert_eq!(error.exit, Exit::Config);
    assert!(error.message.contains("/nonexistent/http.crt"), "{error}");
    let (dir, certificate) = certificates("127.0.0.1".parse().unwrap());
    let world = world("[::]:0", dir.path(), Ok(()));
    let port = world.face.address().port();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    // `::` takes IPv4 too.
    let reply = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut stream = rustls::Stream::new(&mut connection, &mut socket);
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        reply
    });
    assert!(reply.await.unwrap().starts_with("HTTP/1.1 200"));
    let plain = world_over_plain(port).await;
    assert!(!plain.contains("200 OK"), "{plain}");
    world.face.reload().unwrap();
    fs::remove_file(dir.path().join("http.key")).unwrap();
    assert!(world.face.reload().is_err());
}

async fn world_over_plain(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}
