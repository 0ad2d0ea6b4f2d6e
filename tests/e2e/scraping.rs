//! `/metrics` and `/prometheus/sd` of real processes: by a scraper's token, and by an operator's certificate over TLS.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use p2p_node::auth::secret::Digest;
use p2p_node::auth::users::{LongToken, User, Users, UsersError};
use p2p_node::metrics::families::{ALL, Kind};
use p2p_shared::access::Role;
use p2p_shared::services::Services;
use p2p_shared::time::UnixMillis;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::binary::{Program, World};
use crate::ca::{DAY, TestCa, now};
use crate::cluster::{LONG, alive, eventually};
use crate::http::Client;

const TOKEN: &str = "p2pt_0123456789abcdefghijklmnopqrstuvwxyz";
/// A connection whose certificate was revoked is cut within this, as over QUIC.
const CUT_MS: u128 = 1_500;

fn add_scraper(data: &Path) {
    let token = LongToken {
        id: "prometheus".to_owned(),
        hash: Digest::of(TOKEN),
        made: now(),
        ends: UnixMillis(now().0 + DAY.0),
    };
    let user = User {
        name: "scraper".to_owned(),
        role: Role::Viewer,
        password: None,
        changed: now(),
        tokens: vec![token],
    };
    Users::change(data, |users| {
        users.users.push(user);
        Ok::<(), UsersError>(())
    })
    .unwrap();
}

/// Every series, once each, of families that there are, with a number.
fn series(text: &str) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(seen.insert(series), "{line} is there twice");
        let name = series.split('{').next().unwrap();
        let known = ALL.iter().any(|family| match family.kind {
            Kind::Histogram => name.strip_prefix(family.name).is_some_and(|rest| rest.starts_with('_')),
            _ => name == family.name,
        });
        assert!(known, "{line} is of no family");
    }
    seen
}

#[tokio::test]
async fn a_scraper_reads_the_figures_in_the_format_that_it_asks_for() {
    let world = World::new();
    let files = world.ca.node_files("web-1");
    let mut node = world.run("web-1", &files, &[]);
    let client = Client::new(node.ready().await.1);
    client.get("/metrics").refused(401, "unauthenticated");
    add_scraper(&world.data("web-1"));
    let scraper = client.with(&TOKEN.into());
    scraper.get("/api/v1/nodes/self/node/info").good();
    let text = scraper.get("/metrics").body;
    let seen = series(&text);
    for expected in [
        "p2p_admin_build_info{version=\"0.1.0\"}",
        "p2p_admin_mesh_members{state=\"alive\"}",
        "p2p_admin_calls_total{method=\"node.info\",outcome=\"ok\"}",
        "p2p_admin_http_requests_total{route=\"/metrics\",code=\"401\"}",
        "p2p_admin_jobs{state=\"queued\"}",
        "p2p_admin_alerts{state=\"firing\",severity=\"critical\"}",
        "p2p_admin_memory_available_bytes",
        "p2p_admin_call_duration_seconds_bucket{le=\"+Inf\"}",
    ] {
        assert!(seen.contains(expected), "{expected}: {text}");
    }
    let begin = |accept: &str| {
        let mut stream = TcpStream::connect(client.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let head = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close");
        write!(stream, "GET /metrics HTTP/1.1\r\n{head}\r\nAccept: {accept}\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let open = begin("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(
        open.contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n")
    );
    let (_, body) = open.split_once("\r\n\r\n").unwrap();
    assert!(body.ends_with("\n# EOF\n"), "{body}");
    assert!(series(body).len() >= seen.len());
    let plain = begin("*/*");
    assert!(plain.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{plain}");
    // One that its own machine alone can scrape is listed to that machine.
    let listed = scraper.get("/prometheus/sd").good();
    assert_eq!(listed[0]["targets"], json!([client.address.to_string()]));
    assert_eq!(listed[0]["labels"]["__scheme__"], "http");
    node.stop().await;
}

#[tokio::test]
async fn figures_can_be_switched_off() {
    let world = World::new();
    let files = world.ca.node_files("web-1");
    let mut node = world.run_with("web-1", &files, &[], &[("METRICS_ENABLED", "false")]);
    let client = Client::new(node.ready().await.1);
    add_scraper(&world.data("web-1"));
    let refused = client.with(&TOKEN.into()).get("/metrics").refused(404, "not_found");
    assert!(refused["detail"].as_str().unwrap().contains("METRICS_ENABLED"), "{refused}");
    node.stop().await;
}

/// Two nodes whose faces are on the network.
struct Faces {
    world: World,
    programs: [Program; 2],
    quic: SocketAddr,
    http: [SocketAddr; 2],
    /// Where the CA's certificate lies, among others.
    ca: PathBuf,
}

impl Faces {
    async fn new() -> Self {
        let world = World::new();
        let ca = world.ca.node_files("web-9");
        let run = |name: &str, bootstrap: &str| {
            let (certs, data) = (world.ca.node_files(name), world.data(name));
            let mut args = vec!["run", "--certs", certs.to_str().unwrap(), "--data", data.to_str().unwrap()];
            args.extend(["--host", "0.0.0.0", "--port", "0", "--dht-port", "0"]);
            if !bootstrap.is_empty() {
                args.extend(["--bootstrap", bootstrap]);
            }
            world.program(&data, &args)
        };
        let here = |address: SocketAddr| SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        let mut first = run("web-1", "");
        let (quic, one) = first.ready().await;
        let mut second = run("web-2", &here(quic).to_string());
        let (_, two) = second.ready().await;
        let faces =
            Self { quic: here(quic), http: [here(one), here(two)], programs: [first, second], world, ca };
        let node = faces.world.call("web-1", faces.quic, Role::Viewer);
        let both = async || (alive(&node.node().members().await.unwrap()) == 2).then_some(());
        eventually("both alive", LONG, both).await;
        faces
    }

    /// A client that shows the certificate of `files`, called `name` there.
    fn client(&self, (files, name): (&Path, &str)) -> Tls {
        Tls::new(self.http[0], &self.ca, Some((files, name)))
    }
}

/// A client over TLS.
struct Tls {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Tls {
    fn new(address: SocketAddr, ca: &Path, shown: Option<(&Path, &str)>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca.join("ca.crt")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some((files, name)) => {
                let path = |end: &str| files.join(format!("{name}.{end}"));
                let chain =
                    CertificateDer::pem_file_iter(path("crt")).unwrap().collect::<Result<_, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_file(path("key")).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self { address, config: Arc::new(config) }
    }

    fn begin(&self, request: &str, headers: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream =
            StreamOwned::new(ClientConnection::new(Arc::clone(&self.config), name).unwrap(), socket);
        // Refused by the other side, this may fail as well as the read.
        let _ = write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream
    }

    /// Status and body; `None` if no answer came.
    fn ask(&self, request: &str, headers: &str) -> Option<(u16, String)> {
        let mut reply = String::new();
        let _ = self.begin(request, headers).read_to_string(&mut reply);
        let (head, body) = reply.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), "").expect("an answer")
    }
}

fn json_of((status, body): &(u16, String)) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{status}: {error}: {body}"))
}

#[tokio::test]
async fn one_viewers_certificate_scrapes_the_fleet_and_counts_at_each_node_alone() {
    let mut faces = Faces::new().await;
    let ca = &faces.world.ca;
    let (viewer, node) = (ca.operator_files("prometheus", Role::Viewer), ca.node_files("web-3"));
    let mut client = faces.client((&viewer, "operator"));
    let listed = json_of(&client.get("/prometheus/sd"));
    let ports: Vec<_> = faces.http.iter().map(|address| address.port().to_string()).collect();
    for (index, port) in ports.iter().enumerate() {
        let target = listed[index]["targets"][0].as_str().unwrap();
        assert_eq!(target.rsplit(':').next().unwrap(), port, "{listed}");
        assert_eq!(listed[index]["labels"]["__meta_p2p_admin_name"], format!("web-{}", index + 1));
    }
    for address in faces.http {
        client.address = address;
        let (status, text) = client.get("/metrics");
        assert_eq!(status, 200, "{text}");
        assert!(series(&text).contains("p2p_admin_mesh_peers"));
    }
    client.address = faces.http[0];
    let refused = json_of(&client.get("/api/v1/nodes/web-2/node/info"));
    assert_eq!(refused["code"], "forbidden");
    let said = refused["detail"].as_str().unwrap();
    assert!(
        said.contains("by a client certificate is good at web-1 alone") && said.contains("p2p-tui token"),
        "{said}"
    );
    // From elsewhere, as through a proxy, a certificate is as good as a token.
    let proxied = |client: &Tls| client.ask("GET /api/info", "X-Forwarded-For: 192.0.2.1\r\n").unwrap();
    assert_eq!(json_of(&proxied(&client))["name"], "web-1");
    assert_eq!(client.ask("POST /api/v1/execute", "Content-Length: 0\r\n").unwrap().0, 400);
    let order = "Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"command\":\"id\"}";
    let refused = json_of(&client.ask("POST /api/v1/execute", order).unwrap());
    assert!(refused["detail"].as_str().unwrap().starts_with("denied: role"), "{refused}");
    let foreign = client.ask("GET /metrics", "Origin: https://evil.example\r\n").unwrap();
    assert_eq!(json_of(&foreign)["code"], "forbidden");
    assert_eq!(client.ask("GET /metrics", "Origin: https://localhost\r\n").unwrap().0, 200);
    assert_eq!(client.ask("GET /metrics", "Authorization: Bearer x\r\n").unwrap().0, 401);

    let nobody = Tls::new(faces.http[0], &node, None);
    assert_eq!((nobody.get("/health").0, nobody.get("/metrics").0), (200, 401));
    assert_eq!(proxied(&nobody).0, 401);
    let peer = faces.client((&node, "node"));
    assert_eq!(peer.get("/health").0, 200);
    for path in ["/metrics", "/prometheus/sd", "/api/v1/nodes/self/node/info"] {
        let refused = json_of(&peer.get(path));
        assert_eq!(refused["code"], "forbidden", "{path}");
        assert!(
            refused["detail"].as_str().unwrap().contains("a node has no authority of its own"),
            "{refused}"
        );
    }
    let other = TestCa::new("home");
    let stranger = other.operator_files("prometheus", Role::Admin);
    assert_eq!(faces.client((&stranger, "operator")).ask("GET /health", ""), None);
    for program in &mut faces.programs {
        program.stop().await;
    }
}

#[tokio::test]
async fn a_revoked_operator_is_cut_at_once() {
    let mut faces = Faces::new().await;
    let viewer = faces.world.ca.operator_files("prometheus", Role::Viewer);
    let client = faces.client((&viewer, "operator"));
    let mut watching = client.begin("GET /api/v1/nodes/self/node/fleet", "");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: item") {
        let mut part = [0; 4_096];
        let length = watching.read(&mut part).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&part[..length]);
    }
    let list = faces.world.ca.revoke("prometheus");
    let courier = faces.world.ca.courier();
    let node = faces.world.call_as(&courier, "web-1", faces.quic);
    node.revocation().adopt(list.bytes).await.unwrap();
    let began = Instant::now();
    let ended = tokio::task::spawn_blocking(move || watching.read_to_end(&mut Vec::new()));
    // Whether by an error or by an end: it is over.
    let _ = ended.await.unwrap();
    assert!(began.elapsed().as_millis() < CUT_MS, "it took {:?}", began.elapsed());
    assert_eq!(client.ask("GET /health", ""), None);
    for program in &mut faces.programs {
        program.stop().await;
    }
}
