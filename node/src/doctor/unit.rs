//! The service of this node under systemd: whether it is installed, starts at boot, and runs.
//!
//! Unit files and one answer of `systemctl` enter; findings leave, and what the service reads that a shell
//! does not: its variables.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::command;
use super::finding::Finding;

/// The name of the unit.
pub const UNIT: &str = "p2p-node.service";
/// Where unit files are, the one that wins first.
const DIRECTORIES: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const CHECK: &str = "service";

/// What is known of the service from files alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Whether systemd runs this machine.
    pub systemd: bool,
    /// The unit, if it is installed.
    pub installed: Option<Installed>,
}

/// An installed unit with its drop-ins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// The unit file.
    pub path: PathBuf,
    /// Files that change it.
    pub drop_ins: Vec<PathBuf>,
    /// The user it runs as; `None` for root.
    pub user: Option<String>,
    /// Files of variables.
    pub environment_files: Vec<PathBuf>,
    /// Variables in the unit itself.
    pub environment: Vec<(String, String)>,
}

/// What systemd says of the unit now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    /// `active`, `failed`, `inactive`, `activating`.
    pub active: String,
    /// `enabled`, `disabled`.
    pub enabled: String,
    /// The last exit code of the program.
    pub exit_code: String,
    /// Starts after failures.
    pub restarts: String,
    /// The program's process, while it runs.
    pub main_pid: Option<u32>,
}

impl Unit {
    /// Reads the files.
    pub fn read() -> Self {
        Self { systemd: Path::new("/run/systemd/system").is_dir(), installed: Installed::find(&DIRECTORIES) }
    }
}

impl Installed {
    fn find<P: AsRef<Path>>(directories: &[P]) -> Option<Self> {
        let path = directories.iter().map(|dir| dir.as_ref().join(UNIT)).find(|path| path.is_file())?;
        let mut unit = Self { path, ..Self::default() };
        unit.take(&unit.path.clone());
        // A name in an earlier directory hides the same in a later one; all are read in the order of names.
        let mut drop_ins: Vec<PathBuf> = Vec::new();
        for directory in directories {
            let entries = fs::read_dir(directory.as_ref().join(format!("{UNIT}.d"))).into_iter().flatten();
            let files = entries.flatten().map(|entry| entry.path());
            for file in files.filter(|path| path.extension().is_some_and(|ext| ext == "conf")) {
                if !drop_ins.iter().any(|known| known.file_name() == file.file_name()) {
                    drop_ins.push(file);
                }
            }
        }
        drop_ins.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        for file in &drop_ins {
            unit.take(file);
        }
        unit.drop_ins = drop_ins;
        Some(unit)
    }

    fn take(&mut self, file: &Path) {
        let Ok(text) = fs::read_to_string(file) else { return };
        for line in text.lines().map(str::trim) {
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim();
            match key.trim() {
                "User" => {
                    self.user = Some(value.to_owned()).filter(|user| !user.is_empty() && user != "root")
                }
                "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
                "EnvironmentFile" => self.environment_files.push(value.trim_start_matches('-').into()),
                "Environment" if value.is_empty() => self.environment.clear(),
                "Environment" => self.environment.extend(assignments(value)),
                _ => {}
            }
        }
    }

    /// A variable of the unit itself.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        let found = self.environment.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into())
    }
}

/// `A=b "C=d e"`: assignments are separated by blanks, quotes hold one together.
fn assignments(text: &str) -> Vec<(String, String)> {
    let (mut found, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in text.chars().chain([' ']) {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if letter.is_whitespace() => {
                let assigned = std::mem::take(&mut word);
                found.extend(assigned.split_once('=').map(|(name, value)| (name.into(), value.into())));
            }
            _ => word.push(letter),
        }
    }
    found
}

/// What systemd says now; `None` if there is nobody to ask, or no answer.
pub(super) async fn state(unit: &Unit) -> Option<UnitState> {
    if !unit.systemd || unit.installed.is_none() {
        return None;
    }
    let properties = "--property=ActiveState,UnitFileState,ExecMainStatus,NRestarts,MainPID";
    Some(parse(&command::ask("systemctl", &["show", properties, UNIT]).await?))
}

fn parse(text: &str) -> UnitState {
    let property = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    UnitState {
        active: property("ActiveState"),
        enabled: property("UnitFileState"),
        exit_code: property("ExecMainStatus"),
        restarts: property("NRestarts"),
        main_pid: property("MainPID").parse().ok().filter(|&pid| pid != 0),
    }
}

/// What is to be said of the service.
pub fn judge(unit: &Unit, state: Option<&UnitState>) -> Finding {
    let Some(installed) = &unit.installed else {
        let why =
            if unit.systemd { "no p2p-node.service is installed" } else { "no systemd on this machine" };
        return Finding::ok(CHECK, format!("{why}: a node runs as long as `p2p-node run` does"));
    };
    let profile = match &installed.user {
        Some(user) => format!("as user {user} (restricted)"),
        None => "as root (full administration)".into(),
    };
    let about = format!("{} {profile}", installed.path.display());
    if !unit.systemd {
        return Finding::ok(CHECK, format!("{about}; systemd does not run here"));
    }
    let Some(state) = state else {
        return Finding::warn(
            CHECK,
            format!("{about}; systemctl does not answer"),
            format!("see `systemctl status {UNIT}`"),
        );
    };
    let UnitState { active, enabled, exit_code, restarts, .. } = state;
    let about = format!("{about}; {active}, {enabled}");
    match active.as_str() {
        "active" | "reloading" if enabled.starts_with("enabled") => Finding::ok(CHECK, about),
        "active" | "reloading" => Finding::warn(
            CHECK,
            format!("{about}: it will not start with the machine"),
            format!("systemctl enable {UNIT}"),
        ),
        "activating" if restarts != "0" => Finding::warn(
            CHECK,
            format!("{about}: it ended with code {exit_code} and was started anew {restarts} times"),
            format!("journalctl -u {UNIT} -n 20"),
        ),
        "activating" => Finding::ok(CHECK, about),
        "failed" => Finding::warn(
            CHECK,
            format!("{about}: it ended with code {exit_code}"),
            format!("mend what is wrong here, then: systemctl restart {UNIT}; journalctl -u {UNIT} -n 20"),
        ),
        _ => Finding::warn(CHECK, about, format!("systemctl enable --now {UNIT}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_unit_is_read_with_its_drop_ins() {
        let root = tempfile::tempdir().unwrap();
        let (etc, lib) = (root.path().join("etc"), root.path().join("lib"));
        for (path, text) in [
            (
                lib.join(UNIT),
                "[Service]\nEnvironmentFile=-/etc/p2p-admin/node.env\nEnvironment=A=1 'B=2 3'\n",
            ),
            (etc.join("p2p-node.service.d/50-restricted.conf"), "[Service]\nUser=p2p-admin\n"),
            (lib.join("p2p-node.service.d/50-restricted.conf"), "[Service]\nUser=hidden\n"),
            (
                etc.join("p2p-node.service.d/60-mine.conf"),
                "[Service]\nEnvironment=\nEnvironment=DHT_PORT=7\n",
            ),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let unit = Installed::find(&[&etc, &lib]).unwrap();
        assert_eq!(unit.path, lib.join(UNIT));
        assert_eq!(unit.user.as_deref(), Some("p2p-admin"));
        assert_eq!(unit.environment_files, [PathBuf::from("/etc/p2p-admin/node.env")]);
        assert_eq!((unit.variable("DHT_PORT"), unit.variable("A")), (Some("7".into()), None));
        assert_eq!(unit.drop_ins.len(), 2);
        assert_eq!(Installed::find(&[&etc]), None);
        assert_eq!(assignments("A=1 'B=2 3'"), [("A".into(), "1".into()), ("B".into(), "2 3".into())]);
    }

    #[test]
    fn each_state_of_the_service_has_its_word_and_its_step() {
        let unit = Unit { systemd: true, installed: Some(Installed::default()) };
        let state = |active: &str, enabled: &str, restarts: &str| UnitState {
            active: active.into(),
            enabled: enabled.into(),
            exit_code: "69".into(),
            restarts: restarts.into(),
            main_pid: None,
        };
        for (state, verdict, step) in [
            (Some(state("active", "enabled", "0")), Verdict::Ok, ""),
            (Some(state("active", "disabled", "0")), Verdict::Warn, "systemctl enable"),
            (Some(state("inactive", "disabled", "0")), Verdict::Warn, "enable --now"),
            (Some(state("failed", "enabled", "0")), Verdict::Warn, "restart"),
            (Some(state("activating", "enabled", "7")), Verdict::Warn, "journalctl"),
            (Some(state("activating", "enabled", "0")), Verdict::Ok, ""),
            (None, Verdict::Warn, "systemctl status"),
        ] {
            let finding = judge(&unit, state.as_ref());
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.action.unwrap_or_default().contains(step));
        }
        for unit in [Unit::default(), Unit { systemd: true, installed: None }] {
            assert_eq!(judge(&unit, None).verdict, Verdict::Ok);
        }
    }

    #[test]
    fn the_answer_of_systemctl_is_read() {
        let text = "ActiveState=failed\nUnitFileState=enabled\nExecMainStatus=78\nNRestarts=0\nMainPID=0\n";
        assert_eq!((parse(text).exit_code.as_str(), parse(text).main_pid), ("78", None));
        assert_eq!(parse("MainPID=7\n").main_pid, Some(7));
        assert_eq!(parse("nonsense"), UnitState::default());
    }
}
