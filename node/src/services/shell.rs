//! The service `shell`: calls become what [`Shells`] is asked for. Recordings are read here, a part at a time.

use std::io::{self, BufRead};
use std::path::PathBuf;

use p2p_shared::access::Caller;
use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::shell::{
    Shell, ShellAttach, ShellInfo, ShellInput, ShellItem, ShellRecording, ShellRequest,
};
use tokio::task::spawn_blocking;

use crate::shells::Shells;
use crate::shells::facts::Opener;
use crate::shells::recording;
use crate::shells::request::Wanted;

/// How much of a recording goes out at a time; a line may be longer.
const PART_BYTES: usize = 32 << 10;

/// The implementation.
#[derive(Debug)]
pub struct ShellService {
    shells: Shells,
    data: PathBuf,
}

impl ShellService {
    /// A service of these shells, whose recordings are under `data`.
    pub const fn new(shells: Shells, data: PathBuf) -> Self {
        Self { shells, data }
    }
}

fn failed(error: &io::Error) -> RpcError {
    match error.kind() {
        io::ErrorKind::NotFound => RpcError::not_found("there is no such recording here"),
        _ => RpcError::unavailable(format!("a recording cannot be read: {error}")),
    }
}

async fn reading<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, RpcError> {
    let done = spawn_blocking(read).await.map_err(|error| RpcError::internal(error.to_string()))?;
    done.map_err(|error| failed(&error))
}

fn opener(caller: &Caller) -> Result<Opener, RpcError> {
    Opener::of(caller).ok_or_else(|| RpcError::forbidden("denied: role: a node opens no shells"))
}

impl Shell for ShellService {
    async fn open(&self, context: &CallContext, request: ShellRequest) -> Result<ShellInfo, RpcError> {
        self.shells.open(opener(&context.caller)?, Wanted::new(request)?).await
    }

    async fn list(&self, context: &CallContext) -> Result<Vec<ShellInfo>, RpcError> {
        Ok(self.shells.list(Opener::of(&context.caller).as_ref()))
    }

    async fn attach(
        &self,
        context: &CallContext,
        to: ShellAttach,
        inputs: Inputs<ShellInput>,
        items: Items<ShellItem>,
    ) -> Result<(), RpcError> {
        self.shells.attach(Opener::of(&context.caller), to, (inputs, items)).await
    }

    async fn end(&self, context: &CallContext, id: String) -> Result<(), RpcError> {
        self.shells.end(&id, &opener(&context.caller)?.words()).await
    }

    async fn recordings(&self, _: &CallContext) -> Result<Vec<ShellRecording>, RpcError> {
        let data = self.data.clone();
        reading(move || recording::list(&data)).await
    }

    async fn replay(&self, _: &CallContext, id: String, items: Items<String>) -> Result<(), RpcError> {
        let data = self.data.clone();
        let mut file = reading(move || recording::open(&data, &id)).await?;
        loop {
            let part = reading(move || {
                let mut text = Vec::new();
                while text.len() < PART_BYTES && file.read_until(b'\n', &mut text)? > 0 {}
                Ok((file, text))
            });
            let (rest, text) = part.await?;
            if text.is_empty() {
                return Ok(());
            }
            file = rest;
            items.send(&String::from_utf8_lossy(&text).into_owned()).await?;
        }
    }
}
