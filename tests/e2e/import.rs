//! From the CA to a mesh by bundles alone: what `ca.sh bundle` writes, `import` puts in place, and node and
//! console find certificates and each other without a flag.

use std::fs;
use std::path::{Path, PathBuf};

use p2p_node::pki::Kind;
use p2p_shared::access::Role;
use p2p_shared::error::Exit;
use p2p_shared::services::Services;
use p2p_tui::cli::output::Streams;
use p2p_tui::cli::run_line;
use p2p_tui::effects::settings::Surroundings;
use serde_json::Value;
use tempfile::TempDir;

use crate::binary::World;
use crate::cluster::{LONG, alive, eventually};

/// A bundle in a file of its own.
fn packed(world: &World, root: &TempDir, who: (Kind, &str), bootstrap: &[String]) -> PathBuf {
    let path = root.path().join(format!("{}.tar", who.1));
    fs::write(&path, world.ca.bundle(who, bootstrap)).unwrap();
    path
}

/// `p2p-node import` to its end; what it says.
async fn import(world: &World, bundle: &Path, certs: &Path) -> (Option<i32>, String) {
    let line = ["import", bundle.to_str().unwrap(), "--certs", certs.to_str().unwrap()];
    let mut program = world.program(&certs.with_extension("import"), &line);
    (program.ended().await.code(), program.said())
}

/// `p2p-tui` to its end, for a person whose configuration lies in `config`.
async fn console(config: &Path, line: &[&str]) -> (Exit, String, String) {
    let surroundings =
        Surroundings { config: Some(config.to_owned()), here: config.to_owned(), ..Surroundings::default() };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams { out: &mut out, err: &mut err, answers: None, width: None };
    let exit = run_line([&["p2p-tui"], line].concat(), &surroundings, &mut streams).await;
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test]
async fn a_mesh_is_set_up_by_bundles_alone() {
    let (world, root) = (World::new(), TempDir::new().unwrap());
    for name in ["web-1", "web-2"] {
        world.ca.node_files(name);
    }
    world.ca.operator("anna", Role::Viewer);

    let certs = root.path().join("one");
    let (code, said) = import(&world, &packed(&world, &root, (Kind::Node, "web-1"), &[]), &certs).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("node web-1 of mesh home") && said.contains("No address to join through"),
        "{said}"
    );
    let mut first = world.run("web-1", &certs, &[]);
    let (quic, _) = first.ready().await;

    let bundle = packed(&world, &root, (Kind::Node, "web-2"), &[quic.to_string()]);
    let certs = root.path().join("two");
    let (code, said) = import(&world, &bundle, &certs).await;
    assert!(code == Some(0) && said.contains(&format!("It joins through {quic}.")), "{said}");
    let mut second = world.run("web-2", &certs, &[]);
    second.ready().await;
    let node = world.call("web-1", quic, Role::Viewer).node();
    eventually("both alive", LONG, async || (alive(&node.members().await.unwrap()) == 2).then_some(())).await;

    let config = root.path().join("config");
    let bundle = packed(&world, &root, (Kind::Operator, "anna"), &[quic.to_string()]);
    let (exit, out, said) = console(&config, &["import", bundle.to_str().unwrap()]).await;
    assert_eq!((exit, out.as_str()), (Exit::Ok, ""), "{said}");
    assert!(said.contains("operator anna of mesh home") && said.contains("\nNext: p2p-tui\n"), "{said}");
    let (exit, out, said) = console(&config, &["nodes", "-o", "json"]).await;
    assert_eq!((exit, said.as_str()), (Exit::Ok, ""));
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2, "{out}");
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn each_program_sends_the_others_bundle_to_the_other() {
    let (world, root) = (World::new(), TempDir::new().unwrap());
    world.ca.node_files("web-1");
    world.ca.operator("anna", Role::Viewer);
    let certs = root.path().join("pki");

    let (code, said) = import(&world, &packed(&world, &root, (Kind::Operator, "anna"), &[]), &certs).await;
    assert_eq!((code, said.lines().count()), (Some(Exit::Data.code().into()), 1), "{said}");
    assert!(said.contains("that is an operator's bundle: p2p-tui import"), "{said}");
    assert!(!certs.exists());

    let bundle = packed(&world, &root, (Kind::Node, "web-1"), &[]);
    let (exit, _, said) = console(&certs, &["import", bundle.to_str().unwrap()]).await;
    assert_eq!((exit, said.lines().count()), (Exit::Data, 1), "{said}");
    assert!(said.contains("that is a node's bundle: p2p-node import"), "{said}");
    assert!(!certs.exists());
}

#[tokio::test]
async fn a_stranger_is_refused_and_a_renewal_is_not() {
    let (world, root) = (World::new(), TempDir::new().unwrap());
    let certs = root.path().join("pki");
    for name in ["web-1", "web-2"] {
        world.ca.node_files(name);
    }
    let bundle = packed(&world, &root, (Kind::Node, "web-1"), &["192.0.2.1:5678".to_owned()]);
    let twice = [import(&world, &bundle, &certs).await, import(&world, &bundle, &certs).await];
    assert!(twice.iter().all(|(code, _)| *code == Some(0)), "{twice:?}");
    assert!(twice[1].1.starts_with("Already in "), "{}", twice[1].1);

    let stranger = packed(&world, &root, (Kind::Node, "web-2"), &[]);
    let (code, said) = import(&world, &stranger, &certs).await;
    assert_eq!((code, said.lines().count()), (Some(Exit::Data.code().into()), 1), "{said}");
    assert!(
        said.contains("node web-1") && said.contains("node web-2") && said.contains("--replace"),
        "{said}"
    );

    world.ca.renew("web-1");
    let (code, said) = import(&world, &packed(&world, &root, (Kind::Node, "web-1"), &[]), &certs).await;
    assert!(code == Some(0) && said.starts_with("Renewed in "), "{said}");
    assert!(said.contains("It joins through 192.0.2.1:5678."), "{said}");

    // Once anything was revoked, the list comes along.
    world.ca.operator("eve", Role::Viewer);
    let list = world.ca.revoke("eve");
    let (code, said) = import(&world, &packed(&world, &root, (Kind::Node, "web-1"), &[]), &certs).await;
    assert!(code == Some(0) && said.starts_with("Renewed in "), "{said}");
    assert_eq!(fs::read(certs.join("revoked.bin")).unwrap(), list.bytes);
}
