//! A program defined in a form: what is checked, sent, asked, and said of what nodes refuse.

use p2p_shared::error::RpcError;
use p2p_shared::services::file::FileContent;
use p2p_shared::services::program::{ProgramDefinition, RestartMode};

use super::acting::{acts, errand};
use super::*;
use crate::app::layer::Layer;
use crate::command::Defined;
use crate::edit::{Draft, Ended};
use crate::event::{Mouse, MouseKind};

/// What was sent, and on how many nodes.
fn sent(commands: &[Command]) -> (Defined, usize) {
    let defined = commands.iter().filter_map(|command| match command {
        Command::Define { defined, .. } => Some((**defined).clone()),
        _ => None,
    });
    let all: Vec<Defined> = defined.collect();
    assert!(all.iter().all(|one| *one == all[0]) && !all.is_empty(), "{commands:?}");
    (all[0].clone(), all.len())
}

fn is_open(console: &Console) -> bool {
    console.state.layers.iter().any(|layer| matches!(layer, Layer::Form(_)))
}

/// A console with a form on a program that the first node has.
fn editing() -> (Console, ProgramDefinition) {
    let mut console = console(2, 3);
    console.press(":services all<enter>");
    console.feed();
    console.press("/mailer<enter>");
    let commands = console.press("ae");
    let [Command::Definition { node, name }] = commands.as_slice() else { panic!("{commands:?}") };
    assert!(console.shows("reading its definition"));
    let mut definition = ProgramDefinition::new(name.parse().unwrap(), "/usr/bin/mailer");
    definition.arguments = vec!["-v".into(), "two words".into()];
    definition.environment.insert("TOKEN".into(), "secret".into());
    definition.restart.mode = RestartMode::Always;
    let (node, name) = (*node, name.clone());
    console.mesh(MeshEvent::Definition { node, name, result: Ok(Box::new(definition.clone())) });
    (console, definition)
}

#[test]
fn a_new_program_is_written_checked_agreed_to_and_sent() {
    let mut console = console(3, 3);
    console.press("2xn");
    assert!(console.shows("program on cache-1") && console.shows("required"), "{}", console.screen());
    assert_eq!(console.press("^s"), []);
    assert!(console.shows("! required"));
    console.press("../x<down>bin/b<down>a 'b c'^s");
    assert!(console.shows("! the name of a program is 1 to 63"), "{}", console.screen());
    console.press("^uweb^s");
    assert!(
        console.shows("neither an absolute path nor a plain name"),
        "the shared check: {}",
        console.screen()
    );
    console.press("^u/bin/b^s");
    assert!(
        console.shows("Define web = /bin/b a \"b c\" (restarted on failure) on:"),
        "{}",
        console.screen()
    );
    let (defined, count) = sent(&console.press("y"));
    let expected = ProgramDefinition {
        arguments: vec!["a".into(), "b c".into()],
        ..ProgramDefinition::new("web".parse().unwrap(), "/bin/b")
    };
    assert_eq!((defined, count), (Defined { definition: expected, replace: false }, 1));
    assert!(is_open(&console), "nothing is lost before the node took it");
    console.mesh(MeshEvent::Outcome { errand: errand(1, 0), result: Ok(()) });
    assert!(!is_open(&console));
}

#[test]
fn a_refusal_is_shown_and_the_form_is_about_those_who_refused() {
    let mut console = console(2, 3);
    console.press(":define all<enter>web<down>/bin/b^s");
    assert!(console.shows("2 targets"), "{}", console.screen());
    assert_eq!(sent(&console.press("y")).1, 2);
    console.mesh(MeshEvent::Outcome { errand: errand(1, 0), result: Ok(()) });
    let error = RpcError::conflict("web is defined already");
    console.mesh(MeshEvent::Outcome { errand: errand(1, 1), result: Err(error) });
    console.press("<esc>");
    assert!(
        console.shows("web is defined already") && !console.shows("program on 2 nodes"),
        "{}",
        console.screen()
    );
    console.press("<pgdn><pgdn><pgdn><pgdn><pgdn> ^s");
    let (defined, count) = sent(&console.press("y"));
    assert_eq!((defined.replace, count), (true, 1));
}

#[test]
fn a_program_that_there_is_is_edited_on_every_marked_node() {
    let (mut console, definition) = editing();
    assert!(console.shows("-v \"two words\"") && console.shows("TOKEN=secret"), "{}", console.screen());
    console.press("<esc>");
    assert!(!is_open(&console), "nothing was changed: nothing is asked");
    let (mut console, _) = {
        let again = editing();
        assert_eq!(again.1, definition);
        again
    };
    console.press("<down><down> -q^s");
    let (defined, count) = sent(&console.press("y"));
    let arguments = ["-v", "two words", "-q"].map(str::to_owned).to_vec();
    let expected = ProgramDefinition { arguments, ..definition };
    assert_eq!((defined, count), (Defined { definition: expected, replace: true }, 2));
}

#[test]
fn escape_asks_if_something_was_written() {
    let mut console = console(1, 3);
    console.press(":define web-1<enter>");
    console.state.update(Event::Paste("we\nb".into()));
    assert!(console.shows("we b"));
    console.press("<esc>");
    assert!(console.shows("gives up what is written"));
    console.press("n");
    assert!(is_open(&console) && console.shows("we b"));
    console.press("<esc>y");
    assert!(!is_open(&console));
}

#[test]
fn the_form_goes_through_the_editor_and_back() {
    let mut console = console(1, 3);
    let commands = console.press(":define web-1<enter>web^o");
    let [Command::Edit(draft)] = commands.as_slice() else { panic!("{commands:?}") };
    let text = String::from_utf8(draft.content.0.clone()).unwrap();
    assert!(
        text.contains("# What it is called.\nname = \"web\"\n")
            && text.contains("# restart.delay_ms = 500\n")
    );
    let edited = |console: &mut Console, draft: &Draft, text: &str| {
        let ended =
            Ended::Changed { content: FileContent(text.as_bytes().to_vec()), kept: "/run/kept".into() };
        console.state.update(Event::Edited { draft: Box::new(draft.clone()), ended })
    };
    assert_eq!(edited(&mut console, draft, "nmae = \"web\"\n"), []);
    assert!(console.shows("there is no field nmae; your text is in /run/kept"), "{}", console.screen());
    let commands = console.press("^o");
    let [Command::Edit(draft)] = commands.as_slice() else { panic!("{commands:?}") };
    let text = "name = \"web\"\ncommand = \"/bin/b\"\nstop.timeout_ms = \"9s\"\n";
    assert_eq!(edited(&mut console, draft, text), [Command::Discard("/run/kept".into())]);
    console.press("^s");
    let (defined, _) = sent(&console.press("y"));
    assert_eq!(defined.definition.stop.timeout_ms, 9_000);
}

#[test]
fn who_may_only_look_gets_no_form() {
    let mut console = Console::over(Simulated::new(2, 3), Options { readonly: true, ..options() });
    console.enter();
    console.press(":define web-1<enter>");
    assert!(!is_open(&console) && console.shows("read-only"));
    console.press("2");
    console.feed();
    assert!(!console.press("xn").iter().any(acts) && !is_open(&console));
}

/// Where a text stands on the screen.
fn place_of(console: &mut Console, text: &str) -> (u16, u16) {
    let screen = console.screen();
    let found = screen.lines().enumerate().find_map(|(row, line)| {
        let at = line.find(text)?;
        Some((line[..at].chars().count() as u16, row as u16))
    });
    found.unwrap_or_else(|| panic!("{text}: {screen}"))
}

#[test]
fn a_click_puts_the_cursor_into_a_field_and_the_wheel_moves_it() {
    let (mut console, _) = editing();
    let (column, row) = place_of(&mut console, "/usr/bin/mailer");
    console.click(column + 5, row);
    assert_eq!(console.state.cursor(), Some((column + 5, row)));
    console.press("X");
    assert!(console.shows("/usr/Xbin/mailer"));
    let (column, row) = place_of(&mut console, "always");
    console.click(column, row);
    let mode = |console: &mut Console| console.screen().lines().nth(row.into()).unwrap().contains("always");
    assert!(mode(&mut console), "the first click only goes there");
    console.click(column, row);
    assert!(!mode(&mut console), "the second one chooses the next: {}", console.screen());
    let before = console.state.cursor();
    console.state.update(Event::Mouse(Mouse { kind: MouseKind::WheelUp, column, row }));
    assert_ne!(console.state.cursor(), before);
    console.click(0, 0);
    assert!(is_open(&console), "outside of it a click is nothing");
}
