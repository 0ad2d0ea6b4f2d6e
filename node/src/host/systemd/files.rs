//! The text of unit files, bounded. The paths are systemd's own; what not everybody on the machine may read is
//! not shown, because passwords stand in such files.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use p2p_shared::services::unit::{UnitFile, UnitFilePart};

use super::bus::UNIT;
use super::name::UnitName;
use super::units::info;
use super::{Systemd, SystemdError};

/// Longest text of one file.
const TEXT_BYTES_MAX: u64 = 64 << 10;
/// Most files of one unit.
const PARTS_MAX: usize = 64;
/// Read by everybody.
const MODE_OTHERS_READ: u32 = 0o004;

impl Systemd {
    /// The file of a unit and its drop-ins.
    ///
    /// # Errors
    /// [`SystemdError::NoSuchUnit`], or if systemd is not there or does not answer.
    pub async fn file(&self, unit: &UnitName) -> Result<UnitFile, SystemdError> {
        let bus = self.bus().await?;
        info(&bus, unit).await?;
        let fragment: Option<String> = bus.property(unit.as_str(), UNIT, "FragmentPath").await;
        let drop_ins: Vec<String> =
            bus.property(unit.as_str(), UNIT, "DropInPaths").await.unwrap_or_default();
        let paths = fragment.into_iter().filter(|path| !path.is_empty()).chain(drop_ins).take(PARTS_MAX);
        let paths: Vec<String> = paths.collect();
        let read = tokio::task::spawn_blocking(move || paths.into_iter().map(part).collect()).await;
        // The task cannot be cancelled and does not panic; if the runtime ends, nobody reads the answer.
        Ok(UnitFile { unit: unit.to_string(), parts: read.unwrap_or_default() })
    }
}

fn part(path: String) -> UnitFilePart {
    match text(&path) {
        Ok((text, is_cut)) => UnitFilePart { path, text, is_cut, missing: None },
        Err(why) => UnitFilePart { path, text: String::new(), is_cut: false, missing: Some(why) },
    }
}

fn text(path: &str) -> Result<(String, bool), String> {
    let failed = |error: std::io::Error| error.to_string();
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        // A masked unit is a link to /dev/null.
        return Err("it is no file".into());
    }
    if metadata.permissions().mode() & MODE_OTHERS_READ == 0 {
        return Err("not everybody on that machine may read it, so it is not shown".into());
    }
    let mut bytes = Vec::new();
    file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    let is_cut = bytes.len() as u64 > TEXT_BYTES_MAX;
    bytes.truncate(TEXT_BYTES_MAX as usize);
    Ok((String::from_utf8_lossy(&bytes).into_owned(), is_cut))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_not_everybody_may_read_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.service");
        let shown = path.to_str().unwrap().to_owned();
        fs::write(&path, "[Service]\nEnvironment=PASSWORD=x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(part(shown.clone()).missing.unwrap().contains("not shown"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(part(shown.clone()).text.starts_with("[Service]"));
        fs::write(&path, "x".repeat(100_000)).unwrap();
        let cut = part(shown);
        assert!(cut.is_cut && cut.text.len() == 64 << 10);
        assert!(part("/dev/null".into()).missing.is_some());
    }
}
