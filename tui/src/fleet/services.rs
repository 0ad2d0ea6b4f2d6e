//! What nodes keep running: supervised programs and the units of systemd, in one list.

use p2p_shared::services::program::{ProgramInfo, ProgramState};
use p2p_shared::services::unit::{ActiveState, UnitInfo};

use crate::command::{ServiceKey, ServiceKind};

/// How the units are called in which programs run.
const PROGRAM_UNIT: &str = "p2p-program-";

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Service {
    /// A program that the node itself keeps running.
    Program(ProgramInfo),
    /// A unit of systemd.
    Unit(UnitInfo),
}

impl Service {
    /// What its node calls it.
    pub fn key(&self) -> ServiceKey {
        let (kind, name) = match self {
            Self::Program(program) => (ServiceKind::Program, program.name.to_string()),
            Self::Unit(unit) => (ServiceKind::Unit, unit.name.clone()),
        };
        ServiceKey { kind, name }
    }

    /// Whether it ended badly and stays so.
    pub const fn is_failed(&self) -> bool {
        match self {
            Self::Program(program) => matches!(program.state, ProgramState::Failed),
            Self::Unit(unit) => matches!(unit.active, ActiveState::Failed),
        }
    }

    /// Whether it is of the sort that one looks for first: no device, mount, slice and the like, and no unit in which
    /// a program runs that stands there itself.
    pub fn is_service(&self) -> bool {
        match self {
            Self::Program(_) => true,
            Self::Unit(unit) if unit.name.starts_with(PROGRAM_UNIT) => false,
            Self::Unit(unit) => {
                [".service", ".timer", ".socket"].iter().any(|kind| unit.name.ends_with(kind))
            }
        }
    }
}
