//! What the console costs with 2,000 processes and with 150,000 of 500 nodes in one table: a frame, a second's
//! differences, a key in the filter, what a full list costs to take in, and the memory of it all.
//!
//! Prints one line a goal and ends; it never fails because of a slow machine.

#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::time::{Duration, Instant};

use p2p_tui::app::{Options, State};
use p2p_tui::event::{Code, Entry, Event, Key, Link, MeshEvent};
use p2p_tui::keymap::Keymap;
use p2p_tui::testing::Simulated;
use p2p_tui::view;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const AREA: Rect = Rect { x: 0, y: 0, width: 200, height: 50 };
const ROUNDS: usize = 30;
/// From a key in the filter to its frame.
const KEY_GOAL_MS: f64 = 50.0;

/// A console that looks at the processes of all nodes.
struct Console {
    simulated: Simulated,
    state: State,
    buffer: Buffer,
}

impl Console {
    /// The console, and how long it took to take in everything.
    fn open(nodes: usize, processes_per_node: usize) -> (Self, Duration) {
        let simulated = Simulated::new(nodes, processes_per_node);
        let state = State::new(Options { keys: Keymap::standard(), ..Options::default() });
        let mut console = Self { simulated, state, buffer: Buffer::empty(AREA) };
        console.tell(console.simulated.tick());
        console.tell(Event::Resize { width: AREA.width, height: AREA.height });
        console.enter();
        console.tell(Event::Mesh(MeshEvent::Fleet(console.simulated.fleet())));
        for letter in ['1', 'o'] {
            console.press(letter);
        }
        let events = console.second();
        let took = timed(|| {
            for event in events {
                console.tell(event);
            }
            console.draw();
        });
        (console, took)
    }

    fn enter(&mut self) {
        let (Some(member), Ok(mesh)) = (self.simulated.fleet().changed.into_iter().next(), "bench".parse())
        else {
            return;
        };
        self.tell(Event::Mesh(MeshEvent::Entry(Entry::Connected { id: member.id, name: member.name, mesh })));
        for index in 0..self.simulated.len() {
            let node = self.simulated.id(index);
            self.tell(Event::Mesh(MeshEvent::Link { node, link: Link::Connected }));
        }
    }

    /// What all nodes say in one second.
    fn second(&mut self) -> Vec<Event> {
        self.simulated.step();
        let mut events = vec![self.simulated.tick()];
        for index in 0..self.simulated.len() {
            let node = self.simulated.id(index);
            let delta = self.simulated.processes(index);
            events.push(Event::Mesh(MeshEvent::Processes { node, delta }));
        }
        events
    }

    fn tell(&mut self, event: Event) {
        self.state.update(event);
    }

    fn press(&mut self, letter: char) {
        self.tell(Event::Key(Key::plain(Code::Char(letter))));
    }

    /// A whole frame as the runtime makes one: what is due, and the painting.
    fn draw(&mut self) {
        self.state.wants_frame();
        self.buffer.reset();
        view::draw(&self.state, AREA, &mut self.buffer);
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn median(mut spans: Vec<Duration>) -> f64 {
    spans.sort();
    spans[spans.len() / 2].as_secs_f64() * 1_000.0
}

fn goal(name: &str, ms: f64, most: f64) {
    let verdict = if ms < most { "PASS" } else { "FAIL" };
    println!("{name}_ms={ms:.2} goal<{most} {verdict}");
}

fn measure(nodes: usize, processes_per_node: usize, frame_goal_ms: f64) {
    let rows = nodes * processes_per_node;
    let (mut console, took) = Console::open(nodes, processes_per_node);
    println!("open_{rows}_ms={:.2}", took.as_secs_f64() * 1_000.0);
    let frames = (0..ROUNDS).map(|_| timed(|| console.draw())).collect();
    goal(&format!("frame_{rows}"), median(frames), frame_goal_ms);

    let (mut updates, mut live) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let events = console.second();
        updates.push(timed(|| events.into_iter().for_each(|event| console.tell(event))));
        live.push(timed(|| console.draw()));
    }
    println!("second_{rows}_ms={:.2}", median(updates));
    goal(&format!("live_frame_{rows}"), median(live), frame_goal_ms);

    console.press('/');
    let keys = "cpu>5 or orders".chars().map(|letter| {
        timed(|| {
            console.press(letter);
            console.draw();
        })
    });
    let mut keys: Vec<Duration> = keys.collect();
    keys.sort();
    let most = keys.last().map_or(0.0, |span| span.as_secs_f64() * 1_000.0);
    goal(&format!("filter_key_{rows}"), median(keys), KEY_GOAL_MS);
    println!("# the slowest key of the filter {most:.2} ms");
}

/// What this process had in memory at most, the simulated fleet and the console together.
fn resident_mib() -> anyhow::Result<f64> {
    Ok(support::status_kib(std::process::id(), "VmHWM")? / 1_024.0)
}

fn main() -> anyhow::Result<()> {
    measure(4, 500, 5.0);
    measure(500, 300, 8.0);
    support::at_most("resident_150000_mib", resident_mib()?, 300.0);
    Ok(())
}
