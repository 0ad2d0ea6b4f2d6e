//! `can-i SERVICE.METHOD [JSON] --on NODE`: whether nodes would let one do something, without doing it.

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::{Member, Permit};
use serde::Serialize;
use serde_json::{Value, json};

use super::call;
use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::{Account, Session};
use crate::selector::Selector;

const EXPLANATION: &str = "\
With arguments the answer is about them too: which command, as which user, which program.
  can-i exec.run '{\"command\": {\"program\": {\"program\": \"systemctl\", \"arguments\": []}}}' --on web-1
  can-i program.start '{\"name\": \"worker\"}' --on role=web

Exit code: 0 every node says yes, 77 one says no, else as for other commands.";

/// What `can-i` takes.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXPLANATION)]
pub struct CanIArgs {
    /// Which method, such as process.signal
    #[arg(value_name = "SERVICE.METHOD")]
    pub method: String,
    /// Its arguments as one JSON object
    #[arg(value_name = "JSON")]
    pub arguments: Option<String>,
    /// On which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How to write the answers
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// The answer of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct PermitRow {
    node: NodeName,
    allowed: bool,
    layer: Option<String>,
    message: String,
}

impl Row for PermitRow {
    const TITLES: &'static [&'static str] = &["NODE", "ANSWER", "LAYER", "WHY"];

    fn cells(&self) -> Vec<String> {
        let answer = if self.allowed { "yes" } else { "no" };
        let layer = self.layer.clone().unwrap_or_default();
        vec![self.node.to_string(), answer.to_owned(), layer, self.message.clone()]
    }
}

/// Asks, and prints what each node says.
pub async fn run(session: &Session, args: &CanIArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.readable(&args.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let given = arguments(args)?;
    let question = |node: NodeHandle| {
        let (method, arguments) = (args.method.clone(), given.clone());
        async move { node.node().can_i(method, arguments).await }
    };
    let answered = |target: &Member, answer: Result<Permit, RpcError>| {
        match answer {
            Ok(Permit { allowed, layer, message }) => {
                rows.push(PermitRow { node: target.name.clone(), allowed, layer, message });
            }
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, question, answered).await?;
    rows.sort_by(|a, b| a.node.cmp(&b.node));
    streams.rows(&rows, args.output)?;
    let is_denied = rows.iter().any(|row| !row.allowed);
    Ok(if is_denied { Exit::Permission } else { account.exit_of(&targets.members) })
}

/// Judges the method and its arguments here, before anybody is asked.
pub fn check(args: &CanIArgs) -> Result<(), CliError> {
    arguments(args).map(|_| ())
}

/// The arguments as the method takes them. Of a method with one argument its content is enough, as in
/// `can-i exec.run '{"command": ...}'`.
fn arguments(args: &CanIArgs) -> Result<Option<String>, CliError> {
    let method = call::known(&args.method)?;
    let Some(text) = &args.arguments else { return Ok(None) };
    let given: Option<Value> = serde_json::from_str(text).ok();
    let whole = match (method.arguments, given) {
        ([only], Some(Value::Object(content))) if !content.contains_key(*only) => {
            json!({ *only: content }).to_string()
        }
        _ => text.clone(),
    };
    call::arguments(method, &whole).map(|value| Some(value.to_string()))
}
