//! The conversation with a shell: what is typed there, what it writes here.
//!
//! Both directions go on side by side, and neither waits for the other: ^C gets out while the terminal is busy.

use std::io::{self, Read};

use p2p_shared::error::{Exit, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::client::{Inlet, ItemSink, ItemSource, Subscription};
use p2p_shared::services::Services;
use p2p_shared::services::shell::{SEEN_BYTES, ShellAttach, ShellExit, ShellInput, ShellItem};
use rustix::process::Signal as Posix;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::escape::{Escape, HELP, Typed};
use super::held::{self, Held};

/// Bytes that are read from the keyboard at a time.
const CHUNK_BYTES: usize = 4 << 10;
/// Chunks that wait for the node; beyond, whoever pastes waits.
const CHUNKS_MAX: usize = 4;

/// Why a conversation is over.
#[derive(Debug)]
pub(super) enum Left {
    /// The shell is.
    Exit(ShellExit),
    /// Somebody typed `~.`, or the keyboard is gone.
    Detached,
    /// This program was asked to end, by a signal of this number.
    Called(u8),
    /// The node gave this attachment up, because it was not read fast enough.
    Lagged,
    /// The node or the way to it failed.
    Failed(RpcError),
}

/// The keyboard, the window and the signals.
#[derive(Debug)]
pub(super) struct Keyboard {
    keys: mpsc::Receiver<Vec<u8>>,
    escape: Escape,
    resized: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Keyboard {
    /// Begins to listen.
    pub(super) fn listen() -> io::Result<Self> {
        let (typed, keys) = mpsc::channel(CHUNKS_MAX);
        // Nothing can wake it up from a read, so it ends with the program.
        std::thread::Builder::new().name("keyboard".into()).spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut chunk = vec![0; CHUNK_BYTES];
            while let Ok(length @ 1..) = stdin.read(&mut chunk) {
                if typed.blocking_send(chunk[..length].to_vec()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            keys,
            escape: Escape::default(),
            resized: signal(SignalKind::window_change())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next thing that happens on this side.
    async fn next(&mut self) -> Pressed {
        tokio::select! {
            keys = self.keys.recv() => keys.map_or(Pressed::Gone, Pressed::Keys),
            _ = self.resized.recv() => Pressed::Resized,
            signal = called(&mut self.terminate, &mut self.hang_up) => Pressed::Called(signal),
        }
    }

    /// Throws away what is typed until that is q or ^C, or this program is asked to end.
    pub(super) async fn left_early(&mut self) -> Exit {
        loop {
            match self.next().await {
                Pressed::Keys(keys) if keys.iter().any(|key| matches!(key, b'q' | 3)) => return Exit::Ok,
                Pressed::Keys(_) | Pressed::Resized => {}
                Pressed::Gone => return std::future::pending().await,
                Pressed::Called(signal) => return Exit::Remote(signal.saturating_add(128)),
            }
        }
    }

    /// Resolves when this program is asked to end, to the number of the signal.
    async fn called(&mut self) -> u8 {
        called(&mut self.terminate, &mut self.hang_up).await
    }
}

async fn called(terminate: &mut Signal, hang_up: &mut Signal) -> u8 {
    let signal = tokio::select! {
        _ = terminate.recv() => Posix::TERM,
        _ = hang_up.recv() => Posix::HUP,
    };
    u8::try_from(signal.as_raw()).unwrap_or_default()
}

enum Pressed {
    Keys(Vec<u8>),
    Resized,
    Called(u8),
    Gone,
}

/// Attaches, and talks until one side has had enough.
pub(super) async fn run(node: &NodeHandle, id: &str, keyboard: &mut Keyboard, held: &mut Held) -> Left {
    let to = ShellAttach { id: id.to_owned(), size: Some(held::size()) };
    let call = match node.shell().attach(to).await {
        Ok(call) => call,
        Err(error) => return Left::Failed(error),
    };
    let (output, input) = call.split();
    let (seen_tx, seen) = watch::channel(0);
    let (help_tx, help) = mpsc::channel(1);
    tokio::select! {
        left = show(output, held, (&seen_tx, help)) => left,
        left = speak(input, keyboard, (seen, help_tx)) => left,
    }
}

/// What the shell writes goes to the terminal.
async fn show<S: ItemSource>(
    mut output: Subscription<ShellItem, S>,
    held: &mut Held,
    (seen, mut help): (&watch::Sender<u64>, mpsc::Receiver<()>),
) -> Left {
    let mut shown = 0;
    loop {
        let item = tokio::select! {
            item = output.next() => item,
            Some(()) = help.recv() => {
                if held.show(HELP.as_bytes().to_vec()).await.is_err() {
                    return Left::Detached;
                }
                continue;
            }
        };
        let (bytes, is_counted) = match item {
            Ok(Some(ShellItem::Scrollback(bytes))) => (bytes, false),
            Ok(Some(ShellItem::Output(bytes))) => (bytes, true),
            Ok(Some(ShellItem::Attached(_) | ShellItem::Resized(_))) => continue,
            Ok(Some(ShellItem::Exit(exit))) => return Left::Exit(exit),
            Ok(Some(ShellItem::Lagged)) => return Left::Lagged,
            Ok(None) => return Left::Failed(RpcError::internal("the node did not say how the shell ended")),
            Err(error) => return Left::Failed(error),
        };
        let length = bytes.len() as u64;
        if held.show(bytes).await.is_err() {
            // The terminal is gone.
            return Left::Detached;
        }
        if is_counted {
            shown += length;
            seen.send_replace(shown);
        }
    }
}

/// What is typed goes to the shell, and how much was shown.
async fn speak<S: ItemSink>(
    mut input: Inlet<ShellInput, S>,
    keyboard: &mut Keyboard,
    (mut seen, help): (watch::Receiver<u64>, mpsc::Sender<()>),
) -> Left {
    let mut told = 0;
    let mut next = (vec![ShellInput::Seen(0)], None);
    loop {
        let (inputs, command) = next;
        for item in inputs {
            let sent = tokio::select! {
                sent = input.send(&item) => sent,
                signal = keyboard.called() => return Left::Called(signal),
            };
            if sent.is_err() {
                // The other direction says why.
                return Left::Called(keyboard.called().await);
            }
        }
        match command {
            Some(Typed::Detach) => {
                let _ = input.finish().await;
                return Left::Detached;
            }
            // A full queue is a help that is about to be shown.
            Some(_) => drop(help.try_send(())),
            None => {}
        }
        next = tokio::select! {
            biased;
            pressed = keyboard.next() => match pressed {
                Pressed::Keys(keys) => typed(keyboard.escape.typed(&keys)),
                Pressed::Resized => (vec![ShellInput::Resize(held::size())], None),
                Pressed::Called(signal) => return Left::Called(signal),
                Pressed::Gone => return Left::Detached,
            },
            Ok(shown) = seen.wait_for(|shown| *shown >= told + SEEN_BYTES) => {
                told = *shown;
                (vec![ShellInput::Seen(told)], None)
            }
        };
    }
}

/// What is to be sent of what was typed, and what is to be done here then. What follows `~.` is nobody's.
fn typed(parts: Vec<Typed>) -> (Vec<ShellInput>, Option<Typed>) {
    let (mut inputs, mut command) = (Vec::new(), None);
    for part in parts {
        match part {
            Typed::Send(bytes) => inputs.push(ShellInput::Bytes(bytes)),
            Typed::Help => command = Some(Typed::Help),
            Typed::Detach => return (inputs, Some(Typed::Detach)),
        }
    }
    (inputs, command)
}
