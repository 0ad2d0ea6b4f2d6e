//! What holds for every request of the HTTP face, and messages that members sign, at a real process.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;

use p2p_node::auth::users::{Users, UsersError};
use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::id::NodeId;
use p2p_shared::services;
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{Credentials, Envelope, MESSAGE_AGE_MAX, Message, mint_token};
use serde_json::{Value, json};

use crate::binary::{Program, World};
use crate::ca::now;
use crate::cluster::{LONG, eventually};
use crate::http::{Client, PASSWORD, add_user};

struct Face {
    world: World,
    program: Program,
    client: Client,
    admin: Arc<Credentials>,
    nonce: u64,
}

impl Face {
    async fn new() -> Self {
        Self::with("").await
    }

    /// A node with this more in its file.
    async fn with(config: &str) -> Self {
        let world = World::new();
        let certs = world.ca.node_files("web-1");
        let file = certs.join("node.toml");
        fs::write(&file, config).unwrap();
        let mut program = world.run("web-1", &certs, &["--config", file.to_str().unwrap()]);
        let (_, http) = program.ready().await;
        let admin = world.ca.operator("olga", Role::Admin);
        Self { world, program, client: Client::new(http), admin, nonce: 0 }
    }

    fn admin(&self) -> Client {
        self.client.with(&mint_token(&self.admin, now(), Millis::from_secs(600)).unwrap().into())
    }

    fn id(&self) -> NodeId {
        let info = self.admin().get("/api/v1/nodes/self/node/info").good();
        info["id"].as_str().unwrap().parse().unwrap()
    }

    /// A message to `target`, of a moment that no restart was near to.
    fn message(&mut self, target: NodeId, method: &str, arguments: &Value) -> Message {
        self.nonce += 1;
        let (method, arguments) = (method.to_owned(), arguments.to_string());
        let nonce = u128::from(self.nonce).to_be_bytes();
        Message { target, sent: now(), nonce, method, arguments }
    }

    fn send(&self, envelope: &Envelope) -> crate::http::Reply {
        self.client.post("/p2p/message", &serde_json::to_value(envelope).unwrap())
    }

    async fn stop(mut self) {
        self.program.stop().await;
    }
}

#[tokio::test]
async fn what_is_sent_again_under_its_key_is_not_done_again() {
    let face = Face::new().await;
    let admin = face.admin();
    let line = json!({"command": "echo x >> counted; wc -l < counted"});
    let directory = face.world.data("counted");
    fs::create_dir_all(&directory).unwrap();
    let line = |more: &str| {
        let directory = directory.display();
        json!({"command": format!("cd {directory} && {}{more}", line["command"].as_str().unwrap())})
    };
    let keyed = admin.header("Idempotency-Key", "8e03978e-40d5-43e8-bc93-6894a57f9324");
    let first = keyed.post("/api/v1/execute", &line(""));
    let again = keyed.post("/api/v1/execute", &line(""));
    assert_eq!((first.good()["stdout"].as_str(), &first.body), (Some("1\n"), &again.body));
    assert!(
        !first.head.contains("idempotency-replayed") && again.head.contains("idempotency-replayed: true")
    );
    keyed.post("/api/v1/execute", &line(" #")).refused(409, "conflict");
    assert_eq!(admin.post("/api/v1/execute", &line("")).good()["stdout"], "2\n", "without a key");
    let other = admin.header("Idempotency-Key", "another");
    assert_eq!(other.post("/api/v1/execute", &line("")).good()["stdout"], "3\n");
    let path = "/api/v1/nodes/self/program/start";
    let unknown = other.header("x", "y");
    unknown.post(path, &json!({"name": "none"})).refused(409, "conflict");
    admin.header("Idempotency-Key", "").post(path, &json!({"name": "none"})).refused(400, "bad_request");
    let fleet = json!({"selector": "all"});
    keyed.post("/api/v1/fleet/node/info", &fleet).refused(400, "bad_request");
    face.stop().await;
}

/// The refusals of a method that stand in the record, once there are so many: who, from where, and why.
async fn refusals(face: &Face, method: &str, count: usize) -> Vec<(String, String)> {
    let path = format!("/api/v1/nodes/self/audit/list?filter=method:{method}");
    eventually(method, LONG, async || {
        let entries = face.admin().get(&path).good()["entries"].as_array().unwrap().clone();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let told: Vec<_> = entries.iter().map(|entry| (text(entry, "who"), text(entry, "message"))).collect();
        (told.len() == count && entries.iter().all(|entry| entry["kind"] == "refused")).then_some(told)
    })
    .await
}

#[tokio::test]
async fn a_stream_of_events_ends_with_the_session_that_asked_for_it() {
    let face = Face::new().await;
    add_user(&face.world.data("web-1"), "ann", Role::Viewer);
    let login = json!({"username": "ann", "password": PASSWORD});
    let follow = |client: &Client| {
        let mut stream = client.begin("GET", "/api/v1/nodes/self/monitor/watch?interval_ms=1000", None);
        let mut seen = [0; 1];
        stream.read_exact(&mut seen).unwrap();
        stream
    };
    let told = |mut stream: TcpStream| {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        rest
    };
    let ann = face.client.with(&face.client.post("/api/v1/auth/token", &login).good()["access_token"]);
    let stream = follow(&ann);
    assert_eq!(ann.ask("POST", "/api/v1/auth/logout", None).status, 204);
    let rest = told(stream);
    assert!(rest.contains("event: error") && rest.contains("unauthenticated"), "{rest}");

    let ann = face.client.with(&face.client.post("/api/v1/auth/token", &login).good()["access_token"]);
    let stream = follow(&ann);
    Users::change(&face.world.data("web-1"), |users| {
        users.get_mut("ann").unwrap().role = Role::Operator;
        Ok::<(), UsersError>(())
    })
    .unwrap();
    let rest = told(stream);
    assert!(rest.contains("event: error") && rest.contains("is user"), "{rest}");
    face.stop().await;
}

#[tokio::test]
async fn what_is_no_object_and_what_nobody_reads_is_refused_and_not_done() {
    let face = Face::new().await;
    let admin = face.admin();
    admin.post("/api/v1/execute", &json!(["id", 5])).refused(400, "bad_request");
    admin.post("/api/v1/auth/token", &json!(["ann", PASSWORD])).refused(400, "bad_request");
    let batch = admin.post("/rpc", &json!([["2.0", "node.info", {}, 1, "self"]])).good();
    assert_eq!(batch[0]["error"]["code"], -32_600, "{batch}");
    let define = "/api/v1/nodes/self/program/define";
    let body = json!({"definition": {"name": "a", "command": "/bin/true", "usr": "www"}, "replace": false});
    let problem = admin.post(define, &body).refused(400, "bad_request");
    assert!(problem["detail"].as_str().unwrap().contains("there is no \"usr\" here"), "{problem}");
    assert_eq!(admin.get("/api/v1/nodes/self/program/list").good(), json!([]));
    let twice = admin.header("Authorization", "Bearer x");
    twice.get("/api/v1/nodes/self/node/info").refused(400, "bad_request");
    face.stop().await;
}

#[tokio::test]
async fn who_is_refused_at_the_door_is_in_the_record() {
    let face = Face::new().await;
    add_user(&face.world.data("web-1"), "ann", Role::Viewer);
    let login = |password: &str| {
        face.client.post("/api/v1/auth/token", &json!({"username": "ann", "password": password}))
    };
    login("wrong").refused(401, "unauthenticated");
    for nobodys in [String::new(), "x".repeat(1_025)] {
        login(&nobodys).refused(400, "bad_request");
    }
    let told = refusals(&face, "auth.token", 1).await;
    assert_eq!(told, [("ann".to_owned(), "the user or the password is wrong".to_owned())]);
    let first = login(PASSWORD).good();
    let refresh = json!({"refresh_token": first["refresh_token"]});
    face.client.post("/api/v1/auth/refresh", &refresh).good();
    face.client.post("/api/v1/auth/refresh", &refresh).refused(401, "unauthenticated");
    let told = refusals(&face, "auth.refresh", 1).await;
    assert!(told[0].0 == "ann" && told[0].1.contains("used twice"), "{told:?}");
    face.stop().await;
}

#[tokio::test]
async fn one_caller_that_is_too_quick_waits_and_another_does_not() {
    let face = Face::with("http.rate_max = 1").await;
    let (admin, other) = (face.admin(), face.world.ca.operator("otto", Role::Viewer));
    let path = "/api/v1/nodes/self/node/info";
    let limited =
        eventually("too often", LONG, async || Some(admin.get(path)).filter(|reply| reply.status != 200));
    let limited = limited.await;
    limited.refused(429, "rate_limited");
    assert!(limited.head.contains("retry-after: 1"), "{}", limited.head);
    let other = face.client.with(&mint_token(&other, now(), Millis::from_secs(60)).unwrap().into());
    other.get(path).good();
    face.stop().await;
}

#[tokio::test]
async fn pages_and_proxies_are_believed_as_far_as_the_owner_says() {
    let plain = Face::new().await;
    let (info, proxied) = ("/api/info", plain.client.header("X-Forwarded-For", "203.0.113.9"));
    plain.client.get(info).good();
    proxied.get(info).refused(401, "unauthenticated");
    plain.admin().header("X-Forwarded-For", "203.0.113.9").get(info).good();
    plain.admin().header("X-Forwarded-For", "203.0.113.9").get("/api/stats").good();
    let page = plain.client.header("Origin", "https://admin.example.org");
    let preflight = page.header("Access-Control-Request-Method", "POST");
    let refused = preflight.ask("OPTIONS", "/rpc", None);
    assert!(refused.status == 405 && !refused.head.contains("access-control-"), "{}", refused.head);
    let head = page.get("/health").head;
    assert!(!head.contains("access-control-"), "{head}");
    for header in ["x-frame-options: deny", "default-src 'none'", "nosniff", "referrer-policy: no-referrer"] {
        assert!(head.contains(header), "{header}: {head}");
    }
    plain.stop().await;

    let open = Face::with(
        "http.cors_origins = [\"https://admin.example.org\"]\nhttp.trusted_proxies = [\"127.0.0.0/8\"]\n",
    )
    .await;
    let page = open.client.header("Origin", "https://admin.example.org");
    let preflight = page.header("Access-Control-Request-Method", "POST").ask("OPTIONS", "/rpc", None);
    assert_eq!(preflight.status, 204);
    assert!(preflight.head.contains("access-control-allow-headers: authorization"), "{}", preflight.head);
    let head = page.get("/health").head;
    assert!(head.contains("access-control-allow-origin: https://admin.example.org"), "{head}");
    let proxied = open.admin().header("X-Forwarded-For", "198.51.100.7, 203.0.113.9");
    proxied.post("/api/v1/execute", &json!({"command": "true"})).good();
    let audit = open.admin().get("/api/v1/nodes/self/audit/list?limit=5").good();
    assert!(audit.to_string().contains("203.0.113.9"), "the client that the proxy saw: {audit}");
    open.stop().await;
}

#[tokio::test]
async fn a_member_signs_a_message_and_is_what_its_certificate_says() {
    let mut face = Face::new().await;
    let own = face.id();
    let labels = json!({"set": [{"key": "role", "value": "web"}], "remove": []});
    let operator = face.admin.clone();
    // What could have come before its start is not taken: until then it says to try again.
    eventually("the time after the start", LONG, async || {
        let message = face.message(own, "node.info", &json!({}));
        let reply = face.send(&Envelope::sign(&operator, &message).unwrap());
        (reply.status == 200).then_some(()).or_else(|| {
            reply.refused(503, "unavailable");
            None
        })
    })
    .await;
    let change = Envelope::sign(&operator, &face.message(own, "node.set_labels", &labels)).unwrap();
    face.send(&change).good();
    face.send(&change).refused(409, "conflict");
    let there = face.admin().get("/api/v1/nodes/self/node/labels").good();
    assert!(there.to_string().contains("web"), "{there}");

    let viewer = face.world.ca.operator("vera", Role::Viewer);
    let refused = Envelope::sign(&viewer, &face.message(own, "node.set_labels", &labels)).unwrap();
    face.send(&refused).refused(403, "forbidden");
    let elsewhere = Envelope::sign(&operator, &face.message(NodeId::new([9; 32]), "node.info", &json!({})));
    face.send(&elsewhere.unwrap()).refused(409, "conflict");
    let mut old = face.message(own, "node.info", &json!({}));
    old.sent = UnixMillis(old.sent.0 - MESSAGE_AGE_MAX.0 - 1_000);
    face.send(&Envelope::sign(&operator, &old).unwrap()).refused(401, "unauthenticated");
    let stranger = crate::ca::TestCa::new("home").operator("olga", Role::Admin);
    let foreign = Envelope::sign(&stranger, &face.message(own, "node.info", &json!({}))).unwrap();
    face.send(&foreign).refused(401, "unauthenticated");
    face.client.post("/p2p/message", &json!({"chain": []})).refused(400, "bad_request");
    let watch = Envelope::sign(&operator, &face.message(own, "node.fleet", &json!({}))).unwrap();
    face.send(&watch).refused(501, "unsupported");
    face.stop().await;
}

#[tokio::test]
async fn a_nodes_certificate_by_itself_calls_nothing_by_any_method() {
    let mut face = Face::new().await;
    let own = face.id();
    let node = face.world.ca.node("web-2");
    let forbidden = Code::Forbidden.as_str();
    eventually("the time after the start", LONG, async || {
        let message = face.message(own, "node.info", &json!({}));
        (face.send(&Envelope::sign(&node, &message).unwrap()).status == 403).then_some(())
    })
    .await;
    for method in services::methods().filter(|method| !method.verb.streams()) {
        let message = face.message(own, method.name, &json!({}));
        let problem = face.send(&Envelope::sign(&node, &message).unwrap()).refused(403, forbidden);
        assert!(problem["detail"].as_str().unwrap().starts_with("denied: role"), "{problem}");
    }
    face.stop().await;
}
