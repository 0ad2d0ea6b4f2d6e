//! Themes chosen while the console runs, and mistakes in the user's files.

use super::*;
use crate::theme::{Role, Theme, Themes};

fn themed(text: &str) -> Console {
    let themes = Themes { own: vec![Theme::parse("mine", text)], ..Themes::default() };
    let mut console = Console::over(Simulated::new(2, 1), Options { themes, ..options() });
    console.enter();
    console
}

#[test]
fn a_theme_is_seen_before_it_is_chosen() {
    let mut console = themed("bad = \"#ff0000\"\n");
    let name = |console: &Console| console.state.options.theme.name().to_owned();
    console.press(":theme ");
    for wanted in ["dark", "light", "high-contrast", "mono", "colorblind", "mine"] {
        assert_eq!(name(&console), wanted);
        console.press("<down>");
    }
    console.press("<esc>");
    assert_eq!(name(&console), "dark", "nothing was chosen");
    console.press(":theme li<enter>");
    assert_eq!(name(&console), "light");
    console.press(":theme mi<bs><bs>neon<enter>");
    assert_eq!(name(&console), "light");
    assert!(console.shows("there is no theme neon: dark, light, high-contrast, mono, colorblind, mine"));
}

#[test]
fn a_broken_theme_is_used_as_far_as_it_is_right_and_every_mistake_is_told() {
    let mut console = themed("good = \"blue\"\nbad = \"pinkish\"\nnope = \"red\"\n");
    console.press(":theme mine<enter>");
    assert!(console.shows("themes/mine.toml, line 2") && console.shows("there is no role nope"));
    let good = console.state.options.theme.style(Role::Good);
    assert_ne!(good, Theme::default().style(Role::Good));
}

#[test]
fn many_mistakes_at_the_start_are_listed_and_keep_nothing_from_working() {
    let (keys, mistakes) = Keymap::with("down = \"z\"\nfly = \"x\"\nup = [\"ctrl-alt-warp\"]\n");
    let notices = mistakes.iter().map(ToString::to_string).collect();
    let mut console = Console::over(Simulated::new(2, 1), Options { keys, notices, ..options() });
    assert!(
        console.shows("there is no action \"fly\"") && console.shows("is no key"),
        "{}",
        console.screen()
    );
    console.press("<esc>");
    console.enter();
    assert!(console.shows("2 nodes"));
}
