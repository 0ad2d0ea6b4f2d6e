//! Tabs: several sets of views side by side, each with its view, scope, filters, orders, cursors, marks and way back.
//!
//! One tab is shown and lies in the state itself; the others are parked here. Shells and what is known of the nodes
//! belong to the console and not to a tab.

use super::State;
use super::palette::{Palette, goal_of};
use super::places::Places;
use super::shown::Views;
use crate::action::Action;
use crate::filter::Filter;
use crate::format::head;
use crate::views::{Scope, ViewId};

/// Most tabs.
pub const TABS_MAX: usize = 9;
/// Columns that one takes in the bar at most.
const LABEL_MAX: usize = 40;

/// One that is not shown.
#[derive(Debug, Default)]
struct Tab {
    views: Views,
    current: ViewId,
    places: Places,
    search: Option<Filter>,
}

/// Those that are not shown, in their order, and where the one that is shown stands among them.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    before: Vec<Tab>,
    after: Vec<Tab>,
}

impl Tabs {
    /// How many there are with the one that is shown.
    pub(super) const fn count(&self) -> usize {
        self.before.len() + 1 + self.after.len()
    }
}

impl State {
    /// How many tabs there are, and which one is shown, from 0.
    pub const fn tabs(&self) -> (usize, usize) {
        (self.tabs.count(), self.tabs.before.len())
    }

    /// What stands in the bar, in the order of the tabs.
    pub fn tab_labels(&self) -> Vec<String> {
        let own = self.tab_label(&self.views, self.current);
        let label = |tab: &Tab| self.tab_label(&tab.views, tab.current);
        let before = self.tabs.before.iter().map(label);
        before.chain([own]).chain(self.tabs.after.iter().map(label)).collect()
    }

    fn tab_label(&self, views: &Views, current: ViewId) -> String {
        let view = views.get(current);
        let scope = match view.scope() {
            Some(Scope::All) => " of all".to_owned(),
            Some(scope) => format!(" of {}", scope.title(&self.world.fleet)),
            None => String::new(),
        };
        let filter = view.filter().map_or_else(String::new, |filter| format!(" /{}", filter.text()));
        head(&format!("{}{scope}{filter}", current.name()), LABEL_MAX).to_owned()
    }

    /// Takes the tab off the screen, for a place among the parked ones.
    fn park(&mut self) -> Tab {
        self.editing = None;
        self.pressed.clear();
        // Whoever is asked now answers the tab that is shown then.
        self.views.resources.answered();
        Tab {
            views: std::mem::take(&mut self.views),
            current: self.current,
            places: std::mem::take(&mut self.places),
            search: self.search.take(),
        }
    }

    /// Puts a parked tab on the screen.
    fn unpark(&mut self, tab: Tab) {
        (self.views, self.current, self.places, self.search) =
            (tab.views, tab.current, tab.places, tab.search);
        self.views.files.refresh();
        self.refresh_view();
    }

    /// Opens a tab behind this one, on the same view of the same nodes.
    pub(super) fn new_tab(&mut self) -> bool {
        if self.tabs.count() >= TABS_MAX {
            self.say(format!(
                "there are {TABS_MAX} tabs, and no more: {} closes one",
                self.key(Action::CloseTab)
            ));
            return false;
        }
        let (current, scope) = (self.current, self.view().scope());
        let filter = self.view().filter().cloned();
        let left = self.park();
        self.tabs.before.push(left);
        self.unpark(Tab { current, ..Tab::default() });
        // The others begin as they are in a new console.
        self.with_view(|view, scene| {
            if let Some(scope) = scope {
                view.set_scope(scene, scope);
            }
            if filter.is_some() {
                view.set_filter(scene, filter);
            }
        });
        self.refresh_view();
        true
    }

    /// Closes the tab that is shown; the last one stays.
    pub(super) fn close_tab(&mut self) {
        let next =
            if self.tabs.after.is_empty() { self.tabs.before.pop() } else { Some(self.tabs.after.remove(0)) };
        let Some(tab) = next else {
            return self.say("this is the only tab");
        };
        self.park();
        self.unpark(tab);
    }

    /// Shows the next tab or the previous one, around the end.
    pub(super) fn turn_tab(&mut self, forward: bool) {
        let (count, at) = self.tabs();
        if count == 1 {
            return self.say(format!("this is the only tab: {} opens another", self.key(Action::NewTab)));
        }
        self.go_to_tab(if forward { at + 1 } else { at + count - 1 } % count);
    }

    /// Shows one by its place, from 0.
    pub(super) fn go_to_tab(&mut self, wanted: usize) {
        let (count, at) = self.tabs();
        if wanted >= count {
            return self.say(format!("there is no tab {}: there are {count}", wanted + 1));
        }
        if wanted == at {
            return;
        }
        let left = self.park();
        let Tabs { before, after } = std::mem::take(&mut self.tabs);
        let mut all: Vec<Tab> = before.into_iter().chain([left]).chain(after).collect();
        let after = all.split_off(wanted + 1);
        let Some(tab) = all.pop() else { return };
        self.tabs = Tabs { before: all, after };
        self.unpark(tab);
    }

    /// `:tab`, `:tab ps web-*`, `:tab close`, `:tab next`, `:tab 3`.
    pub(super) fn on_tab_line(&mut self, text: &str) {
        match text {
            "" => {
                self.new_tab();
            }
            "close" => self.close_tab(),
            "next" => self.turn_tab(true),
            "previous" => self.turn_tab(false),
            number if number.parse::<usize>().is_ok_and(|number| number > 0) => {
                self.go_to_tab(number.parse::<usize>().map_or(0, |number| number - 1));
            }
            line => match goal_of(line, &self.world.fleet) {
                Some(goal) => {
                    if self.new_tab() {
                        let shown = |state: &Self| (state.current, state.view().scope(), state.layers.len());
                        let before = shown(self);
                        self.message = None;
                        self.reach(goal);
                        // What could not be shown gets no tab, and says why.
                        if shown(self) == before && self.message.is_some() {
                            let why = self.message.take();
                            self.close_tab();
                            self.message = why;
                            return;
                        }
                        // The way back does not lead to where the tab was opened from.
                        self.places = Places::default();
                    }
                }
                None => self.say(format!("there is no {line:?} to open in a tab")),
            },
        }
    }

    fn key(&self, action: Action) -> String {
        self.options.keys.key_of(action)
    }

    /// The palette, with what it knows beside views, actions and nodes.
    pub(super) fn open_palette(&self) -> Palette {
        let mut more = self.filter_choices();
        more.extend(self.theme_choices());
        Palette::open(&self.world.fleet, more)
    }
}
