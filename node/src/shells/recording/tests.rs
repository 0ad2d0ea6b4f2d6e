use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::*;

const SIZE: ShellSize = ShellSize { rows: 24, columns: 80 };

fn subject(opened: u64) -> Subject {
    Subject {
        user: "root".into(),
        command: vec!["/bin/bash".into(), "-l".into()],
        opened_by: "operator ann".into(),
        opened: UnixMillis(opened),
    }
}

fn output(at: u64, bytes: &[u8]) -> Event {
    Event { at: Millis(at), what: Happened::Output(bytes.to_vec()) }
}

fn lines(data: &Path, id: &str) -> Vec<Value> {
    open(data, id).unwrap().lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

#[test]
fn a_recording_is_an_asciicast_that_its_owner_alone_reads() {
    let data = tempfile::tempdir().unwrap();
    let mut recording = Recording::begin(data.path(), "a1", &subject(5_000), (SIZE, "xterm")).unwrap();
    recording.write(output(0, b"$ \x1b[1m")).unwrap();
    let resize = Happened::Resize(ShellSize { rows: 50, columns: 200 });
    recording.write(Event { at: Millis(1_250), what: resize }).unwrap();
    let lines = lines(data.path(), "a1");
    assert_eq!(
        (&lines[0]["version"], &lines[0]["width"], &lines[0]["height"]),
        (&2.into(), &80.into(), &24.into())
    );
    assert_eq!((&lines[0]["timestamp"], &lines[0]["env"]["TERM"]), (&5.into(), &"xterm".into()));
    assert_eq!(lines[0]["title"], "root: /bin/bash -l, opened by operator ann");
    assert_eq!(lines[1..], [json!([0.0, "o", "$ \u{1b}[1m"]), json!([1.25, "r", "200x50"])]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data.path().join("recordings/a1.cast")), 0o600);
    assert_eq!(mode(&data.path().join("recordings")), 0o700);
    assert!(Recording::begin(data.path(), "a1", &subject(0), (SIZE, "xterm")).is_err(), "never a second one");
}

#[test]
fn characters_that_come_in_parts_are_whole_and_what_is_none_is_marked() {
    let data = tempfile::tempdir().unwrap();
    let mut recording = Recording::begin(data.path(), "a1", &subject(0), (SIZE, "xterm")).unwrap();
    for part in [&b"\xe4\xb8"[..], b"\x96|\xf0\x9f", b"\x98", b"\x80\xff\xfe|", b"\xc3", b"(", b"\xe4"] {
        recording.write(output(0, part)).unwrap();
    }
    let text: String = lines(data.path(), "a1")[1..].iter().filter_map(|line| line[2].as_str()).collect();
    assert_eq!(text, "\u{4e16}|\u{1f600}\u{fffd}\u{fffd}|\u{fffd}(");
}

#[test]
fn a_recording_goes_on_after_a_kill_in_the_middle_of_a_line() {
    let data = tempfile::tempdir().unwrap();
    let mut recording = Recording::begin(data.path(), "a1", &subject(0), (SIZE, "xterm")).unwrap();
    recording.write(output(1, b"before")).unwrap();
    recording.file.write_all(b"[2.0,\"o\",\"torn").unwrap();
    drop(recording);
    Recording::go_on(data.path(), "a1").unwrap().write(output(3_000, b"after")).unwrap();
    let text: Vec<String> = open(data.path(), "a1").unwrap().lines().map(Result::unwrap).collect();
    assert_eq!(text[3], "[3.0,\"o\",\"after\"]");
    assert!(Recording::go_on(data.path(), "a2").is_err());
}

#[test]
fn a_recording_is_only_so_long() {
    let data = tempfile::tempdir().unwrap();
    let mut recording = Recording::begin(data.path(), "a1", &subject(0), (SIZE, "xterm")).unwrap();
    recording.most_bytes = 1 << 20;
    let written = (0..100).take_while(|_| recording.write(output(0, &[b'x'; 60_000])).is_ok()).count();
    assert_eq!(written, 17);
    assert!(fs::metadata(data.path().join("recordings/a1.cast")).unwrap().len() <= 1 << 20);
}

#[test]
fn recordings_are_listed_newest_first_and_the_oldest_make_room() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(list(data.path()).unwrap(), []);
    for (id, opened) in [("old", 1_000), ("new", 3_000), ("middle", 2_000)] {
        let mut recording = Recording::begin(data.path(), id, &subject(opened), (SIZE, "xterm")).unwrap();
        recording.write(output(0, b"x")).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(opened);
        recording.file.set_modified(time).unwrap();
    }
    let directory = data.path().join("recordings");
    fs::write(directory.join("notes.txt"), "mine").unwrap();
    fs::write(directory.join("broken.cast"), "{").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", directory.join("link.cast")).unwrap();
    let found = list(data.path()).unwrap();
    let ids: Vec<&str> = found.iter().map(|recording| recording.id.as_str()).collect();
    assert_eq!(ids, ["new", "middle", "old"]);
    assert_eq!((found[0].opened, found[0].written), (UnixMillis(3_000), UnixMillis(3_000)));
    for id in ["../recordings/new", "", "no.cast", "nobody"] {
        assert_eq!(open(data.path(), id).unwrap_err().kind(), io::ErrorKind::NotFound, "{id:?}");
    }
    make_room(&directory, RECORDING_BYTES_MAX + found[0].size_bytes + 1).unwrap();
    assert_eq!(list(data.path()).unwrap().len(), 1);
    assert!(directory.join("notes.txt").exists());
}
