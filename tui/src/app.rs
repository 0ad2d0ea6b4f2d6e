//! The state of the console and its one way to change.
//!
//! [`Event`]s enter by [`State::update`], [`Command`]s leave, and nothing else happens: no clock, no network, no
//! waiting. What is drawn is a function of this state (`view`).

pub mod answers;
mod at;
mod clipboard;
pub mod confirm;
pub mod copies;
mod copying;
mod define;
pub mod defining;
mod edit;
mod feeds;
mod jumps;
mod keys;
pub mod layer;
mod look_up;
pub mod menu;
mod mesh;
mod mouse;
pub mod palette;
mod places;
pub mod probe;
mod reading;
mod replay;
mod requests;
pub mod runs;
pub mod saved;
pub mod search;
mod shell;
mod shown;
mod silence;
pub mod tabs;
mod themes;

use std::collections::{BTreeSet, VecDeque};

use p2p_shared::id::NodeId;
use p2p_shared::services::file::FilePath;
use p2p_shared::time::{Millis, UnixMillis};
use ratatui::layout::Rect;

use crate::action::Action;
use crate::command::{Command, CopyPlan, Follow, Sought, Subscription};
use crate::event::{Entry, Event, Key, MeshEvent};
use crate::filter::{Filter, Mistake};
use crate::fleet::Fleet;
use crate::keymap::Keymap;
use crate::layout::{self, Areas, Extras};
use crate::log::Log;
use crate::theme::{Theme, Themes};
use crate::views::shell::Shells;
use crate::views::{Change, Scene, View, ViewId};
use crate::widgets::field::Field;

use copies::Copies;
use layer::Layer;
use palette::History;
use places::Places;
use runs::Runs;
use shown::Views;
use tabs::Tabs;

/// How long a message stands in the last line.
const MESSAGE_LIFE: Millis = Millis(6_000);
/// Messages of the mesh that wait while the screen is frozen; with more it goes on by itself.
const FROZEN_MAX: usize = 20_000;

/// What a console is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Styles and characters.
    pub theme: Theme,
    /// What can be chosen instead.
    pub themes: Themes,
    /// Filters that were saved.
    pub saved: saved::Saved,
    /// Keys.
    pub keys: Keymap,
    /// Refuse everything that acts.
    pub readonly: bool,
    /// A strip that always stands under the tabs.
    pub banner: Option<String>,
    /// There is no certificate: what to run, on which machine.
    pub first_run: Option<String>,
    /// Said at the start, such as mistakes in a file of keys.
    pub notices: Vec<String>,
}

/// What the console knows of the world.
#[derive(Debug, Default)]
pub struct World {
    /// The nodes.
    pub fleet: Fleet,
    /// The lines of the log that is followed, or was last.
    pub log: Log,
    /// The shells that are attached to, and the recording that is played.
    pub shells: Shells,
    /// Through whom it looks.
    pub entry: Option<Entry>,
    /// The console's clock.
    pub now: Millis,
    /// The wall's.
    pub wall: UnixMillis,
    /// The screen.
    pub screen: Rect,
}

/// The filter or the search while it is written.
#[derive(Clone, Debug, Default)]
pub struct Editing {
    /// What is written.
    pub field: Field,
    /// A search: hides nothing.
    pub searching: bool,
    /// What is wrong with it.
    pub mistake: Option<Mistake>,
}

/// The whole console.
#[derive(Debug)]
pub struct State {
    /// What it was started with.
    pub options: Options,
    /// What it knows.
    pub world: World,
    views: Views,
    current: ViewId,
    places: Places,
    /// The tabs that are not shown.
    tabs: Tabs,
    /// The first line that is seen of the screen of the first run.
    pub first_line: usize,
    /// The theme that a preview took the place of.
    previewed: Option<Theme>,
    /// What lies over the view, the topmost last.
    pub layers: Vec<Layer>,
    /// The filter line, while it is written.
    pub editing: Option<Editing>,
    /// What `n` and `p` look for.
    search: Option<Filter>,
    pressed: Vec<Key>,
    subscribed: BTreeSet<Subscription>,
    following: BTreeSet<Follow>,
    /// The file that is read to be edited.
    to_edit: Option<(NodeId, FilePath)>,
    /// What is looked at before it is copied.
    to_copy: Option<CopyPlan>,
    /// Copies that go on, and the last ones.
    pub copies: Copies,
    /// The process that is asked for.
    sought: Option<Sought>,
    /// Searches that there were.
    searches: u64,
    /// Terminals that there were.
    terminals: u64,
    /// What became of every action.
    pub runs: Runs,
    history: History,
    message: Option<(String, Millis)>,
    frozen: Option<VecDeque<MeshEvent>>,
    changes: BTreeSet<Change>,
    interrupted: Option<Millis>,
    /// Why there is no entry, from its loss until there is one again.
    cut_off: Option<String>,
    /// When a key or the mouse was used last.
    touched: Millis,
    mouse: bool,
    dirty: bool,
    out: Vec<Command>,
}

impl State {
    /// A console that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        let (message, layers) = told(&options);
        Self {
            options,
            world: World { screen: Rect::new(0, 0, 80, 24), ..World::default() },
            views: Views::default(),
            current: ViewId::Fleet,
            places: Places::default(),
            tabs: Tabs::default(),
            first_line: 0,
            previewed: None,
            layers,
            editing: None,
            search: None,
            pressed: Vec::new(),
            subscribed: BTreeSet::new(),
            following: BTreeSet::new(),
            to_edit: None,
            to_copy: None,
            copies: Copies::default(),
            sought: None,
            searches: 0,
            terminals: 0,
            runs: Runs::default(),
            history: History::default(),
            message,
            frozen: None,
            changes: BTreeSet::new(),
            interrupted: None,
            cut_off: None,
            touched: Millis::ZERO,
            mouse: true,
            dirty: true,
            out: Vec::new(),
        }
    }

    /// Takes in what happened; answers what is to be done.
    pub fn update(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::Tick { now, wall } => self.on_tick(now, wall),
            Event::Resize { width, height } => {
                self.world.screen = Rect::new(0, 0, width, height);
                self.changes.insert(Change::Nodes);
                self.dirty = true;
            }
            Event::Mesh(event) => self.on_mesh(event),
            Event::Edited { draft, ended } => self.on_edited(*draft, ended),
            Event::Key(key) => {
                self.touched = self.world.now;
                self.settle();
                self.dirty = true;
                self.on_key(key);
            }
            Event::Paste(text) => {
                self.dirty = true;
                self.on_paste(&text);
            }
            Event::Mouse(mouse) => {
                self.touched = self.world.now;
                self.settle();
                self.dirty = true;
                self.on_mouse(mouse);
            }
        }
        self.subscribe();
        self.follow();
        self.browse();
        self.recall();
        self.fit_terminal();
        self.rest_replay();
        std::mem::take(&mut self.out)
    }

    /// Whether something visible changed since the last time; brings the views up to date for drawing.
    pub fn wants_frame(&mut self) -> bool {
        self.settle();
        std::mem::take(&mut self.dirty)
    }

    /// Where the text cursor stands, while a text field is open.
    pub fn cursor(&self) -> Option<(u16, u16)> {
        crate::view::cursor(self)
    }

    /// The view that is shown.
    pub fn view(&self) -> &dyn View {
        self.views.get(self.current)
    }

    /// The view that is shown, by name.
    pub const fn current(&self) -> ViewId {
        self.current
    }

    /// What stands in the last line instead of the keys.
    pub fn message(&self) -> Option<&str> {
        self.message.as_ref().map(|(text, _)| text.as_str())
    }

    /// Whether the screen stands still.
    pub const fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Keys of a sequence that has begun.
    pub fn pressed(&self) -> &[Key] {
        &self.pressed
    }

    /// What the views look at.
    pub fn scene(&self) -> Scene<'_> {
        scene(&self.world, self.areas().body, self.options.readonly)
    }

    /// Where everything stands on the screen now.
    pub fn areas(&self) -> Areas {
        let filter = self.editing.is_some()
            || (!self.is_typing()
                && !self.is_replaying()
                && (self.view().filter().is_some() || self.search.is_some()));
        let extras = Extras { banners: self.banners().len() as u16, filter, tabs: self.tabs.count() > 1 };
        layout::areas(self.world.screen, extras)
    }

    /// What must be seen above the view.
    pub fn banners(&self) -> Vec<String> {
        // There is room for three lines: what is true for the moment comes first.
        let mut banners = Vec::new();
        if let Some(reason) = &self.cut_off {
            let trying = match &self.world.entry {
                Some(Entry::Connecting { address }) => format!("; trying {address}"),
                _ => String::new(),
            };
            banners.push(format!("cut off from the mesh: {reason}{trying}"));
        }
        banners.extend(self.copies_banner());
        if self.is_frozen() {
            let key = self.options.keys.key_of(Action::Freeze);
            banners.push(format!("frozen: the screen stands still, {key} lets it go on"));
        }
        if let Some(at) = self.view().past() {
            let time = crate::format::date(at);
            // The day is told where it is another one.
            let today = time.starts_with(crate::format::date(self.world.wall).get(..10).unwrap_or("-"));
            let time = if today { &time[11..] } else { &time };
            let [earlier, later, close] = [Action::Earlier, Action::Later, Action::Close]
                .map(|action| self.options.keys.key_of(action));
            banners.push(format!("in the past: {time} UTC; {earlier} {later} go on, {close} returns to now"));
        }
        if self.options.readonly {
            banners.push("read-only: nothing here can change a node".into());
        }
        banners.extend(self.options.banner.iter().cloned());
        banners
    }

    /// The search in force.
    pub const fn search(&self) -> Option<&Filter> {
        self.search.as_ref()
    }

    fn on_tick(&mut self, now: Millis, wall: UnixMillis) {
        let second = |at: Millis| at.0 / 1_000;
        let next_second = second(now) != second(self.world.now);
        let next_minute = wall.0 / 60_000 != self.world.wall.0 / 60_000;
        (self.world.now, self.world.wall) = (now, wall);
        if let Some((_, until)) = &mut self.message
            && *until <= MESSAGE_LIFE
            && *until != Millis::ZERO
        {
            // A message that was set before the first tick gets its whole life from here on.
            *until = now + MESSAGE_LIFE;
        }
        if self.message.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.message = None;
            self.dirty = true;
        }
        if next_second && !self.world.fleet.processes.is_empty() {
            let swept = self.world.fleet.processes.sweep(now);
            for node in self.world.fleet.iter().map(|(id, _)| id).filter(|_| !swept.is_empty()) {
                self.changes.insert(Change::Processes(node));
            }
            self.dirty |= !swept.is_empty();
        }
        if next_second {
            self.go_on_copying();
            // How long until it is tried again is counted down.
            self.dirty |= self.copies.open().any(|(_, copying)| copying.cut().is_some());
            self.sweep(now);
        }
        if next_minute || (next_second && self.shows_ages()) {
            self.changes.insert(Change::Time);
            self.dirty = true;
        }
    }

    fn on_mesh(&mut self, event: MeshEvent) {
        let about_data = matches!(
            event,
            MeshEvent::Fleet(_)
                | MeshEvent::Sample { .. }
                | MeshEvent::Processes { .. }
                | MeshEvent::Peers { .. }
                | MeshEvent::Routing { .. }
                | MeshEvent::Refused { .. }
                | MeshEvent::Programs { .. }
                | MeshEvent::Units { .. }
                | MeshEvent::Jobs { .. }
                | MeshEvent::Alerts { .. }
                | MeshEvent::Rules { .. }
                | MeshEvent::Shells { .. }
                | MeshEvent::Recordings { .. }
                | MeshEvent::Network { .. }
                | MeshEvent::Audit { .. }
                | MeshEvent::Log { .. }
        );
        match &mut self.frozen {
            Some(held) if about_data => {
                held.push_back(event);
                if held.len() > FROZEN_MAX {
                    self.thaw();
                    self.say("the screen was frozen for too long: it goes on");
                }
            }
            _ => self.take_in(event),
        }
    }

    fn thaw(&mut self) {
        for event in self.frozen.take().into_iter().flatten() {
            self.take_in(event);
        }
        self.dirty = true;
    }

    /// Hands the changes to the view that is shown, all at once.
    fn settle(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        let body = self.areas().body;
        let scene = scene(&self.world, body, self.options.readonly);
        let view = self.views.get_mut(self.current);
        for change in changes {
            view.on_change(&scene, change);
        }
        view.settle(&scene);
    }

    /// Runs `with` on the view that is shown.
    fn with_view<T>(&mut self, with: impl FnOnce(&mut dyn View, &Scene<'_>) -> T) -> T {
        let body = self.areas().body;
        let scene = scene(&self.world, body, self.options.readonly);
        with(self.views.get_mut(self.current), &scene)
    }

    fn say(&mut self, text: impl Into<String>) {
        self.message = Some((text.into(), self.world.now + MESSAGE_LIFE + Millis(1)));
        self.dirty = true;
    }
}

/// What is said at the start: a line, or a box where a line would not hold it.
fn told(options: &Options) -> (Option<(String, Millis)>, Vec<Layer>) {
    match options.notices.as_slice() {
        [] => (None, Vec::new()),
        [one] => (Some((one.clone(), MESSAGE_LIFE)), Vec::new()),
        _ if options.first_run.is_some() => (None, Vec::new()),
        many => {
            let lines = many.iter().map(|notice| (String::new(), notice.clone())).collect();
            let title = "mistakes in your files: the rest of them is used".to_owned();
            (None, vec![Layer::Facts { title, lines, scroll: 0 }])
        }
    }
}

const fn scene(world: &World, body: Rect, readonly: bool) -> Scene<'_> {
    Scene {
        fleet: &world.fleet,
        log: &world.log,
        shells: &world.shells,
        now: world.now,
        wall: world.wall,
        body,
        readonly,
    }
}

#[cfg(test)]
pub(crate) mod tests;
