//! A search among the files of a node, while its hits come in. Its box goes with it: closing the box stops it, and a
//! hit that is chosen is shown in the files.

use p2p_shared::error::{Code, RpcError};
use p2p_shared::services::file::{FileFound, FileHit, SearchEnd};

use super::State;
use super::layer::Layer;
use super::menu::Found;
use super::reading::scrolled;
use crate::action::Action;
use crate::command::{Command, SearchFor, SearchId, SearchOrder, Spot};
use crate::event::{self, Key};
use crate::paths;

/// Hits that are kept, whatever a node says.
const HITS_MAX: usize = 5_000;

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// It goes on.
    Running,
    /// It came to its end.
    Over(SearchEnd),
    /// The operator stopped it.
    Stopped,
    /// It ended otherwise: why.
    Failed(RpcError),
}

/// What is shown of one.
#[derive(Clone, Debug)]
pub struct Searching {
    /// By which its hits are known.
    pub search: SearchId,
    /// What it is.
    pub order: SearchOrder,
    /// What was found, in no order.
    pub hits: Vec<FileHit>,
    /// The hit under the cursor.
    pub at: usize,
    /// Names that were looked at, bytes that were read, and what could not be read, so far.
    pub counts: [u64; 3],
    /// How far it is.
    pub stage: Stage,
}

impl Searching {
    fn hear(&mut self, found: Result<FileFound, RpcError>) {
        match found {
            Ok(found) => {
                let room = HITS_MAX.saturating_sub(self.hits.len());
                self.hits.extend(found.hits.into_iter().take(room));
                self.counts = [found.entries, found.read_bytes, found.skipped];
                if let Some(end) = found.end {
                    self.stage = Stage::Over(end);
                }
            }
            Err(error) if error.code == Code::Cancelled => self.stage = Stage::Stopped,
            Err(error) => self.stage = Stage::Failed(error),
        }
    }
}

impl State {
    /// Begins to search for what was written.
    pub(super) fn begin_search(&mut self, below: Spot, what: Found, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("write what is searched for".into());
        }
        let what = match what {
            Found::Names => SearchFor::names(text),
            Found::Lines => SearchFor::Lines(text.to_owned()),
        };
        self.searches += 1;
        let search = SearchId(self.searches);
        let order = SearchOrder { node: below.node, path: below.path, what };
        self.out.push(Command::Search { search, order: Box::new(order.clone()) });
        let searching =
            Searching { search, order, hits: Vec::new(), at: 0, counts: [0; 3], stage: Stage::Running };
        self.layers.push(Layer::Search(Box::new(searching)));
        Ok(())
    }

    pub(super) fn on_found(&mut self, search: SearchId, found: Result<FileFound, RpcError>) {
        let of_it = self.layers.iter_mut().find_map(|layer| match layer {
            Layer::Search(searching) if searching.search == search => Some(searching),
            _ => None,
        });
        if let Some(searching) = of_it.filter(|searching| searching.stage == Stage::Running) {
            searching.hear(found);
            self.dirty = true;
        }
    }

    pub(super) fn on_search_key(&mut self, mut searching: Box<Searching>, key: Key) {
        use event::Code;
        let is_running = searching.stage == Stage::Running;
        let last = searching.hits.len().saturating_sub(1);
        let at = searching.at;
        match key.code {
            Code::Char('c') if key.ctrl && is_running => {
                searching.stage = Stage::Stopped;
                self.out.push(Command::EndSearch(searching.search));
            }
            Code::Char('c') if key.ctrl => return,
            Code::Esc | Code::Char('q') => {
                if is_running {
                    self.out.push(Command::EndSearch(searching.search));
                }
                return;
            }
            Code::Enter => {
                if let Some(hit) = searching.hits.get(at).cloned() {
                    if is_running {
                        searching.stage = Stage::Stopped;
                        self.out.push(Command::EndSearch(searching.search));
                    }
                    return self.show_hit(searching, &hit);
                }
                if !is_running {
                    return;
                }
            }
            code => searching.at = scrolled(code, at),
        }
        searching.at = searching.at.min(last);
        self.layers.push(Layer::Search(searching));
    }

    /// The directory of a hit, with the cursor on it; the way back leads to what was found.
    fn show_hit(&mut self, searching: Box<Searching>, hit: &FileHit) {
        let Some((path, name)) = paths::split(&hit.path) else { return };
        let node = searching.order.node;
        self.leave_search(searching);
        self.show_files(Spot { node, path }, Some(name));
        let back = self.options.keys.key_of(Action::Back);
        let line = hit.line.map_or_else(String::new, |line| format!("line {line} of {}; ", hit.path));
        self.say(format!("{line}{back} returns to what was found"));
    }
}
