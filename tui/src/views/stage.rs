//! What tests of views stand on: a simulated fleet in each of the states that a view can find it in.

use p2p_shared::error::RpcError;
use p2p_shared::services::node::MemberState;
use p2p_shared::time::{Millis, UnixMillis};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::shell::Shells;
use super::{Change, Scene, Scope, View};
use crate::command::{Subscription, Topic};
use crate::fleet::Fleet;
use crate::log::Log;
use crate::testing::{Simulated, painted};
use crate::theme::Theme;

/// The sizes of every view's snapshots.
pub(super) const SIZES: [(u16, u16); 3] = [(80, 24), (200, 50), (50, 15)];

/// A fleet and the time.
pub(super) struct Stage {
    pub(super) world: Simulated,
    pub(super) fleet: Fleet,
    pub(super) log: Log,
    shells: Shells,
    pub(super) now: Millis,
    pub(super) body: Rect,
}

impl Stage {
    /// Nodes that sent nothing yet.
    pub(super) fn loading(nodes: usize) -> Self {
        Self::crowded(nodes, 3)
    }

    /// The same, each with so many processes.
    pub(super) fn crowded(nodes: usize, processes: usize) -> Self {
        let world = Simulated::new(nodes, processes);
        let mut fleet = Fleet::default();
        fleet.apply(world.fleet());
        Self {
            world,
            fleet,
            log: Log::default(),
            shells: Shells::default(),
            now: Millis::from_secs(1),
            body: Rect::new(0, 0, 80, 24),
        }
    }

    /// Nodes that have sent everything for some seconds.
    pub(super) fn data(nodes: usize, seconds: u64) -> Self {
        let mut stage = Self::loading(nodes);
        for _ in 0..seconds {
            stage.world.step();
            stage.now = stage.now + Millis::from_secs(1);
            for index in 0..nodes {
                stage.fleet.set_sample(stage.world.id(index), stage.world.sample(index), stage.now);
            }
        }
        for index in 0..nodes {
            stage.hear(index);
        }
        stage
    }

    /// A node tells of the mesh.
    pub(super) fn hear(&mut self, index: usize) {
        let id = self.world.id(index);
        self.fleet.set_peers(id, self.world.peers(index), self.now);
        self.fleet.set_routing(id, self.world.routing(index), self.now);
        self.fleet.set_refused(id, self.world.refused(index), self.now);
    }

    /// Time goes on in silence.
    pub(super) fn wait(mut self, seconds: u64) -> Self {
        self.now = self.now + Millis::from_secs(seconds);
        self
    }

    /// The directory gives the first node up.
    pub(super) fn lost(mut self) -> Self {
        self.world.set_state(0, MemberState::Lost);
        self.fleet.apply(self.world.fleet_change(0));
        self
    }

    /// The first node refuses a topic.
    pub(super) fn denied(mut self, topic: Topic) -> Self {
        let node = self.world.id(0);
        let error = RpcError::forbidden("the local policy allows viewers no monitor.read");
        self.fleet.set_error(Subscription { node, topic }, error);
        self
    }

    /// What a view may look at.
    pub(super) fn scene(&self) -> Scene<'_> {
        let wall = UnixMillis(self.world.wall().0);
        Scene {
            fleet: &self.fleet,
            log: &self.log,
            shells: &self.shells,
            now: self.now,
            wall,
            body: self.body,
            readonly: false,
        }
    }

    /// Shows the first node in a view and tells it that everything changed.
    pub(super) fn show(&self, view: &mut impl View) {
        view.set_scope(&self.scene(), Scope::one(self.world.id(0)));
        self.tell(view);
    }

    /// Tells a view that everything changed.
    pub(super) fn tell(&self, view: &mut impl View) {
        view.on_change(&self.scene(), Change::Nodes);
        for (id, _) in self.fleet.iter() {
            view.on_change(&self.scene(), Change::Peers(id));
        }
        view.on_change(&self.scene(), Change::Time);
    }

    /// The view as text, followed by the hash of its styles.
    pub(super) fn paint(&self, view: &impl View, (width, height): (u16, u16), theme: &Theme) -> String {
        let body = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(body);
        view.draw(&Scene { body, ..self.scene() }, theme, body, &mut buffer);
        painted(&buffer)
    }
}
