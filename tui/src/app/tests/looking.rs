//! What only looks: moving, marking, filtering, searching, going to and fro.

use super::*;
use crate::event::{Mouse, MouseKind};

#[test]
fn keys_move_the_cursor() {
    let mut console = console(30, 1);
    let names = {
        let mut names: Vec<String> =
            console.simulated.fleet().changed.iter().map(|member| member.name.to_string()).collect();
        names.sort();
        names
    };
    for (keys, at) in [
        ("gg", 0),
        ("jjj", 3),
        ("k", 2),
        ("<down><up>", 2),
        ("G", 29),
        ("<home>", 0),
        ("kk", 0),
        ("<end>j", 29),
    ] {
        console.press(keys);
        assert_eq!(console.name_under_cursor(), names[at], "{keys}");
    }
    console.resize(120, 13);
    console.press("gg<pgdn>");
    assert_eq!(console.name_under_cursor(), names[9], "nine rows are a page here");
    console.press("^u");
    assert_eq!(console.name_under_cursor(), names[5]);
}

#[test]
fn letters_of_a_cyrillic_layout_act_as_the_keys_they_sit_on() {
    let mut latin = console(5, 1);
    let mut cyrillic = console(5, 1);
    latin.press("jjk");
    cyrillic.press("оол");
    assert_eq!(latin.name_under_cursor(), cyrillic.name_under_cursor());
    cyrillic.press("/цуи");
    assert!(cyrillic.shows("filter: цуи"), "text fields take what is written");
}

#[test]
fn marks_are_counted_in_ranges_and_taken_off() {
    let mut console = console(12, 1);
    console.press("ggjvjjv");
    assert!(console.shows("3 marked"));
    console.press("a");
    assert!(console.shows("12 marked"));
    console.press("u");
    assert!(!console.shows("marked"));
    console.press("  ");
    assert!(console.shows("2 marked"));
    console.press("<enter>");
    assert!(console.shows("2 nodes"), "what was marked is opened together");
}

#[test]
fn a_filter_works_while_it_is_written_and_says_its_mistake() {
    let mut console = console(12, 1);
    console.press("/web");
    assert!(console.shows("2 of 12 shown"), "{}", console.screen());
    assert!(console.shows("filter: web"));
    console.press("<enter>j");
    assert!(console.shows("2 of 12 shown"), "it stays when it is closed");
    console.press("/ (");
    assert!(console.state.editing.as_ref().unwrap().mistake.is_some());
    assert!(console.shows("2 of 12 shown"), "the last right one stays in force");
    console.press("<enter>");
    assert!(console.state.editing.is_some(), "a mistake cannot be put into force");
    console.press("<esc>");
    assert!(!console.shows("of 12 shown"));
    assert!(console.state.editing.is_none());
}

#[test]
fn escape_closes_layer_then_marks_then_search_then_filter_and_never_quits() {
    let mut console = console(12, 1);
    console.press("/web<enter>*web<enter> ?");
    let state = |console: &Console| {
        let state = &console.state;
        let marked = state.view().status(&state.scene()).contains("marked");
        (state.layers.len(), marked, state.search.is_some(), state.view().filter().is_some())
    };
    assert_eq!(state(&console), (1, true, true, true));
    for wanted in [
        (0, true, true, true),
        (0, false, true, true),
        (0, false, false, true),
        (0, false, false, false),
        (0, false, false, false),
    ] {
        assert_eq!(console.press("<esc>"), []);
        assert_eq!(state(&console), wanted);
    }
}

#[test]
fn shares_are_compared_in_percent() {
    let mut console = console(1, 40);
    console.press("/mem>100<enter>");
    assert!(console.shows("0 of 1 shown"));
    console.press("/^umem>1<enter>");
    assert!(console.shows("1 of 1 shown"));
    console.live(30);
    console.press("<enter>C/cpu>9<enter>");
    let shown = console.state.view().status(&console.state.scene());
    assert!(!shown.starts_with("0 of"), "{shown}");
    console.press("/^ucpu>900<enter>");
    assert!(console.shows("0 of "));
}

#[test]
fn a_search_hides_nothing_and_goes_round() {
    let mut console = console(12, 1);
    console.press("gg*web<enter>");
    assert_eq!(console.name_under_cursor(), "web-1");
    console.press("n");
    assert_eq!(console.name_under_cursor(), "web-2");
    console.press("n");
    assert_eq!(console.name_under_cursor(), "web-1");
    console.press("p");
    assert_eq!(console.name_under_cursor(), "web-2");
    assert!(console.shows("12 nodes") && !console.shows("of 12 shown"));
    console.press("<esc>n");
    assert!(console.shows("nothing is searched for"));
}

#[test]
fn a_search_of_one_view_is_not_carried_into_another() {
    let mut console = console(3, 5);
    console.press("1*age>1s<enter>");
    assert!(console.state.search.is_some());
    console.press("qn");
    assert_eq!(console.state.current(), ViewId::Fleet);
    assert!(console.shows("nothing is searched for"));
}

#[test]
fn the_palette_goes_to_views_nodes_and_words() {
    let mut console = console(12, 3);
    console.press(":ps web-*<enter>");
    assert_eq!(console.state.current(), ViewId::Processes);
    assert!(console.shows("processes of 2 nodes"), "{}", console.screen());
    console.press(":ps all<enter>");
    assert!(console.shows("36 processes of all nodes"), "{}", console.screen());
    console.press(":ps nobody*<enter>");
    assert!(console.shows("no node matches nobody*"));
    console.press(":node web-2<enter>");
    assert_eq!(console.state.current(), ViewId::Resources);
    console.press(":node nobody<enter>");
    assert!(console.shows("no node is called nobody"));
    console.press(":flt<enter>");
    assert_eq!(console.state.current(), ViewId::Fleet, "a few letters are enough");
    console.press(":label role=x<enter>");
    assert!(console.shows("Label role=x on"));
    console.press("<esc>:zzzz<enter>");
    assert!(console.shows("there is no \"zzzz\""));
    console.press(":<up>");
    assert!(console.shows(":label role=x"), "what was run comes back:\n{}", console.screen());
    console.press("<esc>");
    assert_eq!(console.press(":q<enter>"), [Command::Quit]);
}

#[test]
fn q_goes_back_and_leaves_at_the_top() {
    let mut console = console(3, 3);
    console.press("192");
    for view in [ViewId::Peers, ViewId::Processes, ViewId::Fleet] {
        assert!(!console.press("q").contains(&Command::Quit));
        assert_eq!(console.state.current(), view);
    }
    assert_eq!(console.press("q"), [Command::Quit]);
}

#[test]
fn interrupt_leaves_when_it_is_pressed_twice() {
    let mut console = console(1, 1);
    assert_eq!(console.press("^c"), []);
    assert!(console.shows("^C again leaves"));
    console.wait(3);
    assert_eq!(console.press("^c"), [], "the first was too long ago");
    assert_eq!(console.press("^c"), [Command::Quit]);
    assert_eq!(console.press("^z"), [Command::Suspend]);
}

#[test]
fn a_tree_folds_and_keeps_the_processes_of_a_node_together() {
    let mut console = console(3, 30);
    console.press("ot");
    let rows = |console: &mut Console| -> Vec<String> {
        let screen = console.screen();
        let rows = screen.lines().skip(3).filter(|line| line.contains("-1 "));
        let first = |line: &str| line.trim_start_matches(['▌', ' ']).split(' ').next().map(str::to_owned);
        rows.filter_map(first).collect()
    };
    console.resize(160, 100);
    let names = rows(&mut console);
    let mut grouped = names.clone();
    grouped.dedup();
    assert_eq!(grouped.len(), 3, "{names:?}");
    let before = names.len();
    console.press("gg<left>");
    let folded = rows(&mut console).len();
    assert!(folded < before, "{folded} of {before}");
    console.press("<right>");
    assert_eq!(rows(&mut console).len(), before);
    console.press("t");
    assert_eq!(console.state.view().status(&console.state.scene()), "");
}

#[test]
fn all_nodes_and_back_to_those_before() {
    let mut console = console(3, 4);
    console.press("<enter>");
    let one = console.state.view().title(&console.state.scene());
    console.press("o");
    assert!(console.shows("12 processes of all nodes"));
    console.press("o");
    assert_eq!(console.state.view().title(&console.state.scene()), one);
    console.press("<tab>");
    assert_ne!(console.state.view().title(&console.state.scene()), one, "the next node");
    console.press("<backtab>");
    assert_eq!(console.state.view().title(&console.state.scene()), one);
}

#[test]
fn without_a_certificate_there_is_one_screen_and_a_way_out() {
    let text = "There is no certificate here.\n\n  scripts/ca.sh issue operator me\n".to_owned();
    let mut console = Console::over(Simulated::new(1, 1), Options { first_run: Some(text), ..options() });
    assert_eq!(console.enter(), [], "nothing is ordered");
    assert!(console.shows("scripts/ca.sh issue operator me"));
    assert_eq!(console.press("j1:?/"), []);
    assert_eq!(console.press("q"), [Command::Quit]);
}

#[test]
fn the_mouse_chooses_rows_tabs_and_the_order() {
    let mut console = console(12, 1);
    let body = console.state.areas().body;
    console.press("gg");
    let first = console.name_under_cursor();
    console.click(5, body.y + 3);
    assert_ne!(console.name_under_cursor(), first);
    console.click(5, body.y + 1);
    assert_eq!(console.name_under_cursor(), first);
    console.state.update(Event::Mouse(Mouse { kind: MouseKind::WheelDown, column: 5, row: body.y + 1 }));
    console.press("kkk");
    assert_eq!(console.name_under_cursor(), first, "a notch is three rows");
    console.click(4, body.y);
    console.press("gg");
    assert_ne!(console.name_under_cursor(), first, "the heading reverses the order");
    console.click(12, 1);
    assert_eq!(console.state.current(), ViewId::Processes);
    assert_eq!(console.press(":mouse<enter>"), [Command::Mouse(false)]);
    assert_eq!(console.press(":mouse off<enter>"), [Command::Mouse(false)]);
    assert_eq!(console.press(":mouse on<enter>"), [Command::Mouse(true)]);
}

#[test]
fn two_keys_of_a_sequence_are_waited_for() {
    let mut console = console(5, 1);
    console.press("jjg");
    assert!(console.shows("a key more"));
    console.press("g");
    console.press("j");
    let second = console.name_under_cursor();
    console.press("ggj");
    assert_eq!(console.name_under_cursor(), second);
    console.press("gk");
    console.press("j");
    assert_eq!(console.name_under_cursor(), second, "what does not continue a sequence counts by itself");
}

#[test]
fn in_the_past_nothing_is_done_and_escape_returns_to_now() {
    let mut console = console(3, 9);
    console.live(3);
    console.press("6");
    assert_eq!(console.press("."), []);
    assert!(console.shows("this is now"));
    let [Command::Past { node, order }] = console.press(",")[..] else { panic!("nothing was asked") };
    assert!(order.at < console.simulated.wall());
    let index = console.simulated.index_of(node).unwrap();
    let result = Ok(Box::new(console.simulated.past(index, order)));
    console.mesh(MeshEvent::Past { node, order, result });
    assert!(console.shows("in the past: 2026-11-23 03:59:") || console.shows("in the past: 04:00:00 UTC"));
    assert!(console.shows("Busiest processes then"));
    for keys in ["s", "^k", "e"] {
        assert_eq!(console.press(keys), [], "{keys}");
        assert!(console.shows("this is the past"), "{keys}");
    }
    console.press("<esc>");
    assert!(!console.shows("in the past"));
    console.press("0,");
    assert!(console.shows("the charts go back in history: 6"));
}

#[test]
fn a_fleet_shows_what_fires_and_can_be_narrowed_to_it() {
    let mut console = console(3, 2);
    console.resize(200, 50);
    // One critical alert and one warning fire on each; what is silenced, pending or over is not counted.
    assert!(console.shows("1c 1w") && console.shows("6 alerts, "));
    console.press("/alerts>1<enter>");
    assert!(console.shows("3 of 3 shown"));
    let node = console.simulated.id(0);
    let mut delta = console.simulated.alerts(0);
    delta.changed.clear();
    delta.full = false;
    delta.removed = console.simulated.alerts(0).changed.into_iter().map(|alert| alert.id).collect();
    console.mesh(MeshEvent::Alerts { node, delta });
    assert!(console.shows("2 of 3 shown"));
    console.press("<esc>");
    assert!(console.shows("4 alerts, "));
}

#[test]
fn back_and_forward_lead_to_places_with_their_scope_and_filter() {
    let mut console = console(3, 9);
    console.press("1");
    console.press(":ps all<enter>/cpu>=0<enter>");
    console.press(":services web-1<enter>");
    assert_eq!(console.state.current(), ViewId::Services);
    console.press("q");
    assert!(console.shows("processes of all nodes") && console.shows("cpu>=0"));
    console.press("q");
    assert!(console.shows("processes of cache-1") && !console.shows("cpu>=0"), "{}", console.screen());
    console.press("QQ");
    assert!(console.shows("of web-1"));
    assert_eq!(console.state.current(), ViewId::Services);
    console.press("Q");
    assert!(console.shows("no place to go forward to"));
    console.press("q3");
    console.press("Q");
    assert_eq!(console.state.current(), ViewId::Journal, "a new way ends the old one forward");
}

#[test]
fn a_process_leads_to_its_unit_and_to_the_journal_of_it() {
    let mut console = console(1, 9);
    console.press("1");
    for (key, view) in [("s", ViewId::Services), ("l", ViewId::Journal)] {
        let Some(Command::Inspect { node, target }) = console.press("d").pop() else { panic!("no details") };
        let result = console.simulated.details(0, &target).map(Box::new);
        console.mesh(MeshEvent::Inspected { node, target, result });
        assert!(console.shows("s shows it, l its journal"));
        let commands = console.press(key);
        assert_eq!(console.state.current(), view);
        match view {
            ViewId::Services => assert!(console.shows("name=\"")),
            _ => assert!(commands.iter().any(|command| matches!(command,
                Command::Follow(Follow { source: crate::command::Source::Journal(question), .. })
                    if question.unit.is_some()))),
        }
        console.press("q");
        assert_eq!(console.state.current(), ViewId::Processes);
    }
}

#[test]
fn a_socket_leads_to_its_process() {
    let mut console = console(1, 9);
    console.press("5");
    console.feed();
    console.press("]");
    let mut found = false;
    for _ in 0..9 {
        console.press("xo");
        if console.state.current() == ViewId::Processes {
            found = true;
            break;
        }
        console.press("<esc>j");
    }
    assert!(found && console.shows("pid="), "{}", console.screen());
    console.press("q");
    assert_eq!(console.state.current(), ViewId::Network);
}

#[test]
fn a_name_is_copied_at_once_and_the_row_or_the_node_from_a_menu() {
    let mut console = console(2, 5);
    console.press("1");
    console.feed();
    let copied = |commands: Vec<Command>| match commands.as_slice() {
        [Command::Copy(text)] => text.clone(),
        other => panic!("{other:?}"),
    };
    let name = copied(console.press("y"));
    assert!(console.press("Y").is_empty() && console.shows("copy to the clipboard"), "{}", console.screen());
    assert_eq!(copied(console.press("n")), name);
    assert!(copied(console.press("Yr")).split('\t').any(|field| field == name));
    let node = copied(console.press("Yo"));
    assert!(console.shows(&format!("copied: {node}")) && console.state.layers.is_empty());
}
