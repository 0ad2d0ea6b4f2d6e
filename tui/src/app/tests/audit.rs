//! Reading who did what: the newest first, narrowed, and never acted upon.

use super::*;

fn audit(nodes: usize) -> Console {
    let mut console = Console::over(Simulated::new(nodes, 2), options());
    console.enter();
    console.connect();
    console.press(":audit all<enter>");
    console.feed();
    console
}

/// The console with one more entry of its first node, as new as it gets.
fn hear(console: &mut Console, seq: u64) {
    let mut news = console.simulated.audit(0);
    let mut entry = news.entries.remove(1);
    (entry.seq, entry.at, entry.method) = (seq, console.simulated.wall(), format!("job.submit{seq}"));
    news.entries = vec![entry];
    let node = console.simulated.id(0);
    console.mesh(MeshEvent::Audit { node, news: Box::new(news) });
    console.state.wants_frame();
}

#[test]
fn the_newest_entry_is_followed_until_the_cursor_is_moved() {
    let mut console = audit(2);
    hear(&mut console, 90);
    assert_eq!(console.name_under_cursor(), "job.submit90");
    console.press("j");
    let under = console.name_under_cursor();
    hear(&mut console, 91);
    assert_eq!(console.name_under_cursor(), under, "it stays on its entry");
    console.press("F");
    hear(&mut console, 92);
    assert_eq!(console.name_under_cursor(), "job.submit92");
}

#[test]
fn entries_are_narrowed_by_who_what_and_outcome() {
    let mut console = audit(2);
    console.press("/outcome:refused<enter>");
    assert!(console.shows("2 of 10 shown") && console.shows("process.signal"));
    console.press("<esc>/who:alice and what:file<enter>");
    assert!(console.shows("2 of 10 shown") && console.shows("conflict"));
}

#[test]
fn a_broken_record_is_said_where_it_cannot_be_missed() {
    let mut console = audit(3);
    console.resize(160, 40);
    let name = console.state.world.fleet.name_of(console.simulated.id(2));
    assert!(console.shows(&format!("the record of {name} is BROKEN")));
    console.press("/verified:BROKEN<enter><enter>");
    assert!(console.shows("NO, the record is broken: record 17"));
}

#[test]
fn nothing_acts_on_the_record() {
    let mut console = audit(1);
    for keys in ["x", "^k"] {
        assert_eq!(console.press(keys), []);
        assert!(console.shows("what was done stays on the record"));
    }
}
