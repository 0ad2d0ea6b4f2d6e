//! The grid on the screen. Rows bear names and numbers; columns bear names where they have room, else the numbers of
//! the rows, as in a table of distances.

use p2p_shared::services::node::MemberState;
use ratatui::layout::Rect;

use super::doctor::{Gravity, findings, usual_rtt};
use super::figure::{FIGURE_COLUMNS, shown};
use super::sight::{Sight, Standing};
use super::{Grid, words};
use crate::format::{count, plural, width};
use crate::theme::{Glyphs, Role};
use crate::views::{Scene, observed};
use crate::widgets::paint::Painter;

/// The lines above the rows: sub-tabs, the verdict, the heads.
const VERDICT_ROW: u16 = 1;
pub(super) const HEAD_ROW: u16 = 2;
const ROWS_FROM: u16 = 3;
/// The sides of the pair under the cursor: what each of them says stands below the rows.
const SIDES: u16 = 2;
/// A body with fewer lines keeps them for the rows.
const SIDES_FROM: u16 = 9;
/// Columns in which a side has room on one line.
const SIDE_COLUMNS: u16 = 120;
/// So many pieces of a side are figures; who dialled where comes behind, or on a line of its own.
const SIDE_FIGURES: usize = 3;
/// Columns of the longest thing that the corner says, with a gap.
const CORNER: u16 = 17;
/// A figure and its sign.
const CELL: u16 = FIGURE_COLUMNS + 1;
/// Columns of a name at least.
const NAME_MIN: u16 = 8;

/// Where everything stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Columns before the cells.
    pub(super) label: u16,
    /// Columns of the numbers in the label; 0 where the heads are names.
    digits: u16,
    /// Columns of a cell.
    cell: u16,
    /// How many cells fit beside and below each other.
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Lines of each side of the pair.
    side: u16,
}

impl Plan {
    /// For so many nodes with names of so many columns at most.
    pub(super) fn of(nodes: usize, longest: usize, body: Rect) -> Self {
        let longest = u16::try_from(longest).unwrap_or(u16::MAX).max(1);
        let name = longest.min((body.width / 4).max(NAME_MIN));
        let rows = |side: u16| usize::from(body.height.saturating_sub(ROWS_FROM + SIDES * side));
        let side = match () {
            () if body.height < SIDES_FROM => 0,
            () if body.width < SIDE_COLUMNS && rows(2) >= nodes => 2,
            () => 1,
        };
        let rows = rows(side);
        // Mark, name, and a gap behind each.
        let label = 2 + name + 1;
        let wide = longest.saturating_add(2).max(CELL);
        let room = |label: u16, cell: u16| usize::from(body.width.saturating_sub(label) / cell);
        if room(label, wide) >= nodes {
            // Where there is room, the corner says what rows and columns are.
            let label = if room(label.max(CORNER), wide) >= nodes { label.max(CORNER) } else { label };
            return Self { label, digits: 0, cell: wide, columns: room(label, wide), rows, side };
        }
        let digits = count(nodes).len() as u16;
        let label = label + digits + 1;
        Self { label, digits, cell: CELL, columns: room(label, CELL).max(1), rows, side }
    }

    /// The row at a line of the body, from the first one shown.
    pub(super) fn row_at(&self, y: u16) -> Option<usize> {
        y.checked_sub(ROWS_FROM).map(usize::from).filter(|row| *row < self.rows)
    }

    /// The cell at a column of the body, from the first one shown.
    pub(super) fn column_at(&self, x: u16) -> Option<usize> {
        let cell = usize::from(x.checked_sub(self.label)? / self.cell);
        (cell < self.columns).then_some(cell)
    }

    const fn x(&self, cell: usize) -> u16 {
        self.label + cell as u16 * self.cell
    }
}

/// The mark of a row, and how its name looks.
fn mark(standing: Standing, glyphs: &Glyphs) -> (&'static str, Role, Role) {
    let of = |state, name| {
        let (mark, _, role) = observed::state(state, glyphs);
        (mark, role, name)
    };
    match standing {
        Standing::Fresh => of(MemberState::Alive, Role::Text),
        Standing::Suspect => of(MemberState::Suspect, Role::Dim),
        Standing::Lost => of(MemberState::Lost, Role::Dim),
        Standing::Mute => (glyphs.states[4], Role::Bad, Role::Dim),
        Standing::Late => (glyphs.states[4], Role::Warn, Role::Dim),
        Standing::Waiting => (glyphs.states[4], Role::Dim, Role::Dim),
    }
}

impl Grid {
    /// What stands at the right of the sub-tabs: the figure, and what is not on the screen.
    pub(in super::super) fn caption(&self, scene: &Scene<'_>) -> [String; 2] {
        let plan = self.plan(scene.fleet, scene.body);
        let nodes = self.nodes.len();
        let short = self.figure.name().to_owned();
        let mut long = short.clone();
        if plan.columns < nodes {
            let last = (self.left + plan.columns).min(nodes);
            long = format!("columns {}-{last} of {nodes}, {long}", self.left + 1);
        }
        if self.left_out == 0 {
            return [long, short];
        }
        let left_out = format!("{} left out", plural(self.left_out, "node"));
        [format!("{left_out} (:peers SELECTOR), {long}"), left_out]
    }

    /// Draws everything below the sub-tabs; `area` is the whole body.
    pub(in super::super) fn draw(&self, scene: &Scene<'_>, area: Rect, painter: &mut Painter<'_>) {
        let sight = Sight::of(scene, &self.nodes);
        self.draw_verdict(&sight, area, painter);
        let below = Rect { y: area.y + HEAD_ROW, height: area.height.saturating_sub(HEAD_ROW), ..area };
        if sight.len() == 0 {
            let text =
                if self.filter.is_some() { "nothing passes the filter" } else { "no node is known yet" };
            return observed::say(painter, below, text, Role::Dim);
        }
        let plan = self.plan(scene.fleet, area);
        self.draw_heads(&sight, plan, area, painter);
        let usual = usual_rtt(&sight);
        for row in 0..plan.rows.min(sight.len().saturating_sub(self.top)) {
            self.draw_row((&sight, usual), plan, (area, row), painter);
        }
        if plan.side > 0 {
            self.draw_sides((scene, &sight), plan.side, area, painter);
        }
    }

    fn draw_verdict(&self, sight: &Sight, area: Rect, painter: &mut Painter<'_>) {
        let found = findings(sight);
        let Some(first) = found.first().filter(|_| area.height > VERDICT_ROW) else { return };
        let [well, doubt, wrong, ..] = painter.theme.glyphs.states;
        let mark = match first.gravity {
            Gravity::Good => well,
            Gravity::Warn => doubt,
            Gravity::Bad => wrong,
            Gravity::Note => painter.theme.glyphs.dot,
        };
        let more = match found.len() - 1 {
            0 => String::new(),
            more => format!("  (d: {more} more)"),
        };
        let room = area.width.saturating_sub(width(&more) as u16);
        let role = first.gravity.role();
        let at = (area.x, area.y + VERDICT_ROW);
        let used = painter.line(at, room, &[(mark, role), (" ", role), (&first.text, role)]);
        painter.text((area.x + used, at.1), area.width - used, &more, Role::Dim);
    }

    fn draw_heads(&self, sight: &Sight, plan: Plan, area: Rect, painter: &mut Painter<'_>) {
        if area.height <= HEAD_ROW {
            return;
        }
        let y = area.y + HEAD_ROW;
        painter.tint(Rect { y, height: 1, ..area }, Role::Head);
        let room = plan.label.saturating_sub(1);
        let [long, short] = [format!("{}: from \\ to", self.figure.word()), self.figure.word().to_owned()];
        let corner = if width(&long) <= usize::from(room) { long } else { short };
        painter.text((area.x, y), room, &corner, Role::Sorted);
        for cell in 0..plan.columns.min(sight.len().saturating_sub(self.left)) {
            let column = self.left + cell;
            let number = (column + 1).to_string();
            let text = if plan.digits > 0 { &number } else { &sight.names[column] };
            let role = if column == self.at.1 { Role::Sorted } else { Role::Head };
            painter.right((area.x + plan.x(cell), y), plan.cell - 1, text, role);
        }
    }

    fn draw_row(
        &self,
        (sight, usual): (&Sight, Option<f64>),
        plan: Plan,
        (area, line): (Rect, usize),
        painter: &mut Painter<'_>,
    ) {
        let (row, y) = (self.top + line, area.y + ROWS_FROM + line as u16);
        if y >= area.bottom() {
            return;
        }
        let (mark, mark_role, name_role) = mark(sight.standings[row], &painter.theme.glyphs);
        let name_role = if row == self.at.0 { Role::Sorted } else { name_role };
        let mut x = area.x;
        if plan.digits > 0 {
            painter.right((x, y), plan.digits, &(row + 1).to_string(), Role::Head);
            x += plan.digits + 1;
        }
        painter.text((x, y), 1, mark, mark_role);
        painter.text((x + 2, y), (area.x + plan.label).saturating_sub(x + 3), &sight.names[row], name_role);
        for cell in 0..plan.columns.min(sight.len().saturating_sub(self.left)) {
            let column = self.left + cell;
            let figure = shown(sight, (row, column), self.figure, (usual, painter.theme.glyphs.dot));
            let (x, under) = (area.x + plan.x(cell), (row, column) == self.at);
            let role = if under { Role::Cursor } else { figure.role };
            if under {
                painter.tint(Rect { x, y, width: plan.cell, height: 1 }, Role::Cursor);
            }
            painter.right((x, y), plan.cell - 1, &figure.text, role);
            painter.text((x + plan.cell - 1, y), 1, figure.sign, role);
        }
    }

    /// What both sides say of the pair under the cursor, at the foot of the body; a piece for which there is no room is
    /// left out.
    fn draw_sides(
        &self,
        (scene, sight): (&Scene<'_>, &Sight),
        lines: u16,
        area: Rect,
        painter: &mut Painter<'_>,
    ) {
        let (from, to) = self.at;
        let sides = if from == to { vec![(from, to)] } else { vec![(from, to), (to, from)] };
        let names = |(from, to): (usize, usize)| match from == to {
            true => sight.names[from].clone(),
            false => format!("{} > {}", sight.names[from], sight.names[to]),
        };
        let top = area.bottom().saturating_sub(SIDES * lines);
        for (side, at) in sides.into_iter().zip(0..) {
            let y = top + at * lines;
            let mut x = area.x + painter.text((area.x, y), area.width, &names(side), Role::Accent);
            let mut y = y;
            for (nth, (text, role)) in words::side(scene, sight, side).iter().enumerate() {
                if lines > 1 && nth == SIDE_FIGURES {
                    (x, y) = (area.x, y + 1);
                }
                let left = area.right().saturating_sub(x);
                let fits = width(text) + 2 <= usize::from(left);
                if fits || nth == 0 {
                    x += painter.line((x, y), left, &[("  ", Role::Text), (text, *role)]);
                }
            }
        }
    }
}
