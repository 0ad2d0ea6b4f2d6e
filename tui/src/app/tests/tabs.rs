//! Tabs, saved filters and times that are written on the `:` line.

use super::*;
use crate::app::saved::Saved;
use crate::app::tabs::TABS_MAX;

#[test]
fn a_tab_keeps_view_scope_filter_order_cursor_marks_and_way_back() {
    let mut console = console(3, 30);
    assert!(!console.shows("1 fleet"), "one tab has no bar");
    console.press(":ps all<enter>/pid>0<enter>Cjjj jj");
    let before = console.screen();
    let under = console.name_under_cursor();
    console.press(":tab services db-*<enter>");
    assert!(
        console.shows(" 1 processes of all /pid>0 ") && console.shows(" 2 services of db-1"),
        "{}",
        console.screen()
    );
    console.press("{");
    assert_eq!(console.name_under_cursor(), under);
    assert!(console.shows("1 marked") && console.shows("filter: pid>0"));
    console.press("}");
    assert_eq!(console.state.current(), ViewId::Services);
    console.press("^w");
    console.state.wants_frame();
    let rows = |screen: &str| screen.lines().skip(3).take(20).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&console.screen()), rows(&before), "and the bar is gone");
    console.press("q");
    assert_eq!(console.state.current(), ViewId::Fleet, "its own way back");
}

#[test]
fn a_new_tab_shows_the_same_and_goes_its_own_way() {
    let mut console = console(3, 9);
    console.press(":ps web-1<enter>/pid>0<enter>^t");
    assert!(
        console.shows(" 1 processes of web-1 /pid>0  2 processes of web-1 /pid>0"),
        "{}",
        console.screen()
    );
    console.press("<esc>0");
    assert!(console.shows(" 1 processes of web-1 /pid>0  2 fleet"));
    console.press(":tab 1<enter>");
    assert!(console.shows("filter: pid>0"));
}

#[test]
fn what_cannot_be_shown_gets_no_tab() {
    let mut console = console(2, 1);
    for line in [":tab ps nobody<enter>", ":tab zzzz<enter>", ":tab at soon<enter>"] {
        console.press(line);
        assert_eq!(console.state.tabs().0, 1, "{line}");
        assert!(console.state.message().is_some(), "{line}");
    }
}

#[test]
fn there_are_at_most_nine_and_the_last_one_stays() {
    let mut console = console(1, 1);
    for _ in 0..20 {
        console.press("^t");
    }
    assert_eq!(console.state.tabs(), (TABS_MAX, TABS_MAX - 1));
    assert!(console.shows("9 tabs, and no more"));
    console.resize(40, 10);
    assert!(console.shows(" 8 ") && console.shows(" 9 fleet"), "{}", console.screen());
    console.press("}");
    assert_eq!(console.state.tabs().1, 0, "around the end");
    console.click(4, 1);
    assert_eq!(console.state.tabs().1, 0);
    console.press(":tab tab tab tab<enter>:tab 12<enter>");
    assert!(console.shows("there is no tab 12: there are 9"));
    for _ in 0..20 {
        console.press("^w");
    }
    assert_eq!(console.state.tabs(), (1, 0));
    assert!(console.shows("this is the only tab"));
    console.press("^t");
    assert_eq!(console.press("q"), [], "back from the first place of a tab closes it");
    assert_eq!(console.state.tabs(), (1, 0));
    assert_eq!(console.press("q"), [Command::Quit]);
}

#[test]
fn only_the_tab_that_is_shown_is_fed() {
    let mut console = console(2, 3);
    console.press(":ps all<enter>");
    let commands = console.press(":tab services all<enter>");
    let ended =
        |command: &Command| matches!(command, Command::Unsubscribe(it) if it.topic == Topic::Processes);
    assert!(commands.iter().any(ended), "{commands:?}");
    let commands = console.press("{");
    assert!(commands.iter().any(|it| matches!(it, Command::Subscribe(it) if it.topic == Topic::Processes)));
}

#[test]
fn a_filter_is_saved_listed_used_and_deleted() {
    let saved = Saved::read("", Some("/home/me/filters.toml".into())).0;
    let mut console = Console::over(Simulated::new(2, 9), Options { saved, ..options() });
    console.enter();
    console.press(":ps all<enter>:filter save busy<enter>");
    assert!(console.shows("there is no filter to save"));
    let commands = console.press("/cpu>50 and pid>0<enter>:filter save busy<enter>");
    let [Command::Keep { file, text }] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!(file.to_str(), Some("/home/me/filters.toml"));
    assert!(text.contains("[processes]\nbusy = \"cpu>50 and pid>0\"\n"), "{text}");
    console.press("<esc><esc>:filter ");
    assert!(console.shows("filter busy") && console.shows("filter delete busy"), "{}", console.screen());
    console.press("b<enter>");
    assert_eq!(console.state.view().filter().unwrap().text(), "cpu>50 and pid>0");
    console.press("0:filter busy<enter>");
    assert!(console.shows("fleet has no filter busy: none is saved"), "they belong to their view");
    console.press("1:filter save a/b<enter>");
    assert!(console.shows("is no name"));
    let commands = console.press(":filter delete busy<enter>");
    assert!(
        matches!(commands.as_slice(), [Command::Keep { text, .. }] if !text.contains("busy")),
        "{commands:?}"
    );
}

#[test]
fn a_broken_file_of_filters_is_never_written_over() {
    let (saved, mistakes) = Saved::read("[nope]\n[fleet]\nlost = \"state:lost\"\n", Some("/x".into()));
    let mut console = Console::over(Simulated::new(2, 1), Options { saved, notices: mistakes, ..options() });
    assert!(console.shows("filters.toml: there is no view nope"));
    console.enter();
    console.press(":filter lost<enter>");
    assert_eq!(console.state.view().filter().unwrap().text(), "state:lost");
    assert_eq!(console.press(":filter save other<enter>"), []);
    assert!(console.shows("has mistakes, mend it first"));
}

#[test]
fn the_charts_go_to_a_time_that_is_written() {
    let mut console = console(2, 1);
    let commands = console.press(":at -3h<enter>");
    assert_eq!(console.state.current(), ViewId::Resources);
    assert!(commands.iter().any(|command| matches!(command, Command::Past { .. })), "{commands:?}");
    let at = console.state.view().past().unwrap();
    assert_eq!(console.state.world.wall.since(at).0 / 60_000, 180);
    assert!(console.shows("in the past: "));
    for (line, said) in [
        (":at soon<enter>", "\"soon\" is no time: 02:30, yesterday 14:00, -3h"),
        (":at -40d<enter>", "nodes remember 30 days"),
        (":at 2099-01-01<enter>", "is still to come"),
    ] {
        console.press(line);
        assert!(console.shows(said), "{line}: {}", console.screen());
        assert_eq!(console.state.view().past(), Some(at), "it stays where it was");
    }
    console.press(":at now<enter>");
    assert_eq!(console.state.view().past(), None);
}
