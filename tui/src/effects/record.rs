//! The audit record of one node, delivered while the screen shows it: what is new every two seconds, and every
//! minute whether it is whole.
//!
//! A countersignature counts only if another node of the mesh signed it, and if it is about the very record that the
//! node shows; what the node says of itself is not enough.

use std::time::{SystemTime, UNIX_EPOCH};

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::audit::{AuditEntry, Countersignature, RecordCheck};
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::Trust;
use p2p_shared::witness::Receipt;

use super::beat;
use super::feed::{Feed, every};
use crate::command::Topic;
use crate::event::MeshEvent;
use crate::fleet::{AuditNews, Seal};

/// Entries of the first answer, and of a page of one later.
const ENTRIES: u32 = 500;
/// Pages of a later answer: what a console keeps of a node.
const PAGES_MAX: usize = 10;
/// How often a record is looked over, in turns.
const LOOK_EVERY: u32 = 30;
/// An entry without an outcome that is younger than this is asked for again.
const UNFINISHED: Millis = Millis(3_600_000);
/// Links that are asked for; the newest countersignatures are the ones that matter.
const LINKS_MAX: usize = 16;

/// Delivers until something fails; `Ok` once nobody listens.
pub(super) async fn deliver(feed: &Feed, handle: &NodeHandle, delivered: &mut bool) -> Result<(), RpcError> {
    let node = feed.subscription.node;
    let mut known = Known::default();
    for turn in 0_u32.. {
        let entries = known.news(answer(handle, known.filter()).await?);
        let seal = match turn % LOOK_EVERY {
            0 => Some(seal(feed.way.trust.as_deref(), handle, node).await?),
            _ => None,
        };
        if (turn == 0 || seal.is_some() || !entries.is_empty())
            && feed.gone(MeshEvent::Audit { node, news: Box::new(AuditNews { entries, seal }) }).await
        {
            return Ok(());
        }
        *delivered = true;
        beat::wait(every(Topic::Audit)).await;
    }
    Ok(())
}

/// The newest entries, and all that came since those that are known.
async fn answer(handle: &NodeHandle, filter: Option<String>) -> Result<Vec<AuditEntry>, RpcError> {
    let pages = if filter.is_some() { PAGES_MAX } else { 1 };
    let (mut entries, mut cursor) = (Vec::new(), None);
    for _ in 0..pages {
        let page = handle.audit().list(filter.clone(), cursor, Some(ENTRIES)).await?;
        entries.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(entries)
}

/// From where on the record is asked for next.
#[derive(Debug, Default)]
struct Known {
    newest: UnixMillis,
    /// The newest entry, and those after `since` that were told.
    told: Vec<AuditEntry>,
}

impl Known {
    fn since(&self) -> UnixMillis {
        let open = self.told.iter().filter(|entry| entry.code.is_none());
        let open = open.map(|entry| entry.at).filter(|at| self.newest.since(*at) < UNFINISHED);
        open.min().unwrap_or(self.newest)
    }

    fn filter(&self) -> Option<String> {
        (self.newest.0 > 0).then(|| format!("since:{}", self.since().0))
    }

    /// What of an answer was not told yet.
    fn news(&mut self, answer: Vec<AuditEntry>) -> Vec<AuditEntry> {
        let new: Vec<AuditEntry> =
            answer.iter().filter(|entry| !self.told.contains(entry)).cloned().collect();
        self.newest = answer.iter().map(|entry| entry.at).max().unwrap_or(self.newest).max(self.newest);
        self.told = answer;
        new
    }
}

/// Looks a record over.
async fn seal(trust: Option<&Trust>, handle: &NodeHandle, node: NodeId) -> Result<Seal, RpcError> {
    let check = handle.audit().check(String::new()).await?;
    let heads: Vec<(u64, Countersignature)> =
        trust.map(|trust| believed(trust, node, &check)).unwrap_or_default();
    if check.broken.is_some() || heads.is_empty() {
        return Ok(Seal { broken: check.broken, ..Seal::default() });
    }
    let numbers: Vec<String> = heads.iter().map(|(seq, _)| seq.to_string()).collect();
    let check = handle.audit().check(numbers.join(",")).await?;
    Ok(judge(&heads, check))
}

/// The countersignatures of others that are about this record, the newest first.
fn believed(trust: &Trust, node: NodeId, check: &RecordCheck) -> Vec<(u64, Countersignature)> {
    let now = wall();
    let is_good = |one: &&Countersignature| {
        Receipt::verify(trust, now, &one.head.proof).is_ok_and(|(signer, receipt)| {
            let said = (receipt.head.seq, &receipt.head.link);
            signer.id == one.id
                && signer.id != node
                && receipt.of == node
                && said == (one.head.seq, &one.head.link)
        })
    };
    let mut heads: Vec<(u64, Countersignature)> =
        check.countersigned.iter().filter(is_good).map(|one| (one.head.seq, one.clone())).collect();
    heads.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    heads.truncate(LINKS_MAX);
    heads
}

fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(Millis::from(since).0)
}

/// What the countersignatures say of the links that the node shows.
fn judge(heads: &[(u64, Countersignature)], check: RecordCheck) -> Seal {
    let mut seal = Seal { broken: check.broken, ..Seal::default() };
    for (seq, one) in heads.iter().filter(|(seq, _)| *seq >= check.first) {
        let link = check.links.iter().find(|link| link.seq == *seq).and_then(|link| link.link.as_ref());
        if link == Some(&one.head.link) {
            if *seq > seal.held {
                (seal.held, seal.by) = (*seq, Some(one.by.clone()));
            }
        } else if seal.broken.is_none() && *seq > check.last {
            seal.broken = Some(format!("it ends at {}, and {} countersigned {seq}", check.last, one.by));
        } else if seal.broken.is_none() {
            seal.broken = Some(format!("record {seq} is another than the one that {} countersigned", one.by));
        }
    }
    seal
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::audit::{HeldHead, RecordLink};
    use p2p_shared::witness::Statement;

    use super::*;
    use crate::testing::Simulated;

    fn head(seq: u64, link: &str) -> (u64, Countersignature) {
        let proof = Statement { certificate: Vec::new(), payload: Vec::new(), signature: Vec::new() };
        let head = HeldHead { seq, link: link.into(), at: UnixMillis(0), proof };
        (seq, Countersignature { by: "web-2".parse().unwrap(), id: NodeId::new([2; 32]), head })
    }

    fn judged(first: u64, last: u64, links: &[(u64, &str)], heads: &[(u64, &str)]) -> Seal {
        let link = |&(seq, link): &(u64, &str)| RecordLink { seq, link: Some(link.into()) };
        let links = links.iter().map(link).collect();
        let check = RecordCheck { broken: None, first, last, links, countersigned: Vec::new() };
        let heads: Vec<_> = heads.iter().map(|&(seq, link)| head(seq, link)).collect();
        judge(&heads, check)
    }

    #[test]
    fn a_record_is_believed_as_far_as_others_signed_what_it_shows() {
        let links = [(9, "b"), (5, "a")];
        let whole = judged(1, 12, &links, &links);
        assert_eq!((whole.held, whole.broken), (9, None));
        assert!(judged(1, 12, &[(9, "x"), (5, "a")], &links).broken.unwrap().contains("record 9 is another"));
        assert!(judged(1, 7, &links[1..], &links).broken.unwrap().contains("ends at 7"));
        assert_eq!(judged(6, 12, &links[..1], &links).held, 9, "what was rotated away proves nothing");
    }

    #[test]
    fn only_news_are_told_and_what_has_no_outcome_is_asked_for_again() {
        let mut known = Known::default();
        assert_eq!(known.filter(), None);
        let entries = Simulated::new(1, 0).audit(0).entries;
        assert_eq!(known.news(entries.clone()).len(), entries.len());
        let open = entries.iter().filter(|entry| entry.code.is_none()).map(|entry| entry.at.0).min().unwrap();
        assert_eq!(known.filter(), Some(format!("since:{open}")));
        let mut ended = entries.clone();
        ended[4].code = Some("ok".into());
        assert_eq!(known.news(ended).len(), 1);
    }
}
