//! What views and dialogs ask of the console.

use p2p_shared::services::exec::{CommandLine, ExecRequest};
use p2p_shared::services::node::Label;
use p2p_shared::services::process::ProcessRef;

use super::State;
use super::answers;
use super::confirm::{Confirm, Deed, Proposal, Target};
use super::layer::{Described, Details, Layer};
use super::menu::{Choice, Question};
use super::runs::{Pace, Run};
use crate::command::{Command, Defined, FilesOrder, RunId, Source, Spot, Subject};
use crate::event::{Code, Key};
use crate::views::{Request, Scope, ViewId};
use crate::widgets::field::Field;

/// Bytes of what one command writes that are kept, and of what all of an action write.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
const ANSWERS_BYTES_MAX: u64 = 8 << 20;
/// Nice values run from the greediest to the kindest.
const NICE: std::ops::RangeInclusive<i32> = -20..=19;

impl State {
    pub(super) fn fulfil(&mut self, requests: Vec<Request>) {
        for request in requests {
            match request {
                Request::Show(view, scope) => self.show(view, Some(scope)),
                Request::Find(view, node, filter) => self.find(view, node, &filter),
                Request::Propose(proposal) => self.propose(proposal),
                Request::Menu(menu) => self.layers.push(Layer::Menu(menu)),
                Request::Order(command) => self.out.push(command),
                Request::Say(text) => self.say(text),
                Request::Copy(text) => self.copy_text(text),
                Request::Inspect { node, target, name } => self.inspect(node, target, name),
                Request::Logs(source, scope) => self.show_lines(source, scope),
                Request::Sockets(node, filter) => self.show_sockets(node, &filter),
                Request::Sorted(node, key) => self.show_sorted(node, key),
                Request::Moment(node, at) => self.show_moment(node, at),
                Request::Browse(spot, name) => self.show_files(spot, name),
                Request::Seek(sought) => self.seek_process(sought),
                Request::Related => self.show_related(),
                Request::Describe { node, subject, name } => self.describe(node, subject, name),
                Request::Attach { node, id } => self.attach(node, id),
                Request::Detach { node, id } => self.detach(node, &id),
                Request::Play(node, recording) => self.begin_replay(node, *recording),
                Request::Files(node, FilesOrder::Edit(path)) => self.fetch_to_edit(node, path),
                Request::Files(_, FilesOrder::Plan(plan)) => self.plan_copy(*plan),
                Request::Files(node, order) => self.out.push(Command::Files { node, order }),
                Request::Define(nodes) => self.open_form(nodes),
                Request::EditProgram(name, nodes) => self.open_form_on(name, nodes),
                Request::LookUp { node, name } => self.look_up(node, name),
                Request::OpenShell(node) => self.open_shell(node),
                Request::Read { title, lines } => self.layers.push(Layer::Facts { title, lines, scroll: 0 }),
            }
        }
    }

    pub(super) fn propose(&mut self, proposal: Proposal) {
        if self.options.readonly {
            self.say("read-only: start without --readonly to act");
        } else if !proposal.targets.is_empty() {
            // What was said of the last question is not the answer to this one.
            self.message = None;
            self.layers.push(Layer::Confirm(Confirm::new(proposal)));
        }
    }

    /// Does what was agreed to, and shows what becomes of it.
    pub(super) fn carry_out(&mut self, proposal: Proposal) {
        self.carry_out_at(proposal, Pace::default());
    }

    /// The same at a pace.
    pub(super) fn carry_out_at(&mut self, proposal: Proposal, pace: Pace) {
        if self.begin_copies(&proposal) {
            return;
        }
        if proposal.targets.iter().any(|target| target.deed == Deed::Leave) {
            self.out.push(Command::Quit);
            return;
        }
        let asked = proposal.clone();
        self.settle_conflict(&proposal);
        let (run, commands) = self.runs.begin(proposal, pace, self.world.wall);
        self.out.extend(commands);
        self.send_form(&asked, run);
        let layer = Self::box_for(run, &asked);
        // A probe is of no mark.
        if !matches!(layer, Layer::Probe(_)) {
            self.with_view(|view, _| view.clear_marks());
        }
        // What is run again takes the place of what failed.
        self.layers.retain(|layer| !matches!(layer, Layer::Outcomes { .. }));
        self.layers.push(layer);
    }

    /// The keys of the screen of outcomes: it is read, and run again on what failed.
    pub(super) fn on_outcomes_key(&mut self, (run, scroll): (RunId, usize), key: Key) {
        let layer = Layer::Outcomes { run, scroll };
        if matches!(key.code, Code::Char('d' | 'в')) && !key.ctrl {
            self.layers.push(layer);
            return self.show_differences(run);
        }
        if !matches!(key.code, Code::Char('r' | 'к')) || key.ctrl {
            return self.on_reading_key(layer, key);
        }
        let again = self.runs.get(run).and_then(Run::again);
        self.layers.push(layer);
        match again {
            Some(proposal) => self.propose(proposal),
            None if self.runs.waiting() == Some(run) => self.say("not all have ended; ^C gives up"),
            None => self.say("all went well: there is nothing to run again"),
        }
    }

    /// How the answers differ from what most of them say.
    fn show_differences(&mut self, run: RunId) {
        match self.runs.get(run).and_then(answers::differences) {
            Some((title, lines)) => self.layers.push(Layer::Facts { title, lines, scroll: 0 }),
            None => self.say("no answer differs from another"),
        }
    }

    /// What became of the last action, once more.
    pub(super) fn show_outcomes(&mut self) {
        match self.runs.latest() {
            Some(run) => self.layers.push(Layer::Outcomes { run, scroll: 0 }),
            None => self.say("nothing was done yet"),
        }
    }

    fn inspect(&mut self, node: p2p_shared::id::NodeId, target: ProcessRef, name: String) {
        let details = Details { name, node, target: target.clone(), result: None, scroll: 0 };
        self.layers.push(Layer::Details(Box::new(details)));
        self.out.push(Command::Inspect { node, target });
    }

    /// Shows lines of a log in the journal's view.
    pub(super) fn show_lines(&mut self, source: Source, scope: Scope) {
        self.views.journal.set_source(source);
        self.show(ViewId::Journal, Some(scope));
    }

    fn describe(&mut self, node: p2p_shared::id::NodeId, subject: Subject, name: String) {
        let described = Described { name, node, subject: subject.clone(), result: None, scroll: 0 };
        self.layers.push(Layer::Described(Box::new(described)));
        self.out.push(Command::Describe { node, subject });
    }

    pub(super) fn choose(&mut self, choice: Choice) {
        match choice {
            Choice::Do(request) => self.fulfil(vec![*request]),
            Choice::Ask(question) if self.options.readonly && !question.only_looks() => {
                self.say("read-only: start without --readonly to act");
            }
            Choice::Ask(question) => {
                let field = Field::new(question.line());
                self.layers.push(Layer::Ask { question, field, mistake: None });
            }
        }
    }

    /// The value that was asked for; what is wrong with it, if it is.
    pub(super) fn answer(&mut self, question: &Question, text: &str) -> Result<(), String> {
        let proposal = match question {
            Question::Nice(targets) => renice(targets, text)?,
            Question::Labels(nodes) => relabel(nodes, text)?,
            Question::Exec(nodes) => exec(nodes, text)?,
            Question::Silence(targets) => super::silence::silence(targets, text)?,
            Question::CopyFile(node, path) => {
                return self.plan_to(Spot { node: *node, path: path.clone() }, text);
            }
            Question::Find { node, path, what } => {
                return self.begin_search(Spot { node: *node, path: path.clone() }, *what, text);
            }
            Question::Probe { node: (node, _), kind, .. } => return self.probe(*node, *kind, text),
            Question::Journal(part) => {
                self.views.journal.ask(*part, text)?;
                self.refresh_view();
                return Ok(());
            }
        };
        self.propose(proposal);
        Ok(())
    }
}

fn renice(targets: &[(p2p_shared::id::NodeId, String, ProcessRef)], text: &str) -> Result<Proposal, String> {
    let nice: i32 = text.trim().parse().map_err(|_| "a nice value is a number".to_owned())?;
    if !NICE.contains(&nice) {
        return Err("a nice value is -20 (greedy) to 19 (kind)".into());
    }
    let target = |(node, name, process): &(p2p_shared::id::NodeId, String, ProcessRef)| Target {
        node: *node,
        name: name.clone(),
        deed: Deed::Renice(process.clone(), nice),
    };
    Ok(Proposal { verb: format!("Set nice {nice} on"), targets: targets.iter().map(target).collect() })
}

/// A line for the shell of these nodes.
fn exec(nodes: &[(p2p_shared::id::NodeId, String)], text: &str) -> Result<Proposal, String> {
    let line = text.trim();
    if line.is_empty() {
        return Err("write what is run, such as: uptime".into());
    }
    let share = ANSWERS_BYTES_MAX / nodes.len().max(1) as u64;
    let request = ExecRequest {
        command: CommandLine::Shell { line: line.to_owned() },
        directory: None,
        user: None,
        environment: Vec::new(),
        timeout_ms: None,
        output_bytes_max: Some(share.min(ANSWER_BYTES_MAX)),
    };
    let target = |(node, name): &(p2p_shared::id::NodeId, String)| Target {
        node: *node,
        name: name.clone(),
        deed: Deed::Exec(Box::new(request.clone())),
    };
    Ok(Proposal { verb: format!("Run {line} on"), targets: nodes.iter().map(target).collect() })
}

/// The same program on all of these nodes.
pub(super) fn define(nodes: &[(p2p_shared::id::NodeId, String)], defined: Defined) -> Proposal {
    let target = |(node, name): &(p2p_shared::id::NodeId, String)| Target {
        node: *node,
        name: format!("{} on {name}", defined.definition.name),
        deed: Deed::Define(Box::new(defined.clone())),
    };
    let verb = format!("Define {} on", super::define::words(&defined));
    Proposal { verb, targets: nodes.iter().map(target).collect() }
}

/// `role=web site=a old-`: sets two labels and removes one.
fn relabel(nodes: &[(p2p_shared::id::NodeId, String)], text: &str) -> Result<Proposal, String> {
    let (mut set, mut remove) = (Vec::new(), Vec::new());
    for word in text.split_whitespace() {
        match (word.split_once('='), word.strip_suffix('-')) {
            (Some((key, value)), _) if !key.is_empty() => {
                set.push(Label { key: key.to_owned(), value: value.to_owned() });
            }
            (None, Some(key)) if !key.is_empty() => remove.push(key.to_owned()),
            _ => return Err(format!("{word}: write k=v to set a label, k- to remove it")),
        }
    }
    if set.is_empty() && remove.is_empty() {
        return Err("write k=v to set a label, k- to remove it".into());
    }
    let target = |(node, name): &(p2p_shared::id::NodeId, String)| Target {
        node: *node,
        name: name.clone(),
        deed: Deed::Label(set.clone(), remove.clone()),
    };
    Ok(Proposal { verb: format!("Label {} on", text.trim()), targets: nodes.iter().map(target).collect() })
}

#[cfg(test)]
mod tests {
    use p2p_shared::id::NodeId;

    use super::*;

    #[test]
    fn labels_are_set_and_removed_in_one_line() {
        let nodes = [(NodeId::new([1; 32]), "web-1".to_owned())];
        let proposal = relabel(&nodes, "role=web old-").unwrap();
        let label = Label { key: "role".into(), value: "web".into() };
        assert_eq!(proposal.targets[0].deed, Deed::Label(vec![label], vec!["old".into()]));
        for wrong in ["", "role", "=x", "-"] {
            assert!(relabel(&nodes, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_nice_value_stays_in_its_range() {
        for wrong in ["", "x", "-21", "20", "1.5"] {
            assert!(renice(&[], wrong).is_err(), "{wrong}");
        }
        assert!(renice(&[], " -5 ").is_ok());
    }
}
