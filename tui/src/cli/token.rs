//! `p2p-tui token`: a token for the HTTP face, signed by the operator's own key.
//!
//! No node is asked. Every node of the mesh takes it until it ends; whoever has it is the operator until then.

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::time::Millis;
use p2p_shared::tls::{TOKEN_LIFE_MAX, mint_token};

use super::Entrance;
use super::failure::CliError;
use super::output::Streams;
use super::pace;
use super::session::now;
use crate::effects::settings::Surroundings;

/// Arguments of `token`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "For example: curl -H \"Authorization: Bearer $(p2p-tui token)\" \
    http://127.0.0.1:8000/api/v1/nodes/web-2/process/list")]
pub struct TokenArgs {
    /// How long it is good for, as `90s` or `15m`, which is the longest
    #[arg(long, value_name = "T", default_value = "15m", value_parser = pace::span)]
    pub ttl: Millis,
}

/// Prints a token.
pub fn run(
    args: &TokenArgs,
    entrance: &Entrance,
    surroundings: &Surroundings,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    if args.ttl > TOKEN_LIFE_MAX {
        return Err(CliError::new(Exit::Usage, "--ttl is at most 15m: such a token opens every node"));
    }
    if entrance.local.is_some() {
        let text = "--local has no operator's key, which signs tokens: leave it out, or name a directory with --certs";
        return Err(CliError::new(Exit::Usage, text));
    }
    let credentials = surroundings.credentials(entrance.certs.as_deref(), now())?;
    let token = mint_token(&credentials, now(), args.ttl)
        .map_err(|error| CliError::new(Exit::Config, format!("no token: {error}")))?;
    streams.data(&format!("{token}\n"))?;
    Ok(Exit::Ok)
}
