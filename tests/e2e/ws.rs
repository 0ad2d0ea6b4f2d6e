//! WebSockets of real processes: topics of several nodes by one connection, methods that stream both ways, and how
//! each connection ends that should not stand.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use p2p_shared::access::Role;
use p2p_shared::services::Services;
use p2p_shared::time::Millis;
use p2p_shared::tls::{Credentials, mint_token};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::binary::{LOST, Program, World};
use crate::ca::now;
use crate::cluster::{LONG, alive, eventually};
use crate::http::{Client, PASSWORD, add_user};

/// One or two nodes, and tokens of operators for them.
struct Nodes {
    world: World,
    programs: Vec<Program>,
    quic: SocketAddr,
    http: SocketAddr,
    admin: Arc<Credentials>,
    viewer: Arc<Credentials>,
}

impl Nodes {
    async fn one() -> Self {
        let world = World::new();
        let mut program = world.run("web-1", &world.ca.node_files("web-1"), &[]);
        let addresses = program.ready().await;
        Self::of(world, vec![program], addresses)
    }

    async fn two() -> Self {
        let world = World::new();
        let mut first = world.run("web-1", &world.ca.node_files("web-1"), &[]);
        let (quic, http) = first.ready().await;
        let mut second =
            world.run("web-2", &world.ca.node_files("web-2"), &["--bootstrap", &quic.to_string()]);
        second.ready().await;
        let node = world.call("web-1", quic, Role::Viewer).node();
        let both = async || (alive(&node.members().await.unwrap()) == 2).then_some(());
        eventually("both alive", LONG, both).await;
        Self::of(world, vec![first, second], (quic, http))
    }

    fn of(world: World, programs: Vec<Program>, (quic, http): (SocketAddr, SocketAddr)) -> Self {
        let operator = |name: &str, role: Role| world.ca.operator(name, role);
        let (admin, viewer) = (operator("olga", Role::Admin), operator("vera", Role::Viewer));
        Self { world, programs, quic, http, admin, viewer }
    }

    fn token(&self, role: Role, life_s: u64) -> String {
        let operator = if role == Role::Admin { &self.admin } else { &self.viewer };
        mint_token(operator, now(), Millis::from_secs(life_s)).unwrap()
    }

    async fn open(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, Error> {
        let stream = TcpStream::connect(self.http).await.unwrap();
        let mut request = format!("ws://{}{path}", self.http).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(Socket(client_async(request, stream).await?.0))
    }

    /// A client of `/ws` that has said who it is.
    async fn enter(&self, role: Role) -> Socket {
        let mut socket = self.open("/ws", &[]).await.unwrap();
        socket.say(json!({"op": "auth", "token": self.token(role, 600)})).await;
        let welcome = socket.next().await;
        assert_eq!(
            (&welcome["type"], &welcome["node"], &welcome["seq"]),
            (&json!("welcome"), &json!("web-1"), &json!(0))
        );
        socket
    }

    async fn stop(mut self) {
        for program in &mut self.programs {
            program.stop().await;
        }
    }
}

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn message(&mut self) -> Message {
        timeout(LONG, self.0.next()).await.expect("a message in time").expect("a message").unwrap()
    }

    /// The next text that is not a heartbeat.
    async fn next(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => {
                    let value: Value = serde_json::from_str(text.as_str()).unwrap();
                    if value["type"] != "heartbeat" {
                        return value;
                    }
                }
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next text of which this is true.
    async fn until(&mut self, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let next = self.next().await;
            if is_it(&next) {
                return next;
            }
        }
    }

    /// The number with which the node closes, after whatever it says.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.message().await {
                return frame.expect("a number").code.into();
            }
        }
    }

    /// That the node says an error with this code, and closes with this number.
    async fn refused(&mut self, code: &str, close: u16) {
        let error = self.until(|value| value["type"] == "error").await;
        assert_eq!(error["error"]["code"], code, "{error}");
        assert_eq!(self.closed().await, close, "{error}");
    }
}

fn status(opened: Result<Socket, Error>) -> u16 {
    match opened {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => 101,
    }
}

#[tokio::test]
async fn one_connection_follows_topics_of_several_nodes() {
    let mut nodes = Nodes::two().await;
    let mut socket = nodes.enter(Role::Admin).await;
    let topics = ["fleet", "processes", "resources", "peers", "programs", "units", "alerts", "jobs", "audit"];
    for node in ["self", "web-2"] {
        for topic in topics {
            // Without a service manager there are no units.
            if topic == "units" {
                continue;
            }
            socket.say(json!({"op": "subscribe", "topic": topic, "node": node})).await;
            let name = if node == "self" { "web-1" } else { node };
            let of = |value: &Value| value["topic"] == topic && value["node"] == name;
            let told = socket.until(of).await;
            assert_eq!(told["type"], "subscribed");
            let first = socket.until(of).await;
            assert_eq!((&first["type"], &first["seq"]), (&json!("item"), &json!(0)), "{first}");
        }
    }
    socket.say(json!({"op": "subscribe", "topic": "resources", "node": "web-1"})).await;
    socket.until(|value| value["type"] == "subscribed").await;
    socket.say(json!({"op": "subscribe", "topic": "resources", "arguments": {"interval_ms": 999}})).await;
    let other = socket.until(|value| value["type"] == "error").await;
    assert_eq!(other["error"]["code"], "conflict");
    socket.say(json!({"op": "unsubscribe", "topic": "resources"})).await;
    socket.until(|value| value["type"] == "unsubscribed").await;
    socket.say(json!({"op": "ping"})).await;
    socket.until(|value| value["type"] == "pong").await;

    // One that comes later is given the list, and both are told what changes.
    let mut second = nodes.enter(Role::Admin).await;
    second.say(json!({"op": "subscribe", "topic": "fleet"})).await;
    let list = second.until(|value| value["type"] == "item").await;
    assert_eq!((&list["item"]["full"], &list["seq"]), (&json!(true), &json!(0)), "{list}");
    nodes.programs[1].stop().await;
    let left = |value: &Value| {
        let mut changed = value["item"]["changed"].as_array().into_iter().flatten();
        value["topic"] == "fleet"
            && value["node"] == "web-1"
            && changed.any(|member| member["state"] == "left")
    };
    let (first, second) = (socket.until(left).await, second.until(left).await);
    assert_eq!(first, second, "the same text for both");
    nodes.programs[0].stop().await;
}

#[tokio::test]
async fn what_may_not_be_followed_is_refused_and_the_rest_goes_on() {
    let nodes = Nodes::one().await;
    let mut socket = nodes.enter(Role::Viewer).await;
    for (topic, node, code) in [
        ("no.such", "self", "not_found"),
        ("exec.run", "self", "not_found"),
        ("fleet", "web-9", "not_found"),
        ("audit", "self", "forbidden"),
        ("file.follow", "self", "forbidden"),
    ] {
        socket.say(json!({"op": "subscribe", "topic": topic, "node": node})).await;
        let error = socket.until(|value| value["type"] == "error").await;
        assert_eq!(error["error"]["code"], code, "{topic}: {error}");
    }
    socket.say(json!({"op": "subscribe", "topic": "fleet"})).await;
    socket.until(|value| value["type"] == "item").await;
    nodes.stop().await;
}

#[tokio::test]
async fn a_watch_of_a_node_that_is_killed_ends_when_the_node_is_lost_and_others_go_on() {
    let mut nodes = Nodes::two().await;
    let mut socket = nodes.enter(Role::Viewer).await;
    for node in ["self", "web-2"] {
        socket.say(json!({"op": "subscribe", "topic": "resources", "node": node})).await;
    }
    socket.until(|value| value["type"] == "item" && value["node"] == "web-2").await;
    let viewer = Client::new(nodes.http).with(&nodes.token(Role::Viewer, 600).into());
    let mut events = viewer.begin("GET", "/api/v1/nodes/web-2/monitor/watch?interval_ms=60000", None);
    let events = spawn_blocking(move || {
        let mut seen = String::new();
        events.read_to_string(&mut seen).map(|_| seen)
    });

    nodes.programs[1].signal(Signal::KILL);
    let ended = async { (socket.until(|value| value["type"] == "error").await, events.await) };
    let (error, events) = timeout(LOST, ended).await.expect("an end while it is declared lost");
    assert_eq!((&error["topic"], &error["node"]), (&json!("resources"), &json!("web-2")));
    assert_eq!(error["error"]["code"], "unavailable");
    let events = events.unwrap().unwrap();
    let last = events.split("event: ").filter(|event| event.starts_with("error")).last();
    assert!(last.is_some_and(|last| last.contains("unavailable") && last.contains("web-2")), "{events}");
    socket.until(|value| value["type"] == "item" && value["node"] == "web-1").await;
    nodes.programs[0].stop().await;
}

#[tokio::test]
async fn frames_that_are_no_wishes_close_with_their_number() {
    let nodes = Nodes::one().await;
    let mut binary = nodes.enter(Role::Viewer).await;
    binary.0.send(Message::binary(&b"{}"[..])).await.unwrap();
    binary.refused("bad_request", 1003).await;
    let mut large = nodes.enter(Role::Viewer).await;
    large.0.send(Message::text("x".repeat((64 << 10) + 1))).await.unwrap();
    large.refused("too_large", 1009).await;
    let mut no_text = nodes.enter(Role::Viewer).await;
    let frame = Frame::message(Bytes::from_static(b"\xff\xfe"), OpCode::Data(Data::Text), true);
    no_text.0.send(Message::Frame(frame)).await.unwrap();
    no_text.refused("bad_request", 1007).await;
    let mut wild = nodes.enter(Role::Viewer).await;
    let frame = Frame::message(Bytes::from_static(b"{}"), OpCode::Data(Data::Continue), true);
    wild.0.send(Message::Frame(frame)).await.unwrap();
    wild.refused("bad_request", 1002).await;
    let mut nonsense = nodes.enter(Role::Viewer).await;
    for text in ["no json", &"[".repeat(10_000)] {
        nonsense.0.send(Message::text(text)).await.unwrap();
        assert_eq!(nonsense.next().await["error"]["code"], "bad_request");
    }
    nonsense.say(json!({"op": "nothing"})).await;
    nonsense.refused("bad_request", 1008).await;
    let mut pings = nodes.enter(Role::Viewer).await;
    for _ in 0..64 {
        pings.0.feed(Message::Ping(Bytes::new())).await.unwrap();
    }
    pings.0.flush().await.unwrap();
    let error = loop {
        if let Message::Text(text) = pings.message().await {
            break serde_json::from_str::<Value>(text.as_str()).unwrap();
        }
    };
    assert_eq!((&error["error"]["code"], pings.closed().await), (&json!("rate_limited"), 1008));

    let mut parts = nodes.enter(Role::Viewer).await;
    let fragments = [
        (Data::Text, &b"{\"op\": "[..], false),
        (Data::Continue, b"", false),
        (Data::Continue, b"\"ping\"}", true),
    ];
    for (kind, bytes, last) in fragments {
        let frame = Frame::message(Bytes::from_static(bytes), OpCode::Data(kind), last);
        parts.0.send(Message::Frame(frame)).await.unwrap();
    }
    assert_eq!(parts.next().await["type"], "pong");
    nodes.stop().await;
}

#[tokio::test]
async fn nobody_is_there_without_a_token_and_no_longer_than_it_lasts() {
    let nodes = Nodes::one().await;
    for first in [json!({"op": "ping"}), json!({"op": "auth", "token": "x"}), json!([])] {
        let mut socket = nodes.open("/ws", &[]).await.unwrap();
        socket.say(first).await;
        socket.refused("unauthenticated", 4401).await;
    }
    let bearer = |token: &str| format!("Bearer {token}");
    assert_eq!(status(nodes.open("/ws", &[("authorization", "Bearer x")]).await), 401);
    assert_eq!(status(nodes.open("/ws", &[("origin", "https://evil.example")]).await), 403);
    assert_eq!(status(nodes.open("/ws", &[("origin", "null")]).await), 403);
    let own = format!("http://{}", nodes.http);
    assert_eq!(status(nodes.open("/ws", &[("origin", &own)]).await), 101);
    assert_eq!(status(nodes.open("/ws", &[("sec-websocket-version", "8")]).await), 426);
    let in_url = format!("/ws?token={}", nodes.token(Role::Viewer, 60));
    let mut socket = nodes.open(&in_url, &[]).await.unwrap();
    socket.say(json!({"op": "subscribe", "topic": "fleet"})).await;
    socket.refused("unauthenticated", 4401).await;

    let mut short =
        nodes.open("/ws", &[("authorization", &bearer(&nodes.token(Role::Viewer, 2)))]).await.unwrap();
    assert_eq!(short.next().await["type"], "welcome");
    short.refused("unauthenticated", 4401).await;
    let mut longer =
        nodes.open("/ws", &[("authorization", &bearer(&nodes.token(Role::Viewer, 2)))]).await.unwrap();
    let until = longer.next().await["until"].clone();
    longer.say(json!({"op": "auth", "token": nodes.token(Role::Admin, 60)})).await;
    longer.refused("forbidden", 4403).await;
    assert!(until.as_str().is_some_and(|until| until.ends_with('Z')), "{until}");
    nodes.stop().await;
}

#[tokio::test]
async fn a_logout_closes_what_stands_open() {
    let nodes = Nodes::one().await;
    add_user(&nodes.world.data("web-1"), "ann", Role::Viewer);
    let client = Client::new(nodes.http);
    let login = client.post("/api/v1/auth/token", &json!({"username": "ann", "password": PASSWORD})).good();
    let header = format!("Bearer {}", login["access_token"].as_str().unwrap());
    let mut socket = nodes.open("/ws", &[("authorization", &header)]).await.unwrap();
    socket.say(json!({"op": "subscribe", "topic": "fleet"})).await;
    socket.until(|value| value["type"] == "item").await;
    let ended = client.with(&login["access_token"]).ask("POST", "/api/v1/auth/logout", None);
    assert_eq!(ended.status, 204);
    socket.refused("unauthenticated", 4401).await;
    nodes.stop().await;
}

#[tokio::test]
async fn an_operator_who_is_revoked_holds_nothing_open() {
    let nodes = Nodes::one().await;
    let mut socket = nodes.enter(Role::Viewer).await;
    socket.say(json!({"op": "subscribe", "topic": "fleet"})).await;
    socket.until(|value| value["type"] == "item").await;
    let list = nodes.world.ca.revoke("vera").bytes;
    let courier = nodes.world.call_as(&nodes.world.ca.courier(), "web-1", nodes.quic);
    assert!(courier.revocation().adopt(list).await.unwrap().kept);
    socket.refused("unauthenticated", 4401).await;
    nodes.stop().await;
}

#[tokio::test]
async fn a_shutdown_says_good_bye() {
    let mut nodes = Nodes::one().await;
    let mut good = nodes.enter(Role::Viewer).await;
    good.say(json!({"op": "subscribe", "topic": "fleet"})).await;
    good.until(|value| value["type"] == "item").await;
    nodes.programs[0].stop().await;
    good.refused("unavailable", 1001).await;
}

#[tokio::test]
async fn a_command_runs_both_ways_here_and_at_another_node() {
    let nodes = Nodes::two().await;
    let token = nodes.token(Role::Admin, 600);
    for node in ["self", "web-2"] {
        let path = format!("/api/v1/nodes/{node}/exec/run");
        let mut socket = nodes.open(&path, &[]).await.unwrap();
        socket.say(json!({"op": "auth", "token": token})).await;
        assert_eq!(socket.next().await["type"], "welcome");
        let request = json!({"command": {"shell": {"line": "cat; exit 3"}}});
        socket.say(json!({"op": "start", "arguments": {"request": request}})).await;
        assert_eq!(socket.next().await["type"], "started");
        socket.say(json!({"op": "item", "item": {"stdin": b"hello".to_vec()}})).await;
        let echoed = socket.next().await;
        assert_eq!(echoed["item"]["stdout"], json!(b"hello".to_vec()), "{echoed}");
        socket.say(json!({"op": "end"})).await;
        let exit = socket.next().await;
        assert_eq!((&exit["item"]["exit"]["code"], &exit["seq"]), (&json!(3), &json!(1)), "{exit}");
        assert_eq!(socket.next().await["type"], "end");
        assert_eq!(socket.closed().await, 1000);
    }
    let header = format!("Bearer {}", nodes.token(Role::Viewer, 600));
    let mut viewer = nodes.open("/api/v1/nodes/self/exec/run", &[("authorization", &header)]).await.unwrap();
    let request = json!({"command": {"shell": {"line": "id"}}});
    viewer.say(json!({"op": "start", "arguments": {"request": request}})).await;
    viewer.refused("forbidden", 4403).await;
    let mut wrong = nodes
        .open("/api/v1/nodes/self/exec/run", &[("authorization", &format!("Bearer {token}"))])
        .await
        .unwrap();
    wrong.say(json!({"op": "start", "arguments": {"requests": 1}})).await;
    wrong.refused("bad_request", 4400).await;
    let header = format!("Bearer {token}");
    let mut nowhere =
        nodes.open("/api/v1/nodes/web-9/exec/run", &[("authorization", &header)]).await.unwrap();
    nowhere.say(json!({"op": "start"})).await;
    nowhere.refused("not_found", 4404).await;
    nodes.stop().await;
}
