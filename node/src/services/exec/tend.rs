//! One running command: its pipes pumped, its end awaited, all of it killed when it must be.
//!
//! Three things go on at once, none of which may hold up another: the watch over its end (time, caller, node),
//! its output, and its input. Output over the limit is read and thrown away, so that the command never waits
//! for room that will not come.

use std::io;
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::exec::{ExecExit, ExecInput, ExecItem};
use p2p_shared::services::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::host::run::{End, Ends, Leash, RunId, Running};

/// How long a command may take to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// The same while the node stops, which has ten seconds in all.
const GRACE_STOPPING: Duration = Duration::from_secs(1);
/// How long the kernel may take to end what SIGKILL was sent to; beyond, it is left to the kernel.
const KILLED: Duration = Duration::from_secs(10);
/// How long its output is awaited after its end from those that it left behind, who hold the pipes.
const LINGER: Duration = Duration::from_millis(500);
/// Most bytes in one item.
const CHUNK_BYTES: usize = 32 << 10;

/// What bounds a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of its output, in all.
    pub output_bytes: u64,
    /// How long it may run.
    pub time: Option<Duration>,
}

/// What becomes of a command when this node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It ends too.
    Ends,
    /// It goes on: the next life of this node takes it up.
    GoesOn,
}

/// A command and what it hangs on.
#[derive(Debug)]
pub(super) struct Tended {
    pub id: RunId,
    pub running: Running,
    pub fate: Fate,
    pub limits: Limits,
    /// Cancelled when the caller has gone.
    pub gone: CancellationToken,
    /// Cancelled when the node stops.
    pub stopping: CancellationToken,
}

impl Tended {
    /// Tends it to its end, which is the last item.
    pub(super) async fn run(self, inputs: Inputs<ExecInput>, items: Items<ExecItem>) -> Result<(), RpcError> {
        let Self { id, running: Running { ends, leash, .. }, fate, limits, gone, stopping } = self;
        let begun = Instant::now();
        let (stdin, mut output) = match streams(ends, limits.output_bytes) {
            Ok(streams) => streams,
            Err(error) => {
                kill(leash.as_ref(), Signal::Kill).await;
                leash.release().await;
                return Err(RpcError::unavailable(format!("the pipes of a command: {error}")));
            }
        };
        let ended = {
            let watch = watch(leash.as_ref(), (limits.time, fate), (&gone, &stopping));
            let (pump, feed) = (output.pump(&items), feed(stdin, inputs));
            tokio::pin!(watch, pump, feed);
            let (mut pumped, mut fed) = (None, false);
            let ended = loop {
                tokio::select! {
                    ended = &mut watch => break ended,
                    result = &mut pump, if pumped.is_none() => {
                        if result.is_err() {
                            gone.cancel();
                        }
                        pumped = Some(result);
                    }
                    () = &mut feed, if !fed => fed = true,
                }
            };
            if ended.1 == Some(Why::LeftAlone) {
                let text = format!("this node is stopping: the command goes on as {id}.service");
                return Err(RpcError::unavailable(text));
            }
            leash.release().await;
            match pumped {
                Some(result) => result?,
                // Who still holds a pipe then was left behind on purpose.
                None => timeout(LINGER, &mut pump).await.unwrap_or(Ok(()))?,
            }
            ended
        };
        let (end, why) = ended;
        match why {
            Some(Why::Gone) => {
                return Err(RpcError::cancelled("the caller went away: the command was killed"));
            }
            Some(Why::Stopping) => {
                return Err(RpcError::unavailable("this node is stopping: the command was killed"));
            }
            Some(Why::TimedOut | Why::LeftAlone) | None => {}
        }
        let end = end.ok_or_else(|| RpcError::internal("it does not end even on SIGKILL"))?;
        if end == End::default() {
            return Err(RpcError::internal("the end of a command was not to be seen"));
        }
        let exit = ExecExit {
            code: end.code,
            signal: end.signal,
            timed_out: why == Some(Why::TimedOut),
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            cut_bytes: output.cut,
            problem: None,
        };
        items.send(&ExecItem::Exit(exit)).await
    }
}

/// Why a command was killed, or is not awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    TimedOut,
    Gone,
    Stopping,
    LeftAlone,
}

/// Waits for the end, or for a reason to bring it about; no end is one that SIGKILL did not bring about.
async fn watch(
    leash: &dyn Leash,
    (time, fate): (Option<Duration>, Fate),
    (gone, stopping): (&CancellationToken, &CancellationToken),
) -> (Option<End>, Option<Why>) {
    let late = async {
        match time {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let why = tokio::select! {
        biased;
        end = leash.ended() => return (Some(end), None),
        () = stopping.cancelled(), if fate == Fate::GoesOn => return (None, Some(Why::LeftAlone)),
        () = gone.cancelled() => Why::Gone,
        () = stopping.cancelled() => Why::Stopping,
        () = late => Why::TimedOut,
    };
    kill(leash, Signal::Term).await;
    // What is stopped takes no other signal.
    kill(leash, Signal::Cont).await;
    let grace = async {
        tokio::select! {
            () = sleep(GRACE) => {}
            () = async { stopping.cancelled().await; sleep(GRACE_STOPPING).await } => {}
        }
    };
    tokio::select! {
        _ = leash.ended() => {}
        () = grace => {}
    }
    // Whatever the main process left behind is not spared either.
    kill(leash, Signal::Kill).await;
    (timeout(KILLED, leash.ended()).await.ok(), Some(why))
}

async fn kill(leash: &dyn Leash, signal: Signal) {
    if let Err(error) = leash.signal(signal).await {
        tracing::warn!(%error, "a command cannot be signalled");
    }
}

/// The node's ends, to be written and read.
fn streams(ends: Ends, left: u64) -> io::Result<(Sender, Output)> {
    let Ends::Pipes { stdin: Some(stdin), stdout: Some(stdout), stderr: Some(stderr) } = ends else {
        return Err(io::Error::other("they are not there"));
    };
    let (stdout, stderr) = (Receiver::from_owned_fd(stdout)?, Receiver::from_owned_fd(stderr)?);
    Ok((Sender::from_owned_fd(stdin)?, Output { stdout, stderr, left, cut: 0 }))
}

/// What a command says.
struct Output {
    stdout: Receiver,
    stderr: Receiver,
    left: u64,
    cut: u64,
}

impl Output {
    /// Passes on all that it writes, until both pipes have ended.
    async fn pump(&mut self, items: &Items<ExecItem>) -> Result<(), RpcError> {
        let (mut out, mut err) = (Vec::with_capacity(CHUNK_BYTES), Vec::with_capacity(CHUNK_BYTES));
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            tokio::select! {
                read = self.stdout.read_buf(&mut out), if out_open => out_open = matches!(read, Ok(1..)),
                read = self.stderr.read_buf(&mut err), if err_open => err_open = matches!(read, Ok(1..)),
            }
            for (bytes, item) in [(&mut out, ExecItem::Stdout as fn(_) -> _), (&mut err, ExecItem::Stderr)] {
                let within = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.cut += (bytes.len() - within) as u64;
                self.left -= within as u64;
                if within > 0 {
                    items.send(&item(bytes[..within].to_vec())).await?;
                }
                bytes.clear();
            }
        }
        Ok(())
    }
}

/// Writes what the caller sends, until either side has had enough.
async fn feed(mut stdin: Sender, mut inputs: Inputs<ExecInput>) {
    while let Ok(Some(ExecInput::Stdin(bytes))) = inputs.next().await {
        if stdin.write_all(&bytes).await.is_err() {
            // It reads no more; what else comes is nobody's. The caller learns the end from the exit.
            break;
        }
    }
}
