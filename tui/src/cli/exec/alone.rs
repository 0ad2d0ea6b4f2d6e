//! A command on the one node that was named, as ssh would run it: bytes pass through both ways as they are.

use std::io::{Read, Write};

use p2p_shared::error::{Exit, RpcError};
use p2p_shared::fanout::Outcome;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::client::Duplex;
use p2p_shared::services::Services;
use p2p_shared::services::exec::{ExecExit, ExecInput, ExecItem, ExecRequest};
use p2p_shared::services::node::Member;
use tokio::sync::mpsc;

use super::super::failure::{CliError, words};
use super::super::output::Streams;
use super::super::pace::{called_off, reach};
use super::super::session::Session;
use super::{exit_code, outcome, remark};

/// Bytes that are read from standard input at a time.
const CHUNK_BYTES: usize = 32 << 10;
/// Chunks that wait for the node.
const CHUNKS_MAX: usize = 4;

/// Runs it to its end, or until it is called off.
pub(super) async fn run(
    session: &Session,
    member: &Member,
    request: ExecRequest,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let ended = tokio::select! {
        ended = converse(session, member, request, streams) => ended?,
        () = called_off() => return Ok(exit_code(Outcome::Cancelled, None)),
    };
    match ended {
        Ok(exit) => {
            if let Some(remark) = remark(&exit) {
                streams.say(&format!("{}: {remark}", member.name));
            }
            Ok(exit_code(outcome(&exit), Some(&exit)))
        }
        Err(error) => {
            streams.say(&format!("{}: {}", member.name, words(&error)));
            Ok(exit_code(Outcome::of(&error), None))
        }
    }
}

/// The outer error is of this side's output, the inner one of the node or the way to it.
async fn converse(
    session: &Session,
    member: &Member,
    request: ExecRequest,
    streams: &mut Streams<'_>,
) -> Result<Result<ExecExit, RpcError>, CliError> {
    let opened = async { reach(session, member).await?.exec().run(request).await };
    let call: Duplex<ExecInput, ExecItem, NodeHandle> = match opened.await {
        Ok(call) => call,
        Err(error) => return Ok(Err(error)),
    };
    let (mut output, mut input) = call.split();
    let feed = async {
        let mut read = standard_input();
        while let Some(bytes) = read.recv().await {
            if input.send(&ExecInput::Stdin(bytes)).await.is_err() {
                // It reads no more.
                return;
            }
        }
        let _ = input.finish().await;
    };
    let show = async {
        loop {
            match output.next().await {
                Ok(Some(ExecItem::Exit(exit))) => return Ok(Ok(exit)),
                Ok(Some(ExecItem::Stdout(bytes))) => pass_on(streams.out, &bytes)?,
                Ok(Some(ExecItem::Stderr(bytes))) => pass_on(streams.err, &bytes)?,
                Ok(None) => return Ok(Err(RpcError::internal("the node did not say how it ended"))),
                Err(error) => return Ok(Err(error)),
            }
        }
    };
    tokio::pin!(feed, show);
    tokio::select! {
        shown = &mut show => return shown,
        () = &mut feed => {}
    }
    show.await
}

fn pass_on(out: &mut (dyn Write + Send), bytes: &[u8]) -> Result<(), CliError> {
    out.write_all(bytes).and_then(|()| out.flush()).map_err(CliError::Output)
}

/// Standard input, read on a thread of its own: nothing can wake it up from a read, so it ends with the program.
fn standard_input() -> mpsc::Receiver<Vec<u8>> {
    let (read_tx, read) = mpsc::channel(CHUNKS_MAX);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = stdin.read(&mut chunk) {
            if read_tx.blocking_send(chunk[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    read
}
