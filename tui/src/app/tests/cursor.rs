//! Where the cursor stands while rows change their order.

use super::*;
use crate::views::related::Thing;

/// How many rows stand above the cursor.
fn above(console: &mut Console) -> usize {
    let screen = console.screen();
    let lines: Vec<&str> = screen.lines().collect();
    let heading = lines.iter().position(|line| line.contains(" PID ")).unwrap();
    lines.iter().skip(heading + 1).position(|line| line.starts_with('▌')).unwrap()
}

/// The process under it.
fn under(console: &Console) -> ProcessRef {
    match console.state.view().thing(&console.state.scene()) {
        Some(Thing::Process { target, .. }) => target,
        _ => panic!("no process is under the cursor"),
    }
}

#[test]
fn until_it_is_moved_the_cursor_is_on_the_busiest_process_and_then_on_its_own() {
    let mut console = Console::over(Simulated::new(5, 3), options());
    console.enter();
    console.press("1");
    for _ in 0..10 {
        console.live(1);
        assert_eq!(above(&mut console), 0, "{}", console.screen());
    }
    console.press("jjj");
    let own = under(&console);
    console.live(10);
    assert_eq!(under(&console), own);
    console.press("F");
    assert!(console.shows("goes with the first row"));
    console.live(1);
    assert_eq!(above(&mut console), 0);
}
