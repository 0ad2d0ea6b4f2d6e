//! Who may do what: permissions, roles, callers, and the proof a request carries.
//!
//! The table here is the one that the registry asks and README prints. A caller is made by the transport
//! from a live connection (or by a verified proof); nothing in a message can make one.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{NodeId, NodeName};

/// What a method needs. A method without one does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Read what a node says of itself and of the mesh.
    NodeRead,
    /// Change a node's labels, and so which selectors reach it.
    NodeLabel,
    /// Read processes: rows and details, never the values of their environment.
    ProcessRead,
    /// Signal and renice processes.
    ProcessControl,
    /// Read host figures.
    MonitorRead,
    /// Read who did what on a node.
    AuditRead,
    /// Read units: rows, details, and the text of their files as far as everybody on that machine may.
    UnitRead,
    /// Read the journal.
    JournalRead,
    /// Start, stop, restart, reload, enable, disable and mask units.
    UnitControl,
    /// Read supervised programs and their output, never the values of their environment.
    ProgramRead,
    /// Start, stop and restart the programs that are defined.
    ProgramControl,
    /// Read jobs: what is queued, runs and has ended, never what it wrote.
    JobRead,
    /// Call jobs off, have them done once more, forget them, and read what they wrote.
    JobControl,
    /// Read alerts, rules and silences, and ask what rules would say.
    AlertRead,
    /// Apply alert rules, silence and acknowledge alerts.
    AlertControl,
    /// Run anything: commands, jobs, and definitions of programs.
    Exec,
    /// Interactive terminals, and their recordings.
    Shell,
    /// Read what is known of files without reading them: names, sizes, owners, times.
    FileStat,
    /// Read contents of files.
    FileRead,
    /// Change, make and remove files.
    FileWrite,
    /// Read the tables of the network: interfaces, routes, neighbours, sockets.
    NetworkRead,
    /// Send look-ups and probes: names, ping, trace, throughput.
    NetworkProbe,
    /// Scan ports, as far as the local policy allows.
    NetworkScan,
}

impl Permission {
    /// Every permission, in the order of the table in README.
    pub const ALL: [Self; 23] = [
        Self::NodeRead,
        Self::MonitorRead,
        Self::ProcessRead,
        Self::ProgramRead,
        Self::UnitRead,
        Self::JournalRead,
        Self::JobRead,
        Self::AlertRead,
        Self::FileStat,
        Self::NetworkRead,
        Self::ProcessControl,
        Self::ProgramControl,
        Self::UnitControl,
        Self::JobControl,
        Self::NetworkProbe,
        Self::AlertControl,
        Self::NodeLabel,
        Self::Exec,
        Self::Shell,
        Self::FileRead,
        Self::FileWrite,
        Self::NetworkScan,
        Self::AuditRead,
    ];

    /// The least role that has it.
    pub const fn role(self) -> Role {
        match self {
            Self::NodeRead
            | Self::MonitorRead
            | Self::ProcessRead
            | Self::ProgramRead
            | Self::UnitRead
            | Self::JournalRead
            | Self::JobRead
            | Self::AlertRead
            | Self::FileStat
            | Self::NetworkRead => Role::Viewer,
            Self::ProcessControl
            | Self::ProgramControl
            | Self::UnitControl
            | Self::JobControl
            | Self::NetworkProbe
            | Self::AlertControl => Role::Operator,
            Self::NodeLabel
            | Self::Exec
            | Self::Shell
            | Self::AuditRead
            | Self::FileRead
            | Self::FileWrite
            | Self::NetworkScan => Role::Admin,
        }
    }

    /// The stable name, as in OpenAPI and the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NodeRead => "node_read",
            Self::NodeLabel => "node_label",
            Self::ProcessRead => "process_read",
            Self::ProcessControl => "process_control",
            Self::MonitorRead => "monitor_read",
            Self::AuditRead => "audit_read",
            Self::UnitRead => "unit_read",
            Self::JournalRead => "journal_read",
            Self::UnitControl => "unit_control",
            Self::ProgramRead => "program_read",
            Self::ProgramControl => "program_control",
            Self::JobRead => "job_read",
            Self::JobControl => "job_control",
            Self::AlertRead => "alert_read",
            Self::AlertControl => "alert_control",
            Self::Exec => "exec",
            Self::Shell => "shell",
            Self::FileStat => "file_stat",
            Self::FileRead => "file_read",
            Self::FileWrite => "file_write",
            Self::NetworkRead => "network_read",
            Self::NetworkProbe => "network_probe",
            Self::NetworkScan => "network_scan",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What an operator or a user is trusted with. Each role has all that the one before it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything except file contents.
    Viewer,
    /// Adds control of processes, programs, units and jobs, and alerts.
    Operator,
    /// Adds exec, shell, files, scans, users, audit, labels.
    Admin,
}

impl Role {
    /// Whether this role has `permission`.
    pub fn has(self, permission: Permission) -> bool {
        self >= permission.role()
    }

    /// The name, as in a certificate.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            "admin" => Ok(Self::Admin),
            _ => Err(UnknownRole),
        }
    }
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, operator or admin")]
pub struct UnknownRole;

/// Who asks, as the place that accepted the request established it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Another node, by its certificate: no authority beyond the mesh's own protocols (rule zero).
    Node {
        /// Hash of the key of this connection.
        id: NodeId,
        /// Name in its certificate.
        name: NodeName,
    },
    /// A person or a script with an operator's certificate.
    Operator {
        /// Hash of the operator's key.
        id: NodeId,
        /// Name in the certificate.
        name: NodeName,
        /// Role in the certificate.
        role: Role,
    },
    /// A password user of this node's HTTP face, good on this node alone.
    User {
        /// Login name.
        name: String,
        /// Role in the local store at the time of the request.
        role: Role,
    },
    /// Somebody on this machine, over the Unix socket.
    Unix {
        /// Effective user id that the kernel reports for the peer.
        uid: u32,
        /// For the record: `local:` and the user's name.
        name: String,
        /// What the node makes of that user; `None` for whom it does not let in.
        role: Option<Role>,
    },
}

impl Caller {
    /// The role, if this caller has authority at all.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Node { .. } => None,
            Self::Operator { role, .. } | Self::User { role, .. } => Some(*role),
            Self::Unix { role, .. } => *role,
        }
    }

    /// Whether this caller has `permission` by role. A node never has: default is deny.
    pub fn may(&self, permission: Permission) -> bool {
        self.role().is_some_and(|role| role.has(permission))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { name, id } => write!(f, "node {name} ({})", id.short()),
            Self::Operator { name, role, .. } => write!(f, "operator {name} ({role})"),
            Self::User { name, role } => write!(f, "user {name:?} ({role})"),
            Self::Unix { name, .. } => f.write_str(name),
        }
    }
}

/// What a request rests on besides the connection that it came by. The bytes are as they were sent: a
/// verifier checks them before anything reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: the certificate of the connection is the authority.
    #[default]
    Connection,
    /// An operator's token (a JWT signed by the operator's own key, chain inside).
    Token(Vec<u8>),
    /// A request signed by an operator, for work that outlives the connection.
    SignedRequest(Vec<u8>),
    /// An operator's grant that one node may ask another for one thing.
    Grant(Vec<u8>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_may_nothing() {
        let node = Caller::Node { id: NodeId::new([0; 32]), name: "web-1".parse().unwrap() };
        assert!(Permission::ALL.iter().all(|&permission| !node.may(permission)));
    }

    #[test]
    fn roles_only_add() {
        for permission in Permission::ALL {
            assert!(Role::Admin.has(permission));
            assert!(!Role::Viewer.has(permission) || Role::Operator.has(permission));
        }
        assert!(!Role::Viewer.has(Permission::ProcessControl));
        assert!(!Role::Operator.has(Permission::NodeLabel));
    }

    #[test]
    fn of_the_machines_own_users_only_root_may() {
        let local = |role| Caller::Unix { uid: 0, name: "local:root".into(), role };
        assert!(local(Some(Role::Admin)).may(Permission::NodeLabel));
        assert!(!local(None).may(Permission::NodeRead));
    }
}
