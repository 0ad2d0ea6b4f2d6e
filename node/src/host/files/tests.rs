mod paths;
mod search;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use p2p_shared::error::{Code, RpcError};
use p2p_shared::services::file::{FileEvent, FileExpect, FileKind, FileSort, SearchEnd};

use super::error::FileError;
use super::follow::Follower;
use super::search::{Findings, Question, Search};
use super::testing::{Ground, path};
use super::tree::{self, Depth};
use super::write::{Order, write};
use super::*;

fn code<T: std::fmt::Debug>(result: Result<T, FileError>) -> Code {
    RpcError::from(result.unwrap_err()).code
}

fn order() -> Order {
    Order { expect: None, mode: None }
}

fn question() -> Question {
    Question {
        depth: 256,
        hits: 1_000,
        time: Duration::from_secs(60),
        read_bytes: 1 << 30,
        ..Question::default()
    }
}

fn search(
    ground: &Ground,
    path: &p2p_shared::services::file::FilePath,
    question: Question,
) -> Result<(Vec<String>, SearchEnd), FileError> {
    let findings = Findings::new(ground.gone.clone());
    Search::new(question)?.run(&ground.jail, path, &findings)?;
    findings.finish();
    let found = findings.take(usize::MAX);
    let top = path.as_bytes().len();
    let name = |hit: &p2p_shared::services::file::FileHit| {
        String::from_utf8_lossy(&hit.path.as_bytes()[top..]).trim_start_matches('/').to_owned()
            + &hit.line.map(|line| format!(":{line}")).unwrap_or_default()
    };
    let mut names: Vec<_> = found.hits.iter().map(name).collect();
    names.sort_unstable();
    Ok((names, found.end.unwrap()))
}

fn read_text(ground: &Ground, name: &str) -> Result<String, FileError> {
    let chunk = read::read(&ground.jail, &ground.path(name), 0, 1_000)?;
    Ok(String::from_utf8(chunk.content.0).unwrap())
}

#[test]
fn only_regular_files_are_opened() {
    let ground = Ground::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        ground.root("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(ground.root("socket")).unwrap();
    let began = Instant::now();
    for name in ["fifo", "socket"] {
        assert_eq!(code(read_text(&ground, name)), Code::BadRequest, "{name}");
        let written =
            write((&ground.jail, &ground.undos), &ground.path(name), &b"x"[..], &order(), &ground.gone);
        assert_eq!(code(written), Code::BadRequest, "{name}");
        assert_eq!(code(write::append(&ground.jail, &ground.path(name), b"x")), Code::BadRequest, "{name}");
    }
    let whole = jail::Jail::new(None, std::sync::Arc::default());
    for (name, expected) in [
        ("/dev/zero", Code::BadRequest),
        ("/proc/kcore", Code::Forbidden),
        ("/proc/self/mem", Code::Forbidden),
    ] {
        assert_eq!(code(read::read(&whole, &path(name), 0, 10)), expected, "{name}");
    }
    for name in ["/proc/sysrq-trigger", "/proc/sys/vm/swappiness", "/sys/kernel/mm/ksm/run"] {
        assert_eq!(code(write::append(&whole, &path(name), b"1")), Code::Forbidden, "{name}");
    }
    // Of size 0, and read all the same.
    let chunk = read::read(&whole, &path("/proc/self/status"), 0, 100_000).unwrap();
    assert!(chunk.content.0.starts_with(b"Name:") && chunk.is_end && chunk.version.size_bytes == 0);
    assert!(read::tail(&whole, &path("/proc/self/status"), 1, 100_000).unwrap().content.0.len() > 5);
    assert!(began.elapsed() < Duration::from_secs(5), "nothing blocks");
}

#[test]
fn sizes_around_the_chunk_are_read_exactly() {
    let ground = Ground::new();
    for (size, is_end) in [(0, true), (1, true), (64, true), (65, false)] {
        fs::write(ground.root("f"), vec![7; size]).unwrap();
        let chunk = read::read(&ground.jail, &ground.path("f"), 0, 64).unwrap();
        assert_eq!((chunk.content.0.len(), chunk.is_end), (size.min(64), is_end), "{size}");
    }
    fs::File::create(ground.root("sparse")).unwrap().set_len(1 << 40).unwrap();
    let chunk = read::read(&ground.jail, &ground.path("sparse"), (1 << 40) - 3, 64).unwrap();
    assert_eq!((chunk.content.0, chunk.is_end), (vec![0; 3], true));
    assert!(read::read(&ground.jail, &ground.path("sparse"), u64::MAX - 1, 64).is_err());
}

#[test]
fn names_of_any_bytes_are_listed_read_and_removed() {
    use std::os::unix::ffi::OsStrExt;
    let ground = Ground::new();
    let names: [&[u8]; 5] =
        [b"\xff\xfe", b"a\nb\t\x1b[2J", "\u{202e}txt".as_bytes(), "e\u{301}".as_bytes(), "\u{e9}".as_bytes()];
    for name in names {
        fs::write(ground.root("").join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let question = list::Question { sort: FileSort::Name, reverse: false, cursor: None, limit: 10 };
    let page = list::list(&ground.jail, &ground.path(""), &question, &ground.gone).unwrap();
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(page.rows.iter().map(|row| row.name.as_bytes()).collect::<Vec<_>>(), sorted);
    for name in names {
        let whole = [ground.root("").as_os_str().as_bytes(), name].concat();
        let asked = p2p_shared::services::file::FilePath::new(whole).unwrap();
        assert_eq!(read::read(&ground.jail, &asked, 0, 100).unwrap().content.0, name);
        tree::remove(&ground.jail, &asked, None, &ground.gone).unwrap();
    }
    assert_eq!(fs::read_dir(ground.root("")).unwrap().count(), 0);
}

#[test]
fn pages_of_every_order_add_up_to_the_whole() {
    let ground = Ground::new();
    for index in 0..257 {
        fs::write(ground.root(&format!("f{index}")), vec![0; (index * 7) % 50]).unwrap();
    }
    for (sort, reverse) in [
        (FileSort::Name, false),
        (FileSort::Name, true),
        (FileSort::Size, false),
        (FileSort::Modified, true),
        (FileSort::None, false),
    ] {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let question = list::Question { sort, reverse, cursor, limit: 50 };
            let page = list::list(&ground.jail, &ground.path(""), &question, &ground.gone).unwrap();
            assert!(page.rows.len() <= 50);
            rows.extend(page.rows);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let mut names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
        if sort == FileSort::Size {
            assert!(rows.is_sorted_by(|a, b| a.version.size_bytes >= b.version.size_bytes));
        }
        if sort == FileSort::Name {
            assert!(names.is_sorted_by(|a, b| if reverse { a > b } else { a < b }));
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 257, "{sort:?} {reverse}");
    }
    for cursor in ["x", "zz.00", "0.0", "-1"] {
        let question =
            list::Question { sort: FileSort::Name, reverse: false, cursor: Some(cursor.into()), limit: 5 };
        let listed = list::list(&ground.jail, &ground.path(""), &question, &ground.gone);
        assert_eq!(code(listed), Code::BadRequest, "{cursor}");
    }
}

#[test]
fn a_write_keeps_mode_and_owner_and_can_be_undone() {
    let ground = Ground::new();
    let (jail, undos, gone) = (&ground.jail, &ground.undos, &ground.gone);
    let file = ground.path("conf");
    let first =
        write((jail, undos), &file, &b"one"[..], &Order { mode: Some(0o640), expect: None }, gone).unwrap();
    assert_eq!((first.undo, fs::metadata(ground.root("conf")).unwrap().mode() & 0o7777), (None, 0o640));
    fs::set_permissions(ground.root("conf"), fs::Permissions::from_mode(0o4751)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(ground.root("conf"), Some(12), Some(34)).unwrap();
        fs::set_permissions(ground.root("conf"), fs::Permissions::from_mode(0o4751)).unwrap();
    }
    let before = fs::metadata(ground.root("conf")).unwrap();
    symlink("conf", ground.root("link")).unwrap();
    let second = write((jail, undos), &ground.path("link"), &b"two"[..], &order(), gone).unwrap();
    let after = fs::metadata(ground.root("conf")).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert!(fs::symlink_metadata(ground.root("link")).unwrap().is_symlink(), "its target was written");
    let id = second.undo.unwrap();
    let kept = ground.top.path().join("data/undo");
    assert!(
        fs::read_dir(&kept).unwrap().all(|entry| entry.unwrap().metadata().unwrap().mode() & 0o777 == 0o600)
    );
    assert_eq!(undos.all(None).len(), 1);
    let undone = undos.undo(jail, &id, gone).unwrap();
    assert_eq!((read_text(&ground, "conf").unwrap().as_str(), undone.blake3), ("one", first.blake3));
    assert_eq!(code(undos.undo(jail, &id, gone)), Code::NotFound, "it is used up");
    // The undo can be undone, but not over what somebody else wrote.
    fs::write(ground.root("conf"), "three").unwrap();
    assert_eq!(code(undos.undo(jail, &undone.undo.unwrap(), gone)), Code::Conflict);
    let names: Vec<_> =
        fs::read_dir(ground.root("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no draft is left: {names:?}");
}

#[test]
fn a_write_over_another_version_conflicts() {
    let ground = Ground::new();
    let (file, gone) = (ground.path("f"), &ground.gone);
    let put = |text: &[u8], expect| {
        let order = Order { expect: Some(expect), mode: None };
        write((&ground.jail, &ground.undos), &file, text, &order, gone)
    };
    let first = put(b"one", FileExpect::Absent).unwrap();
    assert_eq!(code(put(b"x", FileExpect::Absent)), Code::Conflict);
    let second = put(b"two", FileExpect::Version(first.version)).unwrap();
    assert_eq!(code(put(b"x", FileExpect::Version(first.version))), Code::Conflict);
    assert_eq!(code(put(b"x", FileExpect::Blake3(first.blake3))), Code::Conflict);
    put(b"three", FileExpect::Blake3(second.blake3)).unwrap();
    assert_eq!(read_text(&ground, "f").unwrap(), "three");
    fs::remove_file(ground.root("f")).unwrap();
    assert_eq!(code(put(b"x", FileExpect::Version(second.version))), Code::Conflict);
    assert_eq!(fs::read_dir(ground.root("")).unwrap().count(), 0);
}

#[test]
fn the_nodes_own_things_are_not_touched() {
    let ground = Ground::new();
    fs::create_dir(ground.top.path().join("data/keys")).unwrap();
    fs::write(ground.top.path().join("data/keys/key"), "key").unwrap();
    let own = |name: &str| path(ground.top.path().join(name).to_str().unwrap());
    let key = own("data/keys/key");
    symlink(ground.top.path().join("data/keys"), ground.root("keys")).unwrap();
    assert_eq!(code(read::read(&ground.jail, &key, 0, 9)), Code::Forbidden);
    assert_eq!(code(read_text(&ground, "keys/key")), Code::Forbidden);
    let copied = tree::copy(&ground.jail, (&own("data/keys"), &ground.path("c")), Depth::Tree, &ground.gone);
    assert_eq!(code(copied), Code::Forbidden);
    assert_eq!(code(change::chmod(&ground.jail, &key, 0o777)), Code::Forbidden);
    assert_eq!(code(tree::remove(&ground.jail, &own("data/keys"), Some(2), &ground.gone)), Code::Forbidden);
    let moved = change::rename(&ground.jail, &own("data/keys"), &ground.path("k"), change::Over::Never);
    assert_eq!(code(moved), Code::Forbidden);
    let whole = jail::Jail::new(
        None,
        std::sync::Arc::new(reserved::Reserved::of_node(&ground.root(""), &reserved::Own::default())),
    );
    let program = path(std::env::current_exe().unwrap().to_str().unwrap());
    let above = path(std::env::current_exe().unwrap().parent().unwrap().to_str().unwrap());
    assert_eq!(code(write::append(&whole, &program, b"x")), Code::Forbidden);
    assert_eq!(code(change::rename(&whole, &above, &path("/tmp/x"), change::Over::Never)), Code::Forbidden);
    assert_eq!(
        code(search(&ground, &own("data"), Question { line: Some("key".into()), ..question() })),
        Code::Forbidden
    );
}

#[test]
fn what_the_configuration_names_is_not_touched_nor_made() {
    let ground = Ground::new();
    for directory in ["pki", "conf"] {
        fs::create_dir(ground.root(directory)).unwrap();
    }
    fs::write(ground.root("pki/node.key"), "key").unwrap();
    let own = reserved::Own {
        secret: vec![ground.root("pki")],
        fixed: vec![ground.root("conf/node.toml"), ground.root("units/node.d")],
    };
    let reserved = reserved::Reserved::of_node(&ground.top.path().join("data"), &own);
    let jail = jail::Jail::new(None, std::sync::Arc::new(reserved));
    let in_root = |name: &str| ground.path(name);
    assert_eq!(code(read::read(&jail, &in_root("pki/node.key"), 0, 9)), Code::Forbidden);
    assert_eq!(code(write::append(&jail, &in_root("pki/node.key"), b"x")), Code::Forbidden);
    assert_eq!(code(change::mkdir(&jail, &in_root("units"), 0o755)), Code::Forbidden);
    fs::create_dir(ground.root("units")).unwrap();
    assert_eq!(code(change::mkdir(&jail, &in_root("units/node.d"), 0o755)), Code::Forbidden);
    let order = Order { expect: None, mode: None };
    let file = in_root("conf/node.toml");
    assert_eq!(code(write((&jail, &ground.undos), &file, &b"x"[..], &order, &ground.gone)), Code::Forbidden);
    change::mkdir(&jail, &in_root("units/other.d"), 0o755).unwrap();
}

#[test]
fn a_path_too_long_or_too_deep_makes_no_directory_at_all() {
    let ground = Ground::new();
    for (depth, words) in [(300, "256 directories"), (2_500, "4095 bytes")] {
        let deep = format!("a{}", "/d".repeat(depth));
        let refused = change::mkdir_all(&ground.jail, &ground.path(&deep), 0o755).unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
        assert!(!ground.root("a").exists(), "{depth} deep");
    }
}

#[test]
fn a_hard_link_in_a_directory_of_others_is_a_trap() {
    let ground = Ground::new();
    fs::write(ground.root("mine"), "mine").unwrap();
    fs::create_dir(ground.root("tmp")).unwrap();
    fs::hard_link(ground.root("mine"), ground.root("tmp/bait")).unwrap();
    assert_eq!(read_text(&ground, "tmp/bait").unwrap(), "mine", "in a directory of its owner's");
    fs::set_permissions(ground.root("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(code(read_text(&ground, "tmp/bait")), Code::Forbidden);
    assert_eq!(code(change::chmod(&ground.jail, &ground.path("tmp/bait"), 0o777)), Code::Forbidden);
    assert_eq!(code(change::chown(&ground.jail, &ground.path("tmp/bait"), Some("1"), None)), Code::Forbidden);
    tree::remove(&ground.jail, &ground.path("mine"), None, &ground.gone).unwrap();
    assert_eq!(read_text(&ground, "tmp/bait").unwrap(), "mine", "the only name");
}

#[test]
fn a_tree_is_counted_copied_and_removed_only_as_counted() {
    let ground = Ground::new();
    fs::create_dir_all(ground.root("t/a/b")).unwrap();
    fs::write(ground.root("t/a/one"), "12345").unwrap();
    fs::hard_link(ground.root("t/a/one"), ground.root("t/a/two")).unwrap();
    symlink(ground.top.path().join("outside"), ground.root("t/a/b/out")).unwrap();
    fs::set_permissions(ground.root("t/a"), fs::Permissions::from_mode(0o710)).unwrap();
    let (jail, gone) = (&ground.jail, &ground.gone);
    let usage = tree::usage(jail, &ground.path("t"), gone, |_| ()).unwrap();
    assert_eq!((usage.entries, usage.directories, usage.size_bytes), (6, 3, 5));
    let copy = |to: &str, depth| tree::copy(jail, (&ground.path("t"), &ground.path(to)), depth, gone);
    assert_eq!(code(copy("u", Depth::File)), Code::BadRequest);
    assert_eq!(code(copy("t/a/u", Depth::Tree)), Code::BadRequest, "into itself");
    assert_eq!(copy("u", Depth::Tree).unwrap().entries, 6);
    assert_eq!(code(copy("u", Depth::Tree)), Code::Conflict);
    let (old, new) = (fs::metadata(ground.root("t/a")).unwrap(), fs::metadata(ground.root("u/a")).unwrap());
    assert_eq!((old.mode(), old.mtime_nsec()), (new.mode(), new.mtime_nsec()));
    assert!(fs::symlink_metadata(ground.root("u/a/b/out")).unwrap().is_symlink());
    let remove = |entries| tree::remove(jail, &ground.path("t"), entries, gone);
    assert_eq!(code(remove(None)), Code::Conflict, "it is not empty");
    assert_eq!(code(remove(Some(5))), Code::Conflict, "it holds another number");
    assert_eq!(remove(Some(6)).unwrap().entries, 6);
    assert!(!ground.root("t").exists() && ground.top.path().join("outside/secret").exists());
    gone.cancel();
    assert_eq!(code(tree::remove(jail, &ground.path("u"), Some(6), gone)), Code::Cancelled);
}

#[test]
fn names_change_only_where_nothing_is_lost() {
    let ground = Ground::new();
    let (jail, p) = (&ground.jail, |name: &str| ground.path(name));
    change::mkdir_all(jail, &p("a/b/c"), 0o750).unwrap();
    change::mkdir_all(jail, &p("a/b/c"), 0o750).unwrap();
    assert_eq!(fs::metadata(ground.root("a/b")).unwrap().mode() & 0o7777, 0o750);
    assert_eq!(code(change::mkdir(jail, &p("a"), 0o755)), Code::Conflict);
    fs::write(ground.root("one"), "1").unwrap();
    fs::write(ground.root("two"), "2").unwrap();
    assert_eq!(code(change::rename(jail, &p("one"), &p("two"), change::Over::Never)), Code::Conflict);
    change::rename(jail, &p("one"), &p("two"), change::Over::Replace).unwrap();
    assert_eq!(read_text(&ground, "two").unwrap(), "1");
    assert_eq!(code(change::rename(jail, &p("one"), &p("x"), change::Over::Never)), Code::NotFound);
    let out = path(ground.top.path().join("outside/x").to_str().unwrap());
    assert_eq!(code(change::rename(jail, &p("two"), &out, change::Over::Replace)), Code::Forbidden);
    change::symlink(jail, &p("link"), &path("/etc/shadow")).unwrap();
    assert_eq!(code(change::symlink(jail, &p("link"), &path("x"))), Code::Conflict);
    assert_eq!(code(change::chmod(jail, &p("link"), 0o777)), Code::Forbidden);
    assert_eq!(code(change::chown(jail, &p("two"), Some("nobody-at-all"), None)), Code::BadRequest);
    assert_eq!(code(change::chown(jail, &p("two"), None, None)), Code::BadRequest);
    change::chmod(jail, &p("two"), 0o604).unwrap();
    assert_eq!(fs::metadata(ground.root("two")).unwrap().mode() & 0o7777, 0o604);
    assert_eq!(code(change::mkdir(jail, &p("a/.."), 0o755)), Code::BadRequest);
}

#[test]
fn a_followed_file_is_read_past_truncation_and_rotation() {
    let ground = Ground::new();
    fs::write(ground.root("log"), "one\ntwo\n").unwrap();
    let (mut follower, look) = Follower::begin(&ground.jail, &ground.path("log"), 1, 1_000).unwrap();
    assert_eq!((look.content.0.as_slice(), look.offset), (&b"two\n"[..], 4));
    let mut next = || {
        let look = follower.look(&ground.jail).unwrap();
        (look.event, String::from_utf8(look.content.0).unwrap())
    };
    assert_eq!(next(), (FileEvent::Grown, String::new()));
    write::append(&ground.jail, &ground.path("log"), b"three\n").unwrap();
    assert_eq!(next(), (FileEvent::Grown, "three\n".into()));
    fs::write(ground.root("log"), "new\n").unwrap();
    assert_eq!(next(), (FileEvent::Truncated, "new\n".into()));
    fs::rename(ground.root("log"), ground.root("log.1")).unwrap();
    fs::write(ground.root("log.1"), "new\nlast\n").unwrap();
    assert_eq!(next(), (FileEvent::Grown, "last\n".into()), "the old one is read to its end");
    assert_eq!(next().0, FileEvent::Gone);
    fs::write(ground.root("log"), "again\n").unwrap();
    assert_eq!(next(), (FileEvent::Replaced, "again\n".into()));
}

#[test]
fn a_tree_too_deep_is_counted_as_far_as_it_goes() {
    let ground = Ground::new();
    let mut directory =
        rustix::fs::open(ground.root(""), rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..300 {
        rustix::fs::mkdirat(&directory, "d", rustix::fs::Mode::from_raw_mode(0o700)).unwrap();
        directory = tree::enter(&directory, b"d").unwrap();
    }
    let usage = tree::usage(&ground.jail, &ground.path("d"), &ground.gone, |_| ()).unwrap();
    assert_eq!((usage.entries, usage.skipped), (258, 1));
    assert_eq!(code(tree::remove(&ground.jail, &ground.path("d"), Some(258), &ground.gone)), Code::Conflict);
    let (names, _) = search(&ground, &ground.path("d"), question()).unwrap();
    assert_eq!(names.len(), 256);
}

/// A small file system that goes with the test; `None` where nobody may mount one.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn new(at: &std::path::Path, options: &str) -> Option<Self> {
        let mount = |arguments: &[&str]| {
            let status = std::process::Command::new("mount").args(arguments).arg(at).output().ok()?.status;
            status.success().then_some(())
        };
        mount(&["-t", "tmpfs", "-o", options, "p2p-test"])?;
        Some(Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_and_a_read_only_one_leave_the_old_file_whole() {
    let ground = Ground::new();
    fs::create_dir(ground.root("disk")).unwrap();
    let Some(mounted) = Mounted::new(&ground.root("disk"), "size=512k") else { return };
    let (file, old) = (ground.path("disk/f"), vec![b'o'; 100_000]);
    let put = |bytes: &[u8]| write((&ground.jail, &ground.undos), &file, bytes, &order(), &ground.gone);
    put(&old).unwrap();
    let error = put(&vec![b'n'; 600_000]).unwrap_err();
    assert!(error.to_string().contains("no space is left"), "{error}");
    assert_eq!(code::<()>(Err(error)), Code::Unavailable);
    let appended = write::append(&ground.jail, &file, &vec![b'n'; 600_000]);
    assert_eq!(code(appended), Code::Unavailable);
    assert_eq!(fs::read(ground.root("disk/f")).unwrap(), old, "neither cut nor grown");
    assert_eq!(fs::read_dir(ground.root("disk")).unwrap().count(), 1, "no draft is left");
    let usage = tree::usage(&ground.jail, &ground.path(""), &ground.gone, |_| ()).unwrap();
    assert_eq!((usage.entries, usage.skipped), (2, 1), "another file system is not counted into");
    assert_eq!(code(tree::remove(&ground.jail, &ground.path("disk"), Some(2), &ground.gone)), Code::Conflict);
    let remounted =
        std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(ground.root("disk")).output();
    assert!(remounted.unwrap().status.success());
    let error = put(b"new").unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(code::<()>(Err(error)), Code::Forbidden);
    assert_eq!(code(tree::remove(&ground.jail, &file, None, &ground.gone)), Code::Forbidden);
    drop(mounted);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_early() {
    let ground = Ground::new();
    fs::write(ground.root("f"), vec![1; 1 << 20]).unwrap();
    let file = read::open(&ground.jail, &ground.path("f")).unwrap();
    fs::write(ground.root("f"), b"short").unwrap();
    let chunk = read::range(&file, &ground.path("f"), 0, 1_000).unwrap();
    assert_eq!((chunk.content.0.as_slice(), chunk.is_end), (&b"short"[..], true));
    let sum = read::checksum(&ground.jail, &ground.path("f"), &ground.gone, |_| ()).unwrap();
    assert_eq!(sum.blake3.unwrap(), blake3::hash(b"short").to_hex().to_string());
    fs::write(ground.root("long"), vec![1; 1 << 20]).unwrap();
    let shorten = |_: &p2p_shared::services::file::FileSum| fs::write(ground.root("long"), b"x").unwrap();
    assert_eq!(
        code(read::checksum(&ground.jail, &ground.path("long"), &ground.gone, shorten)),
        Code::Conflict
    );
}

#[test]
fn holes_stay_holes_when_copied() {
    let ground = Ground::new();
    let file = fs::File::create(ground.root("sparse")).unwrap();
    file.set_len(1 << 34).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"middle", 1 << 33).unwrap();
    let (from, to) = (ground.path("sparse"), ground.path("copy"));
    assert_eq!(
        tree::copy(&ground.jail, (&from, &to), Depth::File, &ground.gone).unwrap().size_bytes,
        1 << 34
    );
    let copied = fs::metadata(ground.root("copy")).unwrap();
    assert!(copied.len() == 1 << 34 && copied.blocks() * 512 < 1 << 20, "{} blocks", copied.blocks());
    assert_eq!(read::read(&ground.jail, &to, 1 << 33, 6).unwrap().content.0, b"middle");
}
