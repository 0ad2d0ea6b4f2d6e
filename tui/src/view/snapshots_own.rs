//! Snapshots of what the user arranges: tabs, saved filters, themes, mistakes in their files.

use super::snapshots::{at, at_sizes, fleet};
use crate::app::Options;
use crate::app::saved::Saved;
use crate::app::tests::{Console, console, options};
use crate::testing::Simulated;
use crate::theme::{Theme, Themes};

#[test]
fn tabs() {
    let mut console = fleet();
    console.press(":ps web-*<enter>/cpu>0<enter>:tab services db-*<enter>:tab journal<enter>{");
    console.feed();
    at_sizes("tabs", &mut console);
    console.press("}q");
    at("tabs_closed", &mut console, (80, 24));
}

#[test]
fn words_with_completion() {
    let saved = Saved::read("[fleet]\nbusy = \"cpu>50\"\nlost = \"state:lost\"\n", None).0;
    let own = vec![Theme::parse("mine", "bad = \"#ff0000\"\n")];
    let themes = Themes { own, ..Themes::default() };
    let mut console = Console::over(Simulated::new(3, 2), Options { saved, themes, ..options() });
    console.enter();
    console.feed();
    console.press(":filter ");
    at_sizes("palette_filters", &mut console);
    console.press("<esc>:theme l");
    at_sizes("palette_themes", &mut console);
    console.press("<esc>:at -3h");
    at("palette_at", &mut console, (80, 24));
    console.press("<enter>:at 2099-01-01<enter>");
    at("at_future", &mut console, (80, 24));
}

#[test]
fn mistakes_of_files() {
    let notices = Saved::read("[nope]\n[fleet]\nsave = \"x\"\nb = 1\n", None).1;
    let mut console = Console::over(Simulated::new(2, 1), Options { notices, ..options() });
    console.enter();
    at_sizes("mistakes", &mut console);
}

#[test]
fn other_screens() {
    at("too_small", &mut console(1, 1), (20, 5));
    let places = vec!["/home/ann/.config/p2p-admin/certs".into(), "/home/ann/src/certs/operators".into()];
    let missing = crate::effects::settings::SettingsError::NoCertificates(places);
    let text = crate::cli::first_run::screen(&missing);
    let mut console = Console::over(Simulated::new(1, 1), Options { first_run: Some(text), ..options() });
    at_sizes("first_run", &mut console);
    console.press("jjjjjjjjj");
    at("first_run_end", &mut console, (50, 15));
}
