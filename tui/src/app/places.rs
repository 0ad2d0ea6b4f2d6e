//! Where one has been: back and forward between views, each with its scope and its filter.

use p2p_shared::id::NodeId;
use p2p_shared::services::file::FilePath;

use super::State;
use super::layer::Layer;
use super::search::Searching;
use crate::command::Spot;
use crate::filter::Filter;
use crate::views::{Change, Scope, ViewId};

/// Places that are remembered in each direction.
const PLACES_MAX: usize = 50;

/// A view as it was left.
#[derive(Clone, Debug)]
pub(super) struct Place {
    view: ViewId,
    /// Whose; `None` for a view that keeps it to itself.
    scope: Option<Scope>,
    filter: Option<Filter>,
    /// What a search found, over the files that it led to.
    found: Option<Box<Searching>>,
}

/// The way back, and the way forward again; the nearest place is the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    back: Vec<Place>,
    ahead: Vec<Place>,
}

fn remember(places: &mut Vec<Place>, place: Place) {
    places.push(place);
    if places.len() > PLACES_MAX {
        places.remove(0);
    }
}

impl State {
    fn place(&self) -> Place {
        let view = self.view();
        Place { view: self.current, scope: view.scope(), filter: view.filter().cloned(), found: None }
    }

    /// Remembers the way back to what is shown now.
    pub(super) fn leave_place(&mut self) {
        let place = self.place();
        remember(&mut self.places.back, place);
        self.places.ahead.clear();
    }

    /// Remembers the way back to what a search found; to one search alone, for there may be much of it.
    pub(super) fn leave_search(&mut self, found: Box<Searching>) {
        self.leave_place();
        for place in &mut self.places.back {
            place.found = None;
        }
        if let Some(place) = self.places.back.last_mut() {
            place.found = Some(found);
        }
    }

    /// Shows a view, over other nodes if they are given, and remembers the way back.
    pub(super) fn show(&mut self, view: ViewId, scope: Option<Scope>) {
        self.editing = None;
        self.search = None;
        let elsewhere = scope.is_some() && self.view().scope() != scope;
        if view != self.current || elsewhere {
            self.leave_place();
        }
        // The details that one jumps from are left with the view.
        self.layers.retain(|layer| !matches!(layer, Layer::Details(_)));
        self.current = view;
        if let Some(scope) = scope {
            self.with_view(|view, scene| view.set_scope(scene, scope));
        }
        self.refresh_view();
    }

    /// Shows what of a view matches a filter.
    pub(super) fn find(&mut self, view: ViewId, node: NodeId, filter: &str) {
        self.show(view, Some(Scope::one(node)));
        match Filter::parse(filter, self.view().fields()) {
            Ok(filter) => self.with_view(|view, scene| view.set_filter(scene, filter)),
            Err(mistake) => self.say(format!("{filter}: {mistake}")),
        }
    }

    /// `:files web-1:/etc`, also without the node or without the path.
    pub(super) fn browse_to(&mut self, text: &str) {
        let here = self.views.files.spot(&self.scene());
        let Some(here) = here else { return self.say("no node is known") };
        match self.spot_of(text, &here) {
            Ok(spot) => self.show_files(spot, None),
            Err(what) => self.say(what),
        }
    }

    /// Shows a directory in the pane of files that keys go to, with the cursor on a name if one is given.
    pub(super) fn show_files(&mut self, spot: Spot, name: Option<FilePath>) {
        self.show(ViewId::Files, None);
        self.views.files.go(spot, name);
    }

    /// `:at yesterday 14:00`: the charts at that time.
    pub(super) fn show_time(&mut self, text: &str) {
        // What is no time shows nothing else.
        if let Err(what) = super::at::moment(text, self.world.wall) {
            return self.say(what);
        }
        self.show_from_here(ViewId::Resources);
        let body = self.areas().body;
        let scene = super::scene(&self.world, body, self.options.readonly);
        match self.views.resources.go_to(&scene, |now| super::at::moment(text, now)) {
            Ok(()) => self.message = None,
            Err(what) => self.say(what),
        }
        self.dirty = true;
    }

    /// Back to the place before; at the first one the console ends.
    pub(super) fn go_back(&mut self) {
        match self.places.back.pop() {
            Some(place) => {
                let left = self.place();
                remember(&mut self.places.ahead, left);
                self.enter_place(place);
            }
            // The last way back of a tab leads out of it.
            None if self.tabs().0 > 1 => self.close_tab(),
            None => self.leave(),
        }
    }

    /// Forward to where one came back from.
    pub(super) fn go_forward(&mut self) {
        match self.places.ahead.pop() {
            Some(place) => {
                let left = self.place();
                remember(&mut self.places.back, left);
                self.enter_place(place);
            }
            None => self.say("there is no place to go forward to"),
        }
    }

    /// Back to the place before, if there is one, and not forward again: what was left is over.
    pub(super) fn return_from(&mut self) {
        match self.places.back.pop() {
            Some(place) => self.enter_place(place),
            None => self.refresh_view(),
        }
    }

    fn enter_place(&mut self, place: Place) {
        // A search names fields of the view in which it was written.
        self.search = None;
        self.editing = None;
        self.current = place.view;
        // What the view still shows keeps its cursor.
        if let Some(scope) = place.scope
            && self.view().scope().as_ref() != Some(&scope)
        {
            self.with_view(|view, scene| view.set_scope(scene, scope));
        }
        let text = |filter: Option<&Filter>| filter.map(|filter| filter.text().to_owned());
        if text(self.view().filter()) != text(place.filter.as_ref()) {
            self.with_view(|view, scene| view.set_filter(scene, place.filter));
        }
        if let Some(found) = place.found {
            let below = Spot { node: found.order.node, path: found.order.path.clone() };
            self.views.files.go(below, None);
            self.message = None;
            self.layers.push(Layer::Search(found));
        }
        self.refresh_view();
    }

    /// Brings a view up to date that was not shown for a while.
    pub(super) fn refresh_view(&mut self) {
        self.changes.insert(Change::Nodes);
        self.changes.extend(self.world.fleet.iter().map(|(id, _)| Change::Processes(id)));
        self.changes.extend(self.world.fleet.iter().map(|(id, _)| Change::Peers(id)));
        self.changes.extend(self.world.fleet.iter().map(|(id, _)| Change::List(id)));
        self.changes.insert(Change::Log);
        self.settle();
        self.dirty = true;
    }
}
