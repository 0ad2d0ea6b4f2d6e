//! A probe that a node was asked for, while its answers come in. Its box goes with it: closing the box stops it.

use std::collections::VecDeque;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::id::NodeId;

use super::State;
use super::confirm::{Deed, Proposal, Target};
use super::layer::Layer;
use super::menu::{Choice, Question};
use super::reading::scrolled_back;
use crate::command::{Command, Errand, Probe, ProbeKind, RunId};
use crate::event::{self, Key, MouseKind, ProbeSaid};
use crate::format::probe::{self, Tally};

/// Lines that are kept; the oldest go.
const LINES_MAX: usize = 5_000;
/// Lines that the wheel scrolls by.
const WHEEL_LINES: usize = 3;

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// It goes on.
    Running,
    /// It came to its end.
    Over,
    /// The operator stopped it.
    Stopped,
    /// It ended otherwise: why.
    Failed(RpcError),
}

/// What is shown of one.
#[derive(Clone, Debug)]
pub struct Probing {
    /// By which its answers are known.
    pub run: RunId,
    /// From where it is sent.
    pub node: NodeId,
    /// What it is.
    pub probe: Probe,
    /// What came, oldest first.
    pub lines: VecDeque<String>,
    /// Lines that were let go.
    pub gone: usize,
    /// What it comes to so far.
    pub sum: String,
    /// How far it is.
    pub stage: Stage,
    /// Lines, as they are drawn, that it is scrolled back from the end.
    pub back: usize,
    tally: Tally,
}

impl Probing {
    fn new(run: RunId, node: NodeId, probe: Probe) -> Self {
        Self {
            run,
            node,
            probe,
            lines: VecDeque::new(),
            gone: 0,
            sum: String::new(),
            stage: Stage::Running,
            back: 0,
            tally: Tally::default(),
        }
    }

    fn hear(&mut self, said: ProbeSaid) {
        match said {
            ProbeSaid::Ping(reply) => {
                self.tally.add(&reply);
                self.sum = self.tally.line();
                self.push(probe::ping(&reply));
            }
            ProbeSaid::Trace(step) => {
                self.push(probe::hop(&step.hop));
                self.sum = match step.end {
                    None => format!("hop {} on the way to {}", step.hop.ttl, step.target),
                    Some(end) => probe::dead_end(end)
                        .map_or_else(|| format!("{} is reached", step.target), ToOwned::to_owned),
                };
            }
            ProbeSaid::Scan(found) => {
                self.sum = probe::progress(&found);
                for open in found.open {
                    let service = open.service.as_deref().unwrap_or("-");
                    let line =
                        format!("{}  {:>5}  {service:<16}  {:.2} ms", open.address, open.port, open.rtt_ms);
                    self.push(line);
                }
            }
        }
    }

    fn push(&mut self, line: String) {
        self.lines.push_back(line);
        if self.back > 0 {
            // What is read stays where it is.
            self.back += 1;
        }
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
            self.gone += 1;
        }
    }

    fn end(&mut self, result: Result<(), RpcError>) {
        if self.stage == Stage::Running {
            self.stage = match result {
                Ok(()) => Stage::Over,
                Err(error) if error.code == Code::Cancelled => Stage::Stopped,
                Err(error) => Stage::Failed(error),
            };
        }
    }
}

/// The probe that a proposal is about.
fn probe_of(proposal: &Proposal) -> Option<(NodeId, Probe)> {
    match proposal.targets.as_slice() {
        [Target { node, deed: Deed::Probe(probe), .. }] => Some((*node, probe.clone())),
        _ => None,
    }
}

impl State {
    /// The box for what is done: that of a probe, or that of outcomes.
    pub(super) fn box_for(run: RunId, proposal: &Proposal) -> Layer {
        match probe_of(proposal) {
            Some((node, probe)) => Layer::Probe(Box::new(Probing::new(run, node, probe))),
            None => Layer::Outcomes { run, scroll: 0 },
        }
    }

    /// The probe that a line says: a scan is asked about, others only look.
    pub(super) fn probe(&mut self, node: NodeId, kind: ProbeKind, text: &str) -> Result<(), String> {
        let probe = Probe::parse(kind, text)?;
        let (verb, name) = (probe.verb(), self.world.fleet.name_of(node));
        let proposal = Proposal { verb, targets: vec![Target { node, name, deed: Deed::Probe(probe) }] };
        match kind {
            ProbeKind::Scan => self.propose(proposal),
            ProbeKind::Ping | ProbeKind::Trace => self.carry_out(proposal),
        }
        Ok(())
    }

    /// `:ping web-1 10.0.0.7`; without a target it is asked for.
    pub(super) fn probe_from(&mut self, kind: ProbeKind, name: &str, text: &str) {
        let Some(node) = self.world.fleet.named(name).map(|(id, _)| id) else {
            self.say(format!("no node is called {name}"));
            return;
        };
        if text.is_empty() {
            let node = (node, name.to_owned());
            self.choose(Choice::Ask(Question::Probe { node, kind, target: String::new() }));
        } else if let Err(what) = self.probe(node, kind, text) {
            self.say(what);
        }
    }

    pub(super) fn on_probe(&mut self, run: RunId, said: ProbeSaid) {
        if let Some(probing) = self.probing(run) {
            probing.hear(said);
            self.dirty = true;
        }
    }

    pub(super) fn on_probe_end(&mut self, errand: Errand, result: &Result<(), RpcError>) {
        if let Some(probing) = self.probing(errand.run) {
            probing.end(result.clone());
        }
    }

    fn probing(&mut self, run: RunId) -> Option<&mut Probing> {
        self.layers.iter_mut().find_map(|layer| match layer {
            Layer::Probe(probing) if probing.run == run => Some(probing.as_mut()),
            _ => None,
        })
    }

    pub(super) fn on_probe_key(&mut self, mut probing: Box<Probing>, key: Key) {
        use event::Code;
        let is_running = probing.stage == Stage::Running;
        match key.code {
            Code::Char('c') if key.ctrl && is_running => {
                probing.stage = Stage::Stopped;
                self.out.push(Command::Cancel(probing.run));
            }
            Code::Char('c') if key.ctrl => return,
            Code::Esc | Code::Char('q') => {
                if is_running {
                    self.out.push(Command::Cancel(probing.run));
                }
                return;
            }
            Code::Enter if !is_running => return,
            code => probing.back = scrolled_back(code, probing.back),
        }
        self.put_back(probing);
    }

    /// The wheel over it.
    pub(super) fn scroll_probe(&mut self, kind: MouseKind) {
        match self.layers.pop() {
            Some(Layer::Probe(mut probing)) => {
                probing.back = match kind {
                    MouseKind::WheelUp => probing.back.saturating_add(WHEEL_LINES),
                    MouseKind::WheelDown => probing.back.saturating_sub(WHEEL_LINES),
                    MouseKind::Press => probing.back,
                };
                self.put_back(probing);
            }
            other => self.layers.extend(other),
        }
    }

    /// It is scrolled no further than there are lines.
    fn put_back(&mut self, mut probing: Box<Probing>) {
        let most = crate::view::probing_back_max(&probing, &self.areas());
        probing.back = probing.back.min(most);
        self.layers.push(Layer::Probe(probing));
    }
}
