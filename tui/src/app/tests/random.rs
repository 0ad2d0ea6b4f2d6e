//! Whatever is pressed and whatever comes, at any size: no panic, and the cursor stays on its object.

mod peer;

use p2p_shared::error::RpcError;
use p2p_shared::rng::Rng;
use ratatui::buffer::Buffer;

use super::*;
use crate::command::{Errand, FilesOrder, Follow, ReplayOrder, RunId, ShellOrder, Sought, TerminalId};
use crate::event::{CopySaid, Mouse, MouseKind, ReplaySaid, Said, ShellSaid};
use p2p_shared::services::file::{FileContent, FileHit, FileKind};
use p2p_shared::services::program::{LogChunk, OutputStream, ProgramDefinition};
use p2p_shared::services::shell::{ShellExit, ShellItem, ShellSize};
use peer::answer;

/// Steps of each seed, so that all of them take a few seconds, and with `scripts/check.sh --full`.
const STEPS: usize = 5_000;
const STEPS_FULL: usize = 25_000;
const SEEDS: [u64; 4] = [1, 2, 7, 20_261_123];
/// So many steps of one seed instead, such as 100000, and which seed.
const STEPS_NAME: &str = "P2P_RANDOM_STEPS";
const SEED_NAME: &str = "P2P_RANDOM_SEED";

/// The seeds, and the steps of each.
fn plan() -> (Vec<u64>, usize) {
    let told = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    match (told(STEPS_NAME), told(SEED_NAME)) {
        (None, None) if std::env::var("P2P_FULL").is_ok_and(|full| full == "1") => {
            (SEEDS.to_vec(), STEPS_FULL)
        }
        (None, None) => (SEEDS.to_vec(), STEPS),
        (steps, seed) => (vec![seed.unwrap_or(SEEDS[0])], steps.map_or(STEPS, |steps| steps as usize)),
    }
}

/// Says where it happened when a test panics.
struct Whereabouts {
    seed: u64,
    at: usize,
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, at } = self;
            eprintln!("at step {at}: {STEPS_NAME}={} {SEED_NAME}={seed} does it again", *at + 1);
        }
    }
}
const KEYS: &[&str] = &[
    "j",
    "k",
    "<down>",
    "<up>",
    "<left>",
    "<right>",
    "<pgdn>",
    "<pgup>",
    "<home>",
    "<end>",
    "^d",
    "^u",
    "gg",
    "G",
    "g",
    "<enter>",
    "<esc>",
    "<tab>",
    "<backtab>",
    "<bs>",
    "<del>",
    " ",
    "v",
    "a",
    "u",
    "/",
    "*",
    "n",
    "p",
    ":",
    "?",
    "d",
    "x",
    "^k",
    "t",
    "o",
    "y",
    "Y",
    "0",
    "^]",
    "1",
    "2",
    "3",
    "]",
    "[",
    "f",
    "R",
    "+",
    "-",
    ",",
    ".",
    "6,,",
    "Q",
    "w",
    "5]xo",
    ":audit<enter>",
    "q",
    "^c",
    "C",
    "M",
    "P",
    "N",
    "A",
    "L",
    "S",
    "U",
    "D",
    "O",
    "T",
    "l",
    "h",
    "5",
    "9",
    "9[",
    "9t<right>",
    ":lookup web-1<enter>",
    "xu",
    "!",
    "(",
    "\"",
    "=~[",
    "cpu>1",
    "nginx",
    "age>1s",
    "name=~(",
    "^w",
    "^a",
    "^e",
    "ж",
    "F",
    "8",
    "^]",
    "^]",
    "shell<enter>",
    "D",
    "6",
    "define all a /bin/b<enter>",
    ":exec all date<enter>6<enter>",
    "dd",
    "logs all ssh.service<enter>",
    "s",
    "w",
    "4",
    "4ac",
    "c",
    "m",
    "J",
    "J1",
    "df",
    "dn",
    "W",
    "i",
    "I",
    "^f",
    "4^fnx<enter>",
    ":files /srv<enter>",
    ":network all<enter>",
    "ping web-1 10.0.0.7<enter>",
    "scan web-1 10.0.0.7 1-9<enter>y",
    "r",
    "日本",
    "e\u{301}",
    "👩\u{200d}👧",
    "ps all<enter>",
    "web",
    " and ",
    "\u{202e}",
    "^t",
    "^w",
    "{",
    "}",
    "define all<enter>",
    "2xn",
    "2e",
    "^s",
    "^o",
    "at -3h<enter>",
    ":tab services all<enter>",
    "filter save a<enter>",
    ":filter a<enter>",
    ":theme l",
    "0]",
];

fn event(console: &mut Console, rng: &mut Rng) -> Option<MeshEvent> {
    let index = rng.below(console.simulated.len() as u64) as usize;
    let node = console.simulated.id(index);
    let topics = [
        Topic::Sample,
        Topic::Processes,
        Topic::Peers,
        Topic::Routing,
        Topic::Refused,
        Topic::Programs,
        Topic::Units,
        Topic::Jobs,
        Topic::Alerts,
        Topic::Rules,
        Topic::Shells,
        Topic::Recordings,
        Topic::Network,
        Topic::Audit,
    ];
    let source = console.state.world.log.source().clone();
    let said = |said| MeshEvent::Log { follow: Follow { node, source: source.clone() }, said };
    Some(match rng.below(24) {
        0 => MeshEvent::Fleet(console.simulated.fleet()),
        1 => {
            let states = [MemberState::Alive, MemberState::Suspect, MemberState::Lost, MemberState::Left];
            console.simulated.set_state(index, states[rng.below(4) as usize]);
            MeshEvent::Fleet(console.simulated.fleet_change(index))
        }
        2 => {
            let mut delta = console.simulated.fleet_change(index);
            delta.changed.clear();
            delta.forgotten.push(node);
            MeshEvent::Fleet(delta)
        }
        3 => MeshEvent::Entry(Entry::Lost { reason: "\u{1b}[31mgone\nfor good".into() }),
        4 => MeshEvent::Entry(console.entry(index)),
        5 => MeshEvent::Link { node, link: Link::Failed { reason: "no way".into() } },
        6 => MeshEvent::Sample { node, sample: Box::new(console.simulated.sample(index)) },
        7 | 8 => MeshEvent::Processes { node, delta: console.simulated.processes(index) },
        9 => MeshEvent::Peers { node, peers: console.simulated.peers(index) },
        10 => MeshEvent::Routing { node, buckets: console.simulated.routing(index) },
        11 => MeshEvent::Refused { node, handshakes: console.simulated.refused(index) },
        12 => {
            let subscription = Subscription { node, topic: topics[rng.below(topics.len() as u64) as usize] };
            MeshEvent::Failed { subscription, error: RpcError::forbidden("not for you") }
        }
        13 => {
            let errand = Errand { run: RunId(rng.below(5)), target: rng.below(4) as u32 };
            MeshEvent::Outcome { errand, result: Ok(()) }
        }
        14 => MeshEvent::Programs { node, programs: console.simulated.programs(index) },
        15 => MeshEvent::Units { node, delta: console.simulated.units(index) },
        16 => said(Said::Journal(console.simulated.journal(index))),
        17 => {
            let words = ["a\u{1b}[2Jb\nc", "half", "\n", "\u{202e}\r\n"];
            let text = words[rng.below(4) as usize].to_owned();
            said(Said::Output(LogChunk { stream: OutputStream::Stderr, text, skipped_bytes: rng.below(2) }))
        }
        18 => {
            let last = [Said::Began, Said::Failed(RpcError::unsupported("no systemd"))];
            said(last[rng.below(2) as usize].clone())
        }
        20..24 => list(console, rng, index),
        _ => {
            console.simulated.step();
            return None;
        }
    })
}

/// Jobs, alerts, shells, and what a shell says.
fn list(console: &Console, rng: &mut Rng, index: usize) -> MeshEvent {
    let node = console.simulated.id(index);
    match rng.below(11) {
        10 => MeshEvent::Recordings { node, recordings: console.simulated.recordings(index) },
        9 => MeshEvent::Audit { node, news: Box::new(console.simulated.audit(index)) },
        7 => MeshEvent::Probe { run: RunId(rng.below(5)), said: network::reply(rng.below(9) as u32, None) },
        8 => {
            let said = [network::hop(3, None), network::found(20..90, None)];
            MeshEvent::Probe { run: RunId(rng.below(5)), said: said[rng.below(2) as usize].clone() }
        }
        4 => MeshEvent::Alerts { node, delta: console.simulated.alerts(index) },
        5 => MeshEvent::Rules { node, rules: Box::new(console.simulated.rules()) },
        6 => MeshEvent::Network { node, tables: Box::new(console.simulated.network(index)) },
        0 => MeshEvent::Jobs { node, delta: console.simulated.jobs(index) },
        1 => MeshEvent::Shells { node, shells: console.simulated.shells(index) },
        _ => {
            let shell = console.simulated.shells(index).remove(0);
            let items = [
                ShellItem::Attached(Box::new(shell)),
                ShellItem::Scrollback(b"\x1b[31mold\r\n".repeat(90)),
                ShellItem::Output(b"\x1b[2J\x1b[?1049h\x1b[6n\xff\xe6\x97\xa5\r\n".to_vec()),
                ShellItem::Exit(ShellExit::default()),
                ShellItem::Lagged,
            ];
            let item = items[rng.below(5) as usize].clone();
            MeshEvent::Shell { terminal: TerminalId(rng.below(4)), said: ShellSaid::Item(item) }
        }
    }
}

fn step(console: &mut Console, rng: &mut Rng) {
    let commands = match rng.below(10) {
        0..=5 => console.press(KEYS[rng.below(KEYS.len() as u64) as usize]),
        6 => {
            let kinds = [MouseKind::Press, MouseKind::WheelUp, MouseKind::WheelDown];
            let kind = kinds[rng.below(3) as usize];
            let (column, row) = (rng.below(310) as u16, rng.below(110) as u16);
            console.state.update(Event::Mouse(Mouse { kind, column, row }))
        }
        7 if rng.below(4) == 0 => {
            let (width, height) = (rng.below(301) as u16, rng.below(101) as u16);
            console.state.update(Event::Resize { width, height })
        }
        7 => console.state.update(Event::Paste("web\n\u{1b}[2J5\r".into())),
        _ => match event(console, rng) {
            Some(event) => console.mesh(event),
            None => console.state.update(console.simulated.tick()),
        },
    };
    answer(console, commands);
}

fn draw(console: &mut Console) {
    console.state.wants_frame();
    let area = console.state.world.screen;
    let mut buffer = Buffer::empty(area);
    crate::view::draw(&console.state, area, &mut buffer);
    if let Some((x, y)) = console.state.cursor() {
        assert!(!layout::fits(area) || area.contains((x, y).into()), "{x} {y} in {area:?}");
    }
    let control = |cell: &ratatui::buffer::Cell| cell.symbol().chars().any(char::is_control);
    assert!(!buffer.content().iter().any(control), "a control character reached the screen");
}

#[test]
fn nothing_that_is_pressed_or_told_makes_it_panic() {
    let (seeds, steps) = plan();
    for seed in seeds {
        let mut whereabouts = Whereabouts { seed, at: 0 };
        let mut rng = Rng::new(seed);
        let simulated = Simulated::new(6, 25).with_hostile_names();
        let mut console = Console::over(simulated, options());
        console.enter();
        console.feed();
        for at in 0..steps {
            whereabouts.at = at;
            step(&mut console, &mut rng);
            if at % 50 == 0 {
                draw(&mut console);
            }
        }
    }
}

#[test]
fn a_frame_of_another_size_than_was_told_is_drawn_all_the_same() {
    let mut console = console(3, 9);
    for keys in ["", "?", "<esc>:", "<esc>x", "<esc>1", "d", "<esc>a^k", "<esc>/web cpu>"] {
        console.press(keys);
        for (told, drawn) in
            [((0, 0), (80, 24)), ((20, 5), (300, 100)), ((300, 100), (40, 10)), ((41, 10), (40, 11))]
        {
            console.resize(told.0, told.1);
            let area = Rect::new(0, 0, drawn.0, drawn.1);
            crate::view::draw(&console.state, area, &mut Buffer::empty(area));
        }
    }
}

#[test]
fn the_cursor_stays_on_its_process_whatever_moves_around_it() {
    const MOVES: [&str; 12] = ["j", "k", "<pgdn>", "<pgup>", "G", "gg", "C", "M", "N", "A", "t", "U"];
    for seed in SEEDS {
        let mut rng = Rng::new(seed);
        let mut console = console(3, 60);
        console.press("o");
        for _ in 0..60 {
            console.press(MOVES[rng.below(MOVES.len() as u64) as usize]);
            let before = console.process_under_cursor().unwrap();
            console.live(1);
            let index = console.simulated.index_of(before.0).unwrap();
            if console.simulated.details(index, &before.1).is_ok() {
                assert_eq!(console.process_under_cursor().unwrap(), before, "seed {seed}");
            }
        }
    }
}

#[test]
fn the_cursor_stays_on_its_row_of_every_list_in_any_order() {
    const LISTS: [&str; 4] =
        [":services all<enter>", ":alerts all<enter>", ":jobs all<enter>", ":audit all<enter>"];
    const ORDERS: [&str; 7] = ["N", "S", "A", "O", "U", "C", "M"];
    for seed in SEEDS {
        let mut rng = Rng::new(seed);
        let mut console = console(4, 3);
        for list in LISTS {
            console.press(list);
            console.feed();
            for _ in 0..30 {
                console.press(["jj", "k", "<pgdn>", "gg", "G"][rng.below(5) as usize]);
                // What stands there, with its node.
                let row = |console: &mut Console| console.press("Yr").pop();
                let before = row(&mut console);
                console.press(ORDERS[rng.below(ORDERS.len() as u64) as usize]);
                assert_eq!(row(&mut console), before, "seed {seed}, {list}");
            }
        }
    }
}
