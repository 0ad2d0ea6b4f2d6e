//! A recording: into a pipe as it is, on a terminal in time.
//!
//! On a terminal the keyboard is read and thrown away meanwhile: what was recorded may ask the terminal questions,
//! and its answers must not become input of whatever comes next.

use std::io::{self, IsTerminal};
use std::time::Duration;

use p2p_shared::error::{Exit, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use tokio::time::{Instant, sleep_until};

use super::Failure;
use super::held::Held;
use super::talk::Keyboard;
use crate::cast::{self, Happened, header};
use crate::cli::failure::CliError;
use crate::cli::output::Streams;

/// Shows it.
pub(super) async fn run(node: &NodeHandle, id: &str, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let mut parts = node.shell().replay(id.to_owned()).await?;
    if !io::stdout().is_terminal() {
        while let Some(part) = parts.next().await? {
            streams.data(&part)?;
        }
        return Ok(Exit::Ok);
    }
    // What is wrong with it is said before the terminal is taken.
    let mut part = parts.next().await?;
    if let Some(header) = part.as_deref().and_then(|part| part.lines().next()).and_then(header) {
        streams.tell(&format!("{}x{}: {} (q ends it)", header.width, header.height, header.title));
    }
    let failed =
        |error: io::Error| CliError::new(Exit::Failed, format!("the terminal does not answer: {error}"));
    let mut held = Held::take().map_err(failed)?;
    let mut keyboard = Keyboard::listen().map_err(failed)?;
    let playing = async {
        let mut clock = Clock { shown: Duration::ZERO, at: Instant::now() };
        while let Some(text) = part.take() {
            for (at, bytes) in text.lines().filter_map(output) {
                sleep_until(clock.due(at)).await;
                held.show(bytes).await.map_err(|error| RpcError::internal(error.to_string()))?;
            }
            part = parts.next().await?;
        }
        Ok::<_, RpcError>(Exit::Ok)
    };
    Ok(tokio::select! {
        ended = playing => ended?,
        exit = keyboard.left_early() => exit,
    })
}

/// When what is to be shown.
struct Clock {
    shown: Duration,
    at: Instant,
}

impl Clock {
    fn due(&mut self, at: Duration) -> Instant {
        self.at += cast::pause(self.shown, at);
        self.shown = at;
        self.at
    }
}

/// What a line shows, and when.
fn output(line: &str) -> Option<(Duration, Vec<u8>)> {
    match cast::moment(line)? {
        (at, Happened::Output(text)) => Some((at, text.into_bytes())),
        (_, Happened::Resize(..)) => None,
    }
}
