//! Who did what on simulated nodes.

use p2p_shared::access::Role;
use p2p_shared::services::audit::{AuditEntry, AuditKind};
use p2p_shared::time::UnixMillis;

use super::HOSTILE;
use crate::fleet::{AuditNews, Seal};

/// Who, with which role, what, with what, how it ended, why.
type Deed = (&'static str, Option<Role>, &'static str, &'static str, Option<&'static str>, &'static str);

const DEEDS: [Deed; 5] = [
    ("", None, "", "", None, "the node started"),
    ("alice", Some(Role::Admin), "unit.restart", "{\"name\":\"nginx.service\"}", Some("ok"), ""),
    (
        "bob",
        Some(Role::Viewer),
        "process.signal",
        "{\"pid\":812,\"signal\":\"kill\"}",
        Some("forbidden"),
        "the role viewer has no process.signal",
    ),
    ("alice", Some(Role::Admin), "file.write", "{\"path\":\"/etc/motd\"}", Some("conflict"), "it changed"),
    ("carol", Some(Role::Operator), "exec.run", "{\"command\":\"apt-get update\"}", None, ""),
];

fn entry((index, node): (usize, usize), begin: UnixMillis, hostile: bool) -> AuditEntry {
    let (who, role, method, arguments, code, message) = DEEDS[index];
    let text = |text: &str| if hostile { HOSTILE[index].to_owned() } else { text.to_owned() };
    AuditEntry {
        seq: 40 + index as u64,
        at: UnixMillis(begin.0 - (600 - index as u64 * 100 + node as u64 * 7) * 1_000),
        kind: match code {
            _ if method.is_empty() => AuditKind::Note,
            Some("forbidden") => AuditKind::Refused,
            _ => AuditKind::Call,
        },
        caller: if who.is_empty() { String::new() } else { "operator".into() },
        who: text(who),
        id: (!who.is_empty()).then(|| format!("{:064x}", 7_919 * (index + 1))),
        role,
        from: (!who.is_empty()).then(|| "192.0.2.7:41822".into()),
        method: method.into(),
        arguments: text(arguments),
        request_id: format!("{:032x}", index * 31 + node),
        code: code.map(Into::into),
        message: text(message),
        duration_ms: code.map(|_| 3 + index as u64 * 900),
    }
}

pub fn news(node: usize, begin: UnixMillis, hostile: bool) -> AuditNews {
    let entries = (0..DEEDS.len()).map(|index| entry((index, node), begin, hostile)).collect();
    let broken = (node % 8 == 2).then(|| "record 17 is another than the one before it says".to_owned());
    let seal = Seal { broken, held: 42, by: "db-1".parse().ok() };
    AuditNews { entries, seal: Some(seal) }
}
