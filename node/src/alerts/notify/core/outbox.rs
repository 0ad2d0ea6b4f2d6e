//! The outbox: every group and every queue.
//!
//! What is to be kept comes out before what is to be sent: whoever writes in this order sends nothing after a
//! crash that it does not know of. Between sending and keeping that it was sent lies the only gap; what falls
//! in it is sent again, with the same id.

use std::collections::{BTreeMap, VecDeque};

use p2p_shared::rng::Rng;
use p2p_shared::time::Millis;
use serde::{Deserialize, Serialize};

use super::group::{Group, Member, Pace};
use super::notice::{Message, Notice};
use super::queue::{Outcome, Queue};
use crate::alerts::core::rule::{Labels, Matcher};

/// Alerts of all groups together; beyond, new ones are counted and not told.
pub const ALERTS_MAX: usize = 4_000;
/// Alerts in one message; of more it says how many.
pub const MESSAGE_ALERTS_MAX: usize = 100;

/// Who is told of what.
#[derive(Clone, Debug)]
pub struct Route {
    /// The receiver's name.
    pub receiver: String,
    /// Of alerts that fit all of these; without one, of every alert.
    pub matchers: Vec<Matcher>,
    /// Alerts that agree in these labels are one message.
    pub group_by: Vec<String>,
    /// How long they wait for each other.
    pub pace: Pace,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKey {
    /// For whom.
    pub receiver: String,
    /// The labels that its alerts have in common.
    pub labels: Labels,
}

/// What an earlier run kept.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// Alerts of groups.
    pub members: Vec<(GroupKey, Member)>,
    /// Messages by their number, which is their order.
    pub messages: Vec<(u64, Message)>,
}

/// What happens to the outbox, beside time.
#[derive(Clone, Debug)]
pub enum Input {
    /// An alert fires, or is resolved.
    Notice(Notice),
    /// What became of the message that was under way to a receiver.
    Outcome(String, Outcome),
    /// Nothing; time passed.
    Time,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Keep an alert of a group, by its fingerprint, or forget it.
    KeepMember(GroupKey, String, Option<Member>),
    /// Keep a message, or forget it.
    KeepMessage(u64, Option<Message>),
    /// Send a message; the answer is an [`Input::Outcome`].
    Send(Message),
}

/// The owner of everything that is on its way.
#[derive(Debug)]
pub struct Outbox {
    routes: Vec<Route>,
    groups: BTreeMap<GroupKey, Group>,
    queues: BTreeMap<String, Queue>,
    next: u64,
    rng: Rng,
    outputs: VecDeque<Output>,
    refused: u64,
}

impl Outbox {
    /// Goes on where an earlier run ended. What was on its way to receivers that are no more is forgotten.
    pub fn new(now: Millis, routes: Vec<Route>, saved: Saved, seed: u64) -> Self {
        let queues = routes.iter().map(|route| (route.receiver.clone(), Queue::default())).collect();
        let mut outbox = Self {
            routes,
            groups: BTreeMap::new(),
            queues,
            next: saved.messages.iter().map(|(number, _)| number + 1).max().unwrap_or(0),
            rng: Rng::new(seed),
            outputs: VecDeque::new(),
            refused: 0,
        };
        for (key, member) in saved.members {
            match outbox.pace(&key.receiver) {
                Some(pace) => outbox.groups.entry(key).or_default().restore(now, member, pace),
                None => {
                    let fingerprint = member.fingerprint().to_owned();
                    outbox.outputs.push_back(Output::KeepMember(key, fingerprint, None));
                }
            }
        }
        for (number, message) in saved.messages {
            match outbox.queues.get_mut(&message.receiver) {
                Some(queue) => queue.push(number, message),
                None => outbox.outputs.push_back(Output::KeepMessage(number, None)),
            }
        }
        outbox
    }

    /// Goes on with other receivers. What is on its way to those that are no more is forgotten; those that keep their
    /// name keep what waits for them, whatever else of them is another.
    pub fn route(&mut self, routes: Vec<Route>) {
        let is_there = |receiver: &str| routes.iter().any(|route| route.receiver == receiver);
        for (key, group) in self.groups.iter().filter(|(key, _)| !is_there(&key.receiver)) {
            let forget = |fingerprint: &String| Output::KeepMember(key.clone(), fingerprint.clone(), None);
            self.outputs.extend(group.fingerprints().map(forget));
        }
        self.groups.retain(|key, _| is_there(&key.receiver));
        for queue in self.queues.iter().filter(|(receiver, _)| !is_there(receiver)).map(|(_, queue)| queue) {
            self.outputs.extend(queue.numbers().map(|number| Output::KeepMessage(number, None)));
        }
        self.queues.retain(|receiver, _| is_there(receiver));
        for route in &routes {
            self.queues.entry(route.receiver.clone()).or_default();
        }
        self.routes = routes;
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::Notice(notice) => self.on_notice(now, &notice),
            Input::Outcome(receiver, outcome) => self.on_outcome(now, &receiver, outcome),
            Input::Time => {}
        }
        self.flush(now);
        for queue in self.queues.values_mut() {
            if let Some((_, message)) = queue.poll(now) {
                self.outputs.push_back(Output::Send(message.clone()));
            }
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Time`] has something to do.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let has_room = |key: &GroupKey| self.queues.get(&key.receiver).is_some_and(Queue::has_room);
        let groups = self.groups.iter().filter(|(key, _)| has_room(key)).filter_map(|(_, group)| group.due());
        groups.chain(self.queues.values().filter_map(Queue::due)).min()
    }

    /// How many messages wait for each receiver.
    pub fn waiting(&self) -> impl Iterator<Item = (&str, usize)> {
        self.queues.iter().map(|(receiver, queue)| (receiver.as_str(), queue.count()))
    }

    /// How many alerts were not told, because there are too many.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    fn pace(&self, receiver: &str) -> Option<Pace> {
        self.routes.iter().find(|route| route.receiver == receiver).map(|route| route.pace)
    }

    fn on_notice(&mut self, now: Millis, notice: &Notice) {
        let full = self.groups.values().map(Group::count).sum::<usize>() >= ALERTS_MAX;
        for route in &self.routes {
            if !route.matchers.iter().all(|matcher| matcher.fits(&notice.labels)) {
                continue;
            }
            let key = route.group_of(notice);
            if full && notice.fires() {
                self.refused += 1;
                continue;
            }
            let group = self.groups.entry(key.clone()).or_default();
            if group.take(now, notice.clone(), route.pace) {
                self.outputs.push_back(keep(&key, group, &notice.fingerprint));
            }
        }
    }

    fn on_outcome(&mut self, now: Millis, receiver: &str, outcome: Outcome) {
        let Some(queue) = self.queues.get_mut(receiver) else { return };
        if let Some(number) = queue.on_outcome(now, outcome, &mut self.rng) {
            self.outputs.push_back(Output::KeepMessage(number, None));
        }
    }

    /// Makes the messages that are due and fit their queue, and forgets groups of which nothing is left.
    fn flush(&mut self, now: Millis) {
        let is_due = |group: &Group| group.due().is_some_and(|due| due <= now);
        for (key, group) in self.groups.iter_mut().filter(|(_, group)| is_due(group)) {
            let Some(queue) = self.queues.get_mut(&key.receiver).filter(|queue| queue.has_room()) else {
                continue;
            };
            let (mut alerts, changed) = group.flush(now);
            let truncated = alerts.len().saturating_sub(MESSAGE_ALERTS_MAX);
            alerts.truncate(MESSAGE_ALERTS_MAX);
            let message = Message {
                id: format!("msg_{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64()),
                receiver: key.receiver.clone(),
                group_labels: key.labels.clone(),
                alerts,
                truncated: u32::try_from(truncated).unwrap_or(u32::MAX),
            };
            self.outputs.extend(changed.iter().map(|fingerprint| keep(key, group, fingerprint)));
            self.outputs.push_back(Output::KeepMessage(self.next, Some(message.clone())));
            queue.push(self.next, message);
            self.next += 1;
        }
        let paces: BTreeMap<&str, Pace> =
            self.routes.iter().map(|route| (route.receiver.as_str(), route.pace)).collect();
        let is_over = |key: &GroupKey, group: &Group| {
            paces.get(key.receiver.as_str()).is_none_or(|pace| group.is_over(now, *pace))
        };
        self.groups.retain(|key, group| !is_over(key, group));
    }
}

impl Route {
    fn group_of(&self, notice: &Notice) -> GroupKey {
        let label = |name: &String| Some((name.clone(), notice.labels.get(name)?.clone()));
        GroupKey { receiver: self.receiver.clone(), labels: self.group_by.iter().filter_map(label).collect() }
    }
}

fn keep(key: &GroupKey, group: &Group, fingerprint: &str) -> Output {
    Output::KeepMember(key.clone(), fingerprint.to_owned(), group.member(fingerprint).cloned())
}

#[cfg(test)]
mod tests;
