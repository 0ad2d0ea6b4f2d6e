//! `p2p-tui token`: a token for the HTTP face, signed by the operator's own key.
//!
//! No node is asked. Every node of the mesh takes it until it ends; whoever has it is the operator until then.

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::time::Millis;
use p2p_shared::tls::mint_token;

use super::Entrance;
use super::failure::CliError;
use super::output::Streams;
use super::session::now;
use crate::effects::settings::Surroundings;

/// Arguments of `token`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "For example: curl -H \"Authorization: Bearer $(p2p-tui token)\" \
    http://127.0.0.1:8000/api/v1/nodes/web-2/process/list")]
pub struct TokenArgs {
    /// How many minutes it is good for, 1 to 15
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=15))]
    pub minutes: u64,
}

/// Prints a token.
pub fn run(
    args: &TokenArgs,
    entrance: &Entrance,
    surroundings: &Surroundings,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let credentials = surroundings.credentials(entrance.certs.as_deref(), now())?;
    let life = Millis::from_secs(args.minutes * 60);
    let token = mint_token(&credentials, now(), life)
        .map_err(|error| CliError::new(Exit::Config, format!("no token: {error}")))?;
    streams.data(&format!("{token}\n"))?;
    Ok(Exit::Ok)
}
