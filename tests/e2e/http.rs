//! The HTTP face of real processes: logins, tokens, every method at every node, and who may not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use p2p_node::auth::password;
use p2p_node::auth::users::{User, Users, UsersError};
use p2p_shared::access::Role;
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{TOKEN_LIFE_MAX, mint_token};
use serde_json::{Value, json};

use crate::binary::{Program, World};
use crate::ca::now;
use crate::cluster::{LONG, alive, eventually};

pub const PASSWORD: &str = "correct horse battery";

/// One client of one face.
pub struct Client {
    pub address: SocketAddr,
    token: Option<String>,
    headers: String,
}

pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// What it is answered well with.
    pub fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// That it is a problem with this code.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{}", self.body);
        problem
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, token: None, headers: String::new() }
    }

    pub fn with(&self, token: &Value) -> Self {
        let token = Some(token.as_str().unwrap().to_owned());
        Self { address: self.address, token, headers: String::new() }
    }

    /// The same, with one more header in every request.
    pub fn header(&self, name: &str, value: &str) -> Self {
        let headers = format!("{}{name}: {value}\r\n", self.headers);
        Self { address: self.address, token: self.token.clone(), headers }
    }

    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let mut stream = self.begin(method, path, body);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { unchunked(body) } else { body.to_owned() };
        Reply { status, head: head.to_ascii_lowercase(), body }
    }

    pub fn begin(&self, method: &str, path: &str, body: Option<&Value>) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        head.push_str(&self.headers);
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        write!(stream, "{head}\r\n{body}").unwrap();
        stream
    }

    /// Sends a body as it is, of the kind that it is said to be.
    fn send(&self, path: &str, headers: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let token = self.token.as_deref().unwrap_or_default();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, Some(body))
    }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].strip_prefix("\r\n").unwrap();
    }
    whole
}

/// Two nodes that know each other.
struct Pair {
    world: World,
    programs: [Program; 2],
    client: Client,
}

impl Pair {
    async fn new() -> Self {
        let world = World::new();
        let (one, two) = (world.ca.node_files("web-1"), world.ca.node_files("web-2"));
        let mut first = world.run("web-1", &one, &[]);
        let (quic, http) = first.ready().await;
        let mut second = world.run("web-2", &two, &["--bootstrap", &quic.to_string()]);
        second.ready().await;
        let node = world.call("web-1", quic, Role::Viewer);
        use p2p_shared::services::Services;
        let node = node.node();
        let both = async || (alive(&node.members().await.unwrap()) == 2).then_some(());
        eventually("both alive", LONG, both).await;
        Self { world, programs: [first, second], client: Client::new(http) }
    }

    /// A client with the token of a new operator.
    fn operator(&self, name: &str, role: Role) -> Client {
        let operator = self.world.ca.operator(name, role);
        let token = mint_token(&operator, now(), TOKEN_LIFE_MAX).unwrap();
        self.client.with(&token.into())
    }

    async fn stop(mut self) {
        for program in &mut self.programs {
            program.stop().await;
        }
    }
}

pub fn add_user(data: &Path, name: &str, role: Role) {
    let password = Some(password::hash(PASSWORD).unwrap());
    let user = User { name: name.to_owned(), role, password, changed: UnixMillis(1), tokens: Vec::new() };
    Users::change(data, |users| {
        users.users.push(user);
        Ok::<(), UsersError>(())
    })
    .unwrap();
}

#[tokio::test]
async fn a_user_logs_in_steers_this_node_and_goes_on_with_the_next_token() {
    let pair = Pair::new().await;
    let client = &pair.client;
    client.get("/api/v1/nodes/self/process/list").refused(401, "unauthenticated");
    let login = json!({"username": "ann", "password": PASSWORD});
    client.post("/api/v1/auth/token", &login).refused(401, "unauthenticated");
    add_user(&pair.world.data("web-1"), "ann", Role::Operator);
    let first = client.post("/api/v1/auth/token", &login).good();
    assert_eq!((&first["token_type"], &first["expires_in"]), (&json!("Bearer"), &json!(3_600)));

    let ann = client.with(&first["access_token"]);
    // As the client in README reads it.
    let list = ann.get("/api/v1/nodes/self/process/list").good();
    let own = |process: &Value| process["key"]["pid"] == std::process::id() && process["name"].is_string();
    assert!(list["processes"].as_array().unwrap().iter().any(own), "{list}");
    assert!(ann.get("/api/v1/nodes/web-1/node/info").good()["name"] == "web-1");
    let started = json!({"name": "sleeper", "path": "/bin/sleep"});
    ann.post("/api/v1/nodes/self/program/start", &started).refused(403, "forbidden");
    let elsewhere = ann.get("/api/v1/nodes/web-2/process/list").refused(403, "forbidden");
    assert!(elsewhere["detail"].as_str().unwrap().contains("p2p-tui token"), "{elsewhere}");
    ann.post("/api/v1/execute", &json!({"command": "id"})).refused(403, "forbidden");

    let refresh = json!({"refresh_token": first["refresh_token"]});
    let second = client.post("/api/v1/auth/refresh", &refresh).good();
    let again = client.with(&second["access_token"]);
    again.get("/api/v1/nodes/self/node/info").good();
    client.post("/api/v1/auth/refresh", &refresh).refused(401, "unauthenticated");
    again.get("/api/v1/nodes/self/node/info").refused(401, "unauthenticated");
    let third = client.post("/api/v1/auth/token", &login).good();
    let third = client.with(&third["access_token"]);
    assert_eq!(third.ask("POST", "/api/v1/auth/logout", None).status, 204);
    third.get("/api/v1/nodes/self/node/info").refused(401, "unauthenticated");
    pair.stop().await;
}

#[tokio::test]
async fn an_operators_token_steers_every_node_as_far_as_the_role_goes() {
    let pair = Pair::new().await;
    let (admin, viewer) = (pair.operator("olga", Role::Admin), pair.operator("vera", Role::Viewer));
    assert_eq!(viewer.get("/api/v1/nodes/web-2/node/info").good()["name"], "web-2");
    viewer
        .post("/api/v1/nodes/web-2/node/set_labels", &json!({"set": [], "remove": []}))
        .refused(403, "forbidden");
    let problem = viewer.post("/api/v1/execute", &json!({"command": "id"})).refused(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().starts_with("denied: role"), "{problem}");

    let defined = json!({"definition": {"name": "sleeper", "command": "/bin/sleep", "arguments": ["1000"]}, "replace": false});
    let status = admin.post("/api/v1/nodes/web-2/program/define", &defined);
    assert_eq!(status.status, 200, "{}", status.body);
    admin.post("/api/v1/nodes/web-2/program/start", &json!({"name": "sleeper"})).good();
    admin.post("/api/v1/nodes/web-2/program/stop", &json!({"name": "sleeper"})).good();
    let executed =
        admin.post("/api/v1/execute", &json!({"command": "echo $((6*7)); echo oh >&2; exit 3"})).good();
    assert_eq!(executed, json!({"exit_code": 3, "stdout": "42\n", "stderr": "oh\n", "timed_out": false}));
    let slow = admin.post("/api/v1/execute", &json!({"command": "sleep 60", "timeout": 1})).good();
    assert_eq!(slow["timed_out"], true);

    admin.get("/api/v1/nodes/web-9/node/info").refused(404, "not_found");
    admin.get("/api/v1/nodes/Web%202/node/info").refused(404, "not_found");
    admin.get("/api/v1/nodes/self/node/nonsense").refused(404, "not_found");
    admin.get("/api/v1/nodes/self/program/start").refused(405, "unsupported");
    admin.get("/api/v1/nodes/self/exec/run").refused(426, "unsupported");
    admin.post("/api/v1/nodes/self/exec/run", &json!({})).refused(405, "unsupported");
    admin.get("/api/v1/nodes/self/process/list?filtre=x").refused(400, "bad_request");
    admin.post("/api/v1/nodes/self/program/start", &json!({"nome": "x"})).refused(400, "bad_request");
    admin.post("/api/v1/nodes/self/program/start", &json!([])).refused(400, "bad_request");
    pair.stop().await;
}

#[tokio::test]
async fn the_first_connections_and_those_behind_them_are_passed_on_alike() {
    let pair = Pair::new().await;
    let viewer = pair.operator("vera", Role::Viewer);
    let mut first = TcpStream::connect(viewer.address).unwrap();
    let mut ask_by_the_first = || {
        let (host, token) = (viewer.address, viewer.token.as_deref().unwrap());
        let head = format!("Host: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
        write!(first, "GET /api/v1/nodes/web-2/node/info HTTP/1.1\r\n{head}").unwrap();
        let (mut said, mut piece) = (String::new(), [0; 4_096]);
        while !said.ends_with('}') {
            let count = first.read(&mut piece).unwrap();
            assert!(count > 0, "{said}");
            said.push_str(str::from_utf8(&piece[..count]).unwrap());
        }
        assert!(said.starts_with("HTTP/1.1 200") && said.contains(r#""name":"web-2""#), "{said}");
    };
    ask_by_the_first();
    let mut held = Vec::new();
    // More than live with the mesh, and then more than those may have an advantage among.
    for _ in 0..20 {
        assert_eq!(viewer.get("/api/v1/nodes/web-2/node/info").good()["name"], "web-2");
        held.push(TcpStream::connect(viewer.address).unwrap());
    }
    ask_by_the_first();
    drop(held);
    pair.stop().await;
}

#[tokio::test]
async fn a_body_that_is_not_exactly_what_it_says_changes_nothing() {
    let pair = Pair::new().await;
    let admin = pair.operator("olga", Role::Admin);
    let json = "Content-Type: application/json\r\n";
    let (define, execute) = ("/api/v1/nodes/self/program/define", "/api/v1/execute");
    let good = r#"{"definition": {"name": "a", "command": "/bin/true"}, "replace": false}"#;
    for path in [define, execute, "/rpc", "/api/v1/fleet/node/info", "/api/v1/auth/token", "/p2p/message"] {
        for kind in ["", "Content-Type: text/plain\r\n", "Content-Type: application/json; charset=utf-16\r\n"]
        {
            admin.send(path, kind, good).refused(415, "bad_request");
        }
        admin.send(path, &format!("{json}Content-Encoding: gzip\r\n"), good).refused(415, "bad_request");
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        for body in [&good[..good.len() - 1], "\u{feff}{}", "{\"a\": \"\\ud800\"}", &deep, "7"] {
            assert_eq!(admin.send(path, json, body).status, 400, "{path} {body:.40}");
        }
    }
    for twice in [
        r#"{"definition": {"name": "a", "name": "b", "command": "/bin/true"}, "replace": false}"#,
        r#"{"definition": {"name": "a", "command": "/bin/true"}, "replace": false, "replace": true}"#,
    ] {
        let problem = admin.send(define, json, twice).refused(400, "bad_request");
        assert!(problem["detail"].as_str().unwrap().contains("is there twice"), "{problem}");
    }
    let twice = r#"{"selector": "all", "arguments": {"name": "a", "name": "b"}}"#;
    admin.send("/api/v1/fleet/program/start", json, twice).refused(400, "bad_request");
    let twice =
        r#"{"jsonrpc": "2.0", "id": 1, "method": "program.start", "params": {"name": "a", "name": "b"}}"#;
    assert_eq!(admin.send("/rpc", json, twice).status, 400);
    assert_eq!(admin.get("/api/v1/nodes/self/program/list").good(), json!([]));
    admin.header("Expect", "a-miracle").get("/health").refused(417, "bad_request");
    pair.stop().await;
}

#[tokio::test]
async fn who_tries_too_often_is_told_how_long_to_wait() {
    let pair = Pair::new().await;
    let login = json!({"username": "ann", "password": "wrong"});
    for _ in 0..5 {
        pair.client.post("/api/v1/auth/token", &login).refused(401, "unauthenticated");
    }
    let limited = pair.client.post("/api/v1/auth/token", &login);
    let problem = limited.refused(429, "rate_limited");
    let (_, rest) = limited.head.split_once("retry-after: ").unwrap();
    let wait: u64 = rest.lines().next().unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(problem["detail"], format!("too many attempts: try again in {wait} s"));
    pair.stop().await;
}

#[tokio::test]
async fn json_rpc_answers_batches_and_the_owners_first_names() {
    let pair = Pair::new().await;
    let admin = pair.operator("olga", Role::Admin);
    let call = |method: &str, params: Value, id: i64| json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id});
    let one = admin.post("/rpc", &call("system.process.list_processes", json!({}), 1)).good();
    assert!(one["result"]["processes"].is_array() && one["id"] == 1, "{one}");
    let mut there = call("node.info", json!([]), 2);
    there["node"] = "web-2".into();
    let notification = json!({"jsonrpc": "2.0", "method": "node.info"});
    let batch =
        json!([there, notification, call("no.such", json!({}), 3), call("node.find", json!([1, 2]), 4), 7]);
    let answers = admin.post("/rpc", &batch).good();
    assert_eq!(answers[0]["result"]["name"], "web-2");
    let codes: Vec<_> =
        answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [None, Some(-32_601), Some(-32_602), Some(-32_600)], "{answers}");
    assert_eq!(admin.post("/rpc", &notification).status, 204);
    let empty = admin.post("/rpc", &json!([]));
    assert_eq!((empty.status, &empty.json()["error"]["code"]), (400, &json!(-32_600)));
    pair.client.post("/rpc", &call("node.info", json!({}), 1)).refused(401, "unauthenticated");
    pair.stop().await;
}

#[tokio::test]
async fn a_watch_is_events_and_the_whole_fleet_is_lines_that_add_up() {
    let mut pair = Pair::new().await;
    let viewer = pair.operator("vera", Role::Viewer);
    for node in ["self", "web-2"] {
        let path = format!("/api/v1/nodes/{node}/monitor/watch?interval_ms=1000");
        let mut stream = viewer.begin("GET", &path, None);
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("event: item") {
            let mut part = [0; 4_096];
            let length = stream.read(&mut part).unwrap();
            assert!(length > 0, "{node}: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&part[..length]);
        }
    }
    let fleet = |selector: &str| viewer.post("/api/v1/fleet/node/info", &json!({"selector": selector}));
    let lines = |reply: &Reply| -> Vec<Value> {
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines(&fleet("all"));
    assert_eq!(all.len(), 3);
    assert_eq!(all[2]["counts"]["ok"], 2);
    let mut names: Vec<_> = all[..2].iter().map(|line| line["result"]["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["web-1", "web-2"]);
    let dry = viewer.post("/api/v1/fleet/node/info", &json!({"selector": "web-*", "dry_run": true}));
    assert_eq!(lines(&dry), [json!({"node": "web-1"}), json!({"node": "web-2"})]);
    fleet("").refused(400, "bad_request");
    fleet("nobody").refused(404, "not_found");
    pair.programs[1].stop().await;
    let rest = lines(&fleet("all"));
    let counts = &rest.last().unwrap()["counts"];
    assert_eq!((rest.len(), &counts["ok"], &counts["unreachable"]), (3, &json!(1), &json!(1)), "{rest:?}");
    pair.programs[0].stop().await;
}

#[tokio::test]
async fn a_token_is_as_good_as_its_holder_and_never_in_a_url() {
    let pair = Pair::new().await;
    let node = pair.world.ca.node("web-3");
    assert!(mint_token(&node, now(), TOKEN_LIFE_MAX).is_err());
    let stranger = crate::ca::TestCa::new("home").operator("olga", Role::Admin);
    let token = mint_token(&stranger, now(), TOKEN_LIFE_MAX).unwrap();
    pair.client.with(&token.into()).get("/api/v1/nodes/self/node/info").refused(401, "unauthenticated");
    let admin = pair.operator("olga", Role::Admin);
    let path = format!("/api/v1/nodes/self/node/info?access_token={}", admin.token.as_ref().unwrap());
    pair.client.get(&path).refused(401, "unauthenticated");
    let document = pair.client.get("/openapi.json").good();
    assert!(document["paths"]["/api/v1/nodes/{node}/process/list"]["get"]["x-permission"] == "process_read");
    pair.stop().await;
}
