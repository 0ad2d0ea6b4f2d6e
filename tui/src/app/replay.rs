//! A recording of a shell that is played: whose keys are whose, and what goes to its node.

use p2p_shared::id::NodeId;
use p2p_shared::services::shell::ShellRecording;
use p2p_shared::time::Millis;

use super::State;
use crate::action::Action;
use crate::command::{Command, ReplayOrder, TerminalId};
use crate::event::ReplaySaid;
use crate::views::ViewId;
use crate::views::shell::{Player, Playing};

impl State {
    /// Whether a recording fills the view.
    pub fn is_replaying(&self) -> bool {
        self.current == ViewId::Shell && self.world.shells.player.is_some()
    }

    /// Plays a recording from its beginning.
    pub(super) fn begin_replay(&mut self, node: NodeId, recording: ShellRecording) {
        self.end_replay();
        self.terminals += 1;
        let (player, id) = (TerminalId(self.terminals), recording.id.clone());
        self.world.shells.player = Some(Player::new(player, node, recording));
        self.show(ViewId::Shell, None);
        self.message = None;
        self.order_replay(ReplayOrder::Play { node, id });
    }

    /// Takes it off the screen.
    pub(super) fn end_replay(&mut self) {
        self.order_replay(ReplayOrder::Leave);
        if self.world.shells.player.take().is_some() {
            self.refresh_view();
        }
    }

    fn order_replay(&mut self, order: ReplayOrder) {
        if let Some(player) = &self.world.shells.player {
            self.out.push(Command::Replay { player: player.id, order });
        }
    }

    /// An action while a recording fills the view; whether it is the recording's.
    pub(super) fn on_replay_action(&mut self, action: Action) -> bool {
        if !self.is_replaying() {
            return false;
        }
        match action {
            Action::Close | Action::Back => self.end_replay(),
            Action::Open if self.is_replay_over() => self.end_replay(),
            Action::Mark => self.pause_replay(),
            Action::ZoomIn | Action::ZoomOut => self.turn_replay(action == Action::ZoomIn),
            Action::Left | Action::Earlier => self.step_replay(false),
            Action::Right | Action::Later => self.step_replay(true),
            Action::Top => self.seek_replay(Millis::ZERO),
            // What goes elsewhere goes there; what is about a list is about none here.
            Action::Palette
            | Action::Help
            | Action::Show(_)
            | Action::Forward
            | Action::NewTab
            | Action::CloseTab
            | Action::TabLeft
            | Action::TabRight
            | Action::Interrupt
            | Action::Suspend
            | Action::Mouse
            | Action::Refresh
            | Action::Outcomes
            | Action::Copies
            | Action::LastShell
            | Action::Quit => return false,
            _ => {}
        }
        true
    }

    /// Whether there is nothing more to be seen of the recording.
    pub fn is_replay_over(&self) -> bool {
        let stage = self.world.shells.player.as_ref().map(|player| &player.stage);
        matches!(stage, Some(Playing::Over | Playing::Failed(_)))
    }

    fn pause_replay(&mut self) {
        let Some(player) = &mut self.world.shells.player else { return };
        match player.stage {
            Playing::On => {
                player.stage = Playing::Paused;
                self.order_replay(ReplayOrder::Pause);
            }
            Playing::Paused => {
                player.stage = Playing::On;
                self.order_replay(ReplayOrder::Go);
            }
            // Once more.
            Playing::Over => self.seek_replay(Millis::ZERO),
            Playing::Waiting | Playing::Failed(_) => {}
        }
    }

    fn turn_replay(&mut self, faster: bool) {
        let speed = self.world.shells.player.as_mut().and_then(|player| player.turn(faster));
        if let Some(percent) = speed {
            self.order_replay(ReplayOrder::Speed(percent));
        }
    }

    fn step_replay(&mut self, forth: bool) {
        let Some(player) = &mut self.world.shells.player else { return };
        if matches!(player.stage, Playing::On | Playing::Paused) || (player.stage == Playing::Over && !forth)
        {
            let to = player.step(forth);
            self.order_replay(ReplayOrder::Seek(to));
        }
    }

    fn seek_replay(&mut self, to: Millis) {
        let Some(player) = &mut self.world.shells.player else { return };
        if matches!(player.stage, Playing::On | Playing::Paused | Playing::Over) {
            player.go(to);
            self.order_replay(ReplayOrder::Seek(to));
        }
    }

    /// What its node sent of it.
    pub(super) fn on_replay(&mut self, id: TerminalId, said: ReplaySaid) {
        if let Some(player) = self.world.shells.player.as_mut().filter(|player| player.id == id) {
            player.hear(said);
            self.dirty |= self.current == ViewId::Shell;
        }
    }

    /// Nothing is played that nobody sees.
    pub(super) fn rest_replay(&mut self) {
        let seen = self.current == ViewId::Shell;
        let playing = self.world.shells.player.as_ref().is_some_and(|player| player.stage == Playing::On);
        if playing && !seen {
            self.pause_replay();
        }
    }
}
