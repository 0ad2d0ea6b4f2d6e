//! From state to screen: the frame around the views, and what lies over them.
//!
//! Takes `&State` and draws; decides nothing.

mod conflict;
mod copies;
mod described;
mod form;
mod layers;
mod outcomes;
mod probing;
mod searching;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod snapshots_files;
#[cfg(test)]
mod snapshots_own;
#[cfg(test)]
mod snapshots_shells;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::app::{Editing, State};
use crate::event::Entry;
use crate::format::{clean, clock, head, width};
use crate::layout::{self, Areas};
use crate::theme::Role;
use crate::views::ViewId;
use crate::widgets::paint::Painter;

/// Draws everything.
pub fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let theme = &state.options.theme;
    Painter { buf, theme }.clear(area);
    if !layout::fits(area) {
        too_small(state, area, buf);
        return;
    }
    if let Some(text) = &state.options.first_run {
        first_run(state, text, area, buf);
        return;
    }
    let areas = state.areas();
    let mut painter = Painter { buf, theme };
    header(state, areas.header, &mut painter);
    bar(state, areas.bar, &mut painter);
    tabs(state, areas.tabs, &mut painter);
    banners(state, areas.banner, &mut painter);
    state.view().draw(&state.scene(), theme, areas.body, buf);
    let mut painter = Painter { buf, theme };
    filter(state, areas.filter, &mut painter);
    footer(state, areas.footer, &mut painter);
    for layer in &state.layers {
        layers::draw(state, layer, &areas, buf);
    }
}

/// How far the box of a probe can be scrolled back.
pub(crate) fn probing_back_max(probing: &crate::app::probe::Probing, areas: &Areas) -> usize {
    probing::back_max(probing, areas)
}

/// The field of a form at a cell, and of its value the columns and which of them, if it is that.
pub(crate) fn form_field_at(
    defining: &crate::app::defining::Defining,
    areas: &Areas,
    at: (u16, u16),
) -> Option<(usize, Option<(usize, usize)>)> {
    form::field_at(defining, areas, at)
}

/// Where the text cursor stands, while a text field is open.
pub fn cursor(state: &State) -> Option<(u16, u16)> {
    let areas = state.areas();
    match (state.layers.last(), &state.editing) {
        (Some(layer), _) => layers::cursor(layer, &areas),
        (None, Some(editing)) => {
            let (_, column) = editing.field.window(filter_columns(editing, areas.filter));
            let column = (FILTER_LABEL.len() + column) as u16;
            Some((areas.filter.x + column.min(areas.filter.width.saturating_sub(1)), areas.filter.y))
        }
        (None, None) => state.terminal_cursor(),
    }
}

fn too_small(state: &State, area: Rect, buf: &mut Buffer) {
    let text = format!("{}x{} is too small", area.width, area.height);
    let mut painter = Painter { buf, theme: &state.options.theme };
    let y = area.y + area.height / 2;
    painter.text((area.x, y.saturating_sub(1)), area.width, &text, Role::Warn);
    painter.text((area.x, y), area.width, "needs 40x10", Role::Text);
}

fn first_run(state: &State, text: &str, area: Rect, buf: &mut Buffer) {
    let mut painter = Painter { buf, theme: &state.options.theme };
    let columns = usize::from(area.width.saturating_sub(4));
    let whole = |line: &str| {
        let role = if line.starts_with("  ") { Role::Accent } else { Role::Text };
        layers::fold(&vec![(line.to_owned(), role)], columns)
    };
    let lines: Vec<layers::Line> = text.lines().flat_map(whole).collect();
    let columns = |line: &layers::Line| line.iter().map(|(text, _)| width(text)).sum::<usize>();
    let widest = lines.iter().map(columns).max().unwrap_or(0) as u16;
    let place = layout::centred(area, widest + 4, lines.len() as u16 + 4);
    let inside = painter.frame(place, "P2P Admin");
    let skip = state.first_line.min(lines.len().saturating_sub(usize::from(inside.height)));
    for (index, line) in lines.iter().skip(skip).enumerate() {
        // The blank line at the top goes where there is no room for it.
        let gap = u16::from(usize::from(inside.height) > lines.len());
        let y = inside.y + gap + index as u16;
        if y < inside.bottom() {
            let pieces: Vec<(&str, Role)> = line.iter().map(|(text, role)| (text.as_str(), *role)).collect();
            painter.line((inside.x + 1, y), inside.width.saturating_sub(2), &pieces);
        }
    }
    let scrolls = lines.len() > usize::from(inside.height);
    let keys = if scrolls { " j k scroll, q leaves " } else { " q leaves " };
    painter.text((area.x + 1, area.bottom() - 1), area.width - 1, keys, Role::Dim);
}

fn header(state: &State, area: Rect, painter: &mut Painter<'_>) {
    let health = state.world.fleet.health();
    let states = painter.theme.glyphs.states;
    let mesh = match &state.world.entry {
        Some(Entry::Connected { name, mesh, .. }) => format!("{mesh} via {name}"),
        Some(Entry::Connecting { address }) => format!("connecting to {address}"),
        Some(Entry::Lost { .. }) => "cut off".to_owned(),
        None => "starting".to_owned(),
    };
    let time = format!("{} UTC ", clock(state.world.wall));
    let room = area.width.saturating_sub(width(&time) as u16 + 1);
    let counts = [
        (health.alive, states[0], "alive", Role::Good),
        (health.suspect, states[1], "suspect", Role::Warn),
        (health.lost, states[2], "lost", Role::Bad),
        (health.left, states[3], "left", Role::Dim),
    ];
    let shown = counts.iter().filter(|(count, _, word, _)| *count > 0 || *word == "alive");
    let long =
        |&(count, mark, word, role): &(usize, &str, &str, Role)| (format!("  {mark} {count} {word}"), role);
    let short = |&(count, mark, _, role): &(usize, &str, &str, Role)| (format!("  {mark} {count}"), role);
    let name = |mesh: &str| vec![(" P2P Admin ".to_owned(), Role::Title), (mesh.to_owned(), Role::Text)];
    let whole: Vec<_> = name(&mesh).into_iter().chain(shown.clone().map(long)).collect();
    let brief: Vec<_> = name(&mesh).into_iter().chain(shown.clone().map(short)).collect();
    let least: Vec<_> = name("").into_iter().chain(shown.map(short)).collect();
    // How many are lost is the last to go.
    let fits = |pieces: &Vec<(String, Role)>| {
        pieces.iter().map(|(text, _)| width(text)).sum::<usize>() <= usize::from(room)
    };
    let pieces = [whole, brief].into_iter().find(fits).unwrap_or(least);
    let pieces: Vec<(&str, Role)> = pieces.iter().map(|(text, role)| (text.as_str(), *role)).collect();
    painter.line((area.x, area.y), room, &pieces);
    painter.right((area.x, area.y), area.width, &time, Role::Dim);
}

/// The tabs with their left edge and text; where there is little room only the one that is shown is told whole.
fn bar_slots(state: &State, columns: u16) -> Vec<(u16, String)> {
    const NUMBER: usize = 3;
    let (count, at) = state.tabs();
    let labels = state.tab_labels();
    let numbered = |(index, label): (usize, &String)| format!(" {} {} ", index + 1, clean(label));
    let whole: Vec<String> = labels.iter().enumerate().map(numbered).collect();
    let room = usize::from(columns).saturating_sub(NUMBER * (count - 1));
    let short = |index: usize| match index == at {
        true => head(&whole[index], room).to_owned(),
        false => format!(" {} ", index + 1),
    };
    let fits = whole.iter().map(|text| width(text)).sum::<usize>() <= usize::from(columns);
    let texts = if fits { whole.clone() } else { (0..whole.len()).map(short).collect() };
    let mut x = 0;
    let place = |text: String| {
        let slot = (x, text);
        x += width(&slot.1) as u16;
        slot
    };
    texts.into_iter().map(place).collect()
}

/// The tab that stands in the bar at a column, from 0.
pub fn bar_at(state: &State, column: u16) -> Option<usize> {
    let slots = bar_slots(state, state.world.screen.width);
    slots.iter().position(|(x, text)| (*x..*x + width(text) as u16).contains(&column))
}

fn bar(state: &State, area: Rect, painter: &mut Painter<'_>) {
    if area.height == 0 {
        return;
    }
    let (_, at) = state.tabs();
    for (index, (x, text)) in bar_slots(state, area.width).into_iter().enumerate() {
        let role = if index == at { Role::Cursor } else { Role::Dim };
        painter.text((area.x + x, area.y), area.width.saturating_sub(x), &text, role);
    }
}

/// Each tab with its left edge and text: whole names where they leave room for what is said of the view, then
/// short ones, then keys alone but for the view that is shown.
fn tab_slots(state: &State, columns: u16) -> Vec<(ViewId, u16, String)> {
    let whole = slots_of(state, 2, ViewId::name);
    let short = slots_of(state, 1, ViewId::short);
    let (scene, view) = (state.scene(), state.view());
    let said = [view.title(&scene), view.status(&scene)];
    let wanted = said.iter().filter(|text| !text.is_empty()).map(|text| width(text) + 2).sum::<usize>();
    let end = |slots: &[(ViewId, u16, String)]| slots.last().map_or(0, |(_, x, text)| x + width(text) as u16);
    let fits = |slots: &[(ViewId, u16, String)]| usize::from(end(slots)) + wanted < usize::from(columns);
    if fits(&whole) {
        whole
    } else if fits(&short) {
        short
    } else {
        slots_of(state, 1, |view| if view == state.current() { view.short() } else { "" })
    }
}

fn slots_of(state: &State, gap: u16, name: impl Fn(ViewId) -> &'static str) -> Vec<(ViewId, u16, String)> {
    let mut x = 1;
    let mut slots = Vec::new();
    for view in ViewId::ALL {
        let key = state.options.keys.key_of(Action::Show(view));
        // What has no key is reached by its name, and has a tab only while it is shown.
        if key.is_empty() && view != state.current() {
            continue;
        }
        let text = format!("{key} {}", name(view)).trim().to_owned();
        let used = width(&text) as u16 + gap;
        slots.push((view, x, text));
        x += used;
    }
    slots
}

/// The view whose tab stands at a column.
pub fn tab_at(state: &State, column: u16) -> Option<ViewId> {
    let slots = tab_slots(state, state.world.screen.width);
    slots
        .into_iter()
        .find(|(_, x, text)| (*x..*x + width(text) as u16).contains(&column))
        .map(|(view, ..)| view)
}

fn tabs(state: &State, area: Rect, painter: &mut Painter<'_>) {
    let scene = state.scene();
    let mut end = 0;
    for (view, x, text) in tab_slots(state, area.width) {
        let role = if view == state.current() { Role::Sorted } else { Role::Dim };
        let used = painter.text((area.x + x, area.y), area.width.saturating_sub(x), &text, role);
        end = x + used;
    }
    let view = state.view();
    let room = area.width.saturating_sub(end + 3);
    let right = about(&view.title(&scene), &view.status(&scene), &view.summary(&scene), room);
    painter.right((area.x + end + 2, area.y), room, &right, Role::Accent);
}

/// Title, status and figures of a view, as many of them as have room.
fn about(title: &str, status: &str, summary: &str, room: u16) -> String {
    let join =
        |parts: &[&str]| parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
    let whole = join(&[title, status, summary]);
    let short = join(&[title, status]);
    // What is marked or hidden is more important than whose it is.
    [whole, short]
        .into_iter()
        .find(|text| width(text) <= usize::from(room))
        .unwrap_or_else(|| if status.is_empty() { title.to_owned() } else { status.to_owned() })
}

fn banners(state: &State, area: Rect, painter: &mut Painter<'_>) {
    for (index, text) in state.banners().iter().enumerate().take(usize::from(area.height)) {
        let line = Rect { y: area.y + index as u16, height: 1, ..area };
        painter.tint(line, Role::Banner);
        painter.text((line.x + 1, line.y), line.width.saturating_sub(2), text, Role::Banner);
    }
}

const FILTER_LABEL: &str = "filter: ";
const SEARCH_LABEL: &str = "search: ";

/// Columns of what is written there; a mistake gets up to half of the line.
fn filter_columns(editing: &Editing, area: Rect) -> usize {
    let mistake = editing.mistake.as_ref().map_or(0, |mistake| width(&mistake.to_string()) + 2);
    let whole = usize::from(area.width);
    whole.saturating_sub(FILTER_LABEL.len() + mistake.min(whole / 2))
}

fn filter(state: &State, area: Rect, painter: &mut Painter<'_>) {
    if area.height == 0 {
        return;
    }
    let at = (area.x, area.y);
    if let Some(editing) = &state.editing {
        let label = if editing.searching { SEARCH_LABEL } else { FILTER_LABEL };
        painter.tint(area, Role::Field);
        let (text, _) = editing.field.window(filter_columns(editing, area));
        let used = painter.line(at, area.width, &[(label, Role::Key), (text, Role::Field)]);
        if let Some(mistake) = &editing.mistake {
            let text = format!("  {mistake}");
            painter.text((area.x + used, area.y), area.width.saturating_sub(used), &text, Role::Bad);
        }
        return;
    }
    let mut pieces = Vec::new();
    if let Some(filter) = state.view().filter() {
        pieces.extend([
            (FILTER_LABEL, Role::Key),
            (filter.text(), Role::Warn),
            ("  Esc clears  ", Role::Dim),
        ]);
    }
    if let Some(search) = state.search() {
        pieces.extend([
            (SEARCH_LABEL, Role::Key),
            (search.text(), Role::Hit),
            ("  n next, p previous", Role::Dim),
        ]);
    }
    painter.line(at, area.width, &pieces);
}

fn footer(state: &State, area: Rect, painter: &mut Painter<'_>) {
    if let Some(text) = state.message() {
        painter.text((area.x + 1, area.y), area.width.saturating_sub(2), text, Role::Warn);
        return;
    }
    if !state.pressed().is_empty() {
        painter.text((area.x + 1, area.y), area.width, "... a key more", Role::Dim);
        return;
    }
    if let Some(pieces) = own_keys(state) {
        painter.line((area.x + 1, area.y), area.width.saturating_sub(2), pieces);
        return;
    }
    // The way to every other key is always there; the keys of the view fill what is left.
    let general = [Action::Filter, Action::Palette, Action::Help];
    let reserved: u16 = general.iter().map(|action| hint_width(state, *action)).sum();
    let mut x = area.x + 1;
    for action in state.view().hints() {
        if x + hint_width(state, *action) + reserved <= area.right() + HINT_GAP {
            x = draw_hint(state, *action, (x, area.y), painter);
        }
    }
    for action in general {
        if x + hint_width(state, action) <= area.right() + HINT_GAP {
            x = draw_hint(state, action, (x, area.y), painter);
        }
    }
}

/// The keys while a shell or a recording has them.
fn own_keys(state: &State) -> Option<&'static [(&'static str, Role)]> {
    let replaying = state.is_replaying();
    Some(match () {
        () if state.is_typing() && state.is_shell_over() => {
            &[("Enter", Role::Key), (" goes back", Role::Text)]
        }
        () if state.is_typing() => {
            &[("^]", Role::Key), (" leaves, and it stays open; every other key is the shell's", Role::Text)]
        }
        () if state.has_just_left() => LEFT_KEYS,
        () if replaying && state.is_replay_over() => {
            &[("Space", Role::Key), (" once more  ", Role::Text), ("q", Role::Key), (" leaves", Role::Text)]
        }
        () if replaying => REPLAY_KEYS,
        () => return None,
    })
}

/// The keys right behind the one that leaves a shell.
const LEFT_KEYS: &[(&str, Role)] = &[
    ("^]", Role::Key),
    (" back in  ", Role::Text),
    ("1-8", Role::Key),
    (" that shell  ", Role::Text),
    ("n p", Role::Key),
    (" next, previous  ", Role::Text),
    ("d", Role::Key),
    (" detach  ", Role::Text),
    ("]", Role::Key),
    (" types ^]  ", Role::Text),
    ("q", Role::Key),
    (" back", Role::Text),
];

const REPLAY_KEYS: &[(&str, Role)] = &[
    ("Space", Role::Key),
    (" pause  ", Role::Text),
    ("+ -", Role::Key),
    (" speed  ", Role::Text),
    (", .", Role::Key),
    (" 10 s back, forth  ", Role::Text),
    ("gg", Role::Key),
    (" from the beginning  ", Role::Text),
    ("q", Role::Key),
    (" leaves", Role::Text),
];

const HINT_GAP: u16 = 2;

/// Columns that a hint takes, with the gap behind it.
fn hint_width(state: &State, action: Action) -> u16 {
    (width(&state.options.keys.key_of(action)) + 1 + width(hint(state.current(), action))) as u16 + HINT_GAP
}

/// A key and its word; answers where the next one begins.
fn draw_hint(state: &State, action: Action, (x, y): (u16, u16), painter: &mut Painter<'_>) -> u16 {
    let dimmed = action.spec().acts && state.options.readonly;
    let (key_role, word_role) = if dimmed { (Role::Dim, Role::Dim) } else { (Role::Key, Role::Text) };
    let key = state.options.keys.key_of(action);
    painter.line(
        (x, y),
        hint_width(state, action),
        &[(&key, key_role), (" ", Role::Text), (hint(state.current(), action), word_role)],
    );
    x + hint_width(state, action)
}

/// One word for the last line.
fn hint(view: ViewId, action: Action) -> &'static str {
    match action {
        Action::PaneNext if view == ViewId::Files => "other pane",
        Action::TabNext if view == ViewId::Files => "next node",
        Action::TabNext if view == ViewId::Services => "all units",
        Action::TabNext if view == ViewId::Fleet => "cards or table",
        Action::CopyOver => "copy over",
        Action::MoveOver => "move over",
        Action::Open => "open",
        Action::Menu => "actions",
        Action::Kill if view == ViewId::Shell => "end",
        Action::Kill => "kill",
        Action::Filter => "filter",
        Action::Palette => "go to",
        Action::Help => "help",
        Action::Describe => "details",
        Action::Tree if view == ViewId::Peers => "loss, clock",
        Action::Tree => "tree",
        Action::AllNodes => "all nodes",
        Action::Mark => "mark",
        Action::PaneNext => "next node",
        Action::TabNext => "next list",
        Action::ZoomIn => "closer",
        Action::ZoomOut => "wider",
        Action::Related => "jump",
        Action::Freeze => "freeze",
        Action::Logs => "logs",
        Action::Follow => "follow",
        Action::Shell => "shell",
        Action::Right => "scroll",
        Action::Left => "up",
        Action::CopyField => "copy",
        other => other.spec().name,
    }
}

/// The areas in which layers are placed.
fn over(areas: &Areas) -> Rect {
    Rect {
        x: areas.header.x,
        y: areas.header.y,
        width: areas.header.width,
        height: areas.footer.bottom() - areas.header.y,
    }
}
