//! What the node may do for operators: of the running one, else of one that this user would start.

use super::finding::Finding;
use super::running::Running;
use super::unit::Installed;
use crate::host::Roots;
use crate::host::abilities::{self, Ability, Rights};

const CHECK: &str = "rights";

/// Rights, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsFacts {
    /// The rights.
    pub rights: Rights,
    /// Whose.
    pub whose: Whose,
}

/// Whose rights are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The running node's.
    Node,
    /// This process's: a node that is started like it would have them.
    Ours,
    /// Those of a service that does not run, by its unit: the user, and `None` for root.
    Service(Option<String>),
}

pub(super) fn look(roots: &Roots, running: &Running, unit: Option<&Installed>) -> RightsFacts {
    if let Some(rights) = running.pid().and_then(|pid| Rights::of(roots, pid)) {
        return RightsFacts { rights, whose: Whose::Node };
    }
    let whose = unit.map_or(Whose::Ours, |unit| Whose::Service(unit.user.clone()));
    RightsFacts { rights: Rights::own(roots), whose }
}

/// What is to be said of them.
pub fn judge(facts: &RightsFacts) -> Finding {
    let uid = facts.rights.uid;
    let who = match &facts.whose {
        Whose::Node => format!("the running node, as user {uid}"),
        Whose::Ours => format!("a node started by user {uid}"),
        Whose::Service(None) => {
            return Finding::ok(CHECK, "the service runs as root: it can do all that operators ask for");
        }
        Whose::Service(Some(user)) => {
            let found = format!(
                "the service is restricted: it runs as user {user}; what it lacks shows while it runs"
            );
            return Finding::ok(CHECK, found);
        }
    };
    let lacking = facts.rights.lacking();
    if lacking.is_empty() {
        return Finding::ok(CHECK, format!("{who}, can do all that operators ask for"));
    }
    let found = format!("{who}, cannot: {}", abilities::list(&lacking));
    if facts.whose == Whose::Node && lacking.iter().all(|ability| Ability::ROOTS_ALONE.contains(ability)) {
        return Finding::ok(CHECK, format!("{found}: as the restricted profile has it"));
    }
    let action = match facts.whose {
        Whose::Node => {
            "nothing, if it is to be restricted; else run it as root: under systemd without the drop-in that sets User="
        }
        _ => "nothing, if it is to be restricted; else start it as root, or as the service does",
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
        assert_eq!(judge(&RightsFacts { rights: all, whose: Whose::Node }).verdict, Verdict::Ok);
        let few = Rights { uid: 990, ..Rights::default() };
        for whose in [Whose::Node, Whose::Ours] {
            let finding = judge(&RightsFacts { rights: few, whose });
            assert_eq!(finding.verdict, Verdict::Warn);
            assert!(finding.found.contains("as user 990") || finding.found.contains("by user 990"));
            assert!(finding.found.contains("signal processes of other users (CAP_KILL)"), "{finding:?}");
        }
        let six = [2, 5, 10, 13, 19, 23].iter().fold(0, |bits, bit| bits | 1 << bit);
        let restricted = Rights { capabilities: six, no_new_privileges: true, polkit_rule: true, ..few };
        let finding = judge(&RightsFacts { rights: restricted, whose: Whose::Node });
        assert!(finding.verdict == Verdict::Ok && finding.found.contains("CAP_DAC_OVERRIDE"), "{finding:?}");
        // Who looks at a service that does not run is not the service.
        for (user, words) in [(None, "as root"), (Some("p2p-admin".into()), "as user p2p-admin")] {
            let finding = judge(&RightsFacts { rights: few, whose: Whose::Service(user) });
            assert!(finding.verdict == Verdict::Ok && finding.found.contains(words), "{finding:?}");
        }
    }
}
