//! Where a path may lead, with links swapped under it.

use super::*;

/// Surface P: what each path gets, before anything is done with it.
#[test]
fn every_path_gets_what_the_table_says() {
    let ground = Ground::new();
    let outside = ground.top.path().join("outside");
    fs::create_dir_all(ground.root("a/b")).unwrap();
    fs::write(ground.root("a/file"), "text").unwrap();
    for (name, target) in [
        ("in", "a/file"),
        ("up", "../outside/secret"),
        ("loop", "loop2"),
        ("loop2", "loop"),
        ("dots", "a/b/../file"),
    ] {
        symlink(target, ground.root(name)).unwrap();
    }
    symlink(outside.join("secret"), ground.root("away")).unwrap();
    symlink(ground.root("a"), ground.root("home")).unwrap();
    symlink(ground.root("home"), ground.root("home2")).unwrap();
    symlink("..", ground.root("parent")).unwrap();
    let long = format!("/{}", "x/".repeat(2_500));
    let name = "n".repeat(256);
    for (text, expected) in [
        (ground.root("a/file"), None),
        (ground.root("in"), None),
        (ground.root("dots"), None),
        (ground.root("home/file"), None),
        (ground.root("home2/b/../file"), None),
        (ground.root("./a//file"), None),
        (ground.root("up"), Some(Code::Forbidden)),
        (ground.root("away"), Some(Code::Forbidden)),
        (ground.root("parent/outside/secret"), Some(Code::Forbidden)),
        (ground.root("../outside/secret"), Some(Code::Forbidden)),
        (ground.root("a/../../outside/secret"), Some(Code::Forbidden)),
        (ground.root("home/../../outside/secret"), Some(Code::Forbidden)),
        (ground.root("....//....//etc/passwd"), Some(Code::NotFound)),
        (outside.join("secret"), Some(Code::Forbidden)),
        (ground.top.path().join("root2/x"), Some(Code::Forbidden)),
        ("/".into(), Some(Code::BadRequest)),
        ("/etc/passwd".into(), Some(Code::Forbidden)),
        ("a/file".into(), Some(Code::BadRequest)),
        (".".into(), Some(Code::BadRequest)),
        ("".into(), Some(Code::BadRequest)),
        (long.into(), Some(Code::BadRequest)),
        (ground.root(&name), Some(Code::BadRequest)),
        (ground.root("a/file/"), Some(Code::BadRequest)),
        (ground.root("a/file/x"), Some(Code::BadRequest)),
        (ground.root("loop"), Some(Code::BadRequest)),
        (ground.root("a"), Some(Code::BadRequest)),
        (ground.root(""), Some(Code::BadRequest)),
        (ground.root("none"), Some(Code::NotFound)),
    ] {
        let asked = path(text.to_str().unwrap());
        let got = read::read(&ground.jail, &asked, 0, 100);
        let got = got.map(|chunk| assert_eq!(chunk.content.0, b"text", "{asked}"));
        assert_eq!(got.map_err(|error| RpcError::from(error).code).err(), expected, "{asked}");
        // The same again gives the same.
        let again = read::read(&ground.jail, &asked, 0, 100);
        assert_eq!(again.map_err(|error| RpcError::from(error).code).err(), expected, "{asked}");
    }
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
}

#[test]
fn a_chain_of_forty_links_is_followed_and_one_more_is_not() {
    let ground = Ground::new();
    fs::write(ground.root("0"), "text").unwrap();
    for link in 1..=41 {
        symlink((link - 1).to_string(), ground.root(&link.to_string())).unwrap();
    }
    assert_eq!(read_text(&ground, "39").unwrap(), "text");
    assert_eq!(code(read_text(&ground, "41")), Code::BadRequest);
}

/// Exchanges two names of a directory until `over`, as fast as the kernel can.
fn swap(directory: &std::os::fd::OwnedFd, names: [&str; 2], over: &AtomicBool) -> u64 {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let (flags, [one, other]) = (rustix::fs::RenameFlags::EXCHANGE, names);
        // It fails while the other thread holds what is wanted.
        count += u64::from(rustix::fs::renameat_with(directory, one, directory, other, flags).is_ok());
    }
    count
}

/// R33: somebody swaps a directory, and a file in it, for links that lead out, as fast as the kernel can.
/// `P2P_JAIL_ROUNDS=100000` is the whole of the promise. In memory, so that the rounds are races and not syncs.
#[test]
fn a_link_that_is_swapped_in_leads_nowhere() {
    let rounds: usize =
        std::env::var("P2P_JAIL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000);
    let memory = std::path::Path::new("/dev/shm");
    let ground = if memory.is_dir() { Ground::at(memory) } else { Ground::new() };
    let outside = ground.top.path().join("outside");
    fs::create_dir(ground.root("flip")).unwrap();
    fs::write(ground.root("flip/secret"), "inside").unwrap();
    symlink(outside.join("secret"), ground.root("flip/alias")).unwrap();
    symlink(&outside, ground.root("link")).unwrap();
    symlink("../outside", ground.root("link2")).unwrap();
    let open = |name| std::os::fd::OwnedFd::from(fs::File::open(ground.root(name)).unwrap());
    let (root, within) = (open(""), open("flip"));
    let over = AtomicBool::new(false);
    let (mut escapes, mut inside, mut swaps) = (0, 0, 0);
    std::thread::scope(|scope| {
        let swappers = [(&root, "flip", "link"), (&root, "flip", "link2"), (&within, "secret", "alias")];
        let swappers = swappers.map(|(at, one, other)| {
            scope.spawn({
                let over = &over;
                move || swap(at, [one, other], over)
            })
        });
        let victim = ground.path("flip/secret");
        for round in 0..rounds {
            match round % 8 {
                0 => drop(write(
                    (&ground.jail, &ground.undos),
                    &victim,
                    &b"inside"[..],
                    &order(),
                    &ground.gone,
                )),
                1 => drop(change::chmod(&ground.jail, &victim, 0o600)),
                2 => drop(change::symlink(&ground.jail, &ground.path("flip/new"), &path("/x"))),
                3 => drop(tree::remove(&ground.jail, &ground.path("flip/new"), None, &ground.gone)),
                _ => match read::read(&ground.jail, &victim, 0, 100) {
                    Ok(chunk) if chunk.content.0 == b"inside" => inside += 1,
                    Ok(_) => escapes += 1,
                    Err(_) => {}
                },
            }
        }
        over.store(true, Ordering::Relaxed);
        swaps = swappers.into_iter().map(|swapper| swapper.join().unwrap()).sum();
    });
    let names: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let text = fs::read_to_string(outside.join("secret")).unwrap();
    let mode = fs::metadata(outside.join("secret")).unwrap().mode() & 0o777;
    escapes += usize::from(names.len() != 1 || text != "secret" || mode == 0o600);
    let verdict = if escapes == 0 { "PASS" } else { "FAIL" };
    println!(
        "R33 path_jail_escapes={escapes} rounds={rounds} inside={inside} swaps={swaps} limit=0 {verdict}"
    );
    assert_eq!(escapes, 0, "{names:?} {text:?} {mode:o}");
}
