//! The line between a terminal on the screen and its shell: a task each, for as long as the terminal is there.
//!
//! What is typed enters a bounded queue that never makes the screen wait; what the shell writes leaves as events.
//! A line that breaks is taken up again: the shell lives on its node, and shows what was missed.

use p2p_shared::error::{Code, RpcError};
use p2p_shared::id::NodeId;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::backoff::Backoff;
use p2p_shared::rpc::client::Duplex;
use p2p_shared::services::Services;
use p2p_shared::services::shell::{
    INPUT_BYTES_MAX, ShellAttach, ShellInput, ShellItem, ShellRequest, ShellSize,
};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::feed::is_final;
use super::way::Way;
use crate::command::{ShellOrder, TerminalId};
use crate::event::{MeshEvent, ShellSaid};

/// Inputs that wait for the node. What is typed into a full queue is lost: nobody types that much unheard.
const INPUTS_MAX: usize = 1_024;
/// What the terminal on the screen understands.
const TERM: &str = "xterm-256color";

/// What a terminal is to show.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Where.
    pub node: NodeId,
    /// Which; `None` opens one.
    pub id: Option<String>,
    /// Of what size.
    pub size: ShellSize,
}

/// The console's end; dropping it detaches.
#[derive(Debug)]
pub(super) struct Line {
    inputs: mpsc::Sender<ShellInput>,
    _stop: DropGuard,
}

impl Line {
    /// Begins.
    pub(super) fn open(
        (terminal, wish): (TerminalId, Wish),
        way: Way,
        events: mpsc::Sender<MeshEvent>,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Self {
        let (input_tx, inputs) = mpsc::channel(INPUTS_MAX);
        let stop = stop.child_token();
        let task = Task { way, terminal, wish, events, inputs };
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(task.run()).await });
        Self { inputs: input_tx, _stop: stop.drop_guard() }
    }

    /// Passes on what the terminal says.
    pub(super) fn send(&mut self, order: ShellOrder) {
        let inputs = match order {
            ShellOrder::Type(bytes) => {
                bytes.chunks(INPUT_BYTES_MAX).map(|part| ShellInput::Bytes(part.to_vec())).collect()
            }
            ShellOrder::Resize(size) => vec![ShellInput::Resize(size)],
            ShellOrder::Seen(bytes) => vec![ShellInput::Seen(bytes)],
            ShellOrder::Open { .. } | ShellOrder::Attach { .. } | ShellOrder::Leave => Vec::new(),
        };
        for input in inputs {
            let _ = self.inputs.try_send(input);
        }
    }
}

struct Task {
    way: Way,
    terminal: TerminalId,
    wish: Wish,
    events: mpsc::Sender<MeshEvent>,
    inputs: mpsc::Receiver<ShellInput>,
}

impl Task {
    async fn run(mut self) {
        let _use = self.way.uses.begin(self.wish.node);
        let mut backoff = Backoff::new(self.terminal.0);
        loop {
            let error = match self.converse(&mut backoff).await {
                Ok(()) => return,
                Err(error) => error,
            };
            // A shell that was never opened is not asked for twice: it might be there twice then.
            let again = self.wish.id.is_some() && !is_final(error.code) && error.code != Code::NotFound;
            if self.tell(ShellSaid::Lost { error, again }).await.is_none() || !again {
                return;
            }
            sleep(backoff.failed().to_duration()).await;
        }
    }

    /// Opens it if it is not, and passes on both ways; `Ok` once it is over, or nobody listens.
    async fn converse(&mut self, backoff: &mut Backoff) -> Result<(), RpcError> {
        let handle = self.way.node(self.wish.node).await?;
        let shell = handle.shell();
        let id = match &self.wish.id {
            Some(id) => id.clone(),
            None => {
                let request = ShellRequest {
                    command: None,
                    user: None,
                    directory: None,
                    environment: Vec::new(),
                    term: TERM.to_owned(),
                    size: self.wish.size,
                };
                let id = shell.open(request).await?.id;
                self.wish.id.insert(id).clone()
            }
        };
        let call: Duplex<ShellInput, ShellItem, NodeHandle> =
            shell.attach(ShellAttach { id, size: Some(self.wish.size) }).await?;
        let (mut output, mut input) = call.split();
        loop {
            tokio::select! {
                item = output.next() => {
                    let Some(item) = item? else {
                        return Err(RpcError::unavailable(format!("{} ended the line to the shell", handle.name())));
                    };
                    backoff.succeeded();
                    let is_last = matches!(item, ShellItem::Exit(_));
                    let lagged = matches!(item, ShellItem::Lagged);
                    if self.tell(ShellSaid::Item(item)).await.is_none() || is_last {
                        return Ok(());
                    }
                    if lagged {
                        return Err(RpcError::unavailable("it wrote faster than was read"));
                    }
                }
                typed = self.inputs.recv() => {
                    let Some(typed) = typed else { return Ok(()) };
                    if let ShellInput::Resize(size) = typed {
                        self.wish.size = size;
                    }
                    input.send(&typed).await?;
                }
            }
        }
    }

    /// `None` once nobody listens.
    async fn tell(&self, said: ShellSaid) -> Option<()> {
        self.events.send(MeshEvent::Shell { terminal: self.terminal, said }).await.ok()
    }
}
