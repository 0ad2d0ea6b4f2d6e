//! `audit verify`, `audit heads` and `audit accept`: a node's record against what other members hold of it.
//!
//! The others are asked first, and the node after them, so that its record can only be longer. A head counts
//! only if the node itself signed it: no member can cast suspicion on another.

use std::collections::BTreeMap;

use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::{NodeId, NodeName, hex};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::audit::{HeldHead, HeldRecord, RecordCheck};
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::Trust;
use p2p_shared::witness::AuditHead;
use serde::Serialize;

use super::super::ListArgs;
use super::super::failure::CliError;
use super::super::output::{Row, Streams};
use super::super::session::{Account, Session, now};
use super::AcceptArgs;
use crate::format;

/// Links that one call asks for: as many as a node answers.
const LINKS_MAX: usize = 256;

/// A head that a member holds of another one's record. The names of the fields are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct HeadRow {
    node: NodeName,
    id: NodeId,
    by: NodeName,
    seq: u64,
    link: String,
    at: UnixMillis,
    contradicts: bool,
    certificate: String,
    payload: String,
    signature: String,
}

impl Row for HeadRow {
    const TITLES: &'static [&'static str] = &["NODE", "HELD BY", ">SEQ", "SIGNED", "LINK", ""];

    fn cells(&self) -> Vec<String> {
        let mark = if self.contradicts { "CONTRADICTS what is held" } else { "" };
        vec![
            self.node.to_string(),
            self.by.to_string(),
            self.seq.to_string(),
            format::date(self.at),
            self.link.chars().take(16).collect(),
            mark.to_owned(),
        ]
    }
}

/// What became of the record of one node. The names of the fields are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct VerdictRow {
    node: NodeName,
    /// `whole`, `broken`, or `alone`: whole by its own word, and nobody else holds anything to compare with.
    verdict: &'static str,
    first: u64,
    last: u64,
    /// The last record that somebody else holds the head of.
    held: Option<u64>,
    held_by: Vec<NodeName>,
    message: String,
}

impl Row for VerdictRow {
    const TITLES: &'static [&'static str] = &["NODE", "RECORD", ">FIRST", ">LAST", ">HELD", "HELD BY", "WHY"];

    fn cells(&self) -> Vec<String> {
        let names: Vec<&str> = self.held_by.iter().map(NodeName::as_str).collect();
        vec![
            self.node.to_string(),
            self.verdict.to_owned(),
            self.first.to_string(),
            self.last.to_string(),
            self.held.map(|seq| seq.to_string()).unwrap_or_default(),
            names.join(","),
            self.message.clone(),
        ]
    }
}

/// Says of each node whether its record is what others hold of it.
pub(super) async fn verify(
    session: &Session,
    list: &ListArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let targets = session.readable(&list.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let held = held(session, &targets.members, streams).await?;
    let mut rows = Vec::new();
    let question = |node: NodeHandle| {
        let numbers = held.get(node.name()).map(|heads| numbers(heads)).unwrap_or_default();
        async move { node.audit().check(numbers).await }
    };
    let answered = |target: &Member, answer: Result<RecordCheck, RpcError>| {
        match answer {
            Ok(check) => {
                let heads = held.get(&target.name).map(Vec::as_slice).unwrap_or_default();
                rows.push(judge(&target.name, &check, heads));
            }
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, question, answered).await?;
    rows.sort_by(|a, b| a.node.cmp(&b.node));
    streams.rows(&rows, list.output)?;
    let is_broken = rows.iter().any(|row| row.verdict == "broken");
    Ok(if is_broken { Exit::Failed } else { account.exit_of(&targets.members) })
}

/// Lists what others hold of the records of these nodes.
pub(super) async fn heads(
    session: &Session,
    list: &ListArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let targets = session.readable(&list.on, streams)?;
    let held = held(session, &targets.members, streams).await?;
    let rows: Vec<HeadRow> = held.into_values().flatten().collect();
    streams.rows(&rows, list.output)?;
    Ok(Account::new(targets.unknown).exit())
}

/// Has every member let go of what it holds of one record, so that a new one may begin.
pub(super) async fn accept(
    session: &Session,
    args: &AcceptArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let [target] = session
        .writable(&args.member, streams)?
        .try_into()
        .map_err(|_| CliError::usage("the record of one node at a time is let go of"))?;
    let question = format!(
        "what every node holds of the audit record of {} is evidence: let go of it everywhere?",
        target.name
    );
    if !args.yes {
        match streams.confirm(&question) {
            Some(true) => {}
            Some(false) => return Err(CliError::new(Exit::Failed, "nothing was changed")),
            None => return Err(CliError::usage("nobody is there to ask: --yes says that it is meant")),
        }
    }
    let others = taking_part(session);
    let (mut account, mut count) = (Account::default(), 0);
    let question = |node: NodeHandle| async move { node.audit().accept(target.id).await };
    let answered = |by: &Member, answer: Result<bool, RpcError>| {
        match answer {
            Ok(was_held) => count += usize::from(was_held),
            Err(error) => account.failed(by, &error, streams),
        }
        Ok(())
    };
    session.ask(&others, question, answered).await?;
    streams.say(&format!("{count} nodes let go of what they held of the record of {}", target.name));
    Ok(account.exit())
}

/// Whoever is there to be asked.
fn taking_part(session: &Session) -> Vec<Member> {
    let takes_part = |member: &&Member| matches!(member.state, MemberState::Alive | MemberState::Suspect);
    session.members().iter().filter(takes_part).cloned().collect()
}

/// What all members that take part hold of these, by name, the newest last. Who does not say is told.
async fn held(
    session: &Session,
    of: &[Member],
    streams: &mut Streams<'_>,
) -> Result<BTreeMap<NodeName, Vec<HeadRow>>, CliError> {
    let others = taking_part(session);
    let mut held: BTreeMap<NodeName, Vec<HeadRow>> = BTreeMap::new();
    let mut account = Account::default();
    let question = |node: NodeHandle| async move { node.audit().heads().await };
    let answered = |by: &Member, answer: Result<Vec<HeldRecord>, RpcError>| {
        match answer {
            Ok(records) => {
                for record in records {
                    let Some(member) = of.iter().find(|member| member.id == record.id) else { continue };
                    let rows = proven(session.trust()?, by, &record);
                    held.entry(member.name.clone()).or_default().extend(rows);
                }
            }
            Err(error) => account.failed(by, &error, streams),
        }
        Ok(())
    };
    session.ask(&others, question, answered).await?;
    for rows in held.values_mut() {
        rows.sort_by(|a, b| (a.seq, &a.by).cmp(&(b.seq, &b.by)));
    }
    Ok(held)
}

/// The heads that the node whose record it is did sign.
fn proven(trust: &Trust, by: &Member, record: &HeldRecord) -> Vec<HeadRow> {
    let heads = record.heads.iter().map(|head| (head, false));
    let all = heads.chain(record.contradiction.iter().map(|head| (head, true)));
    let proven = all.filter(|(head, _)| {
        let judged = AuditHead::verify(trust, now(), &head.proof);
        judged.is_ok_and(|(signer, said)| {
            signer.id == record.id && said.seq == head.seq && said.link == head.link && said.at == head.at
        })
    });
    proven.map(|(head, contradicts)| head_row(by, record, head, contradicts)).collect()
}

fn head_row(by: &Member, record: &HeldRecord, head: &HeldHead, contradicts: bool) -> HeadRow {
    HeadRow {
        node: record.name.clone(),
        id: record.id,
        by: by.name.clone(),
        seq: head.seq,
        link: head.link.clone(),
        at: head.at,
        contradicts,
        certificate: hex(&head.proof.certificate),
        payload: hex(&head.proof.payload),
        signature: hex(&head.proof.signature),
    }
}

/// The records to be asked for; of too many the newest.
fn numbers(heads: &[HeadRow]) -> String {
    let mut numbers: Vec<u64> = heads.iter().map(|head| head.seq).collect();
    numbers.dedup();
    let surplus = numbers.len().saturating_sub(LINKS_MAX);
    numbers[surplus..].iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

fn judge(node: &NodeName, check: &RecordCheck, heads: &[HeadRow]) -> VerdictRow {
    let mut held_by: Vec<NodeName> = heads.iter().map(|head| head.by.clone()).collect();
    held_by.sort();
    held_by.dedup();
    let broken = check.broken.clone().or_else(|| heads.iter().find_map(|head| disagrees(check, head)));
    let verdict = match (&broken, heads) {
        (Some(_), _) => "broken",
        (None, []) => "alone",
        (None, _) => "whole",
    };
    let alone = "nobody else holds a head of it to compare with";
    VerdictRow {
        node: node.clone(),
        verdict,
        first: check.first,
        last: check.last,
        held: heads.iter().map(|head| head.seq).max(),
        held_by,
        message: broken.unwrap_or_else(|| if verdict == "alone" { alone.to_owned() } else { String::new() }),
    }
}

/// What a head that somebody holds says against the record; nothing if they agree, or if the record no longer
/// goes back so far.
fn disagrees(check: &RecordCheck, head: &HeadRow) -> Option<String> {
    let HeadRow { by, seq, .. } = head;
    if *seq < check.first {
        return None;
    }
    if *seq > check.last {
        let from = check.last + 1;
        return Some(format!(
            "records {from} to {seq} are gone: {by} holds the head of {seq}: somebody cut them off"
        ));
    }
    let link = check.links.iter().find(|link| link.seq == *seq)?;
    let agrees = link.link.as_ref() == Some(&head.link);
    (!agrees).then(|| format!("record {seq} is another than the one that {by} holds: somebody wrote it anew"))
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::audit::RecordLink;

    use super::*;

    fn head(by: &str, seq: u64, link: &str) -> HeadRow {
        HeadRow {
            node: "web-1".parse().unwrap(),
            id: NodeId::new([1; 32]),
            by: by.parse().unwrap(),
            seq,
            link: link.into(),
            at: UnixMillis(0),
            contradicts: false,
            certificate: String::new(),
            payload: String::new(),
            signature: String::new(),
        }
    }

    fn check(first: u64, last: u64, links: &[(u64, Option<&str>)]) -> RecordCheck {
        let link = |&(seq, link): &(u64, Option<&str>)| RecordLink { seq, link: link.map(Into::into) };
        let links = links.iter().map(link).collect();
        RecordCheck { broken: None, first, last, links, countersigned: Vec::new() }
    }

    fn verdict(check: &RecordCheck, heads: &[HeadRow]) -> (&'static str, String) {
        let row = judge(&"web-1".parse().unwrap(), check, heads);
        (row.verdict, row.message)
    }

    #[test]
    fn a_record_is_whole_only_if_all_that_others_hold_agrees() {
        let heads = [head("web-2", 5, "a"), head("web-3", 9, "b")];
        let links = [(5, Some("a")), (9, Some("b"))];
        assert_eq!(verdict(&check(1, 12, &links), &heads), ("whole", String::new()));
        let (word, why) = verdict(&check(1, 7, &links[..1]), &heads);
        assert_eq!((word, why.contains("records 8 to 9 are gone: web-3")), ("broken", true), "{why}");
        let (word, why) = verdict(&check(1, 12, &[(5, Some("x")), (9, Some("b"))]), &heads);
        assert_eq!((word, why.contains("record 5 is another than the one that web-2")), ("broken", true));
        assert_eq!(verdict(&check(6, 12, &[(5, None), (9, Some("b"))]), &heads).0, "whole", "rotated away");
        assert_eq!(verdict(&check(1, 12, &[]), &[]).0, "alone");
    }

    #[test]
    fn numbers_are_asked_for_once_and_the_newest_of_too_many() {
        let heads = [head("web-2", 5, "a"), head("web-3", 5, "a"), head("web-2", 9, "b")];
        assert_eq!(numbers(&heads), "5,9");
        let many: Vec<HeadRow> = (1..=300).map(|seq| head("web-2", seq, "a")).collect();
        assert!(numbers(&many).starts_with("45,"));
    }
}
