//! What can be done with files: looked at, copied to another node, removed, brought back.

use p2p_shared::services::file::FileKind;

use super::FilesView;
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Item, Menu, Question};
use crate::command::{FileDeed, FilesOrder};
use crate::format::plural;
use crate::views::{Request, Scene};

/// The menu on the rows that are marked, or under the cursor.
pub(super) fn menu(view: &FilesView, scene: &Scene<'_>) -> Menu {
    let rows = view.targets();
    let title = match rows.as_slice() {
        [] => view.path.to_string(),
        [one] => view.below(&one.name).to_string(),
        many => format!("{} of {}", plural(many.len(), "name"), view.path),
    };
    let item = |key, text: &str, choice| Item { key, label: text.to_owned(), choice };
    let readonly = || "read-only: start without --readonly to act".to_owned();
    let single = || match (view.of, rows.as_slice()) {
        (Some(node), [row]) => Ok((node, *row)),
        (_, []) => Err("there is no name under the cursor".to_owned()),
        _ => Err("one file at a time".to_owned()),
    };
    let file = || match single()? {
        (node, row) if row.kind == FileKind::File => Ok((node, view.below(&row.name))),
        _ => Err("only of a regular file".to_owned()),
    };
    let order = |order: fn(_) -> FilesOrder| {
        file().map(|(node, path)| Choice::Do(Box::new(Request::Files(node, order(path)))))
    };
    let copy = || {
        let (node, row) = single()?;
        match row.kind {
            FileKind::File | FileKind::Directory => {
                Ok(Choice::Ask(Question::CopyFile(node, view.below(&row.name))))
            }
            _ => Err("only files and directories are copied".to_owned()),
        }
    };
    let acting = |choice: Result<Choice, String>| if scene.readonly { Err(readonly()) } else { choice };
    let removal = remove(view).ok_or_else(|| "there is no name under the cursor".to_owned());
    let items = vec![
        item('v', "view its beginning", order(FilesOrder::View)),
        item('t', "view its end", order(FilesOrder::Tail)),
        item('e', "edit it in $VISUAL or $EDITOR", acting(order(FilesOrder::Edit))),
        item('c', "copy to a node", acting(copy())),
        item('u', "undo: bring back the version before the last write", acting(undo(view))),
        item('D', "remove", acting(removal.map(|request| Choice::Do(Box::new(request))))),
    ];
    Menu::new(title, items)
}

fn undo(view: &FilesView) -> Result<Choice, String> {
    let (Some(node), Some(row)) = (view.of, view.row()) else {
        return Err("there is no file under the cursor".into());
    };
    let path = view.below(&row.name);
    let target = Target { node, name: path.to_string(), deed: Deed::File(FileDeed::Undo(path)) };
    let proposal = Proposal { verb: "Bring back the version before of".into(), targets: vec![target] };
    Ok(Choice::Do(Box::new(Request::Propose(proposal))))
}

/// Removes what is marked or under the cursor; the node refuses directories that are not empty.
pub(super) fn remove(view: &FilesView) -> Option<Request> {
    let node = view.of?;
    let rows = view.targets();
    let target = |row: &&p2p_shared::services::file::FileRow| {
        let path = view.below(&row.name);
        Target { node, name: path.to_string(), deed: Deed::File(FileDeed::Remove(path)) }
    };
    let targets: Vec<Target> = rows.iter().map(target).collect();
    (!targets.is_empty()).then(|| Request::Propose(Proposal { verb: "Remove".into(), targets }))
}
