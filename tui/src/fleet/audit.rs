//! What nodes recorded of who did what, and how much of it others can vouch for.

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::audit::AuditEntry;
use p2p_shared::time::Millis;

use super::{Fleet, Items};
use crate::command::Topic;

/// Entries of one node that are kept; the oldest go.
const ENTRIES_MAX: usize = 5_000;

/// New entries of a record, and what was found of the record itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditNews {
    /// New entries, and those whose outcome became known.
    pub entries: Vec<AuditEntry>,
    /// What became of looking the record over; `None` if it was not looked over this time.
    pub seal: Option<Seal>,
}

/// How much of a record can be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    /// Where the record is broken, in words.
    pub broken: Option<String>,
    /// The last entry that another node countersigned, with all before it; 0 for none.
    pub held: u64,
    /// Who did.
    pub by: Option<NodeName>,
}

/// Whether an entry can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verified {
    /// Its record is broken.
    Broken,
    /// Nobody else vouches for it yet.
    NotYet,
    /// Another node countersigned the record after it.
    Yes,
}

impl Verified {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "BROKEN",
            Self::NotYet => "not yet",
            Self::Yes => "yes",
        }
    }
}

impl Seal {
    /// What it says of an entry.
    pub const fn of(&self, seq: u64) -> Verified {
        match self.broken {
            Some(_) => Verified::Broken,
            None if seq <= self.held => Verified::Yes,
            None => Verified::NotYet,
        }
    }
}

impl Fleet {
    /// New entries of a node's record.
    pub fn set_audit(&mut self, id: NodeId, news: AuditNews, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Audit, now);
        if let Some(seal) = news.seal {
            node.seal = Some(seal);
        }
        for entry in news.entries {
            self.audit.put(id, entry.seq, entry);
        }
        forget_oldest(&mut self.audit, id);
    }
}

fn forget_oldest(audit: &mut Items<u64, AuditEntry>, node: NodeId) {
    let keys: Vec<u64> = audit.of(node).filter_map(|id| audit.get(id)).map(|item| item.key).collect();
    let surplus = keys.len().saturating_sub(ENTRIES_MAX);
    keys[..surplus].iter().for_each(|key| audit.remove(node, key));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Simulated;

    #[test]
    fn the_oldest_entries_go_and_the_newest_stay() {
        let simulated = Simulated::new(1, 0);
        let mut fleet = Fleet::default();
        fleet.apply(simulated.fleet());
        let id = simulated.id(0);
        let template = simulated.audit(0).entries.remove(0);
        let entry = |seq| AuditEntry { seq, ..template.clone() };
        let entries = (1..=ENTRIES_MAX as u64 + 10).map(entry).collect();
        fleet.set_audit(id, AuditNews { entries, seal: None }, Millis(0));
        let first = fleet.audit.of(id).next().and_then(|id| fleet.audit.get(id)).unwrap();
        assert_eq!((fleet.audit.len(), first.key), (ENTRIES_MAX, 11));
    }

    #[test]
    fn what_is_countersigned_is_verified_unless_the_record_is_broken() {
        let seal = Seal { broken: None, held: 5, by: None };
        assert_eq!((seal.of(5), seal.of(6)), (Verified::Yes, Verified::NotYet));
        let seal = Seal { broken: Some("record 3 is gone".into()), ..seal };
        assert_eq!(seal.of(5), Verified::Broken);
    }
}
