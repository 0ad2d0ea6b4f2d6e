use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::receive::Receiver;
use super::send::Sender;
use super::tree::Tree;
use super::*;
use crate::services::file::{FileContent, FilePath};
use crate::services::transfer::{PIECE_BYTES_MAX, TransferEntry, TransferSummary};

fn tree(top: &Path, name: &str) -> Tree {
    Tree::new(fs::File::open(top).unwrap().into(), name.as_bytes().to_vec())
}

/// A wire within this process: questions are answered at once. It may break, and lie.
struct Wire {
    sender: Sender,
    told: VecDeque<TransferTell>,
    pieces_max: usize,
    sent_bytes: usize,
    lie: fn(TransferTell) -> TransferTell,
}

impl Wire {
    fn new(top: &Path, name: &str) -> Self {
        let sender = Sender::new(tree(top, name), Box::new(|_| Ok(())), CancellationToken::new());
        Self { sender, told: VecDeque::new(), pieces_max: usize::MAX, sent_bytes: 0, lie: |tell| tell }
    }
}

impl Exchange for Wire {
    fn ask(&mut self, ask: TransferAsk) -> Result<(), RpcError> {
        let told = &mut self.told;
        self.sender.answer(ask, &mut |tell| {
            told.push_back(tell);
            Ok(())
        })
    }

    fn answer(&mut self) -> Result<TransferTell, RpcError> {
        let tell = (self.lie)(self.told.pop_front().expect("an answer to a question"));
        if let TransferTell::Piece { content, .. } | TransferTell::Small { content, .. } = &tell {
            self.sent_bytes += content.0.len();
            self.pieces_max = self.pieces_max.checked_sub(1).ok_or_else(|| RpcError::unavailable("cut"))?;
        }
        Ok(tell)
    }

    fn progress(&mut self, _: &TransferProgress) -> Result<(), RpcError> {
        Ok(())
    }
}

/// `from` and `to` in a directory of its own.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        let ground = Self(tempfile::tempdir().unwrap());
        fs::create_dir(ground.at("from")).unwrap();
        ground
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn wire(&self) -> Wire {
        Wire::new(self.0.path(), "from")
    }

    fn receive(&self, wire: &mut Wire) -> Result<TransferSummary, RpcError> {
        Receiver::new(wire, tree(self.0.path(), "to"), None, CancellationToken::new()).run()
    }

    fn transfer(&self) -> (TransferSummary, usize) {
        let mut wire = self.wire();
        (self.receive(&mut wire).unwrap(), wire.sent_bytes)
    }

    fn names(&self) -> usize {
        fs::read_dir(self.at("to")).unwrap().count()
    }
}

fn age(path: &Path, seconds: u64) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(seconds * 1_000_000_000 + 123_456_789);
    fs::File::open(path).unwrap().set_modified(at).unwrap();
}

/// Bytes of which no two chunks are alike.
fn noise(length: usize) -> Vec<u8> {
    (0..length as u64 / 8 + 1)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(length)
        .collect()
}

#[test]
fn a_tree_arrives_with_modes_times_links_and_holes_and_again_costs_nothing() {
    let ground = Ground::new();
    fs::create_dir_all(ground.at("from/a/b")).unwrap();
    for index in 0..1_200 {
        fs::write(ground.at(&format!("from/a/b/{index}")), noise(index)).unwrap();
    }
    fs::write(ground.at("from/empty"), "").unwrap();
    fs::write(ground.at("from/name \n\u{1b}[2J"), "odd").unwrap();
    fs::write(ground.at("from/large"), noise(1_000_001)).unwrap();
    symlink("../../etc/passwd", ground.at("from/link")).unwrap();
    let sparse = fs::File::create(ground.at("from/sparse")).unwrap();
    sparse.set_len(10 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"here", 5 << 30).unwrap();
    fs::set_permissions(ground.at("from/large"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(ground.at("from/a/b"), fs::Permissions::from_mode(0o555)).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, ground.at("from/fifo"), rustix::fs::Mode::RWXU).unwrap();
    for (name, seconds) in [("large", 10), ("empty", 20), ("a/b", 30), ("a", 40), ("", 50)] {
        age(&ground.at(&format!("from/{name}")), seconds);
    }
    let (summary, _) = ground.transfer();
    let failed: Vec<_> = summary.failed.iter().map(|failed| failed.path.to_string()).collect();
    assert_eq!((failed.as_slice(), summary.failed[0].is_left_out), (&["fifo".to_owned()][..], true));
    assert_eq!(summary.progress.entries, 1_208);
    for index in 0..1_200 {
        assert_eq!(fs::read(ground.at(&format!("to/a/b/{index}"))).unwrap(), noise(index));
    }
    assert_eq!(fs::read(ground.at("to/large")).unwrap(), noise(1_000_001));
    assert_eq!(fs::read_link(ground.at("to/link")).unwrap(), Path::new("../../etc/passwd"));
    assert_eq!(fs::read(ground.at("to/name \n\u{1b}[2J")).unwrap(), b"odd");
    let sparse = fs::metadata(ground.at("to/sparse")).unwrap();
    assert!(sparse.len() == 10 << 30 && sparse.blocks() < 4_096, "{}", sparse.blocks());
    for name in ["", "a", "a/b", "large", "empty", "a/b/7"] {
        let [from, to] = ["from", "to"].map(|top| fs::metadata(ground.at(&format!("{top}/{name}"))).unwrap());
        assert_eq!((from.mtime(), from.mtime_nsec()), (to.mtime(), to.mtime_nsec()), "{name}");
        assert_eq!(from.mode() & 0o777, to.mode() & 0o7777, "{name}");
    }
    let (again, sent) = ground.transfer();
    assert_eq!((sent, again.progress.unchanged, again.progress.entries), (0, 1_204, 1_208));
}

#[test]
fn what_was_cut_is_taken_up_and_nothing_has_its_name_before_it_is_whole() {
    let ground = Ground::new();
    let whole = noise(6 << 20);
    fs::write(ground.at("from/large"), &whole).unwrap();
    for cut in 0..3 {
        let mut wire = ground.wire();
        wire.pieces_max = 6;
        assert_eq!(ground.receive(&mut wire).unwrap_err().message, "cut", "{cut}");
        assert!(!ground.at("to").exists());
    }
    let (_, sent) = ground.transfer();
    assert_eq!((sent, ground.names()), (whole.len() - 18 * PIECE_BYTES_MAX, 1));
    assert!(fs::read(ground.at("to/large")).unwrap() == whole);
}

#[test]
fn of_a_file_that_changed_a_little_only_that_is_sent() {
    let ground = Ground::new();
    let mut whole = noise(2 << 20);
    fs::write(ground.at("from/large"), &whole).unwrap();
    ground.transfer();
    whole[1_500_000] ^= 1;
    whole.extend(b"more");
    fs::write(ground.at("from/large"), &whole).unwrap();
    let (_, sent) = ground.transfer();
    assert!(fs::read(ground.at("to/large")).unwrap() == whole);
    assert_eq!(sent, (32 << 10) + 4);
    // The time alone differs: nothing is sent, and nothing is written.
    let before = fs::metadata(ground.at("to/large")).unwrap().ino();
    age(&ground.at("from/large"), 77);
    assert_eq!(ground.transfer().1, 0);
    let after = fs::metadata(ground.at("to/large")).unwrap();
    assert_eq!((after.ino(), after.mtime(), ground.names()), (before, 77, 1));
    // What becomes a hole is one here too.
    let file = fs::OpenOptions::new().write(true).open(ground.at("from/large")).unwrap();
    file.set_len(0).unwrap();
    file.set_len(2 << 20).unwrap();
    assert_eq!(ground.transfer().1, 0);
    let made = fs::metadata(ground.at("to/large")).unwrap();
    assert_eq!((made.len(), made.blocks()), (2 << 20, 0));
}

#[test]
fn a_peer_that_lies_writes_nothing_outside() {
    let lies: [fn(TransferTell) -> TransferTell; 5] = [
        |tell| page(tell, |entry| entry.path = "../out".parse().unwrap()),
        |tell| page(tell, |entry| entry.path = "/tmp/out".parse().unwrap()),
        |tell| match tell {
            TransferTell::Piece { content, hash, .. } => {
                TransferTell::Piece { offset: u64::MAX, content, hash }
            }
            tell => tell,
        },
        |tell| match tell {
            TransferTell::Piece { offset, content, .. } => {
                TransferTell::Piece { offset, content, hash: FileContent(vec![0; 16]) }
            }
            tell => tell,
        },
        |tell| match tell {
            TransferTell::End { .. } => TransferTell::Chunks(Vec::new()),
            tell => tell,
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let ground = Ground::new();
        fs::write(ground.at("from/large"), noise(1 << 20)).unwrap();
        let mut wire = Wire { lie, ..ground.wire() };
        ground.receive(&mut wire).unwrap_err();
        assert!(!ground.at("out").exists() && !Path::new("/tmp/out").exists(), "{number}");
        assert!(!ground.at("to/large").exists(), "{number}");
    }
}

fn page(tell: TransferTell, change: fn(&mut TransferEntry)) -> TransferTell {
    match tell {
        TransferTell::Page { mut entries, failed, is_end } => {
            entries.iter_mut().for_each(change);
            TransferTell::Page { entries, failed, is_end }
        }
        tell => tell,
    }
}

#[test]
fn a_link_in_the_way_is_replaced_and_never_followed() {
    let ground = Ground::new();
    fs::create_dir(ground.at("out")).unwrap();
    fs::write(ground.at("out/secret"), "secret").unwrap();
    fs::create_dir(ground.at("from/dir")).unwrap();
    fs::write(ground.at("from/dir/secret"), "changed").unwrap();
    fs::write(ground.at("from/file"), "changed").unwrap();
    fs::create_dir(ground.at("to")).unwrap();
    symlink(ground.at("out"), ground.at("to/dir")).unwrap();
    symlink(ground.at("out/secret"), ground.at("to/file")).unwrap();
    let (summary, _) = ground.transfer();
    assert_eq!(fs::read_to_string(ground.at("out/secret")).unwrap(), "secret");
    assert_eq!(fs::read_to_string(ground.at("to/file")).unwrap(), "changed");
    assert!(ground.at("to/dir").is_symlink() && !ground.at("to/file").is_symlink());
    let failed: Vec<_> = summary.failed.iter().map(|failed| failed.path.to_string()).collect();
    assert_eq!(failed, ["dir", "dir/secret"], "{:?}", summary.failed);
}

#[test]
fn a_question_that_is_none_ends_the_transfer_and_a_file_that_is_gone_does_not() {
    let ground = Ground::new();
    let mut wire = ground.wire();
    let path: FilePath = "../x".parse().unwrap();
    for ask in [
        TransferAsk::Small(vec![path.clone()]),
        TransferAsk::Chunks { path: "a".parse().unwrap(), chunk_bytes: 5 },
        TransferAsk::Chunks { path: "a".parse().unwrap(), chunk_bytes: 0 },
        TransferAsk::Data { path, chunk_bytes: 4_096, ranges: Vec::new() },
    ] {
        assert_eq!(wire.ask(ask.clone()).unwrap_err().code, Code::BadRequest, "{ask:?}");
    }
    wire.ask(TransferAsk::Small(vec!["gone".parse().unwrap()])).unwrap();
    assert!(matches!(wire.answer().unwrap(), TransferTell::Failed(_)));
}
