//! The busiest processes of a moment.

use p2p_shared::services::monitor::BusyProcess;
use ratatui::layout::Rect;

use super::super::observed;
use super::Figures;
use crate::format::{bytes, cpu};
use crate::theme::Role;
use crate::widgets::paint::Painter;

/// From these widths on the process id and the user have a column.
const PID_WIDTH_MIN: u16 = 34;
const USER_WIDTH_MIN: u16 = 46;

/// A row each, the busiest first.
pub(super) fn list(figures: &Figures<'_>, area: Rect, painter: &mut Painter<'_>) {
    let Some(busiest) = figures.told.and_then(|told| told.busiest.as_ref()) else {
        let text = "nothing is kept of the processes of that time: nodes remember them for six hours";
        return observed::say(painter, area, text, Role::Dim);
    };
    let titles = ["CPU%".into(), "MEM".into(), "PID".into(), "NAME".into(), "USER".into()];
    row(&titles, [Role::Dim; 2], Rect { height: area.height.min(1), ..area }, painter);
    for (process, y) in busiest.processes.iter().zip(area.y + 1..area.bottom()) {
        let share = Role::of_share(process.cpu_ratio.min(1.0));
        row(&cells(process), [share, Role::Text], Rect { y, height: 1, ..area }, painter);
    }
}

fn cells(process: &BusyProcess) -> [String; 5] {
    let pid = process.key.pid.to_string();
    [cpu(process.cpu_ratio), bytes(process.rss_bytes), pid, process.name.clone(), process.user.clone()]
}

fn row(cells: &[String; 5], [share, text]: [Role; 2], area: Rect, painter: &mut Painter<'_>) {
    if area.height == 0 {
        return;
    }
    let [cpu, memory, pid, name, user] = cells;
    let mut x = area.x;
    let mut right = |columns: u16, text: &str, role: Role, painter: &mut Painter<'_>| {
        painter.right((x, area.y), columns.min(area.right().saturating_sub(x)), text, role);
        x += columns;
    };
    right(6, cpu, share, painter);
    right(6, memory, text, painter);
    if area.width >= PID_WIDTH_MIN {
        right(8, pid, Role::Dim, painter);
    }
    x += 1;
    let users = if area.width >= USER_WIDTH_MIN { 9 } else { 0 };
    let room = area.right().saturating_sub(x + users);
    painter.text((x, area.y), room.saturating_sub(u16::from(users > 0)), name, text);
    painter.text((x + room, area.y), users, user, Role::Dim);
}
