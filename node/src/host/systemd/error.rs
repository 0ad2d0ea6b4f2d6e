//! How systemd can refuse or fail, and what a caller is told.

use p2p_shared::error::RpcError;

/// Why it did not do, or could not say, what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SystemdError {
    /// Another init runs this machine, or none.
    #[error("there is no systemd on this machine: it has no units and no journal")]
    Absent,
    /// systemd is there, its bus is not.
    #[error("systemd cannot be asked, because the system bus does not answer: {0}; is dbus installed?")]
    Unreachable(String),
    /// Bad name or setting; nobody was asked.
    #[error("{0}")]
    Invalid(String),
    /// No such unit, loaded or on the disk.
    #[error("there is no unit {0}")]
    NoSuchUnit(String),
    /// The rights of the node do not reach that far.
    #[error("denied: polkit: it refused this node to {what}: {words}; see `p2p-node doctor` there")]
    Denied {
        /// Verb and unit.
        what: String,
        /// What the bus said.
        words: String,
    },
    /// The node will not do that to itself unless told twice.
    #[error(
        "denied: node: to {0} would take this node out of the mesh for good; `force` does it all the same"
    )]
    OwnUnit(String),
    /// systemd itself says no.
    #[error("systemd refused to {what}: {words}")]
    Refused {
        /// Verb and unit.
        what: String,
        /// What it said.
        words: String,
    },
    /// Too many watch already.
    #[error("32 callers watch the units of this node already")]
    Crowded,
    /// The connection broke while something was awaited.
    #[error("the connection to systemd broke while it was asked to {0}: what came of it is unknown")]
    Broken(String),
}

impl SystemdError {
    /// What an error of the bus means for `what`, a verb and a unit.
    pub(super) fn of(what: &str, error: &zbus::Error) -> Self {
        let what = what.to_owned();
        match error {
            zbus::Error::InputOutput(_) => Self::Broken(what),
            zbus::Error::MethodError(name, words, _) => {
                let words = words.clone().unwrap_or_else(|| name.to_string());
                match name.as_str() {
                    "org.freedesktop.systemd1.NoSuchUnit" => Self::NoSuchUnit(unit_of(&what)),
                    _ => Self::Refused { what, words },
                }
            }
            zbus::Error::FDO(error) => match error.as_ref() {
                zbus::fdo::Error::AccessDenied(words)
                | zbus::fdo::Error::InteractiveAuthorizationRequired(words)
                | zbus::fdo::Error::AuthFailed(words) => Self::Denied { what, words: words.clone() },
                zbus::fdo::Error::Disconnected(_) => Self::Broken(what),
                other => Self::Refused { what, words: other.to_string() },
            },
            other => Self::Refused { what, words: other.to_string() },
        }
    }
}

fn unit_of(what: &str) -> String {
    what.rsplit(' ').next().unwrap_or(what).to_owned()
}

impl From<SystemdError> for RpcError {
    fn from(error: SystemdError) -> Self {
        let message = error.to_string();
        match error {
            SystemdError::Absent => Self::unsupported(message),
            SystemdError::Invalid(_) => Self::bad_request(message),
            SystemdError::NoSuchUnit(_) => Self::not_found(message),
            SystemdError::Denied { .. } | SystemdError::OwnUnit(_) => Self::forbidden(message),
            SystemdError::Refused { .. } => Self::conflict(message),
            SystemdError::Unreachable(_) | SystemdError::Crowded | SystemdError::Broken(_) => {
                Self::unavailable(message)
            }
        }
    }
}
