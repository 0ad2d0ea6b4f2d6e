//! Opens the console: settings and files of the operator in, the screen until it is left.
//!
//! Mistakes in the operator's own files are said on the screen and never keep it from opening.

use std::fs;
use std::path::{Path, PathBuf};

use p2p_shared::error::Exit;
use tokio::sync::mpsc;

use super::Options;
use super::console::{self, Admission, Console};
use super::failure::CliError;
use super::first_run;
use crate::app::saved::{self, Saved};
use crate::app::{self, State};
use crate::command::Command;
use crate::effects::Effects;
use crate::effects::settings::Surroundings;
use crate::event::MeshEvent;
use crate::keymap::Keymap;
use crate::runtime;
use crate::terminal::{Background, Terminal};
use crate::theme::{Depth, NAMES, Theme, Themes};

/// Messages of the mesh that wait for the screen; while it is full the nodes wait.
const EVENTS_QUEUE: usize = 1_024;
/// Most themes of the user's.
const THEMES_MAX: usize = 100;
/// The theme for a light background.
const LIGHT: &str = "light";

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
    let mut terminal = Terminal::enter().map_err(|error| CliError::new(error.exit(), error.to_string()))?;
    console::log_to_file(surroundings, std::env::var("LOG_LEVEL").ok().as_deref())?;
    let (events_tx, events) = mpsc::channel::<MeshEvent>(EVENTS_QUEUE);
    // The nodes are dialled while the terminal is asked for its colours: it may be far away.
    let mut effects = effects(&console, events_tx)?;
    let themes = themes(&console, surroundings, &mut notices);
    let state = State::new(app::Options {
        theme: theme(&themes, console.theme.as_deref(), &mut terminal, &mut notices),
        themes,
        saved: saved(surroundings, &mut notices),
        keys: keys(surroundings, &mut notices),
        readonly: console.readonly,
        banner: console.banner.clone(),
        first_run: match &console.admission {
            Admission::Nobody(error) => Some(first_run::screen(error)),
            Admission::Operator(_) | Admission::Local(_) => None,
        },
        notices,
    });
    let ended = match &mut effects {
        Some(effects) => runtime::run(state, effects, events, terminal).await,
        None => runtime::run(state, Nobody, events, terminal).await,
    };
    if let Some(effects) = effects {
        effects.close().await;
    }
    ended.map(|()| Exit::Ok).map_err(|error| CliError::new(error.exit(), error.to_string()))
}

/// Begins to connect; `None` for who has nobody to ask.
fn effects(console: &Console, events: mpsc::Sender<MeshEvent>) -> Result<Option<Effects>, CliError> {
    Ok(match &console.admission {
        Admission::Local(socket) => Some(Effects::local(socket.clone(), events)),
        Admission::Operator(credentials) => {
            let effects = Effects::start(credentials, console.given.clone(), events);
            Some(effects.map_err(|error| CliError::new(Exit::Unavailable, format!("no socket: {error}")))?)
        }
        Admission::Nobody(_) => None,
    })
}

fn keys(surroundings: &Surroundings, notices: &mut Vec<String>) -> Keymap {
    let text = surroundings.config.as_deref().and_then(|config| read(&config.join("keys.toml"), notices));
    let (keys, mistakes) = Keymap::with(&text.unwrap_or_default());
    notices.extend(mistakes.iter().map(ToString::to_string));
    keys
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Every theme there is: the built-in ones and `themes/*.toml` beside `tui.toml`.
fn themes(console: &Console, surroundings: &Surroundings, notices: &mut Vec<String>) -> Themes {
    let depth = Depth::told(&variable("TERM"), &variable("COLORTERM"), &variable("NO_COLOR"));
    let directory = surroundings.config.as_deref().map(|config| config.join("themes"));
    let entries =
        directory.and_then(|directory| fs::read_dir(directory).ok()).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.truncate(THEMES_MAX);
    let own = files.iter().filter_map(|path| {
        let name = path.file_stem()?.to_str()?;
        Some(Theme::parse(name, &read(path, notices)?))
    });
    Themes { own: own.collect(), depth, ascii: console.ascii }
}

/// The theme that was asked for, else the one that the terminal's background asks for.
fn theme(themes: &Themes, asked: Option<&str>, terminal: &mut Terminal, notices: &mut Vec<String>) -> Theme {
    let fitting = || match background(terminal) {
        Some(Background::Light) => LIGHT,
        Some(Background::Dark) | None => NAMES[0],
    };
    let name = asked.unwrap_or_else(fitting);
    if let Some((theme, mistakes)) = themes.named(name) {
        notices.extend(mistakes.iter().map(ToString::to_string));
        return theme;
    }
    notices.push(format!("there is no theme {name}: {}", themes.names().collect::<Vec<_>>().join(", ")));
    themes.named(NAMES[0]).map(|(theme, _)| theme).unwrap_or_default()
}

/// A terminal without a window of its own has no colour to tell.
fn background(terminal: &mut Terminal) -> Option<Background> {
    let told = Background::told(&variable("COLORFGBG"));
    let silent = matches!(variable("TERM").as_str(), "" | "dumb" | "linux");
    told.or_else(|| if silent { None } else { terminal.background() })
}

fn saved(surroundings: &Surroundings, notices: &mut Vec<String>) -> Saved {
    let file = surroundings.config.as_deref().map(|config| config.join(saved::FILE));
    let text = file.as_deref().and_then(|file| read(file, notices));
    let (saved, mistakes) = Saved::read(&text.unwrap_or_default(), file);
    notices.extend(mistakes);
    saved
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
