//! What the node may do for operators: of the running one, else of one that this user would start.

use super::finding::Finding;
use super::running::Running;
use crate::host::Roots;
use crate::host::abilities::{self, Rights};

const CHECK: &str = "rights";

/// Whose rights they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsFacts {
    /// The rights.
    pub rights: Rights,
    /// The running node; `None` for this process itself.
    pub pid: Option<u32>,
}

pub(super) fn look(roots: &Roots, running: &Running) -> RightsFacts {
    let of_node = running.pid().and_then(|pid| Some((Rights::of(roots, pid)?, pid)));
    match of_node {
        Some((rights, pid)) => RightsFacts { rights, pid: Some(pid) },
        None => RightsFacts { rights: Rights::own(roots), pid: None },
    }
}

/// What is to be said of them.
pub fn judge(facts: &RightsFacts) -> Finding {
    let uid = facts.rights.uid;
    let who = match facts.pid {
        Some(_) => format!("the running node, as user {uid}"),
        None => format!("a node started by user {uid}"),
    };
    let lacking = facts.rights.lacking();
    if lacking.is_empty() {
        return Finding::ok(CHECK, format!("{who}: can do all that operators ask for"));
    }
    let found = format!("{who} cannot: {}", abilities::list(&lacking));
    let action = match facts.pid {
        Some(_) => {
            "nothing, if it is to be restricted; else run it as root: under systemd without the drop-in that sets User="
        }
        None => "nothing, if it is to be restricted; else start it as root, or as the service does",
    };
    Finding::warn(CHECK, found, action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_a_node_lacks_is_named_and_is_no_failure() {
        let all = Rights { capabilities: u64::MAX, ..Rights::default() };
        assert_eq!(judge(&RightsFacts { rights: all, pid: Some(7) }).verdict, Verdict::Ok);
        let few = Rights { uid: 990, ..Rights::default() };
        for pid in [Some(7), None] {
            let finding = judge(&RightsFacts { rights: few, pid });
            assert_eq!(finding.verdict, Verdict::Warn);
            assert!(finding.found.contains("as user 990") || finding.found.contains("by user 990"));
            assert!(finding.found.contains("signal processes of other users (CAP_KILL)"), "{finding:?}");
        }
    }
}
