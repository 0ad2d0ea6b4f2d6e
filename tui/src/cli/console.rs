//! What the console needs before it takes the screen: settings, the operator's credentials, and its log file.
//!
//! Everything that can go wrong with them goes wrong here, while a line on the terminal can still say so.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use p2p_shared::error::Exit;
use p2p_shared::tls::Credentials;
use tracing_subscriber::EnvFilter;

use super::Options;
use super::failure::CliError;
use super::session::now;
use crate::effects::address::NodeAddress;
use crate::effects::settings::{SettingsError, Surroundings};

/// Name of the log file in the state directory.
const LOG_FILE: &str = "console.log";
/// A log file larger than this is put aside at the next start; the one put aside before is lost.
const LOG_BYTES_MAX: u64 = 4 << 20;
/// What stands at the top of a console that came by a socket.
const LOCAL: &str = "local: only this machine";
/// What is logged unless `LOG_LEVEL` says otherwise.
const LOG_LEVEL_DEFAULT: &str = "info";

/// In whose name a console is opened.
#[derive(Debug)]
pub enum Admission {
    /// An operator's.
    Operator(Arc<Credentials>),
    /// That of whoever may enter by this socket.
    Local(PathBuf),
    /// Nobody's, and why: the screen of the first run.
    Nobody(SettingsError),
}

/// A console that can be opened.
#[derive(Debug)]
pub struct Console {
    /// In whose name.
    pub admission: Admission,
    /// Where to enter.
    pub given: Vec<NodeAddress>,
    /// Name of the theme; `None` leaves it to the console.
    pub theme: Option<String>,
    /// Only ASCII characters.
    pub ascii: bool,
    /// Refuse what changes anything.
    pub readonly: bool,
    /// A line to show at the top.
    pub banner: Option<String>,
}

impl Console {
    /// Gathers it all; asks for the passphrase of the key if it has one.
    pub fn prepare(options: &Options, surroundings: &Surroundings) -> Result<Self, CliError> {
        let file = surroundings.console_file()?;
        let certs = options.entrance.certs.as_deref();
        let socket = options.entrance.socket(surroundings)?;
        let given = surroundings.entrances(&options.entrance.node, &file, certs)?;
        let admission = match socket {
            Some(socket) => Admission::Local(socket),
            None => match surroundings.credentials(certs, now()) {
                // Not knowing what to do is no reason to leave; everything else can be mended and said in a line.
                Err(missing @ SettingsError::NoCertificates(_)) => Admission::Nobody(missing),
                found => Admission::Operator(Arc::new(found?)),
            },
        };
        let banner = match &admission {
            Admission::Local(_) => {
                let more = options.banner.iter().map(|text| format!("; {text}")).collect::<String>();
                Some(format!("{LOCAL}{more}"))
            }
            _ => options.banner.clone(),
        };
        Ok(Self {
            admission,
            given,
            theme: options.theme.clone().or(file.theme),
            ascii: options.ascii || file.ascii,
            readonly: options.readonly || file.readonly,
            banner,
        })
    }
}

/// Sends all that is logged to a file of the state directory, never to the screen. `level` is a filter such
/// as `debug` or `p2p_tui=trace`.
///
/// # Errors
/// If the file cannot be had, or the filter is none.
pub fn log_to_file(surroundings: &Surroundings, level: Option<&str>) -> Result<(), CliError> {
    let Some(state) = &surroundings.state else { return Ok(()) };
    let level = level.unwrap_or(LOG_LEVEL_DEFAULT);
    let filter = EnvFilter::try_new(level).map_err(|error| {
        CliError::new(
            Exit::Config,
            format!("LOG_LEVEL: {level:?} is no level such as info or debug: {error}"),
        )
    })?;
    let path = state.join(LOG_FILE);
    let file = open_log(state, &path).map_err(|error| {
        CliError::new(Exit::Config, format!("{}: it cannot be written: {error}", path.display()))
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    // A second console in one process, as tests have it, keeps the first one's log.
    let _ = subscriber.with_writer(Mutex::new(file)).try_init();
    Ok(())
}

fn open_log(state: &Path, path: &Path) -> io::Result<File> {
    fs::create_dir_all(state)?;
    if fs::metadata(path).is_ok_and(|found| found.len() > LOG_BYTES_MAX) {
        fs::rename(path, aside(path))?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn surroundings(root: &Path) -> Surroundings {
        Surroundings { config: Some(root.to_owned()), here: root.to_owned(), ..Surroundings::default() }
    }

    #[test]
    fn a_flag_adds_to_the_file_and_wins_over_it() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("tui.toml"), "theme = \"light\"\nascii = true\nnode = [\"a:1\"]\n")
            .unwrap();
        let surroundings = surroundings(root.path());
        let prepared = |line: &[&str]| {
            let options = Options::try_parse_from(line).unwrap();
            Console::prepare(&options, &surroundings).unwrap()
        };
        let console = prepared(&["p2p-tui"]);
        assert!(matches!(console.admission, Admission::Nobody(SettingsError::NoCertificates(_))));
        assert_eq!((console.theme.as_deref(), console.ascii, console.readonly), (Some("light"), true, false));
        assert_eq!(console.given[0].to_string(), "a:1");
        let console = prepared(&["p2p-tui", "--theme", "mono", "--readonly", "--node", "b:2"]);
        assert_eq!((console.theme.as_deref(), console.ascii, console.readonly), (Some("mono"), true, true));
        assert_eq!(console.given[0].to_string(), "b:2");
    }

    #[test]
    fn credentials_that_are_broken_are_an_error_and_not_a_first_run() {
        let root = tempfile::tempdir().unwrap();
        let options = Options::try_parse_from(["p2p-tui", "--certs", "/nowhere"]).unwrap();
        let error = Console::prepare(&options, &surroundings(root.path())).unwrap_err();
        assert_eq!(error.exit(), Exit::Config);
    }

    #[test]
    fn a_large_log_is_put_aside_and_nobody_else_may_read_the_new_one() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        let path = state.join(LOG_FILE);
        drop(open_log(&state, &path).unwrap());
        File::options().write(true).open(&path).unwrap().set_len(LOG_BYTES_MAX + 1).unwrap();
        let file = open_log(&state, &path).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
        assert!(aside(&path).exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
