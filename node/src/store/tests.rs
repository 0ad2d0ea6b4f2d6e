use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write as _};

use p2p_shared::id::NodeId;
use p2p_shared::time::UnixMillis;
use tempfile::TempDir;

use super::*;

fn store() -> (Store, TempDir) {
    let directory = TempDir::new().unwrap();
    (Store::open(directory.path()).unwrap(), directory)
}

fn id(first: u8) -> NodeId {
    NodeId::new([first; 32])
}

fn contact(index: u16) -> Write {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&index.to_be_bytes());
    Write::PutContact {
        id: NodeId::new(bytes),
        heard: UnixMillis(index.into()),
        bytes: index.to_be_bytes().into(),
    }
}

#[test]
fn an_error_of_the_disk_fails_one_use_and_the_next_finds_what_was_acknowledged() {
    let (store, _directory) = store();
    let clone = store.clone();
    store.put_meta("labels", b"x").unwrap();
    let failing = || redb::Error::Io(std::io::Error::other("the disk"));
    assert!(store.write(|_| Err(failing())).unwrap_err().to_string().contains("the disk"));
    assert_eq!(clone.meta("labels").unwrap().unwrap(), b"x");
    assert!(store.reading::<()>(|_| Err(redb::Error::PreviousIo)).is_err());
    store.put_meta("labels", b"y").unwrap();
    assert_eq!(clone.meta("labels").unwrap().unwrap(), b"y");
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let (store, directory) = store();
    store.put_meta("labels", b"x").unwrap();
    let writes = [
        Write::PutMember { id: id(1), bytes: b"one".into() },
        Write::PutMember { id: id(2), bytes: b"two".into() },
        Write::RemoveMember { id: id(1) },
    ];
    store.apply(&writes).unwrap();
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.meta("labels").unwrap().unwrap(), b"x");
    assert_eq!(store.members().unwrap(), [b"two"]);
    assert_eq!(store.meta("nothing").unwrap(), None);
}

#[test]
fn a_sequence_is_never_given_twice() {
    let (store, directory) = store();
    assert_eq!(store.next_sequence(0).unwrap(), 1);
    assert_eq!(store.next_sequence(1_000).unwrap(), 1_001);
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.next_sequence(5).unwrap(), 1_002);
}

#[test]
fn those_who_take_sequences_at_once_get_different_ones() {
    let (store, _directory) = store();
    let taking: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || (0..10).map(|_| store.next_sequence(0).unwrap()).collect::<Vec<_>>())
        })
        .collect();
    let mut taken: Vec<u64> = taking.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    taken.sort_unstable();
    assert_eq!(taken, (1..=40).collect::<Vec<_>>());
}

#[test]
fn the_contacts_heard_last_are_kept() {
    let (store, _directory) = store();
    let writes: Vec<Write> = (0..300).map(contact).collect();
    store.apply(&writes).unwrap();
    let contacts = store.contacts().unwrap();
    assert_eq!(contacts.len(), CONTACTS_MAX);
    assert_eq!(contacts[0], 299u16.to_be_bytes());
    assert_eq!(contacts[CONTACTS_MAX - 1], 44u16.to_be_bytes());
}

#[test]
fn a_second_process_is_told_that_it_is_in_use() {
    let (_store, directory) = store();
    assert!(matches!(Store::open(directory.path()), Err(StoreError::InUse { .. })));
}

#[test]
fn a_damaged_file_is_named() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(FILE), b"this is no database, and long enough to be looked at").unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("node.redb"), "{error}");
}

#[test]
fn a_file_whose_head_was_overwritten_is_damaged() {
    let (store, directory) = store();
    store.put_meta("a", &[7; 4_096]).unwrap();
    drop(store);
    let mut file = OpenOptions::new().write(true).open(directory.path().join(FILE)).unwrap();
    file.seek(SeekFrom::Start(64)).unwrap();
    file.write_all(&[0xa5; 256]).unwrap();
    drop(file);
    assert!(matches!(Store::open(directory.path()), Err(StoreError::Corrupt { .. })));
}

#[test]
fn others_cannot_read_the_file() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let _store = Store::open(&data).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join(FILE))), (0o700, 0o600));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), b"").unwrap();
    let error = Store::open(&directory.path().join("file/data")).unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn writes_behind_the_back_are_all_done_at_the_end() {
    let (store, _directory) = store();
    let (writer, task) = StoreWriter::new(store.clone());
    for index in 0..100 {
        writer.write(contact(index));
    }
    drop(writer);
    task.await;
    assert_eq!(store.contacts().unwrap().len(), 100);
}
