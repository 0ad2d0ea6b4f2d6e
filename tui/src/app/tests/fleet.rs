//! The fleet as a table and as cards: the same nodes, the same cursor.

use super::*;

/// What stands under the cursor.
fn here(console: &mut Console) -> String {
    console.name_under_cursor()
}

fn has_cards(console: &mut Console) -> bool {
    console.shows("1 min") || console.shows("processors")
}

#[test]
fn the_width_decides_and_the_cursor_stays_on_its_node() {
    let mut console = console(30, 2);
    assert!(!has_cards(&mut console));
    console.press("jjjjjjj");
    let under = here(&mut console);
    console.resize(200, 50);
    assert!(has_cards(&mut console));
    assert_eq!(here(&mut console), under);
    assert!(console.shows(&under), "and it is seen");
    console.resize(80, 24);
    assert!(!has_cards(&mut console));
    assert_eq!(here(&mut console), under);
}

#[test]
fn a_key_decides_too_and_then_for_every_width() {
    let mut console = console(9, 2);
    console.press("jjj");
    let under = here(&mut console);
    console.press("]");
    assert!(has_cards(&mut console));
    assert_eq!(here(&mut console), under);
    console.resize(40, 10);
    assert!(has_cards(&mut console) && console.shows(&under), "{}", console.screen());
    console.press("]");
    console.resize(200, 50);
    assert!(!has_cards(&mut console));
}

#[test]
fn arrows_go_from_card_to_card() {
    let mut console = console(11, 2);
    let names: Vec<String> = (0..11)
        .map(|_| {
            let name = here(&mut console);
            console.press("j");
            name
        })
        .collect();
    console.press("gg");
    // Four cards in a row.
    console.resize(200, 50);
    let mut after = |keys: &str| {
        console.press(keys);
        here(&mut console)
    };
    assert_eq!(after("<right>"), names[1]);
    assert_eq!(after("j"), names[5]);
    assert_eq!(after("<down>"), names[9]);
    assert_eq!(after("<down>"), names[9], "there is no row below");
    assert_eq!(after("<left>"), names[8]);
    assert_eq!(after("kk"), names[0]);
    assert_eq!(after("k"), names[0]);
    assert_eq!(after("<right><right><right>j"), names[7]);
    assert_eq!(after("j"), names[10], "a shorter row takes it to its last card");
    assert_eq!(after("gg"), names[0]);
    assert_eq!(after("G"), names[10]);
}

#[test]
fn marks_and_clicks_mean_the_card() {
    let mut console = console(12, 2);
    console.resize(200, 50);
    console.press(" ");
    console.click(60, 4);
    console.press(" ");
    assert!(console.shows("2 marked"));
    console.click(199, 49);
    assert!(console.shows("2 marked"), "nothing stands there");
}

#[test]
fn none_and_five_hundred_are_shown_and_only_those_in_sight_are_asked() {
    let mut console = Console::over(Simulated::new(1, 1), options());
    console.resize(200, 50);
    assert!(console.shows("waiting for the first node"));
    let mut console = Console::over(Simulated::new(500, 1), options());
    console.resize(200, 50);
    let samples = |commands: &[Command]| {
        let is_it = |it: &&Command| matches!(it, Command::Subscribe(wanted) if wanted.topic == Topic::Sample);
        commands.iter().filter(is_it).count()
    };
    console.enter();
    console.state.wants_frame();
    let asked = samples(&console.wait(1));
    assert!((20..=40).contains(&asked), "{asked}");
    let under = {
        console.press("G");
        here(&mut console)
    };
    assert!(console.shows(&under), "{}", console.screen());
    console.wait(1);
    assert!(samples(&console.press("gg")) > 0, "others are in sight now");
}

#[test]
fn after_a_minute_without_a_key_only_what_is_on_the_screen_is_followed() {
    let mut console = Console::over(Simulated::new(3, 1), options());
    console.enter();
    console.press(":journal<enter>");
    console.live(59);
    let ended = console.wait(2);
    let ended = ended.iter().filter(|it| matches!(it, Command::Unsubscribe(it) if it.topic == Topic::Sample));
    assert_eq!(ended.count(), 3);
    console.wait(60);
    let resumed = console.press("j");
    let resumed =
        resumed.iter().filter(|it| matches!(it, Command::Subscribe(it) if it.topic == Topic::Sample));
    assert_eq!(resumed.count(), 3);
    console.press("0");
    console.live(90);
    assert!(console.wait(1).is_empty(), "the figures are on the screen");
    assert!(!console.shows("stale"), "{}", console.screen());
}
