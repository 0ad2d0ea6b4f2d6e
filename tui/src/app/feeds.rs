//! What the screen needs of the nodes: ordered while it is shown, and no longer.

use p2p_shared::time::Millis;

use super::State;
use crate::command::{Command, Subscription, Topic};
use crate::log::Log;
use crate::views::{Change, ViewId};

/// In a fleet of up to so many nodes the figures of all are followed all the time, so that charts have a past.
const FOLLOWED_MAX: usize = 64;
/// Unless nobody has touched a key for so long.
const FOLLOWED_FOR: Millis = Millis::from_secs(60);

impl State {
    /// Orders what the screen shows, and no more.
    pub(super) fn subscribe(&mut self) {
        if self.options.first_run.is_some() {
            return;
        }
        let mut wanted = self.view().topics(&self.scene());
        let fleet = &self.world.fleet;
        if fleet.len() <= FOLLOWED_MAX && self.world.now.since(self.touched) < FOLLOWED_FOR {
            let there = fleet.iter().filter(|(_, node)| node.is_there());
            wanted.extend(there.map(|(node, _)| Subscription { node, topic: Topic::Sample }));
        }
        if wanted == self.subscribed {
            return;
        }
        self.out.extend(self.subscribed.difference(&wanted).copied().map(Command::Unsubscribe));
        self.out.extend(wanted.difference(&self.subscribed).copied().map(Command::Subscribe));
        self.subscribed = wanted;
    }

    /// Whether there is an age on the screen that grows by the second.
    pub(super) fn shows_ages(&self) -> bool {
        let now = self.world.now;
        let is_followed = |node| self.subscribed.contains(&Subscription { node, topic: Topic::Sample });
        let is_old = |id, node: &crate::fleet::Node| is_followed(id) && node.is_stale(Topic::Sample, now);
        self.world.fleet.iter().any(|(id, node)| !node.is_there() || is_old(id, node))
    }

    /// Asks for the directories that the screen shows.
    pub(super) fn browse(&mut self) {
        if self.current != ViewId::Files || self.options.first_run.is_some() {
            return;
        }
        let body = self.areas().body;
        let scene = super::scene(&self.world, body, self.options.readonly);
        for (node, order) in self.views.files.wanted(&scene) {
            self.out.push(Command::Files { node, order });
        }
    }

    /// Asks for the past that the screen shows.
    pub(super) fn recall(&mut self) {
        if self.current != ViewId::Resources || self.options.first_run.is_some() {
            return;
        }
        let body = self.areas().body;
        let scene = super::scene(&self.world, body, self.options.readonly);
        if let Some((node, order)) = self.views.resources.wanted(&scene) {
            self.out.push(Command::Past { node, order });
        }
    }

    /// Follows the lines that the screen shows, and no others.
    pub(super) fn follow(&mut self) {
        let wanted = self.view().follows(&self.scene());
        if wanted == self.following || self.options.first_run.is_some() {
            return;
        }
        if let Some(first) = wanted.first()
            && first.source != *self.world.log.source()
        {
            self.world.log = Log::new(first.source.clone());
        }
        for gone in self.following.difference(&wanted) {
            self.world.log.leave(gone.node);
            self.out.push(Command::Unfollow(gone.clone()));
        }
        for new in wanted.difference(&self.following) {
            self.world.log.join(new.node, self.world.now);
            self.out.push(Command::Follow(new.clone()));
        }
        self.following = wanted;
        self.changes.insert(Change::Log);
        self.dirty = true;
    }

    /// Rows that lists did not name in time, and nodes whose journal has fallen silent.
    pub(super) fn sweep(&mut self, now: Millis) {
        let swept = self.world.fleet.sweep(now);
        self.dirty |= !swept.is_empty();
        self.changes.extend(swept.into_iter().map(Change::List));
        if !self.is_frozen() && self.world.log.check(now, self.world.wall) {
            self.changes.insert(Change::Log);
            self.dirty = true;
        }
    }
}
