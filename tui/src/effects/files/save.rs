//! An edited text, written where it was read.

use p2p_shared::error::{Code, RpcError};
use p2p_shared::id::NodeId;
use p2p_shared::services::Services;
use p2p_shared::services::audit::{AuditEntry, AuditKind};
use p2p_shared::services::file::FilePath;
use p2p_shared::time::UnixMillis;

use super::whole;
use crate::edit::{Conflict, Edited, scratch};
use crate::effects::errand::Means;
use crate::effects::way::Way;
use crate::event::{FilesSaid, MeshEvent};

/// Entries of the audit record among which the last change is looked for.
const ENTRIES: u32 = 50;

/// Writes it, unless somebody else changed the file; then it is told what is there. The private file goes only
/// once the text is on the node.
pub(super) async fn save(means: &Means, node: NodeId, edited: Edited) -> Result<(), RpcError> {
    let Edited { path, expect, content, kept } = edited.clone();
    let writing = async { means.way.node(node).await?.file().write(path, content, Some(expect), None).await };
    let error = match writing.await {
        Ok(_) => {
            scratch::discard(&kept);
            return Ok(());
        }
        Err(error) => error,
    };
    if error.code == Code::Conflict {
        let conflict = Box::new(conflict(&means.way, node, edited).await);
        // The console ends: nobody looks any more.
        let _ = means.events.send(MeshEvent::Files { node, said: FilesSaid::Conflict(conflict) }).await;
    }
    Err(RpcError::new(error.code, format!("{}; your text is in {}", error.message, kept.display())))
}

async fn conflict(way: &Way, node: NodeId, edited: Edited) -> Conflict {
    let theirs = whole(way, node, &edited.path).await;
    let row = async { way.node(node).await?.file().stat(edited.path.clone(), Some(true)).await };
    let row = row.await.ok();
    let entries = async {
        way.node(node).await?.audit().list(Some("method:file.*".to_owned()), None, Some(ENTRIES)).await
    };
    // Not every operator may read the record, and whoever changed it on the machine itself is not in it.
    let entries = entries.await.map(|page| page.entries).unwrap_or_default();
    Conflict { by: author(&entries, &edited.path), edited, theirs, row }
}

/// Who changed a file last, of the newest entries.
fn author(entries: &[AuditEntry], path: &FilePath) -> Option<(String, UnixMillis)> {
    let name = serde_json::to_string(&path.to_text()).ok()?;
    let changed = |entry: &&AuditEntry| {
        entry.kind == AuditKind::Call
            && entry.code.as_deref() == Some("ok")
            && entry.arguments.contains(&name)
    };
    entries.iter().find(changed).map(|entry| (entry.who.clone(), entry.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(who: &str, path: &str, code: &str) -> AuditEntry {
        AuditEntry {
            seq: 1,
            at: UnixMillis(7),
            kind: AuditKind::Call,
            caller: "operator".into(),
            who: who.into(),
            id: None,
            role: None,
            from: None,
            method: "file.write".into(),
            arguments: format!("{{\"path\":\"{path}\",\"content\":\"...\"}}"),
            request_id: String::new(),
            code: Some(code.into()),
            message: String::new(),
            duration_ms: None,
        }
    }

    #[test]
    fn the_author_is_who_changed_that_file_last_and_was_let() {
        let entries = [
            entry("late", "/etc/x", "conflict"),
            entry("other", "/etc/x.conf", "ok"),
            entry("anna", "/etc/x", "ok"),
            entry("first", "/etc/x", "ok"),
        ];
        let path = "/etc/x".parse().unwrap();
        assert_eq!(author(&entries, &path), Some(("anna".to_owned(), UnixMillis(7))));
        assert_eq!(author(&entries[..2], &path), None);
    }
}
