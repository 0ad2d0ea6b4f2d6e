//! A file edited here: fetched, handed to the editor, written back, and what is asked if somebody else changed it.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::file::{FileChunk, FilePath};

use super::State;
use super::confirm::{Confirm, Deed, Proposal, Target};
use super::layer::{Clash, Layer};
use crate::command::{Command, FileDeed, FilesOrder};
use crate::edit::{self, Conflict, Draft, Edited, Ended};
use crate::event::{Code, Key};
use crate::views::ViewId;

impl State {
    /// Asks for a file that is to be edited.
    pub(super) fn fetch_to_edit(&mut self, node: NodeId, path: FilePath) {
        self.say(format!("reading {path}"));
        self.to_edit = Some((node, path.clone()));
        self.out.push(Command::Files { node, order: FilesOrder::Edit(path) });
    }

    /// It came: the editor opens on it, unless the user has gone on to something else.
    pub(super) fn on_to_edit(&mut self, node: NodeId, path: FilePath, result: Result<FileChunk, RpcError>) {
        if self.to_edit != Some((node, path.clone())) {
            return;
        }
        self.to_edit = None;
        let is_waited_for = self.current == ViewId::Files && self.layers.is_empty() && self.editing.is_none();
        let draft = match result {
            _ if !is_waited_for => Err(format!("{path} came too late and was not opened")),
            Err(error) => Err(format!("{path}: {}", error.message)),
            Ok(chunk) => edit::draft(node, path, chunk),
        };
        match draft {
            Ok(draft) => {
                self.message = None;
                self.out.push(Command::Edit(Box::new(draft)));
            }
            Err(why) => self.say(why),
        }
    }

    /// The editor ended: a text that differs is written, for it was saved there on purpose.
    pub(super) fn on_edited(&mut self, draft: Draft, ended: Ended) {
        self.dirty = true;
        if self.on_form_edited(&ended) {
            return;
        }
        let Draft { node, path, version, .. } = draft;
        match ended {
            Ended::Unchanged => self.say(format!("{path}: nothing was changed")),
            Ended::Failed { why, kept: None } => self.say(why),
            Ended::Failed { why, kept: Some(kept) } => {
                let lines = [("why", why), ("your text", kept.display().to_string())];
                let lines = lines.map(|(name, value)| (name.to_owned(), value)).to_vec();
                self.layers.push(Layer::Facts { title: format!("{path} was not written"), lines, scroll: 0 });
            }
            Ended::Changed { content, kept } => {
                self.message = None;
                let expect = p2p_shared::services::file::FileExpect::Version(version);
                self.carry_out(writing("Write", node, Edited { path, expect, content, kept }));
            }
        }
    }

    /// Somebody else changed it: what is to be done is asked in place of the outcome.
    pub(super) fn on_conflict(&mut self, node: NodeId, conflict: Conflict) {
        if matches!(self.layers.last(), Some(Layer::Outcomes { .. })) {
            self.layers.pop();
        }
        self.layers.push(Layer::Conflict(Box::new(Clash { node, conflict, scroll: 0 })));
    }

    pub(super) fn on_conflict_key(&mut self, clash: Box<Clash>, key: Key) {
        let kept = clash.conflict.edited.kept.display().to_string();
        match key.code {
            Code::Esc | Code::Enter | Code::Char('q' | 'k') => self.say(format!("your text is in {kept}")),
            Code::Char('c') if key.ctrl => self.say(format!("your text is in {kept}")),
            Code::Char('d') => {
                let facts = differing(&clash.conflict);
                self.layers.push(Layer::Conflict(clash));
                self.layers.push(facts);
            }
            Code::Char('w') => {
                let proposal = overwriting(&clash);
                self.layers.push(Layer::Conflict(clash));
                match proposal {
                    Ok(proposal) => self.layers.push(Layer::Confirm(Confirm::new(proposal))),
                    Err(why) => self.say(why),
                }
            }
            _ => self.on_reading_key(Layer::Conflict(clash), key),
        }
    }

    /// A conflict is over once the text is written all the same.
    pub(super) fn settle_conflict(&mut self, proposal: &Proposal) {
        let writes = |target: &Target| matches!(target.deed, Deed::File(FileDeed::Write(_)));
        if proposal.targets.iter().any(writes) {
            self.layers.retain(|layer| !matches!(layer, Layer::Conflict(_)));
        }
    }
}

fn writing(verb: &str, node: NodeId, edited: Edited) -> Proposal {
    let name = edited.path.to_string();
    let deed = Deed::File(FileDeed::Write(Box::new(edited)));
    Proposal { verb: verb.to_owned(), targets: vec![Target { node, name, deed }] }
}

/// Their version goes, which is kept on the node and can be brought back.
fn overwriting(clash: &Clash) -> Result<Proposal, String> {
    let expect = clash.conflict.expect()?;
    let edited = Edited { expect, ..clash.conflict.edited.clone() };
    Ok(writing("Overwrite the change of others in", clash.node, edited))
}

/// The lines that writing the text all the same would change.
fn differing(conflict: &Conflict) -> Layer {
    let title = "- there now, + yours".to_owned();
    let mine = String::from_utf8_lossy(&conflict.edited.content.0);
    let lines = match &conflict.theirs {
        Err(error) => vec![(String::new(), error.message.clone())],
        Ok(chunk) if !chunk.is_end => vec![(String::new(), "it is too large now to be compared".to_owned())],
        Ok(chunk) => {
            let theirs = String::from_utf8_lossy(&chunk.content.0);
            let lines = edit::difference(&theirs, &mine);
            let shown = |(mark, line): (char, String)| {
                (String::new(), format!("{mark} {}", line.replace('\t', "    ")))
            };
            match lines.is_empty() {
                true => vec![(String::new(), "no line differs".to_owned())],
                false => lines.into_iter().map(shown).collect(),
            }
        }
    };
    Layer::Facts { title, lines, scroll: 0 }
}
