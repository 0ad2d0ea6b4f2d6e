//! News on their way to everybody: each piece is sent a bounded number of times, the least sent first.
//!
//! Changes enter, gossip for one message leaves. What falls off the end is left to the comparison of
//! directories, so nothing here has to be reliable.

use p2p_shared::id::NodeId;

use super::config::NEWS_MAX;
use super::message::{CLAIM_BYTES, Claim, Gossip, Tombstone, facts_bytes};
use super::record::SharedFacts;

/// One thing to tell.
#[derive(Clone, Debug)]
pub(super) enum News {
    Facts(SharedFacts),
    Claim(Claim),
    Tombstone(Tombstone),
}

impl News {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Claim(_) | Self::Tombstone(_) => CLAIM_BYTES,
            Self::Facts(facts) => facts_bytes(&facts.signed),
        }
    }

    fn add_to(&self, gossip: &mut Gossip) {
        match self {
            Self::Facts(facts) => gossip.facts.push(facts.signed.clone()),
            Self::Claim(claim) => gossip.claims.push(*claim),
            Self::Tombstone(stone) => gossip.forgotten.push(*stone),
        }
    }

    /// A member needs no facts about itself.
    fn is_for(&self, to: NodeId) -> bool {
        !matches!(self, Self::Facts(facts) if facts.id == to)
    }

    fn subject(&self) -> NodeId {
        match self {
            Self::Facts(facts) => facts.id,
            Self::Claim(claim) => claim.subject,
            Self::Tombstone(stone) => stone.id,
        }
    }
}

#[derive(Debug)]
struct Item {
    news: News,
    sent: u32,
    /// Who told us and need not be told.
    source: Option<NodeId>,
}

/// How much one message takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct FillLimits {
    /// Of all gossip in the message.
    pub(super) bytes: usize,
    /// What was sent so often is dropped.
    pub(super) copies_max: u32,
}

/// The news that are still to be told.
#[derive(Debug, Default)]
pub(super) struct Broadcast {
    items: Vec<Item>,
}

impl Broadcast {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Facts and tombstones take the place of everything older about the same member.
    pub(super) fn push(&mut self, news: News, source: Option<NodeId>) {
        if !matches!(news, News::Claim(_)) {
            self.drop_subject(news.subject());
        }
        if self.items.len() >= NEWS_MAX {
            self.items.remove(0);
        }
        self.items.push(Item { news, sent: 0, source });
    }

    pub(super) fn drop_subject(&mut self, subject: NodeId) {
        self.items.retain(|item| item.news.subject() != subject);
    }

    /// Adds news for `to` within the limits.
    pub(super) fn fill(&mut self, gossip: &mut Gossip, to: NodeId, limits: FillLimits) {
        if self.items.is_empty() {
            return;
        }
        let FillLimits { bytes, copies_max } = limits;
        self.items.sort_by_key(|item| item.sent);
        let mut room = bytes.saturating_sub(gossip.size_bytes());
        for item in &mut self.items {
            let size = item.news.size_bytes();
            if item.source == Some(to) || !item.news.is_for(to) || size > room {
                continue;
            }
            room -= size;
            item.sent += 1;
            item.news.add_to(gossip);
        }
        self.items.retain(|item| item.sent < copies_max);
    }
}
