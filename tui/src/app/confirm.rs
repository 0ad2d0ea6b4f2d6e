//! Asking before acting: what, on whom, and that it was meant.
//!
//! A proposal is frozen when it is made: whatever reorders meanwhile, its targets stay.

use p2p_shared::id::NodeId;

use p2p_shared::services::exec::ExecRequest;
use p2p_shared::services::job::JobId;

use super::runs::Pace;
use crate::command::{
    AlertVerb, Command, CopyOrder, Defined, Errand, FileDeed, JobVerb, Probe, RunId, ServiceKey, Verb,
};
use crate::event::{Code, Key};
use crate::widgets::field::Field;

/// From this many targets on the count has to be typed.
pub const COUNT_TYPED_FROM: usize = 5;

/// One target of a proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Where.
    pub node: NodeId,
    /// What the dialog and the outcomes call it.
    pub name: String,
    /// What is done, but for the errand, which is given when it is done.
    pub deed: Deed,
}

/// What is done to one target.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Sends a signal.
    Signal(p2p_shared::services::process::ProcessRef, p2p_shared::services::process::Signal),
    /// Sets the nice value.
    Renice(p2p_shared::services::process::ProcessRef, i32),
    /// Sets and removes labels.
    Label(Vec<p2p_shared::services::node::Label>, Vec<String>),
    /// Forgets a lost node.
    Forget,
    /// Starts, stops or whatever a service.
    Control(ServiceKey, Verb),
    /// Cancels a job or whatever.
    Job(JobId, JobVerb),
    /// Acknowledges an alert or whatever.
    Alert(AlertVerb),
    /// Ends a shell.
    EndShell(String),
    /// Defines a program.
    Define(Box<Defined>),
    /// Removes a file or whatever.
    File(FileDeed),
    /// Runs a command.
    Exec(Box<ExecRequest>),
    /// Sends a probe from it.
    Probe(Probe),
    /// Puts a copy into the queue of copies, which accounts for it.
    Copy(Box<CopyOrder>),
    /// Ends the console, and the copies that go on with it.
    Leave,
}

impl Target {
    /// The order for the effects; none for what has a queue of its own.
    pub fn command(&self, run: RunId, index: usize) -> Option<Command> {
        let errand = Errand { run, target: u32::try_from(index).unwrap_or(u32::MAX) };
        let node = self.node;
        Some(match self.deed.clone() {
            Deed::Signal(target, signal) => Command::Signal { errand, node, target, signal },
            Deed::Renice(target, nice) => Command::Renice { errand, node, target, nice },
            Deed::Label(set, remove) => Command::SetLabels { errand, node, set, remove },
            Deed::Forget => Command::Forget { errand, node },
            Deed::Control(service, verb) => Command::Control { errand, node, service, verb },
            Deed::Job(id, verb) => Command::Job { errand, node, id, verb },
            Deed::Alert(verb) => Command::Alert { errand, node, verb },
            Deed::EndShell(id) => Command::EndShell { errand, node, id },
            Deed::Define(defined) => Command::Define { errand, node, defined },
            Deed::File(deed) => Command::File { errand, node, deed },
            Deed::Exec(request) => Command::Exec { errand, node, request },
            Deed::Probe(probe) => Command::Probe { errand, node, probe },
            Deed::Copy(_) => return None,
            Deed::Leave => Command::Quit,
        })
    }
}

/// What is to be done, to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The verb, as in `Send SIGTERM to`.
    pub verb: String,
    /// The targets, frozen.
    pub targets: Vec<Target>,
}

/// The dialog.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirm {
    /// What it asks about.
    pub proposal: Proposal,
    /// Whether the acting choice is chosen; the default is to cancel.
    pub acting: bool,
    /// Where the count is typed, if it has to be.
    pub typed: Option<Field>,
    /// How it goes over its targets.
    pub pace: Pace,
}

/// What came of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Still open.
    Open,
    /// Nothing is done.
    Cancelled,
    /// Do it.
    Agreed(Proposal, Pace),
}

impl Confirm {
    /// Asks.
    pub fn new(proposal: Proposal) -> Self {
        let typed = (proposal.targets.len() >= COUNT_TYPED_FROM).then(Field::default);
        Self { proposal, acting: false, typed, pace: Pace::default() }
    }

    /// Whether the count was typed, where it has to be.
    pub fn is_meant(&self) -> bool {
        let count = self.proposal.targets.len().to_string();
        self.typed.as_ref().is_none_or(|typed| typed.text().trim() == count)
    }

    /// Whether there are several targets, so that they can be gone over one after the other.
    pub fn is_paced(&self) -> bool {
        let is_queued = |target: &Target| matches!(target.deed, Deed::Copy(_));
        self.proposal.targets.len() > 1 && !self.proposal.targets.iter().any(is_queued)
    }

    /// Takes a key. Enter alone cancels: one has to choose, or to type the count.
    pub fn on_key(&mut self, key: Key) -> Answer {
        let paced = self.is_paced() && !key.ctrl;
        match (key.code, &mut self.typed) {
            (Code::Esc, _) => return Answer::Cancelled,
            (Code::Char('c'), _) if key.ctrl => return Answer::Cancelled,
            (Code::Char('b' | 'и'), _) if paced => self.pace.turn(),
            (Code::Char('s' | 'ы'), _) if paced => self.pace.stops = !self.pace.stops,
            (Code::Enter, Some(_)) => return if self.is_meant() { self.agree() } else { Answer::Open },
            (Code::Enter, None) => return if self.acting { self.agree() } else { Answer::Cancelled },
            (Code::Char('y' | 'Y' | 'н' | 'Н'), None) => return self.agree(),
            (Code::Char('n' | 'N' | 'q' | 'т' | 'Т'), None) => return Answer::Cancelled,
            (Code::Left | Code::Right | Code::Tab | Code::BackTab | Code::Char('h' | 'l'), None) => {
                self.acting = !self.acting;
            }
            (_, Some(typed)) => {
                typed.on_key(key);
            }
            (_, None) => {}
        }
        Answer::Open
    }

    fn agree(&self) -> Answer {
        Answer::Agreed(self.proposal.clone(), self.pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm(count: usize) -> Confirm {
        let target = Target { node: NodeId::new([1; 32]), name: "web-1".into(), deed: Deed::Forget };
        Confirm::new(Proposal { verb: "Forget".into(), targets: vec![target; count] })
    }

    fn press(confirm: &mut Confirm, codes: &[Code]) -> Answer {
        codes.iter().fold(Answer::Open, |_, code| confirm.on_key(Key::plain(*code)))
    }

    #[test]
    fn enter_alone_does_nothing() {
        assert_eq!(press(&mut confirm(1), &[Code::Enter]), Answer::Cancelled);
        assert!(matches!(press(&mut confirm(1), &[Code::Right, Code::Enter]), Answer::Agreed(..)));
        assert!(matches!(press(&mut confirm(1), &[Code::Char('y')]), Answer::Agreed(..)));
    }

    #[test]
    fn many_targets_want_their_count() {
        let mut many = confirm(12);
        assert_eq!(press(&mut many, &[Code::Char('y'), Code::Enter]), Answer::Open);
        assert_eq!(press(&mut many, &[Code::Backspace, Code::Char('1'), Code::Enter]), Answer::Open);
        assert!(matches!(press(&mut many, &[Code::Char('2'), Code::Enter]), Answer::Agreed(..)));
        assert_eq!(press(&mut confirm(12), &[Code::Enter, Code::Enter, Code::Esc]), Answer::Cancelled);
    }

    #[test]
    fn several_targets_can_be_gone_over_at_a_pace() {
        let mut two = confirm(2);
        press(&mut two, &[Code::Char('b'), Code::Char('b'), Code::Char('s')]);
        let pace = Pace { at_once: Some(2), stops: true };
        assert!(matches!(press(&mut two, &[Code::Char('y')]), Answer::Agreed(_, agreed) if agreed == pace));
        let mut one = confirm(1);
        press(&mut one, &[Code::Char('b'), Code::Char('s')]);
        assert_eq!(one.pace, Pace::default(), "one target has no pace");
        let mut many = confirm(12);
        press(&mut many, &[Code::Char('b'), Code::Char('1'), Code::Char('2')]);
        assert!(matches!(press(&mut many, &[Code::Enter]), Answer::Agreed(_, Pace { at_once: Some(1), .. })));
    }
}
