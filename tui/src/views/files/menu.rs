//! What can be done with files: looked at, searched, copied to the other pane or another node, removed, brought back.

use p2p_shared::services::file::FileKind;

use super::FilesView;
use super::pane::Pane;
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Found, Item, Menu, Question};
use crate::command::{After, FileDeed, FilesOrder};
use crate::format::plural;
use crate::views::{Request, Scene};

/// The menu on the rows that are marked, or under the cursor.
pub(super) fn menu(view: &FilesView, scene: &Scene<'_>) -> Menu {
    let pane = view.pane();
    let rows = pane.targets();
    let title = match rows.as_slice() {
        [] => pane.path.to_string(),
        [one] => pane.below(&one.name).to_string(),
        many => format!("{} of {}", plural(many.len(), "name"), pane.path),
    };
    let item = |key, text: &str, choice| Item { key, label: text.to_owned(), choice };
    let readonly = || "read-only: start without --readonly to act".to_owned();
    let single = || match (pane.of, rows.as_slice()) {
        (Some(node), [row]) => Ok((node, *row)),
        (_, []) => Err("there is no name under the cursor".to_owned()),
        _ => Err("one file at a time".to_owned()),
    };
    let file = || match single()? {
        (node, row) if row.kind == FileKind::File => Ok((node, pane.below(&row.name))),
        _ => Err("only of a regular file".to_owned()),
    };
    let order = |order: fn(_) -> FilesOrder| {
        file().map(|(node, path)| Choice::Do(Box::new(Request::Files(node, order(path)))))
    };
    let copy = || {
        let (node, row) = single()?;
        match row.kind {
            FileKind::File | FileKind::Directory => {
                Ok(Choice::Ask(Question::CopyFile(node, pane.below(&row.name))))
            }
            _ => Err("only files and directories are copied".to_owned()),
        }
    };
    let acting = |choice: Result<Choice, String>| if scene.readonly { Err(readonly()) } else { choice };
    let removal = remove(pane).ok_or_else(|| "there is no name under the cursor".to_owned());
    let moved = view.copy_over(scene, After::Remove);
    let over = format!("copy to the other pane, {}", view.other().heading(scene));
    let items = vec![
        item('v', "view its beginning", order(FilesOrder::View)),
        item('t', "view its end", order(FilesOrder::Tail)),
        item('e', "edit it in $VISUAL or $EDITOR", acting(order(FilesOrder::Edit))),
        item('c', &over, acting(Ok(Choice::Do(Box::new(view.copy_over(scene, After::Keep)))))),
        item('m', "move to the other pane", acting(Ok(Choice::Do(Box::new(moved))))),
        item('n', "copy to a node, under the same or another path", acting(copy())),
        item('f', "find names below this directory", searching(pane, Found::Names)),
        item('g', "find lines in the files below this directory", searching(pane, Found::Lines)),
        item('u', "undo: bring back the version before the last write", acting(undo(pane))),
        item('D', "remove", acting(removal.map(|request| Choice::Do(Box::new(request))))),
    ];
    Menu::new(title, items)
}

/// What can be searched for below the directory that is shown.
pub(super) fn find(view: &FilesView, scene: &Scene<'_>) -> Menu {
    let pane = view.pane();
    let item = |key, text: &str, what| Item { key, label: text.to_owned(), choice: searching(pane, what) };
    let items = vec![
        item('n', "names: a part of one, or a pattern such as *.conf", Found::Names),
        item('l', "lines in files: a regular expression", Found::Lines),
    ];
    Menu::new(format!("find below {}", pane.heading(scene)), items)
}

fn searching(pane: &Pane, what: Found) -> Result<Choice, String> {
    let node = pane.of.ok_or_else(|| "there is no node to search on".to_owned())?;
    Ok(Choice::Ask(Question::Find { node, path: pane.path.clone(), what }))
}

fn undo(pane: &Pane) -> Result<Choice, String> {
    let (Some(node), Some(row)) = (pane.of, pane.row()) else {
        return Err("there is no file under the cursor".into());
    };
    let path = pane.below(&row.name);
    let target = Target { node, name: path.to_string(), deed: Deed::File(FileDeed::Undo(path)) };
    let proposal = Proposal { verb: "Bring back the version before of".into(), targets: vec![target] };
    Ok(Choice::Do(Box::new(Request::Propose(proposal))))
}

/// Removes what is marked or under the cursor; the node refuses directories that are not empty.
pub(super) fn remove(pane: &Pane) -> Option<Request> {
    let node = pane.of?;
    let rows = pane.targets();
    let target = |row: &&p2p_shared::services::file::FileRow| {
        let path = pane.below(&row.name);
        Target { node, name: path.to_string(), deed: Deed::File(FileDeed::Remove(path)) }
    };
    let targets: Vec<Target> = rows.iter().map(target).collect();
    (!targets.is_empty()).then(|| Request::Propose(Proposal { verb: "Remove".into(), targets }))
}
