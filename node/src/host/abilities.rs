//! What a process may do on this host, in the words of operators.
//!
//! The rights of a process enter from `/proc/PID/status`; abilities leave, each with what it takes. It only
//! looks: nothing here gives a right up or asks for one. A security module may forbid more than shows here.

use std::fmt;
use std::fs;
use std::path::Path;

use super::Roots;

/// A capability of Linux (capabilities(7)); the number is its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Capability {
    /// Everything that file rights forbid.
    DacOverride = 1,
    /// Reading everything that file rights forbid.
    DacReadSearch = 2,
    /// Signals to processes of others.
    Kill = 5,
    /// Ports below 1024.
    NetBindService = 10,
    /// Raw sockets.
    NetRaw = 13,
    /// The inside of processes of others.
    SysPtrace = 19,
    /// Nice values of others, and better ones of one's own.
    SysNice = 23,
}

impl Capability {
    /// The name that manuals and unit files use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DacOverride => "CAP_DAC_OVERRIDE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::Kill => "CAP_KILL",
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::NetRaw => "CAP_NET_RAW",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysNice => "CAP_SYS_NICE",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a node can do for operators if it has the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ability {
    /// Signals to processes of every user.
    Signal,
    /// Nice values of every process.
    Renice,
    /// Executable, directory, environment names, files and sockets of every process.
    Details,
    /// The content of every file.
    ReadFiles,
    /// Changing every file.
    WriteFiles,
    /// Start, stop and enable systemd units.
    Units,
    /// Listen on a port below 1024.
    LowPorts,
    /// Ping, with a raw socket.
    Ping,
    /// Start programs in units of their own, which go on when the node ends.
    Outlive,
    /// Run what gains rights, such as sudo.
    GainRights,
}

impl Ability {
    /// Every one, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Signal,
        Self::Renice,
        Self::Details,
        Self::ReadFiles,
        Self::WriteFiles,
        Self::Units,
        Self::LowPorts,
        Self::Ping,
        Self::Outlive,
        Self::GainRights,
    ];
    /// What the restricted profile does without on purpose.
    pub const ROOTS_ALONE: [Self; 3] = [Self::WriteFiles, Self::Outlive, Self::GainRights];

    /// Completes "this node cannot ...".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Signal => "signal processes of other users",
            Self::Renice => "renice processes of other users",
            Self::Details => "look into processes of other users",
            Self::ReadFiles => "read every file",
            Self::WriteFiles => "change every file",
            Self::Units => "manage systemd units",
            Self::LowPorts => "listen on ports below 1024",
            Self::Ping => "ping with raw sockets",
            Self::Outlive => "start programs that outlive it",
            Self::GainRights => "run sudo and other set-user-id programs",
        }
    }

    /// What it takes.
    pub const fn needs(self) -> &'static str {
        match self {
            Self::Signal => Capability::Kill.as_str(),
            Self::Renice => Capability::SysNice.as_str(),
            Self::Details => Capability::SysPtrace.as_str(),
            Self::ReadFiles => Capability::DacReadSearch.as_str(),
            Self::WriteFiles => Capability::DacOverride.as_str(),
            Self::Units => "root or its polkit rule",
            Self::Outlive => "root",
            Self::LowPorts => Capability::NetBindService.as_str(),
            Self::Ping => Capability::NetRaw.as_str(),
            Self::GainRights => "no_new_privs unset",
        }
    }
}

/// The rights of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Effective user.
    pub uid: u32,
    /// Effective capabilities, a bit each.
    pub capabilities: u64,
    /// Whether neither it nor its children ever get more.
    pub no_new_privileges: bool,
    /// Whether a polkit rule of this host names its user.
    pub polkit_rule: bool,
}

impl Rights {
    /// Those of this process; of one that may do nothing if `/proc` does not say.
    pub fn own(roots: &Roots) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        Self::read(roots, "self").unwrap_or(Self { uid, ..Self::default() })
    }

    /// Those of another process; `None` if there is none that we see.
    pub fn of(roots: &Roots, pid: u32) -> Option<Self> {
        Self::read(roots, &pid.to_string())
    }

    fn read(roots: &Roots, process: &str) -> Option<Self> {
        let status = fs::read_to_string(roots.proc.join(process).join("status")).ok()?;
        let mut rights = Self::parse(&status)?;
        rights.polkit_rule = rights.uid != 0 && has_polkit_rule(roots, rights.uid);
        Some(rights)
    }

    /// From the text of `/proc/PID/status`.
    fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.trim())
        };
        Some(Self {
            uid: field("Uid")?.split_ascii_whitespace().nth(1)?.parse().ok()?,
            capabilities: u64::from_str_radix(field("CapEff")?, 16).ok()?,
            no_new_privileges: field("NoNewPrivs") == Some("1"),
            polkit_rule: false,
        })
    }

    /// Whether it has this capability.
    pub const fn has(&self, capability: Capability) -> bool {
        self.capabilities & (1 << capability as u8) != 0
    }

    /// Whether it can do that.
    pub const fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::Signal => self.has(Capability::Kill),
            Ability::Renice => self.has(Capability::SysNice),
            Ability::Details => self.has(Capability::SysPtrace),
            Ability::ReadFiles => self.has(Capability::DacReadSearch) || self.has(Capability::DacOverride),
            Ability::WriteFiles => self.has(Capability::DacOverride),
            Ability::Units => self.uid == 0 || self.polkit_rule,
            Ability::Outlive => self.uid == 0,
            Ability::LowPorts => self.has(Capability::NetBindService),
            Ability::Ping => self.has(Capability::NetRaw),
            Ability::GainRights => !self.no_new_privileges,
        }
    }

    /// What it cannot do. That sudo does not work is nothing to a process that may do everything.
    pub fn lacking(&self) -> Vec<Ability> {
        let missing: Vec<Ability> = Ability::ALL.into_iter().filter(|&ability| !self.can(ability)).collect();
        if missing == [Ability::GainRights] { Vec::new() } else { missing }
    }
}

/// Abilities as a list for people: what, and what it takes.
pub fn list(abilities: &[Ability]) -> String {
    let item = |ability: &Ability| format!("{} ({})", ability.words(), ability.needs());
    abilities.iter().map(item).collect::<Vec<_>>().join(", ")
}

/// Says once in the log what this node cannot do; nothing if it can do everything.
pub fn log(rights: &Rights) {
    let lacking = rights.lacking();
    if lacking.is_empty() {
        return;
    }
    let lacks = lacking.iter().map(|ability| ability.needs()).collect::<Vec<_>>().join(", ");
    tracing::info!(uid = rights.uid, lacks, "this node cannot: {}", list(&lacking));
}

/// Packages put rules into the one directory, administrators into the other, which not everybody may read.
fn has_polkit_rule(roots: &Roots, uid: u32) -> bool {
    let Some(user) = user_name(&roots.etc.join("passwd"), uid) else { return false };
    let quoted = format!("\"{user}\"");
    let directories = [roots.etc.join("polkit-1/rules.d"), "/usr/share/polkit-1/rules.d".into()];
    let files = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    let ours = files
        .map(|file| file.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("p2p")));
    ours.filter_map(|path| fs::read_to_string(path).ok()).any(|rule| rule.contains(&quoted))
}

fn user_name(passwd: &Path, uid: u32) -> Option<String> {
    let text = fs::read_to_string(passwd).ok()?;
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(uid.to_string().as_str()))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::FakeHost;

    const ALL_CAPABILITIES: &str = "000001ffffffffff";

    fn status(uid: u32, capabilities: &str, no_new_privileges: u8) -> String {
        format!(
            "Name:\tp2p-node\nUid:\t1000\t{uid}\t{uid}\t{uid}\nCapPrm:\tffff\nCapEff:\t{capabilities}\n\
             CapBnd:\tffff\nNoNewPrivs:\t{no_new_privileges}\n"
        )
    }

    #[test]
    fn root_lacks_nothing_and_says_nothing() {
        let rights = Rights::parse(&status(0, ALL_CAPABILITIES, 0)).unwrap();
        assert_eq!(rights.lacking(), []);
        // The unit of full administration sets it: its commands have every right already.
        let unit = Rights::parse(&status(0, ALL_CAPABILITIES, 1)).unwrap();
        assert_eq!(unit.lacking(), []);
    }

    #[test]
    fn each_ability_takes_its_capability() {
        let table = [
            (Ability::Signal, 5),
            (Ability::Renice, 23),
            (Ability::Details, 19),
            (Ability::ReadFiles, 2),
            (Ability::ReadFiles, 1),
            (Ability::WriteFiles, 1),
            (Ability::LowPorts, 10),
            (Ability::Ping, 13),
        ];
        for (ability, bit) in table {
            let without = Rights { uid: 990, ..Rights::default() };
            assert!(without.lacking().contains(&ability), "{ability:?}");
            let with = Rights { capabilities: 1 << bit, ..without };
            assert!(with.can(ability) && !with.lacking().contains(&ability), "{ability:?}");
        }
    }

    #[test]
    fn an_ordinary_user_lacks_everything_and_the_list_says_what_it_takes() {
        let rights = Rights::parse(&status(65_534, "0000000000000000", 1)).unwrap();
        assert_eq!(rights.lacking(), Ability::ALL);
        let text = list(&rights.lacking());
        for words in ["signal processes of other users (CAP_KILL)", "manage systemd units (root or"] {
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_polkit_rule_that_names_the_user_gives_it_the_units() {
        let host = FakeHost::new();
        host.write("etc/passwd", "root:x:0:0::/:/bin/sh\np2p-admin:x:990:990::/:/bin/false\n");
        host.write("proc/7/status", status(990, "0000000000000000", 0));
        let units = || Rights::of(&host.roots(), 7).unwrap().can(Ability::Units);
        assert!(!units());
        host.write("etc/polkit-1/rules.d/50-p2p-node.rules", "subject.user == \"p2p-admin\"");
        assert!(units());
        host.write("proc/7/status", status(991, "0000000000000000", 0));
        assert!(!units());
    }

    #[test]
    fn half_a_status_is_no_rights() {
        assert_eq!(Rights::parse("Uid:\t0\t0\t0\t0\n"), None);
        assert_eq!(Rights::parse(""), None);
        assert!(Rights::of(&Roots::default(), u32::MAX).is_none());
        assert_eq!(Rights::own(&Roots::default()).uid, rustix::process::geteuid().as_raw());
    }
}
