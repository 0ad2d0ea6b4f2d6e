//! What somebody reads who has no certificate yet: which commands to run, and on which machine.

/// The help, for a console whose certificates were looked for and not found. The console shows it too.
pub const TEXT: &str = "\
To look at a mesh, this machine needs an operator's certificate.

On the machine that keeps the CA (make one with `scripts/ca.sh init` if there is none):
    scripts/ca.sh issue operator YOUR-NAME --role admin
    scripts/ca.sh bundle operator YOUR-NAME > YOUR-NAME.tar

Here, after copying that file over a safe way:
    mkdir -p -m 700 ~/.config/p2p-admin/certs
    tar -xf YOUR-NAME.tar -C ~/.config/p2p-admin/certs
or name the directory with --certs DIR or P2P_CERTS.

Then `p2p-tui --node HOST:PORT` enters by any node. To only try it: scripts/demo.sh
";
