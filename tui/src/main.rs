//! The program `p2p-tui`: reads the command line, runs one command to its end, and exits by its code.

use std::io::{self, BufReader, IsTerminal};
use std::process::ExitCode;

use p2p_shared::error::Exit;
use p2p_tui::cli::output::Streams;
use p2p_tui::cli::{self, Options};
use p2p_tui::effects::beat;
use p2p_tui::effects::settings::Surroundings;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut answers = BufReader::new(io::stdin());
    let width = out.is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
    let mut streams = Streams {
        out: &mut out,
        err: &mut err,
        answers: if io::stdin().is_terminal() { Some(&mut answers) } else { None },
        width: width.map(|(columns, _)| columns.into()),
    };
    match Options::read(std::env::args_os(), &mut streams) {
        Ok(options) => run(&options, &mut streams).into(),
        Err(exit) => exit.into(),
    }
}

fn run(options: &Options, streams: &mut Streams<'_>) -> Exit {
    beat::begin();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            streams.say(&format!("cannot start: {error}"));
            return Exit::Internal;
        }
    };
    let exit = runtime.block_on(cli::run(options, &Surroundings::of_process(), streams));
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    exit
}

/// One worker keeps connections alive while this thread waits for whoever reads standard output.
fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
