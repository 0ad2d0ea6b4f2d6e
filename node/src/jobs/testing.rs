//! Rows for tests.

use p2p_shared::services::job::{JobInfo, JobKind, JobOwner, JobPriority, JobState};
use p2p_shared::time::UnixMillis;

use super::table::Row;

/// A job in a state.
pub(crate) fn row(id: &str, state: JobState) -> Row {
    let info = JobInfo {
        id: id.parse().unwrap(),
        state,
        since: UnixMillis(1),
        detail: String::new(),
        kind: JobKind::Command,
        work: "true".into(),
        label: String::new(),
        owner: JobOwner { name: "ann".into(), id: None, role: None },
        submitted: UnixMillis(1),
        priority: JobPriority::Normal,
        start_by: None,
        again_at: None,
        started: None,
        ended: None,
        attempts: 0,
        attempts_max: 1,
        progress: None,
        exit: None,
    };
    Row { info, key: None }
}
