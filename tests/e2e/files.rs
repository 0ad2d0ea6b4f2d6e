//! Files through a node: what is seen and changed, who may, what the record says, and that what streams ends.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::rpc::client::{Call, ItemSource, MethodRef, Subscription};
use p2p_shared::rpc::codec::Encoding;
use p2p_shared::services::file::{
    FileContent, FileEvent, FileExpect, FileFound, FileHit, FilePath, FileSort, FileTail, FileUsage,
    SearchEnd,
};
use p2p_shared::services::{self, Services};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::audit::policy;
use crate::cluster::Cluster;
use crate::echo::soon;

fn path(path: impl AsRef<Path>) -> FilePath {
    FilePath::new(path.as_ref().as_os_str().as_bytes()).unwrap()
}

/// A node whose policy lets nobody reach anything but this directory.
async fn ground() -> (Cluster, TempDir) {
    let cluster = Cluster::start(1).await;
    let directory = tempfile::tempdir().unwrap();
    let roots = format!("file_roots = [{:?}]", directory.path());
    assert!(cluster.fuse(0).replace(policy(&roots)));
    (cluster, directory)
}

async fn all<T: DeserializeOwned>(mut watch: Subscription<T, impl ItemSource>) -> Vec<T> {
    let mut items = Vec::new();
    while let Some(item) = soon("an item", watch.next()).await.unwrap() {
        items.push(item);
    }
    items
}

#[tokio::test]
async fn an_edit_conflicts_when_somebody_else_was_quicker_and_can_be_undone() {
    let (cluster, directory) = ground().await;
    let (file, node) = (directory.path().join("app.conf"), cluster.admin(0));
    fs::write(&file, "port = 1\n").unwrap();
    let seen = node.file().read(path(&file), None, None).await.unwrap();
    assert_eq!((seen.content.0.as_slice(), seen.is_end), (&b"port = 1\n"[..], true));
    fs::write(&file, "port = 22\n").unwrap();
    let mine = FileContent(b"port = 3\n".to_vec());
    let files = node.file();
    let write = |expect| files.write(path(&file), mine.clone(), Some(expect), None);
    let error = write(FileExpect::Version(seen.version)).await.unwrap_err();
    assert_eq!(error.code, Code::Conflict, "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "port = 22\n");
    let seen = node.file().read(path(&file), None, None).await.unwrap();
    let written = write(FileExpect::Version(seen.version)).await.unwrap();
    let kept = node.file().undos(Some(path(&file))).await.unwrap();
    assert_eq!((kept.len(), kept[0].replaced_by.as_str()), (1, written.blake3.as_str()));
    node.file().undo(written.undo.unwrap()).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "port = 22\n");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn a_viewer_sees_what_there_is_and_not_what_is_in_it() {
    let (cluster, directory) = ground().await;
    fs::write(directory.path().join("f"), "hunter2").unwrap();
    let viewer = cluster.operator(Role::Viewer).node(cluster.name(0));
    let rows = viewer.file().list(path(directory.path()), None, None, None, None).await.unwrap().rows;
    assert_eq!((rows.len(), rows[0].version.size_bytes), (1, 7));
    let usage = all(viewer.file().usage(path(directory.path())).await.unwrap()).await;
    assert_eq!(usage.last().unwrap().entries, 2);
    let file = path(directory.path().join("f"));
    assert_eq!(viewer.file().read(file.clone(), None, None).await.unwrap_err().code, Code::Forbidden);
    let mut lines = viewer.file().follow(file, None).await.unwrap();
    assert_eq!(soon("a refusal", lines.next()).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn the_local_policy_holds_and_a_reload_counts_at_once() {
    let (cluster, directory) = ground().await;
    let node = cluster.admin(0);
    let error = node.file().read(path("/etc/passwd"), None, None).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);
    assert!(error.message.starts_with("denied: file roots: "), "{error}");
    assert!(error.message.contains(directory.path().to_str().unwrap()), "{error}");
    fs::write(directory.path().join("log"), "one\n").unwrap();
    let mut follow = node.file().follow(path(directory.path().join("log")), None).await.unwrap();
    assert_eq!(soon("a line", follow.next()).await.unwrap().unwrap().content.0, b"one\n");
    cluster.fuse(0).replace(policy("file_roots = []"));
    let ended = loop {
        match soon("the end", follow.next()).await {
            Ok(item) => assert!(item.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(ended.code, Code::Forbidden, "{ended}");
    assert_eq!(node.file().stat(path(directory.path()), None).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn contents_are_not_in_the_record_and_paths_are() {
    let (cluster, directory) = ground().await;
    let (node, file) = (cluster.admin(0), path(directory.path().join("f")));
    let large = FileContent([b"hunter2".repeat(30_000), vec![0xff; 40_000]].concat());
    node.file().write(file.clone(), large, None, None).await.unwrap();
    node.file().append(file, FileContent(b"hunter2".to_vec())).await.unwrap();
    for method in ["file.write", "file.append"] {
        let entries =
            node.audit().list(Some(format!("method:{method}")), None, Some(10)).await.unwrap().entries;
        assert_eq!(entries.len(), 1);
        assert!(!entries[0].arguments.contains("hunter2"), "{}", entries[0].arguments);
        assert!(
            entries[0].arguments.contains(directory.path().to_str().unwrap()),
            "{}",
            entries[0].arguments
        );
    }
}

#[tokio::test]
async fn a_name_that_is_no_text_is_one_in_json_too() {
    let (cluster, directory) = ground().await;
    let name = std::ffi::OsStr::from_bytes(b"\xff\n\x1b");
    fs::write(directory.path().join(name), "text").unwrap();
    let node = cluster.admin(0);
    let ask = async |method: &str, args: Value| {
        let spec = services::method(method).unwrap();
        let reference = MethodRef { encoding: Some(Encoding::Json), ..spec.into() };
        let answer = node.exchange(reference, &args).await.unwrap();
        serde_json::from_slice::<Value>(&answer.bytes).unwrap()
    };
    let page = ask("file.list", json!({ "path": directory.path() })).await;
    assert_eq!(page["rows"][0]["name"], "\0ff\n\u{1b}");
    let whole = format!("{}/{}", directory.path().display(), page["rows"][0]["name"].as_str().unwrap());
    assert_eq!(ask("file.read", json!({ "path": whole })).await["content"], "text");
    ask("file.remove", json!({ "path": whole })).await;
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let (cluster, directory) = ground().await;
    for index in 0..25 {
        fs::write(directory.path().join(format!("f{index:02}")), "").unwrap();
    }
    let viewer = cluster.operator(Role::Viewer).node(cluster.name(0));
    for sort in [None, Some(FileSort::None), Some(FileSort::Modified)] {
        let (mut names, mut cursor) = (Vec::new(), None);
        loop {
            let page =
                viewer.file().list(path(directory.path()), sort, None, cursor, Some(10)).await.unwrap();
            names.extend(page.rows.into_iter().map(|row| row.name.to_string()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 25, "{sort:?}");
    }
    let error = viewer.file().list(path(directory.path()), None, None, None, Some(9_999)).await.unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
}

#[tokio::test]
async fn a_search_streams_its_hits_and_says_why_it_ended() {
    let (cluster, directory) = ground().await;
    for index in 0..1_200 {
        fs::write(directory.path().join(format!("f{index}.log")), "fine\nERROR here\n").unwrap();
    }
    let (node, top) = (cluster.admin(0), path(directory.path()));
    let found = |items: Vec<FileFound>| {
        let end = items.last().unwrap().end;
        (items.into_iter().flat_map(|item| item.hits).collect::<Vec<FileHit>>(), end)
    };
    let files = node.file();
    let watch =
        files.find(top.clone(), Some("*.log".into()), None, None, None, Some(5_000), None).await.unwrap();
    let (hits, end) = found(all(watch).await);
    assert_eq!((hits.len(), end), (1_200, Some(SearchEnd::Complete)));
    let watch = files.grep(top.clone(), "error".into(), None, None, Some(700), None, None).await.unwrap();
    let (hits, end) = found(all(watch).await);
    assert_eq!((hits.len(), end), (700, Some(SearchEnd::Hits)));
    assert_eq!((hits[0].line, hits[0].text.0.as_slice()), (Some(2), &b"ERROR here"[..]));
    let mut watch =
        files.grep(top, "(x{1,1000}){1,1000}".into(), None, None, None, None, None).await.unwrap();
    assert_eq!(soon("a refusal", watch.next()).await.unwrap_err().code, Code::BadRequest);
}

#[tokio::test]
async fn a_followed_file_goes_on_past_its_rotation() {
    let (cluster, directory) = ground().await;
    let (file, node) = (directory.path().join("log"), cluster.admin(0));
    fs::write(&file, "one\ntwo\n").unwrap();
    let mut follow = node.file().follow(path(&file), Some(1)).await.unwrap();
    let mut next = async || {
        loop {
            let item = soon("a line", follow.next()).await.unwrap().unwrap();
            if !item.content.0.is_empty() {
                return (item.event, String::from_utf8(item.content.0).unwrap());
            }
        }
    };
    assert_eq!(next().await, (FileEvent::Grown, "two\n".into()));
    fs::rename(&file, directory.path().join("log.1")).unwrap();
    fs::write(&file, "three\n").unwrap();
    assert_eq!(next().await, (FileEvent::Replaced, "three\n".into()));
}

#[tokio::test]
async fn a_tree_is_removed_only_as_it_was_counted() {
    let (cluster, directory) = ground().await;
    let (tree, node) = (directory.path().join("tree"), cluster.admin(0));
    fs::create_dir_all(tree.join("a/b")).unwrap();
    let files = node.file();
    let error = files.remove(path(&tree), None).await.unwrap_err();
    assert_eq!(error.code, Code::Conflict);
    assert!(error.message.contains("file.usage"), "{error}");
    let counted: Vec<FileUsage> = all(files.usage(path(&tree)).await.unwrap()).await;
    let entries = counted.last().unwrap().entries;
    fs::write(tree.join("late"), "").unwrap();
    assert_eq!(files.remove(path(&tree), Some(entries)).await.unwrap_err().code, Code::Conflict);
    assert_eq!(files.remove(path(&tree), Some(entries + 1)).await.unwrap().entries, 4);
    assert!(!tree.exists());
}

#[tokio::test]
async fn a_file_of_any_bytes_is_followed_in_json_too() {
    let (cluster, directory) = ground().await;
    let (file, node) = (directory.path().join("log"), cluster.admin(0));
    // A byte that is no text is eight letters in JSON: all of it at once would not fit into one message.
    fs::write(&file, vec![0xff; 200 << 10]).unwrap();
    let method =
        MethodRef { encoding: Some(Encoding::Json), ..MethodRef::from(&services::file::follow::METHOD) };
    let mut opened = node.open(method, &json!({ "path": path(&file), "lines": 10 })).await.unwrap();
    let mut length = 0;
    while length < 200 << 10 {
        let item = soon("a piece", opened.source.next_item()).await.unwrap().expect("it goes on");
        let tail: FileTail = serde_json::from_slice(&item).unwrap();
        assert!(tail.content.0.is_empty() || tail.offset == length, "{} {length}", tail.offset);
        length += tail.content.0.len() as u64;
    }
}
