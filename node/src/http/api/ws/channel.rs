//! One WebSocket as a channel of texts.
//!
//! Frames of a client enter; whole texts leave, or a [`Fault`], which says how the connection is to be closed.
//! Texts to the client enter and are written at once; a client that takes none for a while is given up.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use p2p_shared::error::{Code, RpcError};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Error as SocketError;

use super::wire::Told;

/// How long it may take for the good-bye.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// How often both sides hear that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A client that answers no ping for so long is gone, or has begun a message that it does not end.
const PONG_MAX: Duration = Duration::from_secs(10);
/// Most pings of a client in a second.
const PINGS_MAX: u32 = 20;

/// Why a connection closes: the number for the close frame (RFC 6455, 7.4), and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) close: u16,
    pub(super) error: RpcError,
    /// Told as `lagged` and not as an error.
    pub(super) lagged: bool,
}

impl Fault {
    /// A fault with this number.
    pub(super) const fn new(close: u16, error: RpcError) -> Self {
        Self { close, error, lagged: false }
    }

    /// The client reads too slowly.
    pub(super) fn lagged() -> Self {
        let error =
            RpcError::new(Code::RateLimited, "what was to be told piled up: read faster, and begin anew");
        Self { close: 1013, error, lagged: true }
    }

    /// The node shuts down.
    pub(super) fn leaving() -> Self {
        Self::new(1001, RpcError::unavailable("this node is shutting down"))
    }

    /// Too many messages.
    pub(super) fn too_often() -> Self {
        Self::new(1008, RpcError::new(Code::RateLimited, "too many messages: slower, please"))
    }
}

impl From<RpcError> for Fault {
    /// 4000 and the HTTP status that says the same.
    fn from(error: RpcError) -> Self {
        Self::new(4_000 + error.code.http_status(), error)
    }
}

/// How a conversation ends before its time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nobody is there to be told.
    Gone,
    /// The client is told why.
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for Ended {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

/// Counts what happens in a second.
#[derive(Debug)]
pub(super) struct Pace {
    most: u32,
    since: Instant,
    count: u32,
}

impl Pace {
    /// At most so often a second.
    pub(super) fn new(most: u32) -> Self {
        Self { most, since: Instant::now(), count: 0 }
    }

    /// Once more.
    pub(super) fn note(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.count) = (now, 0);
        }
        self.count += 1;
        if self.count > self.most { Err(Fault::too_often()) } else { Ok(()) }
    }
}

/// One connection.
pub(super) struct Channel {
    socket: WebSocket,
    /// When it was asked whether it is there, if nothing was heard since.
    asked: Option<Instant>,
    /// When it is asked next.
    beat_at: Instant,
    pings: Pace,
    seq: u64,
    patience: Duration,
}

impl Channel {
    /// A client that takes none of what is written for `patience` lags.
    pub(super) fn new(socket: WebSocket, patience: Duration) -> Self {
        let beat_at = Instant::now() + HEARTBEAT;
        Self { socket, asked: None, beat_at, pings: Pace::new(PINGS_MAX), seq: 0, patience }
    }

    /// The next text of the client. May be given up and begun again: nothing is lost.
    pub(super) async fn hear(&mut self) -> Result<Utf8Bytes, Ended> {
        loop {
            let frame = self.socket.recv().await.ok_or(Ended::Gone)?;
            self.asked = None;
            match frame.map_err(fault)? {
                Message::Text(text) => return Ok(text),
                Message::Binary(_) => {
                    let why = RpcError::bad_request("messages are texts of JSON, and this one is binary");
                    return Err(Fault::new(1003, why).into());
                }
                Message::Ping(_) => self.pings.note()?,
                // Answered below, by the next call.
                Message::Pong(_) | Message::Close(_) => {}
            }
        }
    }

    /// Writes one text.
    pub(super) async fn say(&mut self, text: Utf8Bytes) -> Result<(), Ended> {
        self.write(Message::Text(text), self.patience).await
    }

    /// Says something that counts on this connection.
    pub(super) async fn tell(&mut self, told: Told<'_>) -> Result<(), Ended> {
        let text = told.numbered(self.seq);
        self.seq += 1;
        self.say(text).await
    }

    /// To be called every second: asks now and then whether the client is there, and holds it to an answer.
    pub(super) async fn tend(&mut self, now: Instant) -> Result<(), Ended> {
        self.answers()?;
        if now >= self.beat_at {
            self.beat().await?;
            self.beat_at = now + HEARTBEAT;
        }
        Ok(())
    }

    /// Asks whether the client is there.
    async fn beat(&mut self) -> Result<(), Ended> {
        self.tell(Told::Heartbeat { now: crate::clock::wall() }).await?;
        self.write(Message::Ping(Default::default()), self.patience).await?;
        self.asked.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// That the client answered in time when it was asked. Half a message is no answer.
    fn answers(&self) -> Result<(), Fault> {
        match self.asked {
            Some(asked) if asked.elapsed() > PONG_MAX => {
                let why =
                    format!("no pong and no whole message came within {} s of a ping", PONG_MAX.as_secs());
                Err(Fault::new(1008, RpcError::deadline(why)))
            }
            _ => Ok(()),
        }
    }

    /// The client is not to blame that nothing was read.
    pub(super) fn excuse(&mut self) {
        self.asked = None;
    }

    /// Says why, and closes.
    pub(super) async fn close(mut self, fault: Option<Fault>) {
        let (code, reason) = match &fault {
            None => (1_000, String::new()),
            Some(fault) => (fault.close, fault.error.code.as_str().to_owned()),
        };
        if let Some(Fault { error, lagged, .. }) = &fault {
            let told = if *lagged { Told::Lagged { detail: &error.message } } else { Told::Error { error } };
            if self.tell(told).await.is_err() {
                return;
            }
        }
        let frame = CloseFrame { code, reason: reason.into() };
        if self.write(Message::Close(Some(frame)), CLOSE_MAX).await.is_ok() {
            // The client's half of the good-bye, without which it may lose what was written last.
            let _ = timeout(CLOSE_MAX, async { while let Some(Ok(_)) = self.socket.recv().await {} }).await;
        }
    }

    async fn write(&mut self, message: Message, most: Duration) -> Result<(), Ended> {
        match timeout(most, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Gone),
            // What was begun is still to be written: the good-bye comes behind it.
            Err(_) => Err(Fault::lagged().into()),
        }
    }
}

/// How the connection is closed over frames that are none.
fn fault(error: Error) -> Ended {
    let Ok(error) = error.into_inner().downcast::<SocketError>() else { return Ended::Gone };
    let bad = |close, error: &SocketError| Fault::new(close, RpcError::bad_request(error.to_string())).into();
    match *error {
        SocketError::Capacity(error) => Fault::new(1009, RpcError::too_large(error.to_string())).into(),
        SocketError::Utf8(_) => bad(1007, &error),
        SocketError::Protocol(ref why) if !is_gone(why) => bad(1002, &error),
        _ => Ended::Gone,
    }
}

const fn is_gone(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(error, ProtocolError::ResetWithoutClosingHandshake)
}

#[cfg(test)]
mod tests;
