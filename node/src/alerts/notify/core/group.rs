//! Alerts that belong together: those of one receiver whose labels of the grouping are the same.
//!
//! The first notice waits a moment for others; then all go as one message, and the next one not before an
//! interval has passed. A message says everything of its group that fires, and what was resolved since the last.
//! What was resolved before anybody was told of it is not told at all.

use std::collections::BTreeMap;

use p2p_shared::time::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

use super::notice::Notice;

/// How long notices wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first of a group, for others.
    pub wait: Millis,
    /// Between two messages of a group.
    pub interval: Millis,
}

impl Default for Pace {
    /// Short enough that a threshold is told within two seconds.
    fn default() -> Self {
        Self { wait: Millis(1_000), interval: Millis(30_000) }
    }
}

/// One alert of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    notice: Notice,
    /// Since when it fires as far as a message said so; `None` if none did since it was resolved.
    told: Option<UnixMillis>,
}

/// A group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// By fingerprint.
    members: BTreeMap<String, Member>,
    /// When its next message is made.
    due: Option<Millis>,
    /// When the last one was.
    flushed: Option<Millis>,
}

impl Group {
    /// Takes up what an earlier run kept.
    pub fn restore(&mut self, now: Millis, member: Member, pace: Pace) {
        if member.waits_to_be_told() {
            self.due = Some(now + pace.wait);
        }
        self.members.insert(member.notice.fingerprint.clone(), member);
    }

    /// Takes what is told of an alert; whether that changed anything. The same again changes nothing.
    pub fn take(&mut self, now: Millis, notice: Notice, pace: Pace) -> bool {
        let members = &mut self.members;
        match members.get_mut(&notice.fingerprint) {
            Some(member) if notice.fires() => {
                if member.notice.fires() && member.notice.starts_at == notice.starts_at {
                    return false;
                }
                member.notice = notice;
            }
            None if notice.fires() => {
                members.insert(notice.fingerprint.clone(), Member { notice, told: None });
            }
            Some(member) if member.notice.fires() => match member.told {
                // The one that was told is the one that ends, though it may have begun anew since.
                Some(starts_at) => {
                    let before = std::mem::take(&mut member.notice.annotations);
                    member.notice = Notice { starts_at, ..notice };
                    if member.notice.annotations.is_empty() {
                        member.notice.annotations = before;
                    }
                }
                None => {
                    members.remove(&notice.fingerprint);
                    self.due = self.due.filter(|_| self.members.values().any(Member::waits_to_be_told));
                    return true;
                }
            },
            Some(_) | None => return false,
        }
        let soonest = self.flushed.map_or(Millis::ZERO, |flushed| flushed + pace.interval);
        self.due.get_or_insert(soonest.max(now + pace.wait));
        true
    }

    /// When its next message is made, if there is something to tell.
    pub const fn due(&self) -> Option<Millis> {
        self.due
    }

    /// The alerts of the message that is due, those that fire first, and which members that changes. What was
    /// resolved is forgotten.
    pub fn flush(&mut self, now: Millis) -> (Vec<Notice>, Vec<String>) {
        self.due = None;
        self.flushed = Some(now);
        let mut notices: Vec<Notice> = self.members.values().map(|member| member.notice.clone()).collect();
        notices.sort_by_key(|notice| !notice.fires());
        let changed = self.members.iter().filter(|(_, member)| member.waits_to_be_told());
        let changed = changed.map(|(fingerprint, _)| fingerprint.clone()).collect();
        self.members.retain(|_, member| member.notice.fires());
        self.members.values_mut().for_each(|member| member.told = Some(member.notice.starts_at));
        (notices, changed)
    }

    /// Whether nothing of it matters any more.
    pub fn is_over(&self, now: Millis, pace: Pace) -> bool {
        self.members.is_empty() && self.flushed.is_none_or(|flushed| now.since(flushed) >= pace.interval)
    }

    /// The fingerprints of all its alerts.
    pub fn fingerprints(&self) -> impl Iterator<Item = &String> {
        self.members.keys()
    }

    /// How many alerts it has.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// One of its alerts.
    pub fn member(&self, fingerprint: &str) -> Option<&Member> {
        self.members.get(fingerprint)
    }
}

impl Member {
    /// Which alert.
    pub fn fingerprint(&self) -> &str {
        &self.notice.fingerprint
    }

    fn waits_to_be_told(&self) -> bool {
        !self.notice.fires() || self.told != Some(self.notice.starts_at)
    }
}
