//! One attachment: what the shell has shown and what it shows, to somebody who types into it.
//!
//! Both directions go on side by side, so that ^C gets through while much is shown. Who says what was shown is never
//! sent more than a little ahead of that; but while the shell does not take what was typed the word of it cannot
//! come through either, and then only the connection bounds what is sent.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::shell::{
    AHEAD_BYTES, ATTACHED_MAX, INPUT_BYTES_MAX, ShellInput, ShellItem, ShellSize,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::facts::Opener;
use super::render::rendered;
use super::ring::Tail;
use super::session::{Reader, Session};
use crate::host::terminal::Terminal;

/// Most bytes in one item.
const CHUNK_BYTES: usize = 16 << 10;
/// How long a terminal has another size, so that a program which draws on all of it does so anew.
const NUDGE: Duration = Duration::from_millis(60);

/// Who attaches to which shell.
pub(super) struct Attachment {
    pub session: Arc<Session>,
    pub asker: Option<Opener>,
    pub size: Option<ShellSize>,
    /// Screens that are made at the same time.
    pub screens: Arc<Semaphore>,
}

/// What the one attached has shown, and whether it can say so.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    seen: Option<u64>,
    is_blocked: bool,
}

impl Flow {
    /// Whether so many bytes may be sent in all.
    fn allows(&self, sent: u64) -> bool {
        self.is_blocked || self.seen.is_none_or(|seen| sent <= seen.saturating_add(AHEAD_BYTES))
    }
}

impl Attachment {
    /// Until the caller has had enough, or the shell is over.
    pub(super) async fn run(
        self,
        inputs: Inputs<ShellInput>,
        items: Items<ShellItem>,
    ) -> Result<(), RpcError> {
        let Self { session, asker, size, screens } = self;
        let size = size.map(ShellSize::clamped);
        let attached = session.attach(ATTACHED_MAX).map_err(failed)?;
        let full = || format!("{ATTACHED_MAX} are attached to shell {} already", session.facts.id);
        let (reader, mut tail) = attached.ok_or_else(|| RpcError::new(Code::RateLimited, full()))?;
        let is_new = size.filter(|size| *size != session.info(None).size);
        if let Some(size) = is_new {
            session.resize(size, Some(reader.id)).map_err(failed)?;
            tail.resized(size);
        }
        items.send(&ShellItem::Attached(Box::new(session.info(asker.as_ref())))).await?;
        let at = tail.end();
        let is_full_screen = show(tail, &screens, (&reader, &items)).await?;
        if is_full_screen && is_new.is_none() {
            nudge(&session, reader.id).await;
        }
        let (flow, flows) = watch::channel(Flow::default());
        let output = Output { session: &session, reader: &reader, items: &items, flows, at, sent: 0 };
        tokio::select! {
            ended = output.run() => ended,
            ended = input(&session, reader.id, inputs, &flow) => ended,
            () = reader.lagged.cancelled() => items.send(&ShellItem::Lagged).await,
        }
    }
}

fn failed(error: std::io::Error) -> RpcError {
    RpcError::internal(format!("the terminal of the shell: {error}"))
}

/// Sends what was shown so far; whether a program draws on all of the screen.
async fn show(
    tail: Tail,
    screens: &Arc<Semaphore>,
    (reader, items): (&Reader<'_>, &Items<ShellItem>),
) -> Result<bool, RpcError> {
    let place = Arc::clone(screens).acquire_owned().await;
    let at = tail.end();
    let made = spawn_blocking(move || {
        let _place = place;
        rendered(&tail)
    });
    let screen = made.await.map_err(|error| RpcError::unavailable(format!("the screen: {error}")))?;
    for part in screen.bytes.chunks(CHUNK_BYTES) {
        items.send(&ShellItem::Scrollback(part.to_vec())).await?;
        reader.moved(at);
    }
    Ok(screen.is_full_screen)
}

/// Makes a program draw its screen anew: it is told of a size that is none of its terminal's for long.
async fn nudge(session: &Session, reader: u64) {
    let Some(terminal) = session.terminal.as_ref().filter(|_| session.is_running()) else { return };
    let size = session.info(None).size;
    let other = ShellSize { rows: if size.rows > 1 { size.rows - 1 } else { 2 }, ..size };
    // It may have ended meanwhile; and whoever resizes it meanwhile has made it draw.
    if terminal.resize(other).is_ok() {
        sleep(NUDGE).await;
        let _ = terminal.resize(session.info(None).size);
    }
    tracing::trace!(shell = session.facts.id, reader, "asked to draw anew");
}

/// What goes to the one attached.
struct Output<'a> {
    session: &'a Session,
    reader: &'a Reader<'a>,
    items: &'a Items<ShellItem>,
    flows: watch::Receiver<Flow>,
    at: u64,
    sent: u64,
}

impl Output<'_> {
    async fn run(mut self) -> Result<(), RpcError> {
        let mut grown = self.session.grown.subscribe();
        let mut sized = self.session.sized.subscribe();
        let mut over = self.session.over.subscribe();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            // What is over writes nothing more: looked at before the stream is.
            let exit = over.borrow_and_update().clone();
            let written = *grown.borrow_and_update();
            if self.at < written {
                self.pass_on(&mut chunk).await?;
                continue;
            }
            if let Some(exit) = exit {
                return self.items.send(&ShellItem::Exit(exit)).await;
            }
            tokio::select! {
                biased;
                Ok(()) = grown.changed() => {}
                Ok(()) = over.changed() => {}
                Ok(()) = sized.changed() => {
                    let (size, by) = *sized.borrow_and_update();
                    if by != Some(self.reader.id) {
                        self.items.send(&ShellItem::Resized(size)).await?;
                    }
                }
                else => return Ok(()),
            }
        }
    }

    async fn pass_on(&mut self, chunk: &mut [u8]) -> Result<(), RpcError> {
        let read = self.session.read(self.at, chunk).map_err(failed)?;
        let Some(length) = read else {
            self.reader.lagged.cancel();
            return std::future::pending().await;
        };
        let sent = self.sent + length as u64;
        // The sender lives as long as this attachment.
        let _ = self.flows.wait_for(|flow| flow.allows(sent)).await;
        self.items.send(&ShellItem::Output(chunk[..length].to_vec())).await?;
        self.at += length as u64;
        self.sent = sent;
        self.reader.moved(self.at);
        Ok(())
    }
}

/// What comes from the one attached, until that one leaves.
async fn input(
    session: &Session,
    reader: u64,
    mut inputs: Inputs<ShellInput>,
    flow: &watch::Sender<Flow>,
) -> Result<(), RpcError> {
    while let Some(input) = inputs.next().await? {
        match input {
            ShellInput::Seen(seen) => flow.send_modify(|flow| flow.seen = flow.seen.max(Some(seen))),
            // A terminal that is gone has no size.
            ShellInput::Resize(size) => drop(session.resize(size.clamped(), Some(reader))),
            ShellInput::Bytes(bytes) if bytes.len() > INPUT_BYTES_MAX => {
                return Err(RpcError::bad_request(format!(
                    "input is at most {INPUT_BYTES_MAX} bytes at a time"
                )));
            }
            ShellInput::Bytes(bytes) => type_in(session, &bytes, flow).await,
        }
    }
    Ok(())
}

/// What is typed into a shell that is over is nobody's.
async fn type_in(session: &Session, bytes: &[u8], flow: &watch::Sender<Flow>) {
    let Some(terminal) = session.terminal.as_ref().filter(|_| session.is_running()) else { return };
    session.typed();
    let mut writing = std::pin::pin!(write_all(terminal, bytes));
    if writing.as_mut().now_or_never().is_none() {
        flow.send_modify(|flow| flow.is_blocked = true);
        writing.await;
        flow.send_modify(|flow| flow.is_blocked = false);
    }
}

async fn write_all(terminal: &Terminal, mut bytes: &[u8]) {
    while !bytes.is_empty()
        && let Ok(written) = terminal.write(bytes).await
    {
        bytes = &bytes[written..];
    }
}
