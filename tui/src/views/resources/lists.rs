//! The parts without charts: file systems, interfaces, load, pressure, temperatures.

use p2p_shared::services::monitor::{Disk, HostSample, Interface, Pressure, Temperature};
use ratatui::layout::Rect;

use super::Figures;
use crate::fleet::share;
use crate::format::{bytes, percent, plural, rate, width};
use crate::theme::Role;
use crate::widgets::paint::Painter;

/// From this share on inodes are worth a word.
const INODES_TIGHT: f32 = 0.8;
/// From this on a temperature is worth a look, and from the second on it is wrong.
const WARM_CELSIUS: f32 = 75.0;
const HOT_CELSIUS: f32 = 90.0;
/// Columns of a gauge's label.
const LABEL_WIDTH: u16 = 6;
/// Longest gauge.
const GAUGE_MAX: u16 = 40;
/// A line of gauge and text is not stretched beyond this: the eye has to find the text.
const LINE_MAX: u16 = 66;
/// Width at which a file system shows its type and device too.
const WIDE_MIN: u16 = 84;
/// Columns for remarks, type and device then.
const REMARKS_WIDE: u16 = 30;

/// Rows of the longer one of the two lists below the charts.
pub(super) fn rows_wanted(sample: &HostSample) -> u16 {
    let strain = 1 + if sample.pressure.is_some() { 3 } else { 1 } + sample.temperatures.len();
    u16::try_from(strain.max(sample.disks.len() + 1)).unwrap_or(u16::MAX)
}

fn heat(celsius: f32) -> Role {
    match celsius {
        _ if celsius >= HOT_CELSIUS => Role::Bad,
        _ if celsius >= WARM_CELSIUS => Role::Warn,
        _ => Role::Text,
    }
}

fn degrees(celsius: f32) -> String {
    if celsius.is_finite() { format!("{celsius:.0} C") } else { "-".to_owned() }
}

fn hottest(sample: &HostSample) -> Option<&Temperature> {
    let known = sample.temperatures.iter().filter(|sensor| sensor.celsius.is_finite());
    known.max_by(|one, other| one.celsius.total_cmp(&other.celsius))
}

/// Load, pressure and the hottest sensor in one line.
pub(super) fn strain_line(figures: &Figures<'_>, area: Rect, painter: &mut Painter<'_>) {
    let sample = figures.sample;
    let mut pieces = vec![(load_text(sample), load_role(sample))];
    if let Some(pressure) = &sample.pressure {
        let worst = pressure.cpu_some_ratio.max(pressure.memory_some_ratio).max(pressure.io_some_ratio);
        let text = format!(
            "pressure cpu {} mem {} io {}",
            percent(pressure.cpu_some_ratio),
            percent(pressure.memory_some_ratio),
            percent(pressure.io_some_ratio)
        );
        pieces.push((text, Role::of_share(worst)));
    }
    if let Some(sensor) = hottest(sample) {
        let text = format!("hottest {} ({})", degrees(sensor.celsius), sensor.label);
        pieces.push((text, heat(sensor.celsius)));
    }
    let mut x = area.x;
    for (text, role) in pieces {
        // What a piece has in brackets goes first; a piece that would still be cut says nothing.
        let room = usize::from(area.right() - x);
        let brief = text.split(" (").next().unwrap_or(&text).to_owned();
        let text = if width(&text) <= room { text } else { brief };
        if width(&text) > room {
            break;
        }
        x += painter.text((x, area.y), area.right() - x, &text, figures.role(role)) + 3;
        if x >= area.right() {
            break;
        }
    }
}

fn load_text(sample: &HostSample) -> String {
    let text = |load: f32| if load.is_finite() { format!("{load:.2}") } else { "-".to_owned() };
    let [one, five, fifteen] = sample.load.map(text);
    format!("load {one} {five} {fifteen}")
}

fn load_role(sample: &HostSample) -> Role {
    let cores = sample.cpu.cores.len().max(1) as f32;
    // A load of one a core is full, not wrong.
    Role::of_share(sample.load[0] / cores / 1.5)
}

/// A label, a gauge, the percent, and a text at the right.
pub(super) fn gauge_line(
    figures: &Figures<'_>,
    label: &str,
    (ratio, text): (f32, &str),
    area: Rect,
    painter: &mut Painter<'_>,
) {
    let role = figures.role(Role::of_share(ratio));
    painter.text((area.x, area.y), LABEL_WIDTH, label, Role::Dim);
    let percents = percent(ratio);
    let tail = (width(text) as u16 + 1).min(area.width);
    let gauge = area.width.saturating_sub(LABEL_WIDTH + 5 + tail + 1).min(GAUGE_MAX);
    let x = area.x + LABEL_WIDTH;
    let bar = if role == Role::Text { Role::First } else { role };
    painter.gauge((x, area.y), gauge, ratio, bar);
    painter.right((x + gauge, area.y), 5, &percents, role);
    painter.right((area.x, area.y), area.width, text, figures.role(Role::Text));
}

/// Interfaces that carry something, busiest first.
pub(super) fn interfaces(figures: &Figures<'_>, area: Rect, painter: &mut Painter<'_>) {
    let mut shown: Vec<&Interface> =
        figures.sample.interfaces.iter().filter(|one| one.name != "lo").collect();
    let traffic = |one: &Interface| one.received_bytes_per_s.saturating_add(one.sent_bytes_per_s);
    shown.sort_by_key(|one| (std::cmp::Reverse(traffic(one)), !one.up));
    let [down, up] = painter.theme.glyphs.flow;
    for (interface, y) in shown.into_iter().zip(area.y..area.bottom()) {
        let rates = format!(
            "{down} {:>6} {up} {:>6}",
            rate(interface.received_bytes_per_s),
            rate(interface.sent_bytes_per_s)
        );
        let totals = format!(
            "  total {down} {:>4} {up} {:>4}",
            bytes(interface.received_bytes_total),
            bytes(interface.sent_bytes_total)
        );
        let room = area.width.saturating_sub(12);
        let text = match room {
            _ if !figures.over && usize::from(room) >= width(&rates) + width(&totals) => rates + &totals,
            _ => rates,
        };
        let taken = width(&text) as u16;
        painter.right((area.x, y), area.width, &text, figures.role(Role::Text));
        let mut name = interface.name.clone();
        if !interface.up {
            name += " down";
        }
        let role = if interface.errors_total > 0 { Role::Warn } else { Role::Text };
        let room = area.width.saturating_sub(taken + 1);
        let used = painter.text((area.x, y), room, &name, figures.role(role));
        let errors =
            format!(" {}", plural(usize::try_from(interface.errors_total).unwrap_or(usize::MAX), "error"));
        if interface.errors_total > 0 && width(&errors) as u16 + used <= room {
            painter.text((area.x + used, y), room - used, &errors, figures.role(Role::Warn));
        }
    }
}

fn inodes(disk: &Disk) -> f32 {
    share(disk.inodes_total.saturating_sub(disk.inodes_free), disk.inodes_total)
}

fn used(disk: &Disk) -> u64 {
    disk.total_bytes.saturating_sub(disk.available_bytes)
}

/// How near a file system is to refusing: by bytes or by inodes, in whole percents so that rows stay where they are.
fn tightness(disk: &Disk) -> u8 {
    (share(used(disk), disk.total_bytes).max(inodes(disk)) * 100.0) as u8
}

/// File systems, the fullest first: mount point, gauge, percent, sizes, and what is odd about them.
pub(super) fn file_systems(figures: &Figures<'_>, area: Rect, painter: &mut Painter<'_>) {
    if area.is_empty() {
        return;
    }
    let mut disks: Vec<&Disk> = figures.sample.disks.iter().collect();
    disks.sort_by_key(|disk| std::cmp::Reverse(tightness(disk)));
    let height = usize::from(area.height);
    let first = figures.scroll.min(disks.len().saturating_sub(height));
    let more = disks.len() - first > height;
    // The last line stands for all that has no room, its own file system too.
    let shown = disks.iter().skip(first).take(if more { height - 1 } else { height });
    // All gauges end in one column, so the longest remark decides.
    let remark = shown.clone().map(|disk| width(&remarks(disk))).max().unwrap_or(0) as u16;
    let tail = if area.width >= WIDE_MIN { REMARKS_WIDE } else { remark };
    for (disk, y) in shown.zip(area.y..) {
        file_system(figures, disk, (Rect { y, height: 1, ..area }, tail), painter);
    }
    if more {
        let text = format!("{} more", disks.len() - first - (height - 1));
        painter.text((area.x, area.bottom() - 1), area.width, &text, Role::Dim);
    }
}

/// What is odd about a file system: few inodes left, read-only.
fn remarks(disk: &Disk) -> String {
    let mut text = String::new();
    if inodes(disk) >= INODES_TIGHT {
        text += &format!(" inodes {}", percent(inodes(disk)));
    }
    if disk.read_only {
        text += " ro";
    }
    text
}

fn file_system(figures: &Figures<'_>, disk: &Disk, (area, tail): (Rect, u16), painter: &mut Painter<'_>) {
    let ratio = share(used(disk), disk.total_bytes);
    let role = figures.role(Role::of_share(ratio));
    let wide = area.width >= WIDE_MIN;
    let name = if wide { 24 } else { (area.width / 3).clamp(6, 24) };
    painter.text((area.x, area.y), name.min(area.width), &disk.mountpoint, figures.role(Role::Text));
    let sizes = format!("{:>4} of {:>4}", bytes(used(disk)), bytes(disk.total_bytes));
    let mut odd = remarks(disk);
    if wide {
        odd += &format!("  {} {}", disk.file_system, disk.device);
    }
    let tail_role = if inodes(disk) >= INODES_TIGHT { Role::of_share(inodes(disk)) } else { Role::Dim };
    // The gauge shrinks before the text does.
    let fixed = name + 1 + 5 + 1 + sizes.len() as u16 + tail;
    let gauge = area.width.saturating_sub(fixed).min(GAUGE_MAX);
    let mut x = area.x + name + 1;
    let bar = if role == Role::Text { Role::First } else { role };
    painter.gauge((x, area.y), gauge.min(area.right().saturating_sub(x)), ratio, bar);
    x += gauge;
    for (text, columns, role) in [
        (format!("{:>5}", percent(ratio)), 5, role),
        (format!(" {sizes}"), sizes.len() as u16 + 1, figures.role(Role::Text)),
        (odd, tail, figures.role(tail_role)),
    ] {
        let columns = columns.min(area.right().saturating_sub(x));
        painter.text((x, area.y), columns, &text, role);
        x += columns;
    }
}

/// Load, pressure and temperatures, a line each.
pub(super) fn strain(figures: &Figures<'_>, area: Rect, painter: &mut Painter<'_>) {
    let sample = figures.sample;
    let area = Rect { width: area.width.min(LINE_MAX), ..area };
    let mut y = area.y;
    let mut line = || {
        let line = Rect { y, height: 1, ..area };
        y += 1;
        (line.y < area.bottom()).then_some(line)
    };
    if let Some(line) = line() {
        let text = format!("{} on {}", load_text(sample), plural(sample.cpu.cores.len(), "core"));
        painter.text((line.x, line.y), line.width, &text, figures.role(load_role(sample)));
    }
    match &sample.pressure {
        Some(pressure) => {
            for (label, some, full) in rows_of(pressure) {
                let Some(line) = line() else { return };
                let text =
                    full.map_or_else(|| "some".to_owned(), |full| format!("some, {} all", percent(full)));
                gauge_line(figures, label, (some, &format!("{text:<14}")), line, painter);
            }
        }
        None => {
            if let Some(line) = line() {
                painter.text((line.x, line.y), line.width, "this kernel counts no pressure", Role::Dim);
            }
        }
    }
    for sensor in &sample.temperatures {
        let Some(line) = line() else { return };
        let role = figures.role(heat(sensor.celsius));
        painter.text((line.x, line.y), line.width.saturating_sub(7), &sensor.label, figures.role(Role::Text));
        painter.right((line.x, line.y), line.width, &degrees(sensor.celsius), role);
    }
}

fn rows_of(pressure: &Pressure) -> [(&'static str, f32, Option<f32>); 3] {
    [
        ("cpu", pressure.cpu_some_ratio, None),
        ("mem", pressure.memory_some_ratio, Some(pressure.memory_full_ratio)),
        ("io", pressure.io_some_ratio, Some(pressure.io_full_ratio)),
    ]
}
