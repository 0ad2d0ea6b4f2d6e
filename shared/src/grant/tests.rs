use super::*;
use crate::tls::testing::{NOW, TestCa, mesh_key, node_params, operator_params};

const METHOD: &str = "transfer.send";

struct Ground {
    ca: TestCa,
    trust: Trust,
}

fn id(byte: u8) -> NodeId {
    NodeId::new([byte; 32])
}

impl Ground {
    fn new() -> Self {
        let ca = TestCa::new();
        let trust = ca.trust();
        Self { ca, trust }
    }

    fn credentials(&self, is_operator: bool) -> Credentials {
        let key = mesh_key();
        let params = if is_operator { operator_params("admin") } else { node_params() };
        let leaf = self.ca.leaf(&key, params, |_| ());
        Credentials::from_parts(vec![leaf], &[self.ca.der()], &key.serialize_der(), NOW).unwrap()
    }

    fn grant(&self, credentials: &Credentials, change: impl FnOnce(&mut Grant)) -> Vec<u8> {
        let mut grant = Grant {
            holder: id(1),
            targets: vec![id(2)],
            method: METHOD.into(),
            arguments: arguments_hash(b"{}"),
            issued: NOW,
            expires: NOW.plus(Millis::from_secs(600)),
        };
        change(&mut grant);
        sign(credentials, &grant).unwrap()
    }

    fn judge(&self, grant: &[u8], asked: &Asked<'_>) -> Result<PeerIdentity, String> {
        verify(&self.trust, grant, asked).map_err(|error| error.to_string())
    }
}

const fn asked() -> Asked<'static> {
    Asked {
        holder: NodeId::new([1; 32]),
        target: NodeId::new([2; 32]),
        method: METHOD,
        arguments: b"{}",
        now: NOW,
    }
}

#[test]
fn a_grant_is_the_operators_word() {
    let ground = Ground::new();
    let operator = ground.credentials(true);
    let grant = ground.grant(&operator, |_| ());
    let signer = ground.judge(&grant, &asked()).unwrap();
    assert_eq!(signer.id, operator.identity().id);
    // The same again is the same.
    ground.judge(&grant, &asked()).unwrap();
}

#[test]
fn it_is_good_for_what_it_says_and_nothing_else() {
    let ground = Ground::new();
    let grant = ground.grant(&ground.credentials(true), |_| ());
    for (asked, why) in [
        (Asked { holder: id(9), ..asked() }, "a grant for another holder"),
        (Asked { target: id(9), ..asked() }, "a grant for other nodes"),
        (Asked { method: "file.write", ..asked() }, "a grant for another method"),
        (Asked { arguments: b"{ }", ..asked() }, "a grant for other arguments"),
    ] {
        assert_eq!(ground.judge(&grant, &asked).unwrap_err(), why);
    }
}

#[test]
fn it_ends_and_cannot_be_good_for_long() {
    let ground = Ground::new();
    let operator = ground.credentials(true);
    let grant = ground.grant(&operator, |_| ());
    let at = |seconds| Asked { now: NOW.plus(Millis::from_secs(seconds)), ..asked() };
    ground.judge(&grant, &at(650)).unwrap();
    assert!(ground.judge(&grant, &at(661)).unwrap_err().starts_with("a grant that has ended"));
    let late = ground.grant(&operator, |grant| grant.expires = NOW.plus(Millis::from_secs(3_600)));
    assert!(ground.judge(&late, &asked()).unwrap_err().contains("too long"));
    let early = ground.grant(&operator, |grant| {
        (grant.issued, grant.expires) = (NOW.plus(Millis::from_secs(120)), NOW.plus(Millis::from_secs(180)));
    });
    assert!(ground.judge(&early, &asked()).unwrap_err().contains("not good yet"));
    let turned = ground.grant(&operator, |grant| std::mem::swap(&mut grant.issued, &mut grant.expires));
    assert!(ground.judge(&turned, &asked()).is_err());
}

#[test]
fn a_node_a_stranger_and_a_revoked_operator_grant_nothing() {
    let ground = Ground::new();
    let node = ground.grant(&ground.credentials(false), |_| ());
    assert_eq!(ground.judge(&node, &asked()).unwrap_err(), "a grant that no operator signed");
    let stranger = Ground::new();
    let foreign = stranger.grant(&stranger.credentials(true), |_| ());
    ground.judge(&foreign, &asked()).unwrap_err();
    let operator = ground.credentials(true);
    let grant = ground.grant(&operator, |_| ());
    ground.trust.replace_revoked([operator.identity().id].into());
    ground.judge(&grant, &asked()).unwrap_err();
}

#[test]
fn no_changed_byte_passes() {
    let ground = Ground::new();
    let grant = ground.grant(&ground.credentials(true), |_| ());
    for at in 0..grant.len() {
        for bit in [1, 0x80] {
            let mut changed = grant.clone();
            changed[at] ^= bit;
            assert!(ground.judge(&changed, &asked()).is_err(), "byte {at}");
        }
    }
    assert!(ground.judge(&grant[..grant.len() - 1], &asked()).is_err());
    assert!(ground.judge(&[], &asked()).is_err());
    assert!(ground.judge(&[0; GRANT_BYTES_MAX + 1], &asked()).is_err());
}
