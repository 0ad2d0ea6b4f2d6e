//! `p2p-node run`: its flags, which override every other source of the configuration.

use std::path::PathBuf;

use clap::Args;
use p2p_shared::config::Flag;
use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;

use crate::config::Given;
use crate::config::values::{Host, HostPort, Port};
use crate::program::{self, Start};

/// Flags of `run`, and of `config`, which judges the same sources.
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// Configuration file [default: /etc/p2p-admin/node.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name of this node [default: the one in its certificate]
    #[arg(long)]
    name: Option<NodeName>,
    /// Address to listen on, for the mesh and for HTTP [default: :: and 127.0.0.1]
    #[arg(long)]
    host: Option<Host>,
    /// TCP port of the HTTP face, 0 for any [default: 8000]
    #[arg(long, value_name = "HTTP")]
    port: Option<Port>,
    /// UDP port of the mesh, 0 for any [default: 5678]
    #[arg(long, value_name = "QUIC")]
    dht_port: Option<Port>,
    /// A node to join through; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Vec<HostPort>,
    /// Directory of ca.crt, node.crt and node.key
    #[arg(long, value_name = "DIR")]
    certs: Option<PathBuf>,
    /// Directory of everything that survives a restart
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File of variables [default: .env, except under systemd]
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

impl RunArgs {
    /// Where to read, and what overrides it.
    pub(super) fn given(self) -> Given {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let peers: Vec<String> = self.bootstrap.iter().map(ToString::to_string).collect();
        let flags = [
            ("name", "--name", self.name.map(|name| name.to_string())),
            ("host", "--host", self.host.map(|host| host.to_string())),
            ("http.port", "--port", self.port.map(|port| port.to_string())),
            ("quic.port", "--dht-port", self.dht_port.map(|port| port.to_string())),
            ("bootstrap", "--bootstrap", (!peers.is_empty()).then(|| peers.join(","))),
            ("certs", "--certs", self.certs.map(path)),
            ("data", "--data", self.data.map(path)),
        ];
        let flag = |(key, name, text): (_, _, Option<String>)| text.map(|text| Flag { key, name, text });
        let flags = flags.into_iter().filter_map(flag).collect();
        Given { config: self.config, env_file: self.env_file, flags }
    }
}

/// Runs a node until a signal ends it.
pub(super) fn run<S: Start>(args: RunArgs, start: S) -> Exit {
    program::run(start, &args.given())
}
