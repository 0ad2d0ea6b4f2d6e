//! One file of rules for many nodes: what is wrong with it, what it would change on each, and putting it there.
//!
//! Every target ends in one row, or in as many as there are changes; nodes that change alike share theirs in a table.
//! What was applied by somebody else between looking and applying is refused by the node, never written over.

use std::io::Read;
use std::path::Path;

use p2p_shared::error::{Code, Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::alert::{AlertTest, RULES_BYTES_MAX, RuleChange, RuleVerdict};
use p2p_shared::services::node::Member;
use serde::Serialize;

use super::FileArgs;
use crate::cli::failure::{CliError, words};
use crate::cli::output::{Format, Row, Streams};
use crate::cli::session::{Account, Session};
use crate::format::{plural, span_ms};
use crate::selector::Selector;

/// What became of the file on one node. The names of the fields are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct TargetRow {
    node: NodeName,
    /// `same`, `differs` (of a diff), `applied`, or the code of the error.
    outcome: String,
    version: String,
    changes: Vec<RuleChange>,
    error: Option<String>,
}

impl TargetRow {
    fn new(member: &Member, answer: Result<(String, Vec<RuleChange>), RpcError>, changed: &str) -> Self {
        let node = member.name.clone();
        match answer {
            Ok((version, changes)) => {
                let outcome = if changes.is_empty() { "same" } else { changed }.to_owned();
                Self { node, outcome, version, changes, error: None }
            }
            Err(error) => {
                let (outcome, error) = (error.code.to_string(), Some(words(&error)));
                Self { node, outcome, version: String::new(), changes: Vec::new(), error }
            }
        }
    }
}

/// A change on some nodes, for people.
#[derive(Debug, Serialize)]
struct ChangeLine {
    nodes: String,
    outcome: String,
    what: String,
}

impl Row for ChangeLine {
    const TITLES: &'static [&'static str] = &["NODES", "OUTCOME", "WHAT"];

    fn cells(&self) -> Vec<String> {
        vec![self.nodes.clone(), self.outcome.clone(), self.what.clone()]
    }
}

/// What a rule says on a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct VerdictRow {
    node: NodeName,
    #[serde(flatten)]
    verdict: RuleVerdict,
}

impl Row for VerdictRow {
    const TITLES: &'static [&'static str] = &["NODE", "RULE", "NOW", "WHAT"];

    fn cells(&self) -> Vec<String> {
        let now = match (self.verdict.is_wrong, self.verdict.hold_ms) {
            (false, _) => "well".to_owned(),
            (true, 0) => "fires".to_owned(),
            (true, hold) => format!("fires after {}", span_ms(hold)),
        };
        vec![self.node.to_string(), self.verdict.rule.clone(), now, self.verdict.summary.clone()]
    }
}

/// Says what is wrong with a file, and what it would say now.
pub async fn check(
    session: &Session,
    file: &Path,
    (on, output): (Option<&Selector>, Format),
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let text = read(file)?;
    let members = match on {
        Some(on) => session.readable(on, streams)?.members,
        None => {
            let entry = session.entry().node().info().await?.id;
            session.members().iter().filter(|member| member.id == entry).cloned().collect()
        }
    };
    let (mut account, mut rows, mut wrong) = (Account::default(), Vec::new(), false);
    let ask = |node: NodeHandle| {
        let text = text.clone();
        async move { node.alert().test(text).await }
    };
    let answered = |member: &Member, answer: Result<AlertTest, RpcError>| {
        match answer {
            Ok(test) => {
                // A file has the same mistakes everywhere.
                if !std::mem::replace(&mut wrong, !test.mistakes.is_empty()) {
                    for mistake in &test.mistakes {
                        streams.say(&format!("{}: {mistake}", file.display()));
                    }
                }
                for rule in &test.blind {
                    streams.tell(&format!("{}: {rule} looks at no figure there so far", member.name));
                }
                rows.extend(
                    test.verdicts
                        .into_iter()
                        .map(|verdict| VerdictRow { node: member.name.clone(), verdict }),
                );
            }
            Err(error) => account.failed(member, &error, streams),
        }
        Ok(())
    };
    session.ask(&members, ask, answered).await?;
    streams.rows(&rows, output)?;
    Ok(if wrong { Exit::Data } else { account.exit_of(&members) })
}

/// Shows what applying a file would change on each node.
pub async fn diff(session: &Session, args: &FileArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let text = read(&args.file)?;
    let targets = session.readable(&args.on, streams)?;
    let ask = |node: NodeHandle| {
        let text = text.clone();
        async move { tested(&node, text).await.map(|test| (test.version, test.changes)) }
    };
    finish(session, (&targets.members, args), (ask, "differs"), streams).await
}

/// Puts a file on each node.
pub async fn apply(session: &Session, args: &FileArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let text = read(&args.file)?;
    let members = session.writable(&args.on, streams)?;
    let ask = |node: NodeHandle| {
        let text = text.clone();
        async move {
            let seen = tested(&node, text.clone()).await?.version;
            let applied = node.alert().apply(text, seen).await?;
            Ok((applied.version, applied.changes))
        }
    };
    finish(session, (&members, args), (ask, "applied"), streams).await
}

/// What a node says of a file without a mistake.
async fn tested(node: &NodeHandle, text: String) -> Result<AlertTest, RpcError> {
    let test = node.alert().test(text).await?;
    if test.mistakes.is_empty() {
        return Ok(test);
    }
    let told: Vec<String> = test.mistakes.iter().map(ToString::to_string).collect();
    Err(RpcError::bad_request(told.join("; ")))
}

async fn finish<Fut>(
    session: &Session,
    (members, args): (&[Member], &FileArgs),
    (question, changed): (impl Fn(NodeHandle) -> Fut, &str),
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError>
where
    Fut: Future<Output = Result<(String, Vec<RuleChange>), RpcError>>,
{
    let (mut rows, mut bad_file) = (Vec::new(), false);
    let answered = |member: &Member, answer: Result<(String, Vec<RuleChange>), RpcError>| {
        bad_file |= matches!(&answer, Err(error) if error.code == Code::BadRequest);
        let row = TargetRow::new(member, answer, changed);
        if args.output == Format::Jsonl {
            streams.json_line(&row)?;
        }
        rows.push(row);
        Ok(())
    };
    session.ask(members, question, answered).await?;
    rows.sort_by(|one, other| one.node.cmp(&other.node));
    match args.output {
        Format::Table => streams.rows(&lines(&rows), Format::Table)?,
        Format::Json => streams.data(&format!("{}\n", crate::cli::output::json(&rows, true)?))?,
        Format::Jsonl => {}
    }
    streams.tell(&tally(&rows));
    let failed = rows.iter().any(|row| row.error.is_some());
    Ok(match () {
        () if bad_file => Exit::Data,
        () if failed => Exit::Failed,
        () => Exit::Ok,
    })
}

/// A line a change, for the nodes that have the same.
fn lines(rows: &[TargetRow]) -> Vec<ChangeLine> {
    let mut groups: Vec<(Vec<&TargetRow>, &TargetRow)> = Vec::new();
    for row in rows {
        let alike = |(_, first): &&mut (Vec<&TargetRow>, &TargetRow)| {
            (&first.outcome, &first.changes, &first.error) == (&row.outcome, &row.changes, &row.error)
        };
        match groups.iter_mut().find(alike) {
            Some((group, _)) => group.push(row),
            None => groups.push((vec![row], row)),
        }
    }
    let mut lines = Vec::new();
    for (group, first) in groups {
        let nodes = group.iter().map(|row| row.node.as_str()).collect::<Vec<_>>().join(",");
        let mut whats: Vec<String> = first.changes.iter().map(what).collect();
        whats.extend(first.error.clone());
        if whats.is_empty() {
            whats.push("nothing differs".to_owned());
        }
        lines.extend(whats.into_iter().map(|what| ChangeLine {
            nodes: nodes.clone(),
            outcome: first.outcome.clone(),
            what,
        }));
    }
    lines
}

fn what(change: &RuleChange) -> String {
    let name = &change.name;
    match (&change.was, &change.becomes) {
        (None, Some(becomes)) => format!("+ {name}: {becomes}"),
        (Some(was), None) => format!("- {name}: {was}"),
        (Some(was), Some(becomes)) => format!("~ {name}: {becomes} (was: {was})"),
        (None, None) => name.clone(),
    }
}

/// `3 nodes: 2 applied, 1 unavailable`.
fn tally(rows: &[TargetRow]) -> String {
    let mut outcomes: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        match outcomes.iter_mut().find(|(outcome, _)| *outcome == row.outcome) {
            Some((_, count)) => *count += 1,
            None => outcomes.push((&row.outcome, 1)),
        }
    }
    let parts: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    format!("{}: {}", plural(rows.len(), "node"), parts.join(", "))
}

fn read(file: &Path) -> Result<String, CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(Exit::Failed, format!("{}: cannot be read: {error}", file.display()))
    };
    let mut text = String::new();
    let limit = RULES_BYTES_MAX as u64 + 1;
    if file == Path::new("-") {
        std::io::stdin().take(limit).read_to_string(&mut text).map_err(failed)?;
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(limit).read_to_string(&mut text))
            .map_err(failed)?;
    }
    if text.len() > RULES_BYTES_MAX {
        let words = format!("{}: a file of rules has at most {RULES_BYTES_MAX} bytes", file.display());
        return Err(CliError::new(Exit::Data, words));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::table;

    #[test]
    fn nodes_that_change_alike_share_their_lines_and_nobody_is_left_out() {
        let row = |node: &str, outcome: &str, changes: &[(&str, Option<&str>, Option<&str>)]| TargetRow {
            node: node.parse().unwrap(),
            outcome: outcome.into(),
            version: String::new(),
            changes: changes
                .iter()
                .map(|(name, was, becomes)| RuleChange {
                    name: (*name).into(),
                    was: was.map(Into::into),
                    becomes: becomes.map(Into::into),
                })
                .collect(),
            error: (outcome == "unavailable").then(|| "cannot connect to c".to_owned()),
        };
        let changes = [("disk", None, Some("a > 1")), ("load", Some("b > 1"), Some("b > 2"))];
        let rows = [
            row("a", "applied", &changes),
            row("b", "applied", &changes),
            row("c", "unavailable", &[]),
            row("d", "same", &[]),
        ];
        let expected = "NODES  OUTCOME      WHAT\n\
                        a,b    applied      + disk: a > 1\n\
                        a,b    applied      ~ load: b > 2 (was: b > 1)\n\
                        c      unavailable  cannot connect to c\n\
                        d      same         nothing differs\n";
        assert_eq!(table(&lines(&rows), None), expected);
        assert_eq!(tally(&rows), "4 nodes: 2 applied, 1 unavailable, 1 same");
    }
}
