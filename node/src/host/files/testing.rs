//! A directory of a test's own, part of it under a jail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use p2p_shared::services::file::FilePath;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::jail::Jail;
use super::reserved::{Own, Reserved};
use super::undo::Undos;

/// `top/root` may be reached, `top/outside` may not and holds `secret`.
pub(super) struct Ground {
    pub top: TempDir,
    pub jail: Jail,
    pub undos: Undos,
    pub gone: CancellationToken,
}

impl Ground {
    pub(super) fn new() -> Self {
        Self::at(&std::env::temp_dir())
    }

    /// The same in a directory that is there.
    pub(super) fn at(directory: &Path) -> Self {
        let top = tempfile::tempdir_in(directory).unwrap();
        for name in ["root", "outside", "data"] {
            fs::create_dir(top.path().join(name)).unwrap();
        }
        fs::write(top.path().join("outside/secret"), "secret").unwrap();
        let reserved = Arc::new(Reserved::of_node(&top.path().join("data"), &Own::default()));
        let roots = [top.path().join("root"), top.path().join("data")];
        let undos = Undos::new(&top.path().join("data"));
        Self { jail: Jail::new(Some(&roots), reserved), undos, top, gone: CancellationToken::new() }
    }

    /// A path under the root.
    pub(super) fn root(&self, name: &str) -> PathBuf {
        self.top.path().join("root").join(name)
    }

    pub(super) fn path(&self, name: &str) -> FilePath {
        path(self.root(name).to_str().unwrap())
    }
}

pub(super) fn path(text: &str) -> FilePath {
    FilePath::new(text).unwrap()
}
