//! A form over the view: its fields under headings, mistakes below their fields, help for the one under the cursor.

use ratatui::layout::Rect;

use super::layers::{Line, fold};
use super::over;
use crate::app::defining::{Defining, Stage};
use crate::form::Form;
use crate::form::spec::{Kind, Need, Spec};
use crate::format::{plural, width};
use crate::layout::{Areas, centred};
use crate::theme::Role;
use crate::widgets::paint::Painter;

const WIDTH: u16 = 104;
/// Columns of the names.
const LABEL: u16 = 22;
/// Lines of the help.
const HELP: u16 = 4;

/// One line of the fields.
#[derive(Clone, Copy)]
enum Row<'a> {
    Heading(&'a str),
    Field(usize),
    Mistake(&'a str),
}

/// As high as its rows want it, up to the whole screen.
fn place(form: &Form, areas: &Areas) -> Rect {
    let all = over(areas);
    centred(all, WIDTH, all.height.min(rows(form).len() as u16 + HELP + 3))
}

/// The fields, and below a rule the help.
fn parts(form: &Form, areas: &Areas) -> (Rect, Rect) {
    let place = place(form, areas);
    let inside = Rect {
        x: place.x + 1,
        y: place.y + 1,
        width: place.width.saturating_sub(2),
        height: place.height.saturating_sub(2),
    };
    let help = HELP.min(inside.height / 2);
    let fields = Rect { height: inside.height.saturating_sub(help + 1), ..inside };
    (fields, Rect { y: inside.bottom().saturating_sub(help), height: help, ..inside })
}

fn rows(form: &Form) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut group = "";
    for (index, spec) in form.specs.iter().enumerate() {
        if spec.group() != group {
            group = spec.group();
            rows.push(Row::Heading(group));
        }
        rows.push(Row::Field(index));
        rows.extend(form.mistakes[index].as_deref().map(Row::Mistake));
    }
    rows
}

/// The first row in sight: the field under the cursor is, with its heading and its mistake.
fn first(rows: &[Row<'_>], at: usize, height: usize) -> usize {
    let here = rows.iter().position(|row| matches!(row, Row::Field(index) if *index == at)).unwrap_or(0);
    (here + 3).saturating_sub(height).min(rows.len().saturating_sub(height))
}

/// Where the value of the field under the cursor stands.
fn value_place(defining: &Defining, areas: &Areas) -> Option<Rect> {
    let (fields, _) = parts(&defining.form, areas);
    let rows = rows(&defining.form);
    let first = first(&rows, defining.form.at, usize::from(fields.height));
    let here = rows.iter().position(|row| matches!(row, Row::Field(index) if *index == defining.form.at))?;
    let y = fields.y + u16::try_from(here.checked_sub(first)?).ok()?;
    let value = value_of(fields, y);
    (y < fields.bottom()).then_some(value)
}

/// The field at a cell, and of its value the columns and which of them, if it is that.
pub(super) fn field_at(
    defining: &Defining,
    areas: &Areas,
    at: (u16, u16),
) -> Option<(usize, Option<(usize, usize)>)> {
    let (fields, _) = parts(&defining.form, areas);
    if !fields.contains(at.into()) {
        return None;
    }
    let rows = rows(&defining.form);
    let first = first(&rows, defining.form.at, usize::from(fields.height));
    let value = value_of(fields, at.1);
    let column = at.0.checked_sub(value.x).map(|column| (usize::from(value.width), usize::from(column)));
    match rows.get(first + usize::from(at.1 - fields.y))? {
        Row::Field(index) => Some((*index, column)),
        Row::Heading(_) | Row::Mistake(_) => None,
    }
}

fn value_of(fields: Rect, y: u16) -> Rect {
    let label = LABEL.min(fields.width / 2);
    Rect { x: fields.x + label, y, width: fields.width.saturating_sub(label + 1), height: 1 }
}

pub(super) fn cursor(defining: &Defining, areas: &Areas) -> Option<(u16, u16)> {
    if !matches!(defining.stage, Stage::Writing | Stage::Sent(_)) {
        return None;
    }
    let place = value_place(defining, areas)?;
    let field = defining.form.fields.get(defining.form.at)?;
    let (_, column) = field.window(usize::from(place.width));
    Some((place.x + (column as u16).min(place.width.saturating_sub(1)), place.y))
}

pub(super) fn draw(defining: &Defining, areas: &Areas, painter: &mut Painter<'_>) {
    let whose = match defining.nodes.as_slice() {
        [(_, name)] => name.clone(),
        many => plural(many.len(), "node"),
    };
    let verb = match &defining.stage {
        Stage::Reading(name) => format!("program {name} of {whose}"),
        _ => format!("program on {whose}"),
    };
    let place = place(&defining.form, areas);
    painter.frame(place, &verb);
    let (fields, help) = parts(&defining.form, areas);
    if let Stage::Reading(_) = &defining.stage {
        painter.text((fields.x + 1, fields.y), fields.width, "reading its definition", Role::Dim);
        return;
    }
    let rows = rows(&defining.form);
    let first = first(&rows, defining.form.at, usize::from(fields.height));
    for (row, y) in rows.iter().skip(first).zip(fields.y..fields.bottom()) {
        draw_row(&defining.form, *row, (fields, y), painter);
    }
    draw_help(defining, help, painter);
    let keys = if defining.stage == Stage::Leaving {
        " y gives up what is written, any other key goes on ".to_owned()
    } else {
        let at = format!("{}/{}", defining.form.at + 1, defining.form.specs.len());
        format!(" {at}  ^s goes on, ^o in $EDITOR, Esc cancels ")
    };
    let role = if defining.stage == Stage::Leaving { Role::Danger } else { Role::Dim };
    painter.text((place.x + 2, place.bottom().saturating_sub(1)), place.width.saturating_sub(4), &keys, role);
}

fn draw_row(form: &Form, row: Row<'_>, (fields, y): (Rect, u16), painter: &mut Painter<'_>) {
    let columns = fields.width.saturating_sub(2);
    match row {
        Row::Heading(name) => {
            painter.text((fields.x + 1, y), columns, &name.replace('_', " "), Role::Head);
        }
        Row::Mistake(what) => {
            let value = value_of(fields, y);
            painter.text((value.x, y), value.width, &format!("! {what}"), Role::Bad);
        }
        Row::Field(index) => {
            let (spec, field) = (&form.specs[index], &form.fields[index]);
            let here = index == form.at;
            let mark = if spec.need == Need::Always { "*" } else { " " };
            let value = value_of(fields, y);
            let indent = if spec.group().is_empty() { "" } else { "  " };
            let label = format!("{indent}{}", spec.label());
            let role = if here { Role::Accent } else { Role::Text };
            let pointer = if here { painter.theme.glyphs.cursor } else { " " };
            let room = value.x.saturating_sub(fields.x + 1);
            painter.line((fields.x, y), room, &[(pointer, Role::Accent), (mark, Role::Warn), (&label, role)]);
            if here {
                painter.tint(value, Role::Field);
            }
            let (text, role) = shown(spec, field.text());
            let text = if field.text().is_empty() {
                text.as_str()
            } else {
                field.window(usize::from(value.width)).0
            };
            painter.text((value.x, y), value.width, text, role);
        }
    }
}

/// What stands in a field: what is written, or its default, dimmed.
fn shown(spec: &Spec, written: &str) -> (String, Role) {
    if !written.is_empty() {
        return (written.to_owned(), Role::Title);
    }
    let default = spec.kind.show(&spec.default);
    match (default.is_empty(), spec.need, &spec.kind) {
        (true, Need::Always, _) => ("required".to_owned(), Role::Dim),
        (true, _, Kind::Switch) => ("no".to_owned(), Role::Dim),
        (true, ..) => ("none".to_owned(), Role::Dim),
        (false, ..) => (default, Role::Dim),
    }
}

fn draw_help(defining: &Defining, area: Rect, painter: &mut Painter<'_>) {
    let across = painter.theme.glyphs.frame[4];
    let rule = area.y.saturating_sub(1);
    for x in area.left()..area.right() {
        painter.text((x, rule), 1, across, Role::Border);
    }
    let columns = usize::from(area.width.saturating_sub(2));
    let mut lines: Vec<Line> = Vec::new();
    if let Some(refusal) = &defining.refusal {
        lines.extend(fold(&vec![(refusal.clone(), Role::Bad)], columns));
    }
    if let Some(spec) = defining.form.specs.get(defining.form.at) {
        // What has no room at its field is told whole here.
        let room = usize::from(value_of(area, area.y).width);
        let mistake = defining.form.mistakes[defining.form.at].as_ref();
        if let Some(mistake) = mistake.filter(|mistake| width(mistake) + 2 > room) {
            lines.extend(words(mistake, columns, Role::Bad));
        }
        lines.extend(help(spec, defining.form.fields[defining.form.at].text(), columns));
    }
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        let pieces: Vec<(&str, Role)> = line.iter().map(|(text, role)| (text.as_str(), *role)).collect();
        painter.line((area.x + 1, y), area.width.saturating_sub(2), &pieces);
    }
}

/// What is said of a field, of the choice that stands in it, and of how it is written.
fn help(spec: &Spec, written: &str, columns: usize) -> Vec<Line> {
    let required = if spec.need == Need::Always { "Required. " } else { "" };
    let doc = format!("{required}{} {}", spec.doc, spec.kind.usage());
    let mut lines = words(doc.trim(), columns, Role::Text);
    if let Kind::Choice(choices) = &spec.kind {
        let now = if written.is_empty() { spec.kind.show(&spec.default) } else { written.to_owned() };
        for (word, said) in choices.iter().filter(|(word, _)| *word == now) {
            lines.push(vec![(format!("{word}: "), Role::Key), (said.clone(), Role::Text)]);
        }
        let all = choices.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ");
        lines.extend(words(&all, columns, Role::Dim));
    }
    lines
}

/// A text in lines of whole words.
fn words(text: &str, columns: usize, role: Role) -> Vec<Line> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut().filter(|line| width(line) + 1 + width(word) <= columns) {
            Some(line) => line.extend([" ", word]),
            None => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| vec![(line, role)]).collect()
}
