//! `POST /api/v1/execute`: one shell line at this node, and what came of it.
//!
//! A line and a time-out enter; exit code and output leave once it has ended. It is the method `exec.run`, with
//! its permission, its policy and its record; a client that goes away ends the command.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures::StreamExt;
use p2p_shared::error::RpcError;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::exec::{CommandLine, ExecItem, ExecRequest, run};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::bearer::Bearer;
use super::call::{Asked, Where};
use crate::http::Problem;
use crate::http::body::JsonBody;

/// Longest time-out, in seconds: what takes longer is a job.
const TIMEOUT_MAX_S: u64 = 600;
const TIMEOUT_DEFAULT_S: u64 = 30;
/// Most output that is answered.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;

/// What is run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Execute {
    /// A line for `/bin/sh -c`.
    command: String,
    /// Killed after so many seconds, 1 to 600; without it 30.
    timeout: Option<u64>,
}

/// What came of it.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Executed {
    /// `null` if a signal ended it.
    exit_code: Option<i32>,
    /// What it wrote, as UTF-8; what is not is replaced.
    stdout: String,
    /// The same, of its other stream.
    stderr: String,
    /// Whether its time ran out.
    timed_out: bool,
}

pub(super) async fn post(
    State(api): State<Api>,
    (headers, bearer): (HeaderMap, Bearer),
    body: JsonBody,
) -> Result<Response, Problem> {
    let Execute { command, timeout } = body.read()?;
    let about =
        [b"execute".as_slice(), command.as_bytes(), &timeout.unwrap_or(0).to_le_bytes()].map(<[u8]>::to_vec);
    let about: Vec<&[u8]> = about.iter().map(Vec::as_slice).collect();
    let (of, by) = (api.clone(), bearer.clone());
    let work = async move {
        let executed = executed(&of, &by, command, timeout).await?;
        Ok(serde_json::to_vec(&executed).map_err(|error| RpcError::internal(error.to_string()))?.into())
    };
    api.0.once.run((&headers, &bearer), &about, work).await
}

async fn executed(
    api: &Api,
    bearer: &Bearer,
    command: String,
    timeout: Option<u64>,
) -> Result<Executed, Problem> {
    let timeout = timeout.unwrap_or(TIMEOUT_DEFAULT_S);
    if !(1..=TIMEOUT_MAX_S).contains(&timeout) {
        return Err(
            RpcError::bad_request(format!("timeout is 1 to {TIMEOUT_MAX_S} seconds, not {timeout}")).into()
        );
    }
    let request = ExecRequest {
        command: CommandLine::Shell { line: command },
        directory: None,
        user: None,
        environment: Vec::new(),
        timeout_ms: Some(timeout * 1_000),
        output_bytes_max: Some(OUTPUT_BYTES_MAX),
    };
    let arguments =
        serde_json::to_value(run::Args { request }).map_err(|error| RpcError::internal(error.to_string()))?;
    let asked = Asked { node: Where::Here, method: &run::METHOD, arguments };
    let mut items = api.watch(bearer, asked).await?;
    let (mut out, mut err, mut executed) = (Vec::new(), Vec::new(), Executed::default());
    while let Some(item) = items.next().await {
        match codec::decode(&item?, Encoding::Json).map_err(RpcError::from)? {
            ExecItem::Stdout(bytes) => out.extend(bytes),
            ExecItem::Stderr(bytes) => err.extend(bytes),
            ExecItem::Exit(exit) => {
                err.extend(exit.problem.unwrap_or_default().bytes());
                (executed.exit_code, executed.timed_out) = (exit.code, exit.timed_out);
            }
        }
    }
    executed.stdout = String::from_utf8_lossy(&out).into_owned();
    executed.stderr = String::from_utf8_lossy(&err).into_owned();
    Ok(executed)
}
