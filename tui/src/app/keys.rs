//! Keys and pastes: the topmost layer first, then the filter line, then the key map.

use std::collections::BTreeSet;

use super::confirm::Answer;
use super::layer::Layer;
use super::menu::Picked;
use super::palette::{Goal, Palette};
use super::{Editing, State};
use crate::action::Action;
use crate::command::{Command, JournalQuestion, Source};
use crate::event::{Code, Key};
use crate::filter::Filter;
use crate::keymap::Meaning;
use crate::selector::Selector;
use crate::views::{Scope, ViewId};
use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

/// Two interrupts within this time leave the console.
const TWICE: Millis = Millis(2_000);
/// No screen is so narrow that the text of the first run has more lines.
const FIRST_LINE_MAX: usize = 40;

impl State {
    pub(super) fn on_key(&mut self, key: Key) {
        if self.options.first_run.is_some() {
            match key.code {
                Code::Char('q' | 'c' | 'й' | 'с') | Code::Esc | Code::Enter => self.out.push(Command::Quit),
                Code::Down | Code::Char('j') => {
                    self.first_line = self.first_line.saturating_add(1).min(FIRST_LINE_MAX)
                }
                Code::Up | Code::Char('k') => self.first_line = self.first_line.saturating_sub(1),
                _ => {}
            }
            return;
        }
        if self.layers.is_empty() && self.is_typing() {
            self.type_key(key);
        } else if self.layers.is_empty() && self.editing.is_none() && self.on_left_key(key) {
            self.pressed.clear();
        } else if let Some(layer) = self.layers.pop() {
            self.on_layer_key(layer, key);
        } else if let Some(editing) = self.editing.take() {
            self.on_editing_key(editing, key);
        } else {
            self.on_plain_key(key);
        }
    }

    fn on_plain_key(&mut self, key: Key) {
        let meaning = self.options.keys.meaning(&self.pressed, key);
        match meaning {
            Meaning::Wait => self.pressed.push(key),
            Meaning::Act(action) => {
                self.pressed.clear();
                self.act(action);
            }
            Meaning::Nothing => {
                let begun = !self.pressed.is_empty();
                self.pressed.clear();
                // What does not continue a sequence begins a new one.
                if begun {
                    self.on_plain_key(key);
                }
            }
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        if action.spec().acts && self.options.readonly {
            self.say("read-only: start without --readonly to act");
            return;
        }
        if action.spec().acts && self.view().past().is_some() {
            let close = self.options.keys.key_of(Action::Close);
            self.say(format!("this is the past, where nothing can be done: {close} returns to now"));
            return;
        }
        if self.on_replay_action(action) {
            return;
        }
        match action {
            Action::Quit => self.leave(),
            Action::Suspend => self.out.push(Command::Suspend),
            Action::Back => self.go_back(),
            Action::Forward => self.go_forward(),
            Action::Close => self.close(),
            Action::Interrupt => self.interrupt(),
            Action::Palette => self.layers.push(Layer::Palette(self.open_palette())),
            Action::Help => self.layers.push(Layer::Help { scroll: 0 }),
            Action::Filter => self.edit(false),
            Action::Search => self.edit(true),
            Action::NextHit => self.seek(true),
            Action::PreviousHit => self.seek(false),
            Action::Show(view) => self.show_from_here(view),
            Action::Freeze if self.is_frozen() => self.thaw(),
            Action::Freeze => self.frozen = Some(Default::default()),
            Action::Refresh => self.refresh(),
            Action::NewTab => {
                self.new_tab();
            }
            Action::CloseTab => self.close_tab(),
            Action::TabRight => self.turn_tab(true),
            Action::TabLeft => self.turn_tab(false),
            Action::Outcomes => self.show_outcomes(),
            Action::Copies => self.show_copies(),
            Action::Related => self.show_related(),
            Action::SamePlace
            | Action::SwapPanes
            | Action::Preview
            | Action::CopyOver
            | Action::MoveOver
            | Action::Find
                if self.current != ViewId::Files =>
            {
                let key = self.options.keys.key_of(Action::Show(ViewId::Files));
                self.say(format!("that is for files: {key}"));
            }
            Action::Mouse => self.set_mouse(!self.mouse),
            Action::Earlier | Action::Later if self.current != ViewId::Resources => {
                self.say(format!(
                    "the charts go back in history: {}",
                    self.options.keys.key_of(Action::Show(ViewId::Resources))
                ));
            }
            Action::Logs => self.show_logs(),
            Action::Shell => self.open_shell_here(),
            Action::LastShell => self.enter_last_shell(),
            Action::CopyField => self.copy(),
            Action::CopyMenu => self.show_clipboard(),
            other => {
                let mut requests = self.with_view(|view, scene| view.on_action(scene, other));
                if other == Action::Menu {
                    self.add_related(&mut requests);
                }
                self.fulfil(requests);
            }
        }
    }

    /// The lines of what is under the cursor; where a view knows none, the journal of its node.
    fn show_logs(&mut self) {
        let requests = self.with_view(|view, scene| view.on_action(scene, Action::Logs));
        if !requests.is_empty() {
            self.fulfil(requests);
            return;
        }
        if self.current == ViewId::Journal {
            return;
        }
        let nodes: BTreeSet<NodeId> = self.view().nodes(&self.scene()).into_iter().collect();
        let scope = if nodes.is_empty() { Scope::All } else { Scope::Nodes(nodes) };
        self.show_lines(Source::default(), scope);
    }

    /// Another view over what is under the cursor or marked here.
    pub(super) fn show_from_here(&mut self, view: ViewId) {
        if view == self.current {
            return;
        }
        let nodes = if self.current == ViewId::Fleet { self.view().nodes(&self.scene()) } else { Vec::new() };
        let scope = match (view, nodes.as_slice()) {
            (ViewId::Fleet, _) | (_, []) => None,
            (_, nodes) => Some(Scope::Nodes(nodes.iter().copied().collect())),
        };
        self.show(view, scope);
    }

    /// Closes one layer and never quits: marks, then search, then filter, then the message.
    fn close(&mut self) {
        if self.with_view(|view, _| view.clear_marks()) {
            return;
        }
        if self.search.take().is_some() || self.with_view(|view, _| view.leave_past()) {
            return;
        }
        if self.view().filter().is_some() {
            self.with_view(|view, scene| view.set_filter(scene, None));
            return;
        }
        self.message = None;
    }

    pub(super) fn interrupt(&mut self) {
        let now = self.world.now;
        if self.interrupted.is_some_and(|at| now.since(at) <= TWICE) {
            self.leave();
            return;
        }
        self.interrupted = Some(now);
        match (self.runs.waiting(), self.newest_copy()) {
            (Some(run), _) => {
                self.runs.give_up(run);
                self.out.push(Command::Cancel(run));
                self.say("cancelled; ^C again leaves");
            }
            (None, Some(copy)) => self.stop_copy(copy),
            (None, None) => self.say("nothing runs; ^C again leaves"),
        }
    }

    fn refresh(&mut self) {
        self.out.extend(self.subscribed.iter().copied().map(Command::Subscribe));
        self.views.files.refresh();
        self.views.resources.refresh();
        self.out.push(Command::Redraw);
        self.say("asked for everything anew");
    }

    fn set_mouse(&mut self, on: bool) {
        self.mouse = on;
        self.out.push(Command::Mouse(self.mouse));
        let whose = if self.mouse { "the console's" } else { "the terminal's, to select text" };
        self.say(format!("the mouse is {whose}"));
    }

    fn edit(&mut self, searching: bool) {
        if self.view().fields().is_empty() {
            self.say("this view has no filter");
            return;
        }
        let text = match (searching, self.view().filter()) {
            (false, Some(filter)) => filter.text().to_owned(),
            _ => String::new(),
        };
        let field = crate::widgets::field::Field::new(text);
        self.editing = Some(Editing { field, searching, mistake: None });
    }

    fn seek(&mut self, forward: bool) {
        let Some(search) = self.search.clone() else {
            self.say("nothing is searched for: * begins");
            return;
        };
        if !self.with_view(|view, scene| view.seek(scene, forward, &search)) {
            self.say(format!("no row matches {}", search.text()));
        }
    }

    fn on_editing_key(&mut self, mut editing: Editing, key: Key) {
        match key.code {
            Code::Enter => {
                if self.apply(&mut editing) {
                    return;
                }
            }
            Code::Esc => {
                if !editing.searching {
                    self.with_view(|view, scene| view.set_filter(scene, None));
                }
                return;
            }
            Code::Char('c') if key.ctrl => return,
            Code::Down | Code::Up | Code::PageDown | Code::PageUp => {
                self.on_plain_key(key);
            }
            _ => {
                editing.field.on_key(key);
                if !editing.searching {
                    self.apply(&mut editing);
                }
            }
        }
        self.editing = Some(editing);
    }

    /// Puts the filter (or the search) into force as far as it is right; whether it is.
    fn apply(&mut self, editing: &mut Editing) -> bool {
        match Filter::parse(editing.field.text(), self.view().fields()) {
            Ok(filter) => {
                editing.mistake = None;
                if editing.searching {
                    self.search = filter;
                    if self.search.is_some() {
                        self.seek(true);
                    }
                } else {
                    self.with_view(|view, scene| view.set_filter(scene, filter));
                }
                true
            }
            Err(mistake) => {
                editing.mistake = Some(mistake);
                false
            }
        }
    }

    pub(super) fn on_paste(&mut self, text: &str) {
        if self.layers.is_empty() && self.is_typing() {
            self.type_paste(text);
            return;
        }
        match self.layers.last_mut() {
            Some(Layer::Palette(palette)) => {
                palette.field.paste(text);
                palette.match_again(&self.world.fleet);
            }
            Some(Layer::Ask { field, .. }) => field.paste(text),
            Some(Layer::Form(defining)) => defining.form.paste(text),
            Some(Layer::Confirm(confirm)) => {
                if let Some(typed) = &mut confirm.typed {
                    typed.paste(text);
                }
            }
            Some(_) => {}
            None => {
                if let Some(mut editing) = self.editing.take() {
                    editing.field.paste(text);
                    if !editing.searching {
                        self.apply(&mut editing);
                    }
                    self.editing = Some(editing);
                }
            }
        }
    }

    fn on_layer_key(&mut self, layer: Layer, key: Key) {
        match layer {
            Layer::Palette(palette) => self.on_palette_key(palette, key),
            Layer::Menu(mut menu) => match menu.on_key(key) {
                Picked::Open => self.layers.push(Layer::Menu(menu)),
                Picked::Closed => {}
                Picked::Choice(choice) => self.choose(choice),
                Picked::Refused(why) => {
                    self.say(why);
                    self.layers.push(Layer::Menu(menu));
                }
            },
            Layer::Confirm(mut confirm) => match confirm.on_key(key) {
                Answer::Open => self.layers.push(Layer::Confirm(confirm)),
                Answer::Cancelled => self.say("nothing was done"),
                Answer::Agreed(proposal, pace) => self.carry_out_at(proposal, pace),
            },
            Layer::Ask { question, field, .. } => self.on_ask_key(question, field, key),
            Layer::Details(details) => self.on_details_key(details, key),
            Layer::Form(defining) => self.on_form_key(defining, key),
            Layer::Probe(probing) => self.on_probe_key(probing, key),
            Layer::Outcomes { run, scroll } => self.on_outcomes_key((run, scroll), key),
            Layer::Copies { at } => self.on_copies_key(at, key),
            Layer::Search(searching) => self.on_search_key(searching, key),
            Layer::Conflict(clash) => self.on_conflict_key(clash, key),
            reading => self.on_reading_key(reading, key),
        }
    }

    fn on_palette_key(&mut self, mut palette: Palette, key: Key) {
        match key.code {
            Code::Esc => return self.preview(None),
            Code::Char('c') if key.ctrl => return self.preview(None),
            Code::Enter => {
                self.preview(None);
                match palette.chosen().map(|choice| choice.goal.clone()) {
                    Some(goal) => {
                        self.history.push(palette.field.text());
                        self.reach(goal);
                    }
                    None => self.say(format!("there is no {:?}", palette.field.text())),
                }
                return;
            }
            Code::Down | Code::Tab => {
                palette.at = (palette.at + 1).min(palette.choices.len().saturating_sub(1));
            }
            Code::Up | Code::BackTab if palette.at > 0 => palette.at -= 1,
            Code::Up => palette.recall(&self.history, true, &self.world.fleet),
            Code::Char('p') if key.ctrl => palette.recall(&self.history, true, &self.world.fleet),
            Code::Char('n') if key.ctrl => palette.recall(&self.history, false, &self.world.fleet),
            _ => {
                if palette.field.on_key(key) {
                    palette.match_again(&self.world.fleet);
                }
            }
        }
        self.preview(palette.chosen().map(|choice| &choice.goal));
        self.layers.push(Layer::Palette(palette));
    }

    pub(super) fn reach(&mut self, goal: Goal) {
        match goal {
            Goal::Act(action) => self.act(action),
            Goal::At(text) => self.show_time(&text),
            Goal::Tab(text) => self.on_tab_line(&text),
            Goal::Filter(name) => self.use_filter(&name),
            Goal::SaveFilter(name) => self.save_filter(&name),
            Goal::DeleteFilter(name) => self.delete_filter(&name),
            Goal::Theme(name) => self.choose_theme(&name),
            Goal::On(view, pattern) => self.show_matching(view, &pattern),
            Goal::Lines { pattern, unit } => {
                let question = JournalQuestion { unit, ..JournalQuestion::default() };
                if let Some(scope) = self.meant(&pattern) {
                    self.show_lines(Source::Journal(question), scope);
                }
            }
            Goal::Shell(name) => match self.world.fleet.named(&name).map(|(id, _)| id) {
                Some(_) if self.options.readonly => self.say("read-only: start without --readonly to act"),
                Some(id) => self.open_shell(id),
                None => self.say(format!("no node is called {name}")),
            },
            Goal::Files(text) => self.browse_to(&text),
            Goal::Mouse(on) => self.set_mouse(on),
            Goal::Probe { kind, node, text } => self.probe_from(kind, &node, &text),
            Goal::Exec { pattern, text } => self.exec(&pattern, &text),
            Goal::Define { pattern, text } => self.define(&pattern, &text),
            Goal::LookUp(text) => self.look_up_line(&text),
            Goal::Node(name) => match self.world.fleet.named(&name).map(|(id, _)| id) {
                Some(id) => self.show(ViewId::Resources, Some(Scope::one(id))),
                None => self.say(format!("no node is called {name}")),
            },
            Goal::Label(text) => {
                let fleet = &self.world.fleet;
                let nodes = self.view().nodes(&self.scene());
                let nodes = nodes.into_iter().map(|id| (id, fleet.name_of(id))).collect();
                if let Err(what) = self.answer(&super::menu::Question::Labels(nodes), &text) {
                    self.say(what);
                }
            }
        }
    }

    /// `:ps web-*`, `:services role=web`: a view of every node that a selector means.
    fn show_matching(&mut self, view: ViewId, text: &str) {
        if let Some(scope) = self.meant(text) {
            self.show(view, Some(scope));
        }
    }

    /// The nodes that a selector means; says what is wrong if it means none.
    pub(super) fn meant(&mut self, text: &str) -> Option<Scope> {
        let selector: Selector = match text.parse() {
            Ok(selector) => selector,
            Err(mistake) => {
                self.say(format!("{text}: {mistake}"));
                return None;
            }
        };
        let fits = self.world.fleet.iter().filter(|(_, node)| selector.fits(&node.member));
        let nodes: BTreeSet<NodeId> = fits.map(|(id, _)| id).collect();
        if nodes.is_empty() {
            self.say(format!("no node matches {text}"));
            None
        } else if nodes.len() == self.world.fleet.len() {
            Some(Scope::All)
        } else {
            Some(Scope::Nodes(nodes))
        }
    }

    /// The same, with their names and by them.
    pub(super) fn nodes_meant(&mut self, text: &str) -> Option<Vec<(NodeId, String)>> {
        let scope = self.meant(text)?;
        let fleet = &self.world.fleet;
        let nodes = fleet.iter().filter(|(id, _)| scope.has(*id));
        let mut nodes: Vec<_> = nodes.map(|(id, _)| (id, fleet.name_of(id))).collect();
        nodes.sort_by(|one, other| one.1.cmp(&other.1));
        Some(nodes)
    }
}
