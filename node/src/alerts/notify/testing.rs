//! A receiver of webhooks for tests: it answers as told, and hands on what it was asked.

use std::net::SocketAddr;

use axum::http::Uri;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::core::group::Pace;
use super::core::outbox::Route;
use super::receiver::{Receiver, Way, Webhook};
use super::sign::SigningKey;
use p2p_shared::time::Millis;

/// The secret of all receivers here.
pub(super) const SECRET: &str = "a secret of twenty-four bytes and more";

/// What it was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) head: Vec<String>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ String| {
            line.split_once(": ").is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        self.head.iter().find(|line| of(line)).and_then(|line| Some(line.split_once(": ")?.1))
    }
}

pub(super) struct Fake {
    pub(super) address: SocketAddr,
    pub(super) asked: mpsc::Receiver<Asked>,
    _task: AbortOnDropHandle<()>,
}

impl Fake {
    /// Answers one request after the other with these heads, the last one again and again; with none it hangs.
    pub(super) async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked_tx, asked) = mpsc::channel(64);
        let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        let serve = async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let answer = answers.get(number).or(answers.last()).cloned();
                serve(stream, answer, &asked_tx).await;
            }
        };
        let task = AbortOnDropHandle::new(TaskTracker::new().spawn(serve));
        Self { address, asked, _task: task }
    }

    pub(super) fn webhook(&self, path: &str) -> Webhook {
        let url: Uri = format!("http://{}{path}", self.address).parse().unwrap();
        Webhook { url, key: Some(SigningKey::new(SECRET).unwrap()), allow_private: true, ca_file: None }
    }

    /// A receiver that is told at once.
    pub(super) fn receiver(&self) -> Receiver {
        Receiver { route: route("ops"), way: Way::Webhook(Box::new(self.webhook("/hook"))) }
    }
}

/// Of everything, at once.
pub(super) fn route(receiver: &str) -> Route {
    Route {
        receiver: receiver.into(),
        matchers: Vec::new(),
        group_by: vec!["alertname".into()],
        pace: Pace { wait: Millis::ZERO, interval: Millis::ZERO },
    }
}

async fn serve(stream: TcpStream, answer: Option<String>, asked: &mpsc::Sender<Asked>) {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if line.trim_end().is_empty() => break,
            Ok(_) => head.push(line.trim_end().to_owned()),
        }
    }
    let mut request = Asked { head, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await.unwrap();
    asked.send(request).await.unwrap();
    match answer {
        Some(answer) => {
            let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(text.as_bytes()).await.unwrap();
        }
        None => std::future::pending().await,
    }
}
