//! One k-bucket: up to `K` contacts of one distance range, and spares to take their place.
//!
//! What was heard from or missed by a peer enters; the changes that are worth remembering leave. A contact
//! that lives is never pushed out by a newer one, however many knock: age is the best sign of reliability,
//! and it is what makes flooding a table useless.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::K;
use super::key::Key;
use super::message::Contact;

/// Contacts in reserve, a bucket.
pub const SPARES_MAX: usize = K / 2;
/// Contacts of a bucket that have only ever asked us, and might be there to fill an empty table.
pub const UNVERIFIED_MAX: usize = K / 2;
/// From this many misses in a row on a contact is used last and not handed on.
pub const SUSPECT_MISSES: u8 = 2;
/// From this many on a verified spare takes its place at once.
pub const REPLACE_MISSES: u8 = 3;

/// How we know that a peer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It answered us at the address we dialled: others can reach it too.
    Answered,
    /// It asked us something. Nobody else may be able to reach it.
    Asked,
}

/// What is worth keeping on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The contact is known to live at these addresses and sits in the table.
    Verified(Contact),
    /// A verified contact was dropped.
    Lost(NodeId),
}

/// A contact in the table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who and where.
    pub contact: Contact,
    /// Its place in the key space.
    pub key: Key,
    /// Whether it ever answered us; only such contacts are handed on.
    pub verified: bool,
    /// Whether a connection stands, which shows its life better than a ping.
    pub connected: bool,
    /// Requests in a row that it did not answer.
    pub misses: u8,
    /// When it was last heard.
    pub seen_at: Millis,
    /// When the first of `misses` came to pass.
    pub missing_since: Millis,
    /// When it is to be pinged, unless it is heard before.
    pub probe_at: Millis,
}

/// The contacts of one bucket, the one heard longest ago first.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    entries: Vec<Entry>,
    spares: Vec<Entry>,
}

impl Entry {
    fn new(now: Millis, contact: Contact) -> Self {
        Self {
            key: contact.id.into(),
            contact,
            verified: false,
            connected: false,
            misses: 0,
            seen_at: now,
            missing_since: now,
            probe_at: now,
        }
    }

    /// Whether it has been silent to more than one request.
    pub const fn is_suspect(&self) -> bool {
        self.misses >= SUSPECT_MISSES
    }

    /// Whether others may be told of it.
    pub const fn is_good(&self) -> bool {
        self.verified && !self.is_suspect()
    }

    /// Whether there is no need to ping it: its connection stands and has not disappointed.
    pub const fn rests(&self) -> bool {
        self.connected && self.verified && self.misses == 0
    }

    fn refresh(&mut self, now: Millis, contact: Contact, evidence: Evidence) {
        self.contact.addresses = contact.addresses.before(&self.contact.addresses);
        self.verified |= evidence == Evidence::Answered;
        self.misses = 0;
        self.seen_at = now;
    }
}

impl Bucket {
    /// Contacts that wait to take the place of one that fails.
    pub fn spares(&self) -> &[Entry] {
        &self.spares
    }

    /// The contacts, the one heard longest ago first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The same, to change when they are pinged.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// Mutable access to a contact, for what is not evidence of life.
    pub fn entry_mut(&mut self, id: NodeId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.contact.id == id)
    }

    /// Takes note of a sign of life. An entry made or verified by it is to be probed at `probe_at`.
    pub fn heard(
        &mut self,
        now: Millis,
        contact: Contact,
        evidence: Evidence,
        probe_at: Millis,
    ) -> Vec<Change> {
        let id = contact.id;
        let known = self.entries.iter().position(|entry| entry.contact.id == id);
        let mut entry = match known {
            Some(at) => self.entries.remove(at),
            None => self.take_spare(id).unwrap_or_else(|| Entry::new(now, contact.clone())),
        };
        let was_verified = known.is_some() && entry.verified;
        entry.refresh(now, contact, evidence);
        entry.probe_at = probe_at;
        let verified = (entry.verified && !was_verified).then(|| Change::Verified(entry.contact.clone()));
        if known.is_some() {
            self.entries.push(entry);
            return verified.into_iter().collect();
        }
        self.admit(entry).map_or_else(Vec::new, |lost| lost.into_iter().chain(verified).collect())
    }

    /// Takes note of a request that was not answered. `may_drop` says whether a verified contact has been
    /// silent for long enough, given whether there is a verified spare to take its place.
    pub fn missed(
        &mut self,
        now: Millis,
        id: NodeId,
        retry_at: Millis,
        may_drop: impl Fn(&Entry, bool) -> bool,
    ) -> Vec<Change> {
        self.spares.retain(|spare| spare.contact.id != id);
        let Some(at) = self.entries.iter().position(|entry| entry.contact.id == id) else {
            return Vec::new();
        };
        let replaceable = self.spares.iter().any(|spare| spare.verified);
        let entry = &mut self.entries[at];
        if entry.misses == 0 {
            entry.missing_since = now;
        }
        entry.misses = entry.misses.saturating_add(1);
        entry.probe_at = retry_at;
        if !entry.is_suspect() || (entry.verified && !may_drop(entry, replaceable)) {
            return Vec::new();
        }
        self.remove(now, id)
    }

    /// Drops a contact and lets a spare in.
    pub fn remove(&mut self, now: Millis, id: NodeId) -> Vec<Change> {
        self.take_spare(id);
        let Some(at) = self.entries.iter().position(|entry| entry.contact.id == id) else {
            return Vec::new();
        };
        let dropped = self.entries.remove(at);
        let lost = dropped.verified.then_some(Change::Lost(id));
        lost.into_iter().chain(self.promote(now)).collect()
    }

    /// Puts a newcomer where it belongs: `Some` if it is in, with what was lost for it.
    fn admit(&mut self, entry: Entry) -> Option<Option<Change>> {
        let unverified = || self.entries.iter().filter(|other| !other.verified).count();
        if self.entries.len() < K && (entry.verified || unverified() < UNVERIFIED_MAX) {
            self.entries.push(entry);
            return Some(None);
        }
        let gives_way = |other: &Entry| !other.verified || other.misses >= REPLACE_MISSES;
        match self.entries.iter().position(gives_way) {
            Some(at) if entry.verified => {
                let displaced = self.entries.remove(at);
                self.entries.push(entry);
                let lost = displaced.verified.then_some(Change::Lost(displaced.contact.id));
                if lost.is_none() {
                    self.keep_spare(displaced);
                }
                Some(lost)
            }
            _ => {
                self.keep_spare(entry);
                None
            }
        }
    }

    /// The spare heard last comes in, a verified one before others; it is probed at once.
    fn promote(&mut self, now: Millis) -> Option<Change> {
        let last_verified = self.spares.iter().rposition(|spare| spare.verified);
        let at = last_verified.or_else(|| self.spares.len().checked_sub(1))?;
        let mut spare = self.spares.remove(at);
        spare.probe_at = now;
        let change = spare.verified.then(|| Change::Verified(spare.contact.clone()));
        self.admit(spare);
        change
    }

    fn keep_spare(&mut self, entry: Entry) {
        if self.spares.len() >= SPARES_MAX {
            let oldest_unverified = self.spares.iter().position(|spare| !spare.verified);
            match oldest_unverified {
                Some(at) => self.spares.remove(at),
                None if entry.verified => self.spares.remove(0),
                None => return,
            };
        }
        self.spares.push(entry);
    }

    fn take_spare(&mut self, id: NodeId) -> Option<Entry> {
        let at = self.spares.iter().position(|spare| spare.contact.id == id)?;
        Some(self.spares.remove(at))
    }
}
