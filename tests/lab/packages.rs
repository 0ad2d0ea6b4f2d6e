//! The packages under test, as `scripts/package.sh` makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::host::top;

/// The packages of this tree.
pub struct Packages {
    pub node: PathBuf,
    pub console: PathBuf,
}

impl Packages {
    /// Those in target/debian; there has to be one of each.
    pub fn find() -> Result<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), PathBuf::from);
        let directory = target.join("debian");
        Ok(Self { node: only(&directory, "p2p-node_")?, console: only(&directory, "p2p-tui_")? })
    }

    /// What is in both, in a directory that is gone with the result.
    pub fn unpacked(&self) -> Result<TempDir> {
        let directory = TempDir::new()?;
        for package in [&self.node, &self.console] {
            dpkg_deb(&["-x".as_ref(), package.as_os_str(), directory.path().as_os_str()])?;
        }
        Ok(directory)
    }
}

fn only(directory: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with(prefix) && name.ends_with(".deb")
    };
    let found: Vec<PathBuf> = entries.filter(fits).collect();
    ensure!(
        found.len() == 1,
        "{} packages {prefix}*.deb in target/debian, where one is needed: scripts/package.sh",
        found.len()
    );
    Ok(found[0].clone())
}

/// The same package under another version, in a directory that is gone with the result.
pub fn as_version(package: &Path, version: &str) -> Result<(TempDir, PathBuf)> {
    let directory = TempDir::new()?;
    let tree = directory.path().join("tree");
    dpkg_deb(&["-R".as_ref(), package.as_os_str(), tree.as_os_str()])?;
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    let line = |line: &str| match line.starts_with("Version: ") {
        true => format!("Version: {version}\n"),
        false => format!("{line}\n"),
    };
    fs::write(&control, text.lines().map(line).collect::<String>())?;
    let name = package.file_name().context("a package has a name")?.to_string_lossy().into_owned();
    let (name, rest) = name.split_once('_').context("NAME_VERSION_ARCH")?;
    let (_, architecture) = rest.rsplit_once('_').context("NAME_VERSION_ARCH")?;
    let made = directory.path().join(format!("{name}_{version}_{architecture}"));
    dpkg_deb(&["-Zgzip".as_ref(), "-b".as_ref(), tree.as_os_str(), made.as_os_str()])?;
    Ok((directory, made))
}

fn dpkg_deb(arguments: &[&std::ffi::OsStr]) -> Result<()> {
    let output = Command::new("dpkg-deb").args(arguments).output().context("dpkg-deb")?;
    ensure!(output.status.success(), "dpkg-deb {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
