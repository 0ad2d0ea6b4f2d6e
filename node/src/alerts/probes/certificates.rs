//! How long certificates are still good: the node's own, that of its HTTP face, and files that rules name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::services::file::FilePath;
use p2p_shared::time::UnixMillis;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::super::core::alert::Figure;
use super::super::core::catalogue::CERTIFICATE_LABEL;
use super::super::core::wanted::Wanted;
use super::super::figures::labelled;
use super::{Told, pause, tell};
use crate::clock;
use crate::host::files::jail::Jail;
use crate::host::files::read;
use crate::host::files::reserved::Reserved;
use crate::policy::Fuse;

/// How often they are looked at.
const PERIOD: Duration = Duration::from_secs(60);
/// Largest file with a certificate.
const FILE_BYTES_MAX: usize = 256 << 10;
const METRIC: &str = "certificate_remaining_days";
const DAY_MS: f64 = 86_400_000.0;

pub(super) async fn run(
    (own_ends, http, fuse, reserved): (UnixMillis, Option<PathBuf>, Fuse, Arc<Reserved>),
    mut wanted: watch::Receiver<Arc<Wanted>>,
    told: Told,
) {
    loop {
        let now_wanted = Arc::clone(&wanted.borrow_and_update());
        let is_wanted = now_wanted.any(&[METRIC]);
        let http = http.clone();
        let jail = Jail::new(fuse.policy().file_roots(), Arc::clone(&reserved));
        let looking = spawn_blocking(move || {
            if !is_wanted {
                return Vec::new();
            }
            let mut found = vec![figure("node", own_ends)];
            found.extend(http.and_then(|path| Some(figure("http", ends(&std::fs::read(path).ok()?)?))));
            let named = now_wanted.certificates.iter();
            found.extend(named.filter_map(|path| Some(figure(path, ends(&contents(&jail, path)?)?))));
            found
        });
        let Ok(found) = looking.await else { return };
        tell(&told, found);
        if !pause(if is_wanted { PERIOD } else { Duration::MAX }, &mut wanted).await {
            return;
        }
    }
}

fn figure(which: &str, ends: UnixMillis) -> Figure {
    let left = ends.0 as f64 - clock::wall().0 as f64;
    labelled(METRIC, (CERTIFICATE_LABEL, which), left / DAY_MS)
}

/// A file that a rule names, as far as a call could read it.
fn contents(jail: &Jail, path: &str) -> Option<Vec<u8>> {
    let path = FilePath::new(path.as_bytes()).ok()?;
    read::read(jail, &path, 0, FILE_BYTES_MAX).ok().map(|chunk| chunk.content.0)
}

/// When the first certificate of a file ends.
fn ends(text: &[u8]) -> Option<UnixMillis> {
    let block = pem::parse_many(text).ok()?.into_iter().find(|block| block.tag() == "CERTIFICATE")?;
    let (_, certificate) = X509Certificate::from_der(block.contents()).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(UnixMillis(seconds.saturating_mul(1_000)))
}
