use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};
use tokio_util::task::TaskTracker;

use super::*;
use crate::http::api::bearer::ASK_EVERY;

const PATIENCE: Duration = Duration::from_secs(60);
const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: web-1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
// The kinds of frames (RFC 6455, 5.2).
const TEXT: u8 = 0x1;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A client whose bytes are written by hand, and how its connection ended.
struct Client {
    stream: DuplexStream,
    ended: mpsc::Receiver<(Ended, Instant)>,
    _serving: JoinHandle<()>,
}

/// Hears and tends as every conversation does.
async fn serve(socket: WebSocket) -> Ended {
    let mut channel = Channel::new(socket, PATIENCE);
    let mut ask = interval(ASK_EVERY);
    loop {
        tokio::select! {
            now = ask.tick() => if let Err(ended) = channel.tend(now).await {
                return ended;
            },
            heard = channel.hear() => if let Err(ended) = heard {
                return ended;
            },
        }
    }
}

impl Client {
    async fn connect() -> Self {
        let (stream, served) = duplex(64 << 10);
        let (tell, ended) = mpsc::channel(1);
        let upgrade = async move |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async move |socket| {
                let ended = serve(socket).await;
                let _ = tell.send((ended, Instant::now())).await;
            })
        };
        let service = TowerToHyperService::new(Router::new().route("/", get(upgrade)));
        let serving = TaskTracker::new().spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(served), service);
            served.with_upgrades().await.unwrap();
        });
        let mut client = Self { stream, ended, _serving: serving };
        client.stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        client
    }

    /// The kind of the next frame.
    async fn next(&mut self) -> u8 {
        let kind = self.stream.read_u8().await.unwrap() & 0x0f;
        let length = match self.stream.read_u8().await.unwrap() {
            126 => usize::from(self.stream.read_u16().await.unwrap()),
            length => usize::from(length),
        };
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).await.unwrap();
        kind
    }

    /// Waits until it is asked whether it is there.
    async fn asked(&mut self) {
        while self.next().await != PING {}
    }

    /// Sends bytes as they are.
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// That nothing ended it for so long, in which the node asked and was answered.
    async fn stands(&mut self, span: Duration) {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.asked().await;
            self.send(&frame(PONG, b"")).await;
        }
        assert!(self.ended.try_recv().is_err(), "it stands");
    }

    /// How it ended, and how long after now.
    async fn end(&mut self) -> (Fault, Duration) {
        let asked = Instant::now();
        let ended = timeout(PONG_MAX * 3, self.ended.recv()).await.expect("an end in time");
        match ended.expect("an end") {
            (Ended::Fault(fault), at) => (fault, at - asked),
            (Ended::Gone, _) => panic!("gone"),
        }
    }
}

/// A whole frame of a client, under a mask that changes nothing.
fn frame(kind: u8, text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126, "its length is one byte");
    let mut bytes = vec![0x80 | kind, 0x80 | length, 0, 0, 0, 0];
    bytes.extend_from_slice(text);
    bytes
}

#[tokio::test(start_paused = true)]
async fn half_a_message_is_no_answer_wherever_it_stops() {
    let whole = frame(TEXT, br#"{"op": "ping"}"#);
    for sent in 0..whole.len() {
        let mut client = Client::connect().await;
        client.send(&whole[..sent]).await;
        client.asked().await;
        let (fault, took) = client.end().await;
        assert_eq!((fault.close, fault.error.code), (1_008, Code::Deadline), "after {sent} bytes");
        assert!(took > PONG_MAX && took <= PONG_MAX + ASK_EVERY, "after {sent} bytes: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_fragment_is_no_answer_either() {
    let mut client = Client::connect().await;
    let mut fragment = frame(TEXT, b"{");
    fragment[0] &= 0x7f;
    client.send(&fragment).await;
    client.asked().await;
    assert_eq!(client.end().await.0.close, 1_008);
}

#[tokio::test(start_paused = true)]
async fn who_answers_stands_and_so_does_who_ends_a_message_in_time() {
    let mut client = Client::connect().await;
    client.stands(Duration::from_secs(600)).await;
    let whole = frame(TEXT, br#"{"op": "ping"}"#);
    let (half, rest) = whole.split_at(9);
    client.send(half).await;
    client.asked().await;
    sleep(PONG_MAX - Duration::from_secs(1)).await;
    client.send(rest).await;
    client.stands(Duration::from_secs(600)).await;
}
