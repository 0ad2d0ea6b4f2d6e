//! What somebody reads who has no certificate yet: which commands to run, and on which machine.

use crate::effects::settings::SettingsError;

/// The same for the screen, with where it was looked.
pub fn screen(error: &SettingsError) -> String {
    match error {
        SettingsError::NoCertificates(places) => {
            let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
            format!("{TEXT}\nLooked in {}.\n", places.join(" and "))
        }
        other => format!("{TEXT}\n{other}\n"),
    }
}

/// The help, for a console whose certificates were looked for and not found. The console shows it too, so its
/// lines fit a terminal of 80 columns.
pub const TEXT: &str = "\
To look at a mesh, this machine needs an operator's certificate.

On the machine that keeps the CA (`scripts/ca.sh init` makes one; with the
packages the program is called p2p-ca):
    scripts/ca.sh issue operator NAME --role admin
    scripts/ca.sh bundle operator NAME --bootstrap HOST:PORT > NAME.tar

Here, after copying that file over a safe way:
    p2p-tui import NAME.tar
into ~/.config/p2p-admin/certs, or where --certs DIR or P2P_CERTS say.

Then `p2p-tui` enters by HOST:PORT, `p2p-tui --node HOST:PORT` by any node.
To only try it: scripts/demo.sh
";
