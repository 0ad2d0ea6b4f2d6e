//! Searches by name and by content, and their bounds.

use super::*;

#[test]
fn searches_find_names_and_lines_within_their_bounds() {
    let ground = Ground::new();
    fs::create_dir_all(ground.root("src/deep/er")).unwrap();
    fs::write(ground.root("src/a.rs"), "fn main() {}\nTODO: this\n").unwrap();
    fs::write(ground.root("src/deep/b.rs"), "todo\ntodo\n").unwrap();
    fs::write(ground.root("src/deep/er/c.txt"), b"bin\0todo\n").unwrap();
    symlink(ground.top.path().join("outside"), ground.root("src/out")).unwrap();
    let find = |question| search(&ground, &ground.path("src"), question).unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(find(Question { glob: some("*.rs"), ..question() }).0, ["a.rs", "deep/b.rs"]);
    assert_eq!(find(Question { glob: some("deep/*"), ..question() }).0, ["deep/b.rs", "deep/er"]);
    assert_eq!(find(Question { regex: some("^[bc]\\."), ..question() }).0, ["deep/b.rs", "deep/er/c.txt"]);
    assert_eq!(find(Question { kind: Some(FileKind::Symlink), ..question() }).0, ["out"]);
    assert_eq!(find(Question { depth: 1, glob: some("*.rs"), ..question() }).0, ["a.rs"]);
    let lines = ["a.rs:2", "deep/b.rs:1", "deep/b.rs:2"];
    assert_eq!(
        find(Question { line: some("todo"), ..question() }).0,
        lines,
        "without those of links and binaries"
    );
    assert_eq!(find(Question { line: some("TODO"), ..question() }).0, ["a.rs:2"]);
    assert_eq!(find(Question { line: some("todo"), glob: some("b*"), ..question() }).0.len(), 2);
    assert_eq!(find(Question { hits: 1, ..question() }).1, SearchEnd::Hits);
    assert_eq!(find(Question { time: Duration::ZERO, ..question() }), (vec![], SearchEnd::Time));
    assert_eq!(find(Question { line: some("todo"), read_bytes: 1, ..question() }).1, SearchEnd::Bytes);
    let one =
        search(&ground, &ground.path("src/a.rs"), Question { line: some("main"), ..question() }).unwrap();
    assert_eq!(one.0, [":1"]);
    for bad in [
        "(",
        &"x".repeat(5_000),
        "(x{1,1000}){1,1000}",
        &"(a|b)".repeat(1_000).replace("b", "[^\\x00-\\x{10ffff}]"),
    ] {
        assert_eq!(
            code(search(&ground, &ground.path("src"), Question { line: some(bad), ..question() })),
            Code::BadRequest,
            "{bad}"
        );
        assert_eq!(
            code(search(&ground, &ground.path("src"), Question { regex: some(bad), ..question() })),
            Code::BadRequest,
            "{bad}"
        );
    }
}

#[test]
fn a_regex_that_explodes_elsewhere_takes_no_time() {
    let ground = Ground::new();
    fs::write(ground.root("f"), "a".repeat(100_000)).unwrap();
    let began = Instant::now();
    let question = Question { line: Some("^(a+)+$b".into()), ..question() };
    search(&ground, &ground.path("f"), question).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
}
