//! A program defined in a form: opened empty or on what a node has, checked here, agreed to, sent, and kept open until
//! every node took it.

use std::collections::BTreeSet;

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::file::{FileContent, FileVersion};
use p2p_shared::services::program::{ProgramDefinition, ProgramName, SPEC};
use serde_json::Value;

use super::State;
use super::confirm::Proposal;
use super::layer::Layer;
use super::requests::define;
use super::runs::Progress;
use crate::command::{Command, Defined, RunId};
use crate::edit::{Draft, Ended};
use crate::event::{Code, Key};
use crate::form::Form;
use crate::form::spec::{Kind, Need, Spec, specs};

/// The method whose arguments the form is made from.
const METHOD: &str = "program.define";
/// The argument beside the definition.
const REPLACE: &str = "replace";

/// The form of a program, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Defining {
    /// What is written.
    pub form: Form,
    /// On which nodes it is to be defined, with their names.
    pub nodes: Vec<(NodeId, String)>,
    /// How far it is.
    pub stage: Stage,
    /// What a node or an editor had against it.
    pub refusal: Option<String>,
}

/// How far a form is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The definition of this program is read from the first node.
    Reading(String),
    /// It is filled in.
    Writing,
    /// Whether to give up what is written is asked.
    Leaving,
    /// The user's editor has it.
    Editor,
    /// It was sent; the nodes answer.
    Sent(RunId),
}

/// The fields of a definition, and whether it may take the place of another.
fn fields() -> Vec<Spec> {
    let method = SPEC.methods.iter().find(|method| method.name == METHOD);
    let arguments = method.map_or(Value::Null, |method| (method.schemas)().args.to_value());
    let mut fields = specs(&arguments["properties"]["definition"]);
    fields.push(Spec {
        path: vec![REPLACE.to_owned()],
        doc: "Whether it takes the place of a program of that name. One that runs goes on as it is until its next start."
            .to_owned(),
        kind: Kind::Switch,
        need: Need::Never,
        default: false.into(),
        rivals: None,
    });
    fields
}

impl Defining {
    /// An empty form for these nodes.
    pub fn new(nodes: Vec<(NodeId, String)>) -> Self {
        Self { form: Form::new(fields()), nodes, stage: Stage::Writing, refusal: None }
    }

    /// The program that the form says. `None` if something is wrong, which stands at its field then.
    pub fn defined(&mut self) -> Option<Defined> {
        self.refusal = None;
        let mut value = self.form.value()?;
        let replace = value.as_object_mut().and_then(|map| map.remove(REPLACE)) == Some(true.into());
        if let Some(Err(error)) = value["name"].as_str().map(str::parse::<ProgramName>) {
            self.form.blame("name", &error.to_string());
            return None;
        }
        let definition: ProgramDefinition = match serde_json::from_value(value) {
            Ok(definition) => definition,
            Err(error) => {
                self.refusal = Some(error.to_string());
                return None;
            }
        };
        let mistakes = definition.check().err().unwrap_or_default();
        for mistake in &mistakes {
            if !self.form.blame(mistake.field, &mistake.what) {
                self.refusal = Some(format!("{}: {}", mistake.field, mistake.what));
            }
        }
        mistakes.is_empty().then_some(Defined { definition, replace })
    }

    /// Takes the definition of a program that there is.
    fn take(&mut self, definition: &ProgramDefinition) {
        self.stage = Stage::Writing;
        let mut value = serde_json::to_value(definition).unwrap_or_default();
        value[REPLACE] = true.into();
        self.refusal = self.form.open_with(&value).err();
    }
}

impl State {
    /// `:define web-2 backup /usr/bin/sleep 1000`; with nothing but nodes a form opens.
    pub(super) fn define(&mut self, pattern: &str, text: &str) {
        let Some(nodes) = self.nodes_meant(pattern) else { return };
        if text.is_empty() {
            return self.open_form(nodes);
        }
        match super::define::definition(text) {
            Ok(defined) => self.propose(define(&nodes, defined)),
            Err(what) => self.say(what),
        }
    }

    /// Opens an empty form.
    pub(super) fn open_form(&mut self, nodes: Vec<(NodeId, String)>) {
        if self.options.readonly {
            self.say("read-only: start without --readonly to act");
        } else {
            self.message = None;
            self.layers.push(Layer::Form(Box::new(Defining::new(nodes))));
        }
    }

    /// Opens a form on a program of the first of these nodes.
    pub(super) fn open_form_on(&mut self, name: String, nodes: Vec<(NodeId, String)>) {
        let Some((node, _)) = nodes.first().cloned() else { return };
        if self.options.readonly {
            return self.say("read-only: start without --readonly to act");
        }
        self.message = None;
        let stage = Stage::Reading(name.clone());
        self.layers.push(Layer::Form(Box::new(Defining { stage, ..Defining::new(nodes) })));
        self.out.push(Command::Definition { node, name });
    }

    /// The form that is open, wherever it lies.
    fn form_mut(&mut self) -> Option<&mut Defining> {
        self.layers.iter_mut().rev().find_map(|layer| match layer {
            Layer::Form(defining) => Some(&mut **defining),
            _ => None,
        })
    }

    /// The definition that a form waits for.
    pub(super) fn on_definition(
        &mut self,
        node: NodeId,
        name: &str,
        result: Result<Box<ProgramDefinition>, RpcError>,
    ) {
        self.dirty = true;
        let Some(defining) = self.form_mut() else { return };
        let waits = defining.nodes.first().is_some_and(|(first, _)| *first == node);
        if !waits || defining.stage != Stage::Reading(name.to_owned()) {
            return;
        }
        match result {
            Ok(definition) => defining.take(&definition),
            Err(error) => {
                self.layers.retain(|layer| !matches!(layer, Layer::Form(_)));
                self.say(format!("the definition of {name} cannot be read: {}", error.message));
            }
        }
    }

    pub(super) fn on_form_key(&mut self, mut defining: Box<Defining>, key: Key) {
        let cancels = key.code == Code::Esc || (key.ctrl && key.code == Code::Char('c'));
        match &defining.stage {
            Stage::Reading(_) if cancels => return,
            Stage::Reading(_) | Stage::Editor => {}
            Stage::Leaving => match key.code {
                Code::Char('y' | 'Y' | 'н' | 'Н') => return self.say("nothing was done"),
                _ => defining.stage = Stage::Writing,
            },
            Stage::Writing | Stage::Sent(_) if cancels => {
                if !defining.form.is_changed() {
                    return;
                }
                defining.stage = Stage::Leaving;
            }
            Stage::Writing | Stage::Sent(_) => return self.on_writing_key(defining, key),
        }
        self.layers.push(Layer::Form(defining));
    }

    fn on_writing_key(&mut self, mut defining: Box<Defining>, key: Key) {
        let proposal = match key {
            Key { code: Code::Char('s'), ctrl: true, .. } => {
                defining.defined().map(|defined| define(&defining.nodes, defined))
            }
            Key { code: Code::Char('o'), ctrl: true, .. } => {
                if let Some((node, _)) = defining.nodes.first() {
                    self.out.push(Command::Edit(Box::new(draft(*node, &defining.form))));
                    defining.stage = Stage::Editor;
                }
                None
            }
            _ => {
                defining.form.on_key(key);
                None
            }
        };
        self.layers.push(Layer::Form(defining));
        if let Some(proposal) = proposal {
            self.propose(proposal);
        }
    }

    /// What the user's editor made of the form; whether it was the form that it had.
    pub(super) fn on_form_edited(&mut self, ended: &Ended) -> bool {
        let Some(defining) = self.form_mut().filter(|defining| defining.stage == Stage::Editor) else {
            return false;
        };
        defining.stage = Stage::Writing;
        match ended {
            Ended::Unchanged => {}
            Ended::Failed { why, .. } => defining.refusal = Some(why.clone()),
            Ended::Changed { content: FileContent(content), kept } => {
                match defining.form.take_text(&String::from_utf8_lossy(content)) {
                    Ok(()) => {
                        defining.refusal = None;
                        self.out.push(Command::Discard(kept.clone()));
                    }
                    Err(what) => {
                        defining.refusal = Some(format!("{what}; your text is in {}", kept.display()));
                    }
                }
            }
        }
        true
    }

    /// It was agreed to: the form waits below for what the nodes say.
    pub(super) fn send_form(&mut self, proposal: &Proposal, run: RunId) {
        let defines =
            |target: &super::confirm::Target| matches!(target.deed, super::confirm::Deed::Define(_));
        if proposal.targets.iter().all(defines)
            && let Some(defining) = self.form_mut()
        {
            defining.stage = Stage::Sent(run);
        }
    }

    /// A node answered: the form closes once all took it, and else says who refused and why.
    pub(super) fn settle_form(&mut self, run: RunId) {
        let Some(ended) = self.runs.get(run) else { return };
        // Once all have answered, the form is about those that did not take it.
        let left = ended.again().map(|again| again.targets.into_iter().map(|target| target.node));
        let left: Option<BTreeSet<NodeId>> = left.map(Iterator::collect);
        let refused = ended.attempts.iter().find_map(|attempt| match &attempt.progress {
            Progress::Failed(error) => Some(format!("{}: {}", attempt.name, error.message)),
            _ => None,
        });
        let all_done = ended.attempts.iter().all(|attempt| attempt.progress == Progress::Done);
        let Some(defining) = self.form_mut().filter(|defining| defining.stage == Stage::Sent(run)) else {
            return;
        };
        if refused.is_some() {
            defining.refusal = refused;
            if let Some(left) = left {
                defining.nodes.retain(|(node, _)| left.contains(node));
            }
        } else if all_done {
            self.layers.retain(|layer| !matches!(layer, Layer::Form(_)));
        }
    }
}

/// The form as a text that the editor knows the language of.
fn draft(node: NodeId, form: &Form) -> Draft {
    let content = form.to_text().into_bytes();
    Draft {
        node,
        path: PROGRAM_FILE.parse().expect("it is an absolute path"),
        version: FileVersion { inode: 0, size_bytes: content.len() as u64, modified_ns: 0 },
        content: FileContent(content),
    }
}

/// What the private file is called in the editor.
const PROGRAM_FILE: &str = "/program.toml";
