use super::*;

#[test]
fn a_program_is_looked_for_where_the_command_says_and_never_where_the_node_stands() {
    let dir = tempfile::tempdir().unwrap();
    let here = fs::canonicalize(dir.path()).unwrap();
    fs::write(here.join("plain"), "x").unwrap();
    fs::write(here.join("tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(here.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("tool", here.join("link")).unwrap();
    let find = |word: &str, path: &str| find_program(word, &here, path);
    assert!(matches!(find("/no/such/thing", PATH), Err(RunError::NotFound { .. })));
    assert!(matches!(find("no-such-thing", PATH), Err(RunError::NotFound { .. })));
    assert!(matches!(find("./plain", PATH), Err(RunError::NotRunnable { .. })));
    assert!(matches!(find(".", PATH), Err(RunError::NotFound { .. })));
    assert!(matches!(find("/usr/..", PATH), Err(RunError::NotRunnable { .. })));
    assert_eq!(find("./link", PATH), Ok(here.join("tool")), "links are resolved");
    assert_eq!(find("link", ".:/bin"), Ok(here.join("tool")), "a relative place is below the directory");
    assert!(
        matches!(find("plain", ":."), Err(RunError::NotFound { .. })),
        "what is no program is passed over"
    );
    let nowhere = find_program("./src", Path::new(""), ".");
    assert!(matches!(nowhere, Err(RunError::NotFound { .. })), "never from where the node stands");
}

#[test]
fn what_was_judged_is_what_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let here = fs::canonicalize(dir.path()).unwrap();
    for side in ["good", "bad"] {
        fs::create_dir(here.join(side)).unwrap();
        fs::copy("/bin/true", here.join(side).join("tool")).unwrap();
    }
    let mut work = Work {
        id: RunId { kind: Kind::Exec, id: "1".into() },
        description: String::new(),
        program: "./good/tool".into(),
        file: None,
        arguments: Vec::new(),
        directory: here.clone(),
        account: None,
        environment: Vec::new(),
        limits: Limits::default(),
        stop: Stop::default(),
        streams: Streams::Null,
    };
    work.file = Some(work.resolved().unwrap());
    assert_eq!(work.resolved().unwrap(), here.join("good/tool"));
    fs::rename(here.join("good"), here.join("away")).unwrap();
    assert!(matches!(work.resolved(), Err(RunError::NotFound { .. })));
    std::os::unix::fs::symlink("bad", here.join("good")).unwrap();
    assert!(matches!(work.resolved(), Err(RunError::NotRunnable { .. })));
}
