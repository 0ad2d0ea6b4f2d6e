//! `audit`: who did what on nodes, newest first, and who was refused; `verify` and `heads` hold a record
//! against what others hold of it.

mod verify;

use std::time::Duration;

use clap::{Args, Subcommand};
use p2p_shared::access::Role;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::audit::{AuditEntry, AuditKind, ENTRIES_MAX};
use p2p_shared::services::node::Member;
use p2p_shared::time::{Millis, UnixMillis};
use serde::Serialize;

use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::{Account, Session, now};
use crate::format;
use crate::selector::Selector;

const VERIFY_EXPLANATION: &str = "\
Every node hands the head of its record, signed, to a few others, which never let go of it. Here all of them are \
asked, and the record of each node has to agree: one whose end was cut off or written anew is broken, also where \
whoever did it took every trace away on the machine itself. `alone` is said of a record that nobody else holds \
anything of yet.

Exit code: 0 no record is broken, 1 one is, else as for other commands.";

/// What is done with the record.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditAction {
    /// Say whether the records of nodes are what other nodes hold of them
    #[command(after_help = VERIFY_EXPLANATION)]
    Verify(ListArgs),
    /// List what other nodes hold of the records of nodes, for `p2p-node audit verify --against`
    Heads(ListArgs),
    /// Have all nodes let go of what they hold of one record, because its node lost its data directory
    Accept(AcceptArgs),
}

/// What `audit accept` takes.
#[derive(Clone, Debug, Args)]
pub struct AcceptArgs {
    /// Which node begins a new record
    #[arg(value_name = "NODE")]
    pub member: Selector,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// What `audit` takes.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    /// What to do; without it entries are listed.
    #[command(subcommand)]
    pub action: Option<AuditAction>,
    /// Whose.
    #[command(flatten)]
    pub list: ListArgs,
    /// Only what is not older, such as 30m, 12h or 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub since: Option<Duration>,
    /// Only what is older, such as 30m, 12h or 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub until: Option<Duration>,
    /// Only what this caller asked for
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Only this method, or all of a service
    #[arg(long, value_name = "SERVICE.METHOD|SERVICE.*")]
    pub method: Option<String>,
    /// At most so many of each node
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

impl AuditArgs {
    /// Whether it changes something.
    pub const fn acts(&self) -> bool {
        matches!(self.action, Some(AuditAction::Accept(_)))
    }

    /// As the node takes it.
    fn filter(&self, now: UnixMillis) -> Option<String> {
        let before = |age: Duration| now.since(UnixMillis(Millis::from(age).0)).0;
        let terms = [
            self.who.as_ref().map(|name| format!("who:{name}")),
            self.method.as_ref().map(|name| format!("method:{name}")),
            self.since.map(|age| format!("since:{}", before(age))),
            self.until.map(|age| format!("until:{}", before(age))),
        ];
        let terms: Vec<String> = terms.into_iter().flatten().collect();
        (!terms.is_empty()).then(|| terms.join(" "))
    }
}

fn age(text: &str) -> Result<Duration, String> {
    let bad = || "an age is a number with s, m, h or d behind it, such as 12h".to_owned();
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

/// One entry of a node's record. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct AuditRow {
    node: NodeName,
    seq: u64,
    at: UnixMillis,
    kind: AuditKind,
    caller: String,
    who: String,
    id: Option<String>,
    role: Option<Role>,
    from: Option<String>,
    method: String,
    arguments: String,
    request_id: String,
    code: Option<String>,
    message: String,
    duration_ms: Option<u64>,
}

impl AuditRow {
    fn new(node: &NodeName, entry: AuditEntry) -> Self {
        Self {
            node: node.clone(),
            seq: entry.seq,
            at: entry.at,
            kind: entry.kind,
            caller: entry.caller,
            who: entry.who,
            id: entry.id,
            role: entry.role,
            from: entry.from,
            method: entry.method,
            arguments: entry.arguments,
            request_id: entry.request_id,
            code: entry.code,
            message: entry.message,
            duration_ms: entry.duration_ms,
        }
    }
}

impl Row for AuditRow {
    const TITLES: &'static [&'static str] =
        &["TIME", "NODE", ">SEQ", "WHO", "FROM", "METHOD", "OUTCOME", ">MS", "DETAIL"];

    fn cells(&self) -> Vec<String> {
        let role = self.role.map(|role| format!(" ({role})")).unwrap_or_default();
        let kind = if self.caller == "operator" { String::new() } else { format!("{} ", self.caller) };
        let outcome = match (self.kind, &self.code) {
            (AuditKind::Refused, _) => "refused".to_owned(),
            (AuditKind::Call, None) => "unknown".to_owned(),
            (_, code) => code.clone().unwrap_or_default(),
        };
        let detail = match (self.message.as_str(), self.arguments.as_str()) {
            ("", arguments) => arguments.to_owned(),
            (message, "" | "{}") => message.to_owned(),
            (message, arguments) => format!("{message} {arguments}"),
        };
        vec![
            format::date(self.at),
            self.node.to_string(),
            self.seq.to_string(),
            if self.who.is_empty() { String::new() } else { format!("{kind}{}{role}", self.who) },
            self.from.clone().unwrap_or_default(),
            self.method.clone(),
            outcome,
            self.duration_ms.map(|ms| ms.to_string()).unwrap_or_default(),
            detail,
        ]
    }
}

/// The newest entries of a node, page by page.
async fn newest(node: &NodeHandle, filter: Option<String>, limit: u32) -> Result<Vec<AuditEntry>, RpcError> {
    let (mut entries, mut left, mut cursor) = (Vec::new(), limit, None);
    while left > 0 {
        let page = node.audit().list(filter.clone(), cursor, Some(left.min(ENTRIES_MAX))).await?;
        left = left.saturating_sub(u32::try_from(page.entries.len()).unwrap_or(u32::MAX));
        entries.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(entries)
}

/// Lists them; a node that does not answer is told, and the others are listed all the same.
pub async fn run(session: &Session, args: &AuditArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    match &args.action {
        Some(AuditAction::Verify(list)) => return verify::verify(session, list, streams).await,
        Some(AuditAction::Heads(list)) => return verify::heads(session, list, streams).await,
        Some(AuditAction::Accept(args)) => return verify::accept(session, args, streams).await,
        None => {}
    }
    let targets = session.readable(&args.list.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let filter = args.filter(now());
    let question = |node: NodeHandle| {
        let filter = filter.clone();
        async move { newest(&node, filter, args.limit).await }
    };
    let answered = |target: &Member, answer: Result<Vec<AuditEntry>, RpcError>| {
        match answer {
            Ok(entries) => {
                let of_node = entries.into_iter().map(|entry| AuditRow::new(&target.name, entry));
                rows.extend(of_node);
                if args.list.output == Format::Jsonl {
                    streams.rows(&rows, Format::Jsonl)?;
                    rows.clear();
                }
            }
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, question, answered).await?;
    if args.list.output != Format::Jsonl {
        rows.sort_by(|a, b| (b.at, &a.node, b.seq).cmp(&(a.at, &b.node, a.seq)));
        streams.rows(&rows, args.list.output)?;
    }
    Ok(account.exit_of(&targets.members))
}

#[cfg(test)]
mod tests {
    use super::super::output::{json, table};
    use super::*;

    fn row(kind: AuditKind, code: Option<&str>, message: &str) -> AuditRow {
        let entry = AuditEntry {
            seq: 7,
            at: UnixMillis(0),
            kind,
            caller: "operator".into(),
            who: "ann".into(),
            id: None,
            role: Some(Role::Admin),
            from: Some("192.0.2.7:4000".into()),
            method: "process.signal".into(),
            arguments: "{\"signal\":\"term\"}".into(),
            request_id: "00".into(),
            code: code.map(Into::into),
            message: message.into(),
            duration_ms: code.map(|_| 3),
        };
        AuditRow::new(&"web-1".parse().unwrap(), entry)
    }

    #[test]
    fn ages_have_a_unit() {
        assert_eq!(age("12h"), Ok(Duration::from_secs(43_200)));
        for text in ["", "12", "h", "-1h", "1w", "1.5h", "й"] {
            assert!(age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_filter_is_what_the_node_takes() {
        let on = "all".parse().unwrap();
        let list = ListArgs { on, output: Format::Table };
        let args =
            AuditArgs { action: None, list, since: None, until: None, who: None, method: None, limit: 1 };
        assert_eq!(args.filter(UnixMillis(5)), None);
        let since = Some(Duration::from_secs(2));
        let args = AuditArgs { since, who: Some("ann".into()), method: Some("node.*".into()), ..args };
        assert_eq!(args.filter(UnixMillis(5_000)).unwrap(), "who:ann method:node.* since:3000");
    }

    #[test]
    fn the_table_says_how_it_ended() {
        let rows = [
            row(AuditKind::Call, Some("ok"), ""),
            row(AuditKind::Call, None, ""),
            row(AuditKind::Refused, Some("forbidden"), "denied: local policy"),
        ];
        let outcomes: Vec<String> = rows.iter().map(|row| row.cells()[6].clone()).collect();
        assert_eq!(outcomes, ["ok", "unknown", "refused"]);
        assert!(table(&rows, None).contains("denied: local policy {\"signal\":\"term\"}"));
    }

    #[test]
    fn the_shape_for_scripts_is_stable() {
        let expected = "{\"node\":\"web-1\",\"seq\":7,\"at\":\"1970-01-01T00:00:00.000Z\",\"kind\":\"call\",\"caller\":\"operator\",\
                        \"who\":\"ann\",\"id\":null,\"role\":\"admin\",\"from\":\"192.0.2.7:4000\",\
                        \"method\":\"process.signal\",\"arguments\":\"{\\\"signal\\\":\\\"term\\\"}\",\
                        \"request_id\":\"00\",\"code\":\"ok\",\"message\":\"\",\"duration_ms\":3}";
        assert_eq!(json(&row(AuditKind::Call, Some("ok"), ""), false).unwrap(), expected);
    }
}
