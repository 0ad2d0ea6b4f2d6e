//! The program `p2p-node`: the command line, with the node plugged in.

use std::process::ExitCode;

use p2p_node::cli;
use p2p_node::config::Config;
use p2p_node::program::{Listening, RunningNode, Runtimes, Start, StartError};
use p2p_shared::error::Exit;

fn main() -> ExitCode {
    cli::main(std::env::args_os(), NoMesh).into()
}

/// A program without a mesh: it checks and explains its configuration, and refuses to run.
struct NoMesh;

/// Never made.
enum NoNode {}

impl Start for NoMesh {
    type Node = NoNode;

    async fn start(self, _: Config, _: Runtimes) -> Result<NoNode, StartError> {
        Err(StartError::new(Exit::Failed, "run: this build holds no mesh: build another"))
    }
}

impl RunningNode for NoNode {
    fn listening(&self) -> Listening {
        match *self {}
    }

    fn reload(&self, _: Config) -> Result<(), String> {
        match *self {}
    }

    fn status(&self) -> String {
        match *self {}
    }

    fn alive(&self) -> bool {
        match *self {}
    }

    async fn shutdown(self) {
        match self {}
    }
}
