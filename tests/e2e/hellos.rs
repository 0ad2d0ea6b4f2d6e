//! What two sides tell each other of their methods: nothing where one number says that they are alike, all where it
//! does not, to sides of older versions too.

use std::collections::BTreeMap;
use std::time::Duration;

use p2p_shared::access::Role;
use p2p_shared::mesh::endpoint::client_config;
use p2p_shared::mesh::hello::{Described, Hello, MAJOR, MINOR};
use p2p_shared::mesh::link::Local;
use p2p_shared::mesh::stream::FrameReader;
use p2p_shared::rpc::codec::Encoding;
use p2p_shared::rpc::frame::{FrameKind, StreamKind, put_frame};
use p2p_shared::tls::Credentials;

use crate::ca::TestCa;
use crate::cluster::eventually;
use crate::echo::{Server, client_endpoint, dial_as, soon};

const CHANGED: &str = "process.list";
const SAME: &str = "node.info";

/// Makes a side describe a method in another way than all others.
pub fn differ(local: &mut Local, method: &str) {
    let mut methods = local.described.methods().clone();
    *methods.get_mut(method).expect("it is told") ^= 1;
    local.described = Described::new(methods);
}

fn local(changed: bool) -> Local {
    let mut local = Local::new("home".parse().unwrap());
    if changed {
        differ(&mut local, CHANGED);
    }
    local
}

/// Sends a hello as it is, and reads the one that answers.
async fn answer(server: &Server, credentials: &Credentials, hello: &Hello) -> Hello {
    let config = client_config(credentials, credentials.trust());
    let endpoint = client_endpoint();
    let connection =
        endpoint.connect_with(config, server.address, "p2p-admin").unwrap().await.expect("a connection");
    let (mut send, receive) = connection.open_bi().await.unwrap();
    let mut wire = bytes::BytesMut::from([StreamKind::Hello.to_wire()].as_slice());
    put_frame(&mut wire, FrameKind::Message, &hello.to_bytes()).unwrap();
    send.write_all(&wire).await.unwrap();
    let mut reader = FrameReader::new(receive);
    let record = soon("a hello", reader.expect_frame(FrameKind::Message)).await.expect("a hello");
    Hello::from_bytes(&record).expect("a hello")
}

fn hello(methods: BTreeMap<String, u64>, digest: Option<u64>) -> Hello {
    Hello {
        protocol: (MAJOR, MINOR),
        mesh: "home".parse().unwrap(),
        version: "0.1.0".into(),
        instance: 5,
        features: 0,
        observed: None,
        methods,
        clock: None,
        digest,
    }
}

#[tokio::test]
async fn sides_whose_methods_differ_both_learn_which() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    for (name, changed) in [("ann", true), ("bob", false)] {
        let link = dial_as(&ca.operator(name, Role::Viewer), server.address, &local(changed)).await.unwrap();
        let there = eventually("the link is there", Duration::from_secs(5), async || {
            let peers = server.transport.peers();
            peers.into_iter().map(|peer| peer.link).find(|link| link.peer().name.as_str() == name)
        });
        let wanted = if changed { Encoding::Json } else { Encoding::Bincode };
        for link in [&link, &there.await] {
            assert_eq!(link.agreement().encoding(CHANGED), wanted, "{:?}", link.side());
            assert_eq!(link.agreement().encoding(SAME), Encoding::Bincode, "{:?}", link.side());
        }
    }
}

#[tokio::test]
async fn methods_are_listed_to_whoever_tells_another_digest_or_none_and_to_nobody_else() {
    let ca = TestCa::new("home");
    let (server, ann) = (Server::start(&ca.node("web-1")), ca.operator("ann", Role::Viewer));
    let described = local(false).described;
    let (own, methods) = (Some(described.digest()), described.methods().clone());
    let alike = answer(&server, &ann, &hello(BTreeMap::new(), own)).await;
    assert_eq!((alike.digest, alike.methods), (own, BTreeMap::new()));
    for theirs in [hello(methods.clone(), None), hello(BTreeMap::new(), Some(1))] {
        let told = answer(&server, &ann, &theirs).await;
        assert_eq!((told.digest, told.methods), (own, methods.clone()), "{theirs:?}");
    }
}
