//! The command line: the console's flags, and the sub-commands for scripts.
//!
//! Arguments enter; data leaves by standard output, words for people by standard error, and an exit code.
//! Everything is a function of what is handed in, so that tests run commands in their own process.

pub mod alerts;
pub mod audit;
pub mod call;
pub mod can_i;
pub mod console;
pub mod cp;
pub mod exec;
pub mod failure;
pub mod first_run;
pub mod history;
pub mod import;
pub mod jobs;
pub mod kill;
pub mod label;
pub mod logs;
pub mod manuals;
pub mod network;
pub mod nodes;
pub mod open;
pub mod output;
pub mod pace;
pub mod programs;
pub mod ps;
pub mod reboot;
pub mod session;
pub mod shell;
pub mod token;
mod top;
pub mod units;
pub mod why;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use p2p_shared::error::Exit;

use self::failure::CliError;
use self::output::{Format, Streams};
use self::session::Session;
use crate::effects::local;
use crate::effects::settings::Surroundings;
use crate::selector::Selector;

/// The console of P2P Admin: all machines of a mesh in one terminal. Without a command it opens the console.
#[derive(Clone, Debug, Parser)]
#[command(name = "p2p-tui", version, propagate_version = true)]
pub struct Options {
    /// How to enter the mesh.
    #[command(flatten)]
    pub entrance: Entrance,
    /// Refuse everything that changes something
    #[arg(long, global = true)]
    pub readonly: bool,
    /// Colours of the console: dark, light, high-contrast, mono, colorblind, or one of your own
    #[arg(long, value_name = "THEME")]
    pub theme: Option<String>,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// A line that the console shows at its top
    #[arg(long, value_name = "TEXT")]
    pub banner: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How to enter the mesh.
#[derive(Clone, Debug, Default, Args)]
pub struct Entrance {
    /// A node to enter by, again for each [default: `node` in tui.toml, else those of the bundle,
    /// else 127.0.0.1:5678]
    #[arg(long, value_name = "HOST:PORT", global = true)]
    pub node: Vec<String>,
    /// Directory of the operator's certificate [default: $P2P_CERTS, ~/.config/p2p-admin/certs, or the only
    /// one under ./certs/operators/]
    #[arg(long, value_name = "DIR", global = true)]
    pub certs: Option<PathBuf>,
    /// Only this machine, by its node's Unix socket: without a network and without a certificate, as root or the
    /// node's own user [default socket: /var/lib/p2p-admin/node.sock, or the only one under
    /// ~/.local/state/p2p-admin]
    #[arg(long, value_name = "SOCKET", global = true, num_args = 0..=1, require_equals = true)]
    pub local: Option<Option<PathBuf>>,
}

impl Entrance {
    /// The socket to enter by, if that is how; the other ways in do not go with it.
    fn socket(&self, surroundings: &Surroundings) -> Result<Option<PathBuf>, CliError> {
        let Some(asked) = &self.local else { return Ok(None) };
        if !self.node.is_empty() || self.certs.is_some() {
            let other = if self.certs.is_some() { "--certs" } else { "--node" };
            return Err(CliError::usage(format!(
                "--local is this machine alone, by its socket: {other} does not go with it; leave one of them out"
            )));
        }
        Ok(Some(local::socket(asked.as_deref(), surroundings)?))
    }
}

/// What `p2p-tui` does without its screen.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Asks the mesh.
    #[command(flatten)]
    Mesh(MeshCommand),
    /// Put the bundle that `ca.sh bundle operator NAME` made in place
    Import(import::ImportArgs),
    /// Print a token for the HTTP face, which every node takes for a short time
    Token(token::TokenArgs),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
        /// The name it completes for, where the program has another one
        #[arg(long, value_name = "NAME", default_value = "p2p-tui")]
        program: String,
    },
    /// Write the manual pages, for packages
    #[command(hide = true)]
    Manuals {
        /// Where to
        directory: PathBuf,
    },
}

/// What needs a way into the mesh.
#[derive(Clone, Debug, Subcommand)]
pub enum MeshCommand {
    /// List the members of the mesh
    Nodes(ListArgs),
    /// List the processes of nodes
    Ps(ListArgs),
    /// List the programs that nodes keep running, and start, stop and define them
    Programs(programs::ProgramsArgs),
    /// List what nodes have queued, run and done, and call it off or have it done once more
    Jobs(jobs::JobsArgs),
    /// Show the figures of nodes
    Top {
        /// Print them once
        #[arg(long, required = true)]
        once: bool,
        /// Whose.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show what became of the figures of nodes, and which processes were busy
    History(history::HistoryArgs),
    /// List what is wrong on nodes by their alert rules, silence and acknowledge it, and put rules on nodes
    Alerts(alerts::AlertsArgs),
    /// Show who did what on nodes, newest first
    Audit(audit::AuditArgs),
    /// List what systemd runs on nodes, and control it
    Units(units::UnitsArgs),
    /// Read the journals of nodes, merged in the order of time
    #[command(visible_alias = "journal")]
    Logs(logs::LogsArgs),
    /// Look at the networks of nodes, and probe from them: interfaces, sockets, ping, trace, scan
    Network(network::NetworkArgs),
    /// Call any method of any service
    Call(call::CallArgs),
    /// Ask whether nodes would let you do something, without doing it
    CanI(can_i::CanIArgs),
    /// Run a command on nodes
    Exec(Box<exec::ExecArgs>),
    /// Open a terminal on a node, or attach to one again
    Shell(Box<shell::ShellArgs>),
    /// Copy files and trees from and to nodes, and between them
    Cp(cp::CpArgs),
    /// Send a signal to a process
    Kill(kill::KillArgs),
    /// Say what started a process
    Why(why::WhyArgs),
    /// Set and remove labels of nodes
    Label(label::LabelArgs),
    /// Forget a member that is lost or has left
    Forget(label::ForgetArgs),
    /// Start machines anew, and wait until they are back
    Reboot(Box<reboot::RebootArgs>),
}

/// Which nodes, and how to print.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Which nodes: names, globs, labels; and, or, not, ( )
    #[arg(long, value_name = "SELECTOR", default_value = "all")]
    pub on: Selector,
    /// How to write the rows
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl Options {
    /// Reads a command line, the program's name first. `Err` holds the exit code of what was printed instead.
    pub fn read<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
        streams: &mut Streams<'_>,
    ) -> Result<Self, Exit> {
        Self::try_parse_from(arguments).map_err(|error| {
            let text = error.render().to_string();
            if error.use_stderr() {
                let _ = streams.err.write_all(text.as_bytes());
                return Exit::Usage;
            }
            finish(streams.data(&text).map(|()| Exit::Ok), streams)
        })
    }
}

/// Runs the sub-command of a command line to its end; all that it has to say is said when it returns.
pub async fn run(options: &Options, surroundings: &Surroundings, streams: &mut Streams<'_>) -> Exit {
    let ended = match &options.command {
        Some(command) => dispatch(command, options, surroundings, streams).await,
        None => open::open(options, surroundings).await,
    };
    finish(ended, streams)
}

/// Reads a command line and runs it: the whole of a headless run.
pub async fn run_line<T: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = T>,
    surroundings: &Surroundings,
    streams: &mut Streams<'_>,
) -> Exit {
    match Options::read(arguments, streams) {
        // All that a command holds is on the heap: beside the parser's frames it is much for a small stack.
        Ok(options) => Box::pin(run(&options, surroundings, streams)).await,
        Err(exit) => exit,
    }
}

/// Turns the end of a command into words and an exit code.
pub fn finish(ended: Result<Exit, CliError>, streams: &mut Streams<'_>) -> Exit {
    let error = match ended {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    let exit = error.exit();
    if exit != Exit::Ok {
        streams.say(&error.to_string());
    }
    if let CliError::FirstRun(_) = error {
        let _ = write!(streams.err, "\n{}", first_run::TEXT);
    }
    exit
}

async fn dispatch(
    command: &Command,
    options: &Options,
    surroundings: &Surroundings,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    match command {
        Command::Completions { shell, program } => completions(*shell, program, streams),
        Command::Import(args) => import::run(args, &options.entrance, surroundings, streams),
        Command::Token(args) => token::run(args, &options.entrance, surroundings, streams),
        Command::Manuals { directory } => write_manuals(directory),
        Command::Mesh(command) => {
            let is_readonly = options.readonly || surroundings.console_file()?.readonly;
            if command.acts()? && is_readonly {
                let text = "refused here: --readonly, or readonly in tui.toml, is set";
                return Err(CliError::new(Exit::Permission, text));
            }
            let session = Session::open(&options.entrance, surroundings).await;
            let session = session.map_err(|error| command.not_reached(error))?;
            let ended = command.run(&session, streams).await;
            session.close().await;
            ended
        }
    }
}

fn write_manuals(directory: &Path) -> Result<Exit, CliError> {
    let failed = |error| CliError::new(Exit::Failed, format!("{}: {error}", directory.display()));
    manuals::write(directory, Options::command()).map(|()| Exit::Ok).map_err(failed)
}

fn completions(shell: Shell, program: &str, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Options::command(), program, &mut text);
    streams.data(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}

impl MeshCommand {
    /// Whether it changes something; an error if it cannot be done at all.
    fn acts(&self) -> Result<bool, CliError> {
        Ok(match self {
            Self::Nodes(_)
            | Self::Ps(_)
            | Self::Top { .. }
            | Self::History(_)
            | Self::Why(_)
            | Self::Logs(_) => false,
            Self::Audit(args) => args.acts(),
            Self::CanI(args) => can_i::check(args).map(|()| false)?,
            Self::Kill(_) | Self::Label(_) | Self::Forget(_) => true,
            Self::Programs(args) => args.acts(),
            Self::Jobs(args) => args.acts(),
            Self::Alerts(args) => args.acts(),
            Self::Units(args) => args.acts(),
            Self::Network(args) => args.acts(),
            Self::Call(args) => args.request()?.acts(),
            Self::Exec(args) => args.acts()?,
            Self::Cp(args) => args.acts()?,
            Self::Shell(args) => args.acts()?,
            Self::Reboot(args) => !args.pace.dry_run,
        })
    }

    /// What it means for this command that there is no way into the mesh.
    fn not_reached(&self, error: CliError) -> CliError {
        match self {
            Self::Exec(args) if error.exit() == Exit::Unavailable => args.not_reached(error),
            Self::Shell(args) if error.exit() == Exit::Unavailable => args.not_reached(error),
            _ => error,
        }
    }

    async fn run(&self, session: &Session, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
        match self {
            Self::Nodes(args) => nodes::run(session, args, streams),
            Self::Ps(args) => ps::run(session, args, streams).await,
            Self::Programs(args) => programs::run(session, args, streams).await,
            Self::Jobs(args) => jobs::run(session, args, streams).await,
            Self::Alerts(args) => alerts::run(session, args, streams).await,
            Self::Top { list, .. } => top::run(session, list, streams).await,
            Self::History(args) => history::run(session, args, streams).await,
            Self::Audit(args) => audit::run(session, args, streams).await,
            Self::Units(args) => units::run(session, args, streams).await,
            Self::Logs(args) => logs::run(session, args, streams).await,
            Self::Network(args) => network::run(session, args, streams).await,
            Self::Call(args) => call::run(session, args, streams).await,
            Self::CanI(args) => can_i::run(session, args, streams).await,
            Self::Cp(args) => cp::run(session, args, streams).await,
            Self::Kill(args) => kill::run(session, args, streams).await,
            Self::Why(args) => why::run(session, args, streams).await,
            Self::Label(args) => label::run(session, args, streams).await,
            Self::Forget(args) => label::forget(session, args, streams).await,
            Self::Exec(args) => exec::run(session, args, streams).await,
            Self::Shell(args) => shell::run(session, args, streams).await,
            Self::Reboot(args) => reboot::run(session, args, streams).await,
        }
    }
}

#[cfg(test)]
mod tests;
