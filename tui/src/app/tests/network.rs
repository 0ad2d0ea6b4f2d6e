//! Probes from the view of the network: what is asked of a node, what is shown as it comes, and how it is stopped.

use p2p_shared::error::RpcError;
use p2p_shared::services::network::{
    OpenPort, PingOutcome, PingReply, ScanEnd, ScanFound, ScanRequest, TraceEnd, TraceHop, TraceProbe,
    TraceStep,
};

use super::acting::{acts, errand};
use super::*;
use crate::command::{Probe, RunId};
use crate::event::ProbeSaid;

/// A console that shows the neighbours of its nodes.
fn neighbours(options: Options) -> Console {
    let mut console = Console::over(Simulated::new(2, 3), options);
    console.enter();
    console.press(":network all<enter>");
    console.feed();
    console.press("[");
    console
}

fn sent(commands: &[Command]) -> Vec<Probe> {
    let probe = |command: &Command| match command {
        Command::Probe { probe, .. } => Some(probe.clone()),
        _ => None,
    };
    commands.iter().filter_map(probe).collect()
}

fn say(console: &mut Console, run: u64, said: ProbeSaid) {
    console.mesh(MeshEvent::Probe { run: RunId(run), said });
}

pub(crate) fn reply(seq: u32, rtt_ms: Option<f32>) -> ProbeSaid {
    let outcome = if rtt_ms.is_some() { PingOutcome::Reply } else { PingOutcome::Lost };
    let address = [10, 0, 0, 254].into();
    ProbeSaid::Ping(PingReply { seq, address, outcome, rtt_ms, note: String::new() })
}

pub(crate) fn hop(ttl: u32, end: Option<TraceEnd>) -> ProbeSaid {
    let target = [10, 0, 0, 254].into();
    let probe = TraceProbe { address: Some(target), rtt_ms: Some(0.31), note: "\u{1b}[2Jfar\u{202e}".into() };
    ProbeSaid::Trace(TraceStep { target, hop: TraceHop { ttl, probes: vec![probe], loss_ratio: 0.5 }, end })
}

pub(crate) fn found(ports: std::ops::Range<u16>, end: Option<ScanEnd>) -> ProbeSaid {
    let open = |port| OpenPort {
        address: [10, 0, 0, 254].into(),
        port,
        service: (port == 22).then(|| "ssh".to_owned()),
        banner: None,
        rtt_ms: 0.31,
    };
    ProbeSaid::Scan(ScanFound {
        open: ports.clone().map(open).collect(),
        done: 512,
        total: 1_024,
        closed: 500,
        silent: 512 - 500 - ports.len().min(12) as u64,
        elapsed_ms: 600,
        end,
    })
}

#[test]
fn a_ping_goes_to_what_is_under_the_cursor_and_runs_until_it_is_stopped() {
    let mut console = neighbours(options());
    assert!(sent(&console.press("xp")).is_empty());
    assert!(console.shows("10.0.0.254"), "it stands there already: {}", console.screen());
    let commands = console.press("<enter>");
    let node = console.simulated.id(1);
    let probe = Probe::Ping("10.0.0.254".into());
    assert_eq!(commands, [Command::Probe { errand: errand(1, 0), node, probe }]);
    assert!(console.shows("waiting for the node"), "{}", console.screen());
    for seq in 0..60 {
        say(&mut console, 1, reply(seq, (seq != 7).then_some(0.25)));
    }
    for text in ["seq=59 time=0.25 ms", "60 sent, 59 answered, 2% lost", "^C stops"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    assert_eq!(console.press("^c"), [Command::Cancel(RunId(1))]);
    assert!(console.shows("stopped") && console.shows("Esc closes"), "{}", console.screen());
    let given_up = RpcError::cancelled("given up here; it may have happened all the same");
    console.mesh(MeshEvent::Outcome { errand: errand(1, 0), result: Err(given_up) });
    assert!(!console.shows("may have happened"));
    assert!(console.press("<esc>").is_empty(), "nothing is left to stop");
    assert!(console.state.layers.is_empty());
}

#[test]
fn escape_stops_and_closes_and_what_comes_too_late_is_nowhere() {
    let mut console = neighbours(options());
    assert_eq!(sent(&console.press("xt^u127.0.0.1<enter>")), [Probe::Trace("127.0.0.1".into())]);
    say(&mut console, 1, hop(1, None));
    assert!(console.shows("10.0.0.254  0.31 ms  50% lost"), "{}", console.screen());
    assert!(!console.screen().contains(['\u{1b}', '\u{202e}']));
    assert_eq!(console.press("<esc>"), [Command::Cancel(RunId(1))]);
    assert!(console.state.layers.is_empty());
    say(&mut console, 1, hop(2, Some(TraceEnd::Reached)));
    assert!(!console.shows("is reached"));
}

#[test]
fn what_is_read_stays_while_lines_come_below() {
    let mut console = neighbours(options());
    console.press("xp<enter>");
    for seq in 100..200 {
        say(&mut console, 1, reply(seq, Some(0.5)));
    }
    console.press("g");
    assert!(console.shows("seq=100 ") && !console.shows("seq=199 "), "{}", console.screen());
    say(&mut console, 1, reply(200, Some(0.5)));
    assert!(console.shows("seq=100 ") && !console.shows("seq=200 "), "{}", console.screen());
    console.press("j");
    assert!(!console.shows("seq=100 ") && console.shows("seq=101 "), "{}", console.screen());
    console.press("G");
    assert!(console.shows("seq=200 "), "{}", console.screen());
}

#[test]
fn a_scan_is_asked_about_first_and_says_what_it_found() {
    let mut console = neighbours(options());
    assert!(console.press("xs<enter>").is_empty());
    assert!(console.shows("Scan ports 1-1024 of 10.0.0.254 from"), "{}", console.screen());
    assert!(sent(&console.press("<enter>")).is_empty(), "Enter alone does nothing");
    assert!(console.press("xs 500<enter>").is_empty());
    let commands = console.press("y");
    let request = ScanRequest {
        targets: vec!["10.0.0.254".into()],
        ports: Some("1-1024".into()),
        rate_per_s: Some(500),
        ..ScanRequest::default()
    };
    assert_eq!(sent(&commands), [Probe::Scan(request)]);
    say(&mut console, 1, found(22..24, None));
    for text in ["10.0.0.254     22  ssh", "512 of 1,024 ports in 0.6 s: 2 open, 500 closed, 10 silent"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    console.mesh(MeshEvent::Outcome { errand: errand(1, 0), result: Ok(()) });
    assert!(console.shows("over"), "{}", console.screen());
    assert!(console.press("<enter>").is_empty());
}

#[test]
fn a_refusal_is_said_in_words() {
    let mut console = neighbours(options());
    console.press("xs<enter>y");
    let error = RpcError::forbidden("denied by this machine's policy: scan_targets has no 10.0.0.254");
    console.mesh(MeshEvent::Outcome { errand: errand(1, 0), result: Err(error) });
    assert!(console.shows("denied by this machine's policy: scan_targets"), "{}", console.screen());
    assert!(console.shows("failed") && console.shows("Esc closes"));
}

#[test]
fn readonly_pings_and_does_not_scan() {
    let mut console = neighbours(Options { readonly: true, ..options() });
    assert!(console.press("xs").is_empty());
    assert!(console.shows("read-only: start without --readonly"), "{}", console.screen());
    console.press("<esc>");
    let scanned = console.press(":scan web-1 10.0.0.7 22<enter>y");
    assert!(!scanned.iter().any(acts), "{scanned:?}");
    assert_eq!(sent(&console.press("xp<enter>")), [Probe::Ping("10.0.0.254".into())]);
}

#[test]
fn the_command_line_probes_from_a_node_it_names() {
    let mut console = neighbours(options());
    console.press(":ping nobody 10.0.0.7<enter>");
    assert!(console.shows("no node is called nobody"));
    let commands = console.press(":ping web-1 10.0.0.7<enter>");
    let (node, probe) = (console.simulated.id(0), Probe::Ping("10.0.0.7".into()));
    assert!(
        matches!(&commands[..], [Command::Probe { node: from, probe: sent, .. }] if (*from, sent) == (node, &probe)),
        "{commands:?}"
    );
    console.press("<esc>:trace web-1<enter>");
    assert!(console.shows("trace from web-1"), "without a target it is asked for: {}", console.screen());
    console.press("<enter>");
    assert!(console.shows("write one address or name"), "{}", console.screen());
    console.press("<esc>:scan web-1 10.0.0.7<enter>");
    assert!(console.shows("write TARGET PORTS [RATE]"), "{}", console.screen());
}
