//! Help, palette, menu, questions, dialogs, outcomes and details, drawn over the view.

use p2p_shared::services::process::{Origin, OriginKind, ProcessDetails};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::over;
use super::probing;
use super::{conflict, described};
use crate::action::{Group, Spec, TABLE};
use crate::app::State;
use crate::app::confirm::Confirm;
use crate::app::layer::{Details, Layer};
use crate::app::menu::{Found, JournalPart, Menu, Question};
use crate::app::palette::Palette;
use crate::format::{bytes, clean, cpu, cpu_time, date, head, plural, process_state, width};
use crate::layout::{Areas, centred};
use crate::theme::Role;
use crate::widgets::field::Field;
use crate::widgets::paint::Painter;

/// A line of a layer that is read.
pub(super) type Line = Vec<(String, Role)>;

const PROMPT_WIDTH: u16 = 60;
const PALETTE_WIDTH: u16 = 76;
const CONFIRM_TARGETS: usize = 8;
/// Lines that the question of a dialog takes at most.
const QUESTION_LINES_MAX: usize = 4;

pub(super) fn draw(state: &State, layer: &Layer, areas: &Areas, buf: &mut Buffer) {
    let mut painter = Painter { buf, theme: &state.options.theme };
    match layer {
        Layer::Help { scroll } => reading("help", &help(state), *scroll, areas, &mut painter),
        Layer::Palette(palette) => draw_palette(palette, areas, &mut painter),
        Layer::Menu(menu) => draw_menu(menu, areas, &mut painter),
        Layer::Ask { question, field, mistake } => {
            draw_ask(question, field, mistake.as_deref(), areas, &mut painter);
        }
        Layer::Confirm(confirm) => draw_confirm(confirm, areas, &mut painter),
        Layer::Outcomes { run, scroll } => {
            if let Some(run) = state.runs.get(*run) {
                let (title, lines) = super::outcomes::lines(run, &painter.theme.glyphs);
                reading(&title, &lines, *scroll, areas, &mut painter);
            }
        }
        Layer::Details(details) => {
            let title = format!("{} on {}", details.name, state.world.fleet.name_of(details.node));
            reading(&title, &details_lines(details), details.scroll, areas, &mut painter);
        }
        Layer::Described(described) => {
            let title = format!("{} on {}", described.name, state.world.fleet.name_of(described.node));
            let lines = described::lines(described, state.world.wall);
            reading(&title, &lines, described.scroll, areas, &mut painter);
        }
        Layer::Form(defining) => super::form::draw(defining, areas, &mut painter),
        Layer::Probe(layer) => {
            probing::draw(layer, &state.world.fleet.name_of(layer.node), areas, &mut painter);
        }
        Layer::Copies { at } => super::copies::draw(state, *at, areas, &mut painter),
        Layer::Search(searching) => {
            super::searching::draw(
                searching,
                &state.world.fleet.name_of(searching.order.node),
                areas,
                &mut painter,
            );
        }
        Layer::Conflict(clash) => {
            let title = format!("conflict on {}", state.world.fleet.name_of(clash.node));
            reading(&title, &conflict::lines(clash, state.world.wall), clash.scroll, areas, &mut painter);
        }
        Layer::Facts { title, lines, scroll } => {
            reading(title, &described::facts(lines), *scroll, areas, &mut painter);
        }
    }
}

pub(super) fn cursor(layer: &Layer, areas: &Areas) -> Option<(u16, u16)> {
    let in_field = |place: Rect, line: u16, label: usize, field: &Field| {
        let (_, column) = field.window(field_columns(place, label));
        let x = place.x + 2 + label as u16 + column as u16;
        Some((x.min(place.right().saturating_sub(2)), place.y + line))
    };
    match layer {
        Layer::Palette(palette) => in_field(palette_place(areas), 1, 1, &palette.field),
        Layer::Ask { field, .. } => in_field(ask_place(areas), 2, 0, field),
        Layer::Confirm(confirm) => {
            let field = confirm.typed.as_ref()?;
            let place = confirm_place(confirm, areas);
            in_field(place, place.height.saturating_sub(2), count_label(confirm).len(), field)
        }
        Layer::Form(defining) => super::form::cursor(defining, areas),
        _ => None,
    }
}

/// Columns of a text field in a box, behind its label.
fn field_columns(place: Rect, label: usize) -> usize {
    usize::from(place.width.saturating_sub(4)).saturating_sub(label)
}

/// A large box with lines that scroll.
fn reading(title: &str, lines: &[Line], scroll: usize, areas: &Areas, painter: &mut Painter<'_>) {
    let all = over(areas);
    let lines: Vec<Line> =
        lines.iter().flat_map(|line| fold(line, usize::from(all.width.saturating_sub(4)))).collect();
    let widest =
        lines.iter().map(|line| line.iter().map(|(text, _)| width(text)).sum::<usize>()).max().unwrap_or(0);
    let place = centred(all, (widest as u16).saturating_add(4).max(40), lines.len() as u16 + 2);
    let inside = painter.frame(place, title);
    let height = usize::from(inside.height);
    let first = scroll.min(lines.len().saturating_sub(height));
    for (index, line) in lines.iter().skip(first).take(height).enumerate() {
        let pieces: Vec<(&str, Role)> = line.iter().map(|(text, role)| (text.as_str(), *role)).collect();
        painter.line((inside.x + 1, inside.y + index as u16), inside.width.saturating_sub(2), &pieces);
    }
    let more = if lines.len() > height {
        format!(
            " {}-{} of {}, j k scroll, Esc closes ",
            first + 1,
            (first + height).min(lines.len()),
            lines.len()
        )
    } else {
        " Esc closes ".into()
    };
    painter.text(
        (place.x + 2, place.bottom().saturating_sub(1)),
        place.width.saturating_sub(4),
        &more,
        Role::Dim,
    );
}

/// A line in as many as it takes to read it whole: its last piece goes on below, indented.
pub(super) fn fold(line: &Line, columns: usize) -> Vec<Line> {
    const INDENT: &str = "      ";
    let Some(((last, role), before)) = line.split_last() else { return vec![Vec::new()] };
    let last = clean(last);
    let used: usize = before.iter().map(|(text, _)| width(&clean(text))).sum();
    let (first, mut rest) = break_at(&last, columns.saturating_sub(used));
    let mut lines = vec![before.iter().cloned().chain([(first.to_owned(), *role)]).collect()];
    while !rest.is_empty() {
        let part;
        (part, rest) = break_at(rest, columns.saturating_sub(INDENT.len()));
        lines.push(vec![(INDENT.to_owned(), *role), (part.to_owned(), *role)]);
    }
    lines
}

/// What fits into `columns`, up to a blank if there is one in its second half, and what follows. The first part
/// holds something whenever the text does.
fn break_at(text: &str, columns: usize) -> (&str, &str) {
    let part = head(text, columns.max(2));
    if part.len() == text.len() || part.is_empty() {
        return (text, "");
    }
    match part.rfind(' ').filter(|at| *at > part.len() / 2) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (part, &text[part.len()..]),
    }
}

/// What the `:` line knows besides actions and nodes.
const WORDS: [(&str, &str); 20] = [
    ("ps web-*", "processes of the nodes that match; ps all for every node"),
    ("services web-*", "their programs and units"),
    ("logs web-* ssh.service", "their journals, of one unit if it is named"),
    ("alerts web-*", "their alerts, silences and rules"),
    ("jobs web-*", "their task queues"),
    ("audit web-*", "who did what on them; audit for every node"),
    ("ping web-1 TARGET", "sent from there; trace too, and scan with PORTS"),
    ("files web-1:/etc", "that directory; /etc alone is on the node that is shown"),
    ("shell web-1", "a shell there; ^] leaves it, and it stays open"),
    ("shells web-*", "shells that live there: attach again, or end them; recordings behind ]"),
    ("exec web-* LINE", "a command there; equal answers stand together"),
    ("define web-*", "a program there, in a form; NAME CMD ARG... behind it for one line"),
    ("node NAME", "charts of one node"),
    ("label k=v k-", "set and remove labels of the node, or of the marked nodes"),
    ("at yesterday 14:00", "charts at that time: 02:30, -3h, 2026-11-25 14:00, now"),
    ("tab ps web-*", "a tab with that in it; tab close, next, previous, 3"),
    ("filter save NAME", "keep the filter in force; filter NAME, filter delete NAME"),
    ("theme NAME", "another theme, of ours or of yours"),
    ("mouse", "give the mouse to the terminal, and take it back"),
    ("q", "leave"),
];

fn help(state: &State) -> Vec<Line> {
    let keys = &state.options.keys;
    let row = |spec: &Spec| {
        let key = keys.keys_of(spec.action);
        let key = if key.is_empty() { format!(":{}", spec.name) } else { key };
        let role = if spec.acts && state.options.readonly { Role::Dim } else { Role::Text };
        vec![(format!("  {key:<14}"), Role::Key), (spec.doc.to_owned(), role)]
    };
    let title = |text: &str| vec![(text.to_owned(), Role::Title)];
    let mut lines = vec![title(&format!("First in {}", state.current().name()))];
    lines.extend(state.view().hints().iter().map(|action| row(action.spec())));
    for group in Group::ALL {
        lines.extend([Vec::new(), title(group.title())]);
        lines.extend(TABLE.iter().filter(|spec| spec.group == group).map(row));
    }
    lines.extend([Vec::new(), title("Words of the : line")]);
    for (word, doc) in WORDS {
        lines.push(vec![(format!("  {word:<26}"), Role::Key), (doc.to_owned(), Role::Text)]);
    }
    lines
}

fn palette_place(areas: &Areas) -> Rect {
    let all = over(areas);
    let place = centred(all, PALETTE_WIDTH, 16.min(all.height.saturating_sub(1)));
    Rect { y: all.y + 1, ..place }
}

fn draw_palette(palette: &Palette, areas: &Areas, painter: &mut Painter<'_>) {
    let place = palette_place(areas);
    let inside = painter.frame(place, "go to");
    let line = Rect { height: 1, ..inside };
    painter.tint(line, Role::Field);
    let x = inside.x + 1;
    painter.line(
        (x, inside.y),
        inside.width.saturating_sub(2),
        &[(":", Role::Key), (palette.field.window(field_columns(place, 1)).0, Role::Field)],
    );
    for (index, choice) in palette.choices.iter().enumerate() {
        let y = inside.y + 1 + index as u16;
        if y >= inside.bottom() {
            break;
        }
        painter.text((x, y), 20.min(inside.width), &choice.text, Role::Text);
        painter.text((x + 22, y), inside.width.saturating_sub(24), &choice.hint, Role::Dim);
        if index == palette.at {
            painter.tint(Rect { x: inside.x, y, width: inside.width, height: 1 }, Role::Cursor);
        }
    }
    if palette.choices.is_empty() {
        painter.text((x, inside.y + 2), inside.width, "nothing matches", Role::Dim);
    }
}

fn draw_menu(menu: &Menu, areas: &Areas, painter: &mut Painter<'_>) {
    let widest = menu.items.iter().map(|item| width(&item.label) + 6).max().unwrap_or(0);
    let wanted = widest.max(width(&menu.title) + 6) as u16 + 2;
    let place = centred(over(areas), wanted, menu.items.len() as u16 + 2);
    let inside = painter.frame(place, &menu.title);
    let rows = usize::from(inside.height);
    // The one under the cursor is in sight.
    let first = (menu.at + 1).saturating_sub(rows);
    for (index, item) in menu.items.iter().enumerate().skip(first).take(rows) {
        let y = inside.y + (index - first) as u16;
        let role = if item.choice.is_ok() { Role::Text } else { Role::Dim };
        let key = format!(" {}  ", item.key);
        painter.line((inside.x, y), inside.width, &[(&key, Role::Key), (&item.label, role)]);
        if index == menu.at {
            painter.tint(Rect { y, height: 1, ..inside }, Role::Cursor);
        }
    }
}

fn ask_place(areas: &Areas) -> Rect {
    centred(over(areas), PROMPT_WIDTH, 6)
}

fn draw_ask(
    question: &Question,
    field: &Field,
    mistake: Option<&str>,
    areas: &Areas,
    painter: &mut Painter<'_>,
) {
    let (title, help) = match question {
        Question::Nice(targets) => {
            (format!("nice value of {}", plural(targets.len(), "process")), "-20 (greedy) to 19 (kind)")
        }
        Question::Labels(nodes) => {
            (format!("labels of {}", plural(nodes.len(), "node")), "k=v sets a label, k- removes it")
        }
        Question::Exec(nodes) => {
            let whose = match nodes.as_slice() {
                [(_, name)] => name.clone(),
                many => plural(many.len(), "node"),
            };
            (format!("run on {whose}"), "a line for /bin/sh -c, such as: df -h /")
        }
        Question::Silence(targets) => (
            format!("silence {}", plural(targets.len(), "alert")),
            "SPAN REASON, such as: 2h the disk is replaced",
        ),
        Question::CopyFile(_, path) => {
            (format!("copy {path} to"), "NODE for the same path there, or NODE:/path")
        }
        Question::Find { path, what: Found::Names, .. } => {
            (format!("find names below {path}"), "a part of a name, or a pattern such as *.conf or logs/*.gz")
        }
        Question::Find { path, what: Found::Lines, .. } => {
            (format!("find lines in files below {path}"), "a regular expression; lower case finds both cases")
        }
        Question::Probe { node: (_, name), kind, .. } => {
            (format!("{} from {name}", kind.as_str()), kind.usage())
        }
        Question::Journal(JournalPart::Unit) => {
            ("lines of one unit".to_owned(), "such as ssh.service; nothing shows every unit")
        }
        Question::Journal(JournalPart::Priority) => {
            ("lines of a priority or graver".to_owned(), "emerg alert crit err warning notice info debug")
        }
        Question::Journal(JournalPart::Text) => {
            ("lines that contain a text".to_owned(), "lower case finds both cases; nothing shows all")
        }
    };
    let inside = painter.frame(ask_place(areas), &title);
    painter.text((inside.x + 1, inside.y), inside.width.saturating_sub(2), help, Role::Dim);
    let line = Rect { x: inside.x + 1, y: inside.y + 1, width: inside.width.saturating_sub(2), height: 1 };
    painter.tint(line, Role::Field);
    painter.text((line.x, line.y), line.width, field.window(usize::from(line.width)).0, Role::Field);
    if let Some(mistake) = mistake {
        painter.text((inside.x + 1, inside.y + 2), inside.width.saturating_sub(2), mistake, Role::Bad);
    }
    painter.text(
        (inside.x + 1, inside.y + 3),
        inside.width.saturating_sub(2),
        "Enter goes on, Esc cancels",
        Role::Dim,
    );
}

fn confirm_place(confirm: &Confirm, areas: &Areas) -> Rect {
    let all = over(areas);
    let names = confirm.proposal.targets.iter().take(CONFIRM_TARGETS);
    let widest = names.map(|target| width(&target.name)).max().unwrap_or(0).max(44);
    let widest = widest.max(width(&confirm.proposal.verb) + 12).min(usize::from(all.width)) as u16 + 6;
    let lines = confirm.proposal.targets.len().min(CONFIRM_TARGETS + 1) as u16;
    let width = widest.min(all.width);
    let asked = question_lines(confirm, width.saturating_sub(4)).len() as u16;
    centred(all, width, lines + asked + 5 + u16::from(confirm.is_paced()))
}

/// What is asked, in as many lines as it takes.
fn question_lines(confirm: &Confirm, columns: u16) -> Vec<Line> {
    let what = match confirm.proposal.targets.len() {
        1 => format!("{}:", confirm.proposal.verb),
        count if !confirm.is_paced() => format!("{}, {}:", confirm.proposal.verb, plural(count, "name")),
        count => format!("{} {}:", confirm.proposal.verb, plural(count, "target")),
    };
    let mut lines = fold(&vec![(what, Role::Danger)], usize::from(columns));
    lines.truncate(QUESTION_LINES_MAX);
    lines
}

fn count_label(confirm: &Confirm) -> String {
    format!("type {} to go on: ", confirm.proposal.targets.len())
}

fn draw_confirm(confirm: &Confirm, areas: &Areas, painter: &mut Painter<'_>) {
    let place = confirm_place(confirm, areas);
    let inside = painter.frame(place, "really?");
    let (x, columns) = (inside.x + 1, inside.width.saturating_sub(2));
    let targets = &confirm.proposal.targets;
    let asked = question_lines(confirm, columns);
    for (line, y) in asked.iter().zip(inside.y..) {
        let pieces: Vec<(&str, Role)> = line.iter().map(|(text, role)| (text.as_str(), *role)).collect();
        painter.line((x, y), columns, &pieces);
    }
    let top = inside.y + asked.len() as u16;
    // The verb above and the choice below, each with a blank line, are never given up for a name.
    let below = 2 + usize::from(confirm.is_paced());
    let room = usize::from(inside.height).saturating_sub(asked.len() + below);
    let named = if targets.len() <= CONFIRM_TARGETS.min(room) {
        targets.len()
    } else {
        CONFIRM_TARGETS.min(room.saturating_sub(1))
    };
    for (index, target) in targets.iter().take(named).enumerate() {
        let at = (x + 1, top + index as u16);
        painter.text(at, columns.saturating_sub(1), &target.name, Role::Text);
    }
    if targets.len() > named {
        let more = format!("and {} more", targets.len() - named);
        painter.text((x + 1, top + named as u16), columns.saturating_sub(1), &more, Role::Dim);
    }
    let y = inside.bottom().saturating_sub(1);
    if confirm.is_paced() {
        let [many, failure] = confirm.pace.words();
        let pieces = [("b ", Role::Key), (&many, Role::Text), ("   s ", Role::Key), (&failure, Role::Text)];
        painter.line((x, y.saturating_sub(1)), columns, &pieces);
    }
    match &confirm.typed {
        Some(field) => {
            painter.line(
                (x, y),
                columns,
                &[
                    (&count_label(confirm), Role::Key),
                    (field.window(field_columns(place, count_label(confirm).len())).0, Role::Field),
                    ("   Esc cancels", Role::Dim),
                ],
            );
        }
        None => {
            let (no, yes) =
                if confirm.acting { (Role::Text, Role::Danger) } else { (Role::Cursor, Role::Text) };
            let choices =
                [(" No ", no), ("   ", Role::Text), (" Yes ", yes), ("   y does it, Esc cancels", Role::Dim)];
            painter.line((x, y), columns, &choices);
        }
    }
}

fn details_lines(details: &Details) -> Vec<Line> {
    match &details.result {
        None => vec![vec![("waiting for the node's answer".into(), Role::Dim)]],
        Some(Err(error)) => vec![vec![(error.message.clone(), Role::Bad)]],
        Some(Ok(process)) => process_lines(process),
    }
}

/// What a process belongs to; of a unit, how one gets there.
fn belongs_to(origin: &Origin) -> String {
    let hint = if origin.kind == OriginKind::Unit { "  (s shows it, l its journal)" } else { "" };
    format!("{}{hint}", origin.sentence())
}

fn process_lines(process: &ProcessDetails) -> Vec<Line> {
    let info = &process.info;
    let fact = |name: &str, value: String| vec![(format!("{name:<12}"), Role::Head), (value, Role::Text)];
    let unknown = || "not readable".to_owned();
    let mut lines = vec![
        fact("pid", format!("{}, parent {}", info.key.pid, info.ppid)),
        fact("name", info.name.clone()),
        fact("user", format!("{} ({})", info.user, info.uid)),
        fact("state", format!("{}, nice {}", process_state(info.usage.state), info.usage.nice)),
        fact("started", date(info.started)),
        fact(
            "processor",
            format!("{} % now, {} in all", cpu(info.usage.cpu_ratio), cpu_time(info.usage.cpu_time_ms)),
        ),
        fact("memory", bytes(info.usage.rss_bytes)),
        fact("program", process.executable.clone().unwrap_or_else(unknown)),
        fact("directory", process.working_directory.clone().unwrap_or_else(unknown)),
        fact("belongs to", process.origin.as_ref().map_or_else(unknown, belongs_to)),
        fact("cgroup", process.cgroup.clone().unwrap_or_else(unknown)),
        fact(
            "storage",
            match (process.read_bytes, process.written_bytes) {
                (Some(read), Some(written)) => format!("{} read, {} written", bytes(read), bytes(written)),
                _ => unknown(),
            },
        ),
    ];
    section(&mut lines, "command line", process.arguments.iter().cloned());
    let chain = process.ancestors.iter().map(|one| format!("{:>8}  {}", one.key.pid, one.name));
    section(&mut lines, "ancestors", chain);
    let sockets = process.sockets.iter().map(|socket| {
        let remote = socket.remote.as_ref().map(|remote| format!(" to {remote}")).unwrap_or_default();
        format!("{:>4}  {:<5} {}{remote}  {}", socket.descriptor, socket.protocol, socket.local, socket.state)
    });
    section(&mut lines, "sockets, n goes to one", sockets);
    let files = process.files.iter().flatten();
    section(
        &mut lines,
        "open files, f goes to one",
        files.map(|file| format!("{:>4}  {}", file.descriptor, file.target)),
    );
    let threads = process.threads.iter();
    section(
        &mut lines,
        "threads",
        threads.map(|thread| {
            format!(
                "{:>8}  {:<16} {:<10} {}",
                thread.tid,
                thread.name,
                process_state(thread.state),
                cpu_time(thread.cpu_time_ms)
            )
        }),
    );
    let names = process.environment_names.iter().flatten().cloned();
    section(&mut lines, "environment (names)", names);
    lines
}

pub(super) fn section(lines: &mut Vec<Line>, title: &str, rows: impl Iterator<Item = String>) {
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return;
    }
    lines.push(Vec::new());
    lines.push(vec![(format!("{title} ({})", rows.len()), Role::Title)]);
    lines.extend(rows.into_iter().map(|row| vec![(format!("  {row}"), Role::Text)]));
}
