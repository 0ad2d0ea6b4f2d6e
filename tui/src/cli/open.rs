//! Opens the console: settings and files of the operator in, the screen until it is left.
//!
//! Mistakes in the operator's own files are said on the screen and never keep it from opening.

use std::fs;
use std::path::Path;

use p2p_shared::error::Exit;
use tokio::sync::mpsc;

use super::Options;
use super::console::{self, Admission, Console};
use super::failure::CliError;
use super::first_run;
use crate::app::{self, State};
use crate::command::Command;
use crate::effects::Effects;
use crate::effects::settings::Surroundings;
use crate::event::MeshEvent;
use crate::keymap::Keymap;
use crate::runtime;
use crate::terminal::Terminal;
use crate::theme::{NAMES, Theme};

/// Messages of the mesh that wait for the screen; while it is full the nodes wait.
const EVENTS_QUEUE: usize = 1_024;

impl runtime::Effects for Effects {
    fn carry_out(&mut self, command: Command) -> Option<Command> {
        Self::carry_out(self, command)
    }
}

/// Nobody to ask: the screen of the first run.
struct Nobody;

impl runtime::Effects for Nobody {
    fn carry_out(&mut self, command: Command) -> Option<Command> {
        Some(command)
    }
}

/// Runs the console until it is left.
///
/// # Errors
/// What keeps it from opening, or ended it before it was asked to.
pub async fn open(options: &Options, surroundings: &Surroundings) -> Result<Exit, CliError> {
    let console = Console::prepare(options, surroundings)?;
    let mut notices = Vec::new();
    let app_options = app::Options {
        theme: theme(&console, surroundings, &mut notices),
        keys: keys(surroundings, &mut notices),
        readonly: console.readonly,
        banner: console.banner.clone(),
        first_run: matches!(console.admission, Admission::Nobody(_)).then(|| first_run::TEXT.to_owned()),
        notices,
    };
    let terminal = Terminal::enter().map_err(|error| CliError::new(error.exit(), error.to_string()))?;
    console::log_to_file(surroundings, std::env::var("LOG_LEVEL").ok().as_deref())?;
    let state = State::new(app_options);
    let (events_tx, events) = mpsc::channel::<MeshEvent>(EVENTS_QUEUE);
    let ended = match &console.admission {
        Admission::Local(socket) => {
            let mut effects = Effects::local(socket.clone(), events_tx);
            let ended = runtime::run(state, &mut effects, events, terminal).await;
            effects.close().await;
            ended
        }
        Admission::Operator(credentials) => {
            let effects = Effects::start(credentials, console.given.clone(), events_tx);
            let mut effects =
                effects.map_err(|error| CliError::new(Exit::Unavailable, format!("no socket: {error}")))?;
            let ended = runtime::run(state, &mut effects, events, terminal).await;
            effects.close().await;
            ended
        }
        Admission::Nobody(_) => runtime::run(state, Nobody, events, terminal).await,
    };
    ended.map(|()| Exit::Ok).map_err(|error| CliError::new(error.exit(), error.to_string()))
}

fn keys(surroundings: &Surroundings, notices: &mut Vec<String>) -> Keymap {
    let text = surroundings.config.as_deref().and_then(|config| read(&config.join("keys.toml"), notices));
    let (keys, mistakes) = Keymap::with(&text.unwrap_or_default());
    notices.extend(mistakes.iter().map(ToString::to_string));
    keys
}

fn theme(console: &Console, surroundings: &Surroundings, notices: &mut Vec<String>) -> Theme {
    let name = console.theme.as_deref().unwrap_or(NAMES[0]);
    let theme = Theme::named(name).or_else(|| own_theme(name, surroundings, notices)).unwrap_or_else(|| {
        notices.push(format!("there is no theme {name}: {}", NAMES.join(", ")));
        Theme::default()
    });
    // https://no-color.org: any value but an empty one.
    let theme = if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        theme.without_colour()
    } else {
        theme
    };
    if console.ascii { theme.ascii() } else { theme }
}

/// `themes/NAME.toml` beside `tui.toml`. A name is never a path.
fn own_theme(name: &str, surroundings: &Surroundings, notices: &mut Vec<String>) -> Option<Theme> {
    if name.contains(['/', '\\', '\0']) || name.starts_with('.') {
        return None;
    }
    let path = surroundings.config.as_deref()?.join("themes").join(format!("{name}.toml"));
    let text = read(&path, notices)?;
    Theme::parse(name, &text).inspect_err(|mistake| notices.push(mistake.to_string())).ok()
}

/// A file that may be missing.
fn read(path: &Path, notices: &mut Vec<String>) -> Option<String> {
    match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            notices.push(format!("{}: {error}", path.display()));
            None
        }
    }
}
