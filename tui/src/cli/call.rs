//! `call SERVICE.METHOD [JSON]`: any method of any service, with JSON in and out.
//!
//! The method and its arguments are judged here first, so that a slip of the pen gets words of this machine
//! instead of an answer of another one.

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::client::{Call as _, ItemSource as _, MethodRef};
use p2p_shared::rpc::codec::Encoding;
use p2p_shared::rpc::service::{MethodSpec, Verb};
use p2p_shared::services;
use p2p_shared::services::node::Member;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::failure::CliError;
use super::output::{Format, Streams, json};
use super::session::{Account, Session};
use crate::selector::Selector;

/// Items that wait to be printed. While it is full, the nodes wait.
const ITEMS_MAX: usize = 64;
/// Longest argument text, in bytes.
const ARGUMENTS_BYTES_MAX: usize = 1 << 20;
/// How many names are offered for one that is unknown.
const OFFERED_MAX: usize = 3;
/// How many slips of the pen a name may be away.
const NEAR_STEPS: usize = 2;

/// What `call` takes.
#[derive(Clone, Debug, Args)]
pub struct CallArgs {
    /// Which method, such as node.info
    #[arg(value_name = "SERVICE.METHOD")]
    pub method: String,
    /// Its arguments as one JSON object, such as '{"filter": "nginx"}'
    #[arg(value_name = "JSON")]
    pub arguments: Option<String>,
    /// Which nodes [default: the one by which the console enters]
    #[arg(long, value_name = "SELECTOR")]
    pub on: Option<Selector>,
    /// How to write the answers: one array, or one object a line
    #[arg(short, long, value_name = "FORMAT", default_value = "json", value_parser = ["json", "jsonl"])]
    pub output: String,
}

/// One answer, or one item of a watch. Exactly one of `result` and `error` is not null, unless the method
/// answers nothing.
#[derive(Debug, Serialize)]
struct AnswerRow<'a> {
    node: &'a NodeName,
    result: Option<Value>,
    error: Option<&'a RpcError>,
}

/// A judged call.
pub struct Request {
    method: &'static MethodSpec,
    arguments: Value,
}

impl CallArgs {
    /// The call that is meant, if there is such a method and the arguments can be its.
    pub fn request(&self) -> Result<Request, CliError> {
        let method = known(&self.method)?;
        if method.verb == Verb::Duplex {
            let text = format!("{}: it streams both ways, which a single call cannot", method.name);
            return Err(CliError::usage(text));
        }
        let text = self.arguments.as_deref().unwrap_or("{}");
        Ok(Request { method, arguments: arguments(method, text)? })
    }

    fn format(&self) -> Format {
        if self.output == "jsonl" { Format::Jsonl } else { Format::Json }
    }
}

impl Request {
    /// Whether it changes something.
    pub const fn acts(&self) -> bool {
        matches!(self.method.verb, Verb::Post | Verb::Duplex)
    }

    fn wire(&self) -> MethodRef<'static> {
        MethodRef { encoding: Some(Encoding::Json), ..self.method.into() }
    }
}

/// Calls, and prints what comes: a watch until ^C, or until every node ended it.
pub async fn run(session: &Session, args: &CallArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let request = &args.request()?;
    let (members, unknown) = targets(session, args, request, streams)?;
    let mut account = Account::new(unknown);
    if request.method.verb.streams() {
        let stopped = tokio::signal::ctrl_c();
        tokio::select! {
            watched = watch(session, &members, request, (&mut account, streams)) => watched?,
            _ = stopped => return Ok(Exit::Ok),
        }
    } else {
        ask(session, &members, (request, args.format()), (&mut account, streams)).await?;
    }
    Ok(account.exit_of(&members))
}

fn targets(
    session: &Session,
    args: &CallArgs,
    request: &Request,
    streams: &mut Streams<'_>,
) -> Result<(Vec<Member>, usize), CliError> {
    let Some(on) = &args.on else {
        let entry = session.entry();
        let own = session.members().iter().find(|member| member.name == *entry.name());
        let missing = || {
            CliError::new(
                Exit::Failed,
                format!("{} does not list itself; name a node with --on", entry.name()),
            )
        };
        return Ok((vec![own.ok_or_else(missing)?.clone()], 0));
    };
    if request.acts() {
        return Ok((session.writable(on, streams)?, 0));
    }
    let targets = session.readable(on, streams)?;
    Ok((targets.members, targets.unknown))
}

type Report<'a, 'b> = (&'a mut Account, &'a mut Streams<'b>);

async fn ask(
    session: &Session,
    members: &[Member],
    (request, format): (&Request, Format),
    (account, streams): Report<'_, '_>,
) -> Result<(), CliError> {
    let mut answers: Vec<(Member, Result<Value, RpcError>)> = Vec::new();
    let question = |node: NodeHandle| async move {
        let answer = node.exchange(request.wire(), &request.arguments).await?;
        value(&answer.bytes)
    };
    session
        .ask(members, question, |target, answer| {
            if let Err(error) = &answer {
                account.failed(target, error, streams);
            }
            match format {
                Format::Jsonl => streams.json_line(&AnswerRow::new(&target.name, &answer))?,
                _ => answers.push((target.clone(), answer)),
            }
            Ok(())
        })
        .await?;
    if format != Format::Jsonl {
        answers.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let rows: Vec<AnswerRow<'_>> =
            answers.iter().map(|(target, answer)| AnswerRow::new(&target.name, answer)).collect();
        let text = json(&rows, true)?;
        streams.data(&format!("{text}\n"))?;
    }
    Ok(())
}

/// Streams of all nodes side by side, each item a line.
async fn watch(
    session: &Session,
    members: &[Member],
    request: &Request,
    (account, streams): Report<'_, '_>,
) -> Result<(), CliError> {
    let (items_tx, mut items) = mpsc::channel::<(NodeName, Value)>(ITEMS_MAX);
    let question = move |node: NodeHandle| {
        let items_tx = items_tx.clone();
        async move { relay(&node, request, &items_tx).await }
    };
    let mut failed = Vec::new();
    {
        let asked = session.ask(members, question, |target, answer| {
            failed.extend(answer.err().map(|error| (target.clone(), error)));
            Ok(())
        });
        let mut asked = std::pin::pin!(asked);
        let mut is_over = false;
        loop {
            tokio::select! {
                biased;
                Some((node, item)) = items.recv() => {
                    streams.json_line(&AnswerRow::new(&node, &Ok(item)))?;
                }
                ended = &mut asked, if !is_over => {
                    ended?;
                    is_over = true;
                }
                else => break,
            }
            if is_over && items.is_empty() {
                break;
            }
        }
    }
    failed.iter().for_each(|(target, error)| account.failed(target, error, streams));
    Ok(())
}

async fn relay(
    node: &NodeHandle,
    request: &Request,
    items: &mpsc::Sender<(NodeName, Value)>,
) -> Result<(), RpcError> {
    let mut opened = node.open(request.wire(), &request.arguments).await?;
    while let Some(bytes) = opened.source.next_item().await? {
        if items.send((node.name().clone(), value(&bytes)?)).await.is_err() {
            break;
        }
    }
    Ok(())
}

impl<'a> AnswerRow<'a> {
    fn new(node: &'a NodeName, answer: &'a Result<Value, RpcError>) -> Self {
        match answer {
            Ok(value) => Self { node, result: Some(value.clone()), error: None },
            Err(error) => Self { node, result: None, error: Some(error) },
        }
    }
}

fn value(bytes: &[u8]) -> Result<Value, RpcError> {
    serde_json::from_slice(bytes)
        .map_err(|error| RpcError::internal(format!("the answer is no JSON: {error}")))
}

/// Arguments as the method takes them: one object, no foreign key, nothing missing.
pub(super) fn arguments(method: &MethodSpec, text: &str) -> Result<Value, CliError> {
    let bad = |what: String| CliError::new(Exit::Data, format!("arguments of {}: {what}", method.name));
    if text.len() > ARGUMENTS_BYTES_MAX {
        return Err(bad(format!("more than {ARGUMENTS_BYTES_MAX} bytes")));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| bad(format!("no JSON: {error}")))?;
    let Value::Object(given) = &value else {
        return Err(bad(format!("they are one JSON object; {}", takes(method))));
    };
    if let Some(foreign) = given.keys().find(|key| !method.arguments.contains(&key.as_str())) {
        return Err(bad(format!("there is no {foreign:?}; {}", takes(method))));
    }
    if let Some(missing) = required(method).into_iter().find(|name| !given.contains_key(name)) {
        return Err(bad(format!("{missing:?} is missing; {}", takes(method))));
    }
    Ok(value)
}

fn required(method: &MethodSpec) -> Vec<String> {
    let schemas = (method.schemas)();
    let names =
        schemas.args.as_value().get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    names.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// What a method takes, for a message.
fn takes(method: &MethodSpec) -> String {
    if method.arguments.is_empty() {
        return "it takes none".to_owned();
    }
    let schemas = (method.schemas)();
    let none = Map::new();
    let properties = schemas.args.as_value().get("properties").and_then(Value::as_object).unwrap_or(&none);
    let kind = |name: &str| match properties.get(name).and_then(|schema| schema.get("type")) {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "value".to_owned(),
    };
    let each: Vec<String> = method.arguments.iter().map(|name| format!("{name} ({})", kind(name))).collect();
    format!("it takes {}", each.join(", "))
}

/// The method of a name; a slip of the pen is answered with what is near.
pub fn known(name: &str) -> Result<&'static MethodSpec, CliError> {
    services::method(name).ok_or_else(|| unknown(name))
}

/// Names what is near, or all there is.
fn unknown(name: &str) -> CliError {
    let mut near: Vec<(usize, &str)> =
        services::methods().map(|method| (distance(name, method.name), method.name)).collect();
    near.sort_unstable();
    let method_part = name.rsplit('.').next().unwrap_or(name);
    let close: Vec<&str> = near
        .iter()
        .filter(|(steps, found)| match near.first() {
            // A slip of the pen; else the right method of another service.
            Some((least, _)) if *least <= NEAR_STEPS => *steps <= NEAR_STEPS,
            _ => found.ends_with(&format!(".{method_part}")),
        })
        .map(|(_, found)| *found)
        .take(OFFERED_MAX)
        .collect();
    let offer = if close.is_empty() {
        let all: Vec<&str> = services::methods().map(|method| method.name).collect();
        format!("there are {}", all.join(", "))
    } else {
        format!("is {} meant?", close.join(" or "))
    };
    CliError::usage(format!("{name:?} is no method; {offer}"))
}

/// Insertions, deletions and changes that lead from one text to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    // Nothing that long is near to any name of ours.
    let from: Vec<char> = from.chars().take(64).collect();
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..to.len() {
            let changed = diagonal + usize::from(*letter != to[column]);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, arguments: Option<&str>) -> Result<Value, (Exit, String)> {
        let args = CallArgs {
            method: method.into(),
            arguments: arguments.map(ToOwned::to_owned),
            on: None,
            output: "json".into(),
        };
        args.request().map(|request| request.arguments).map_err(|error| (error.exit(), error.to_string()))
    }

    #[test]
    fn a_near_miss_is_answered_with_what_is_near() {
        for (typed, offered) in [
            ("node.inof", "is node.info meant?"),
            ("proces.list", "is process.list "),
            ("list", ".list"),
            ("zzzzzz", "there are node.info, "),
            ("", "there are node.info, "),
        ] {
            let (exit, message) = request(typed, None).unwrap_err();
            assert_eq!(exit, Exit::Usage);
            assert!(message.contains(offered), "{message}");
        }
    }

    #[test]
    fn arguments_are_judged_before_they_travel() {
        assert_eq!(request("node.info", None), Ok(serde_json::json!({})));
        assert!(request("process.list", Some("{\"filter\": \"nginx\"}")).is_ok());
        assert!(request("process.list", None).is_ok(), "an optional argument may be left out");
        for (method, text, words) in [
            ("node.info", "{", "no JSON: EOF while parsing an object at line 1 column 1"),
            ("node.info", "[]", "they are one JSON object; it takes none"),
            ("process.list", "{\"fliter\": 1}", "there is no \"fliter\"; it takes filter (string or null)"),
            ("process.watch", "{}", "\"interval_ms\" is missing; it takes interval_ms (integer)"),
        ] {
            let (exit, message) = request(method, Some(text)).unwrap_err();
            assert_eq!((exit, message), (Exit::Data, format!("arguments of {method}: {words}")));
        }
        let deep = "[".repeat(100_000);
        assert_eq!(request("node.info", Some(&deep)).unwrap_err().0, Exit::Data);
    }

    #[test]
    fn distances_count_steps() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
