use std::net::Ipv4Addr;

use p2p_shared::tls::{Credentials, TOKEN_LIFE_MAX, mint_token};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use super::users::{LATELY, LongToken, Users, UsersError};
use super::*;
use crate::pki::{Authority, NewCa, NodeRequest, OperatorRequest, Sealing};

const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "correct horse battery";

struct World {
    ca: TempDir,
    data: TempDir,
    authority: Authority,
    node: Credentials,
    store: Store,
}

impl World {
    fn new() -> Self {
        let (ca, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let new = NewCa { mesh: "home".parse().unwrap(), days: 30 };
        let authority = Authority::init(ca.path(), &new, &Sealing::Plain, clock::wall()).unwrap();
        let request = NodeRequest { name: "web-1".parse().unwrap(), addresses: Vec::new(), days: 10 };
        let issued = authority.issue_node(&request, clock::wall()).unwrap();
        let node = Credentials::load_node(&issued.directory, clock::wall()).unwrap();
        let store = Store::open(data.path()).unwrap();
        let world = Self { ca, data, authority, node, store };
        world.set(user("ann", Role::Operator));
        world
    }

    fn auth(&self) -> Auth {
        let parts = (&self.node, &self.store);
        Auth::open(self.data.path(), parts, None, Millis::from_secs(600), None).unwrap()
    }

    fn set(&self, user: User) {
        Users::change(self.data.path(), |users| {
            users.users.retain(|known| known.name != user.name);
            users.users.push(user);
            Ok::<(), UsersError>(())
        })
        .unwrap();
    }

    /// Changes the users, as far as every request knows by then.
    async fn change(&self, change: impl FnOnce(&mut Users)) {
        Users::change(self.data.path(), |users| {
            change(users);
            Ok::<(), UsersError>(())
        })
        .unwrap();
        tokio::time::advance(LATELY).await;
    }
}

/// A user with [`PASSWORD`].
fn user(name: &str, role: Role) -> User {
    let password = Some(password::hash(PASSWORD).unwrap());
    User { name: name.to_owned(), role, password, changed: clock::wall(), tokens: Vec::new() }
}

async fn login(auth: &Auth, name: &str, password: &str) -> Result<Grant, RpcError> {
    auth.login(name, Zeroizing::new(password.to_owned()), FROM).await.map_err(|denied| denied.error)
}

#[tokio::test(start_paused = true)]
async fn a_login_gives_tokens_that_name_the_user_with_the_role_of_now() {
    let world = World::new();
    let auth = world.auth();
    let grant = login(&auth, "ann", PASSWORD).await.unwrap();
    let identified = auth.identify(&grant.access_token).unwrap();
    assert_eq!(identified.caller, Caller::User { name: "ann".into(), role: Role::Operator });
    world.change(|users| users.get_mut("ann").unwrap().role = Role::Viewer).await;
    let identified = auth.identify(&grant.access_token).unwrap();
    assert_eq!(identified.caller, Caller::User { name: "ann".into(), role: Role::Viewer });
    world.change(|users| users.users.clear()).await;
    assert_eq!(auth.identify(&grant.access_token).unwrap_err().code, Code::Unauthenticated);
    assert_eq!(auth.refresh(&grant.refresh_token, FROM).await.unwrap_err().error.code, Code::Unauthenticated);
}

#[tokio::test]
async fn a_wrong_password_and_a_stranger_are_told_the_same_and_only_so_often() {
    let world = World::new();
    let auth = world.auth();
    let wrong = login(&auth, "ann", "wrong").await.unwrap_err();
    let stranger = login(&auth, "zoe", PASSWORD).await.unwrap_err();
    assert_eq!((wrong.code, &wrong.message), (stranger.code, &stranger.message));
    let mut last = wrong;
    for _ in 0..4 {
        last = login(&auth, "ann", "wrong").await.unwrap_err();
    }
    assert_eq!(last.code, Code::RateLimited);
    let right = login(&auth, "ann", PASSWORD).await.unwrap_err();
    assert_eq!(right.code, Code::RateLimited, "nobody learns by this which guess was right");
    let denied = auth.login("ann", Zeroizing::new(PASSWORD.to_owned()), FROM).await.unwrap_err();
    let wait = denied.wait.unwrap();
    assert!(wait > Millis::from_secs(11) && wait <= Millis::from_secs(12), "{wait:?}");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_over_a_restart_and_a_second_use_ends_the_session() {
    let world = World::new();
    let first = login(&world.auth(), "ann", PASSWORD).await.unwrap();
    let auth = world.auth();
    assert!(auth.identify(&first.access_token).is_ok(), "the key was kept, and the session");
    let second = auth.refresh(&first.refresh_token, FROM).await.unwrap();
    assert!(auth.identify(&second.access_token).is_ok());
    let auth = world.auth();
    assert_eq!(auth.refresh(&first.refresh_token, FROM).await.unwrap_err().error.code, Code::Unauthenticated);
    for token in [&first.access_token, &second.access_token] {
        assert_eq!(auth.identify(token).unwrap_err().code, Code::Unauthenticated);
    }
    assert!(auth.refresh(&second.refresh_token, FROM).await.is_err());
    assert!(world.auth().identify(&second.access_token).is_err(), "nor after a restart");
}

#[tokio::test(start_paused = true)]
async fn logging_out_and_a_new_password_end_a_session() {
    let world = World::new();
    let auth = world.auth();
    let one = login(&auth, "ann", PASSWORD).await.unwrap();
    let two = login(&auth, "ann", PASSWORD).await.unwrap();
    auth.logout(&one.refresh_token).await.unwrap();
    assert!(auth.identify(&one.access_token).is_err());
    assert!(auth.identify(&two.access_token).is_ok());
    auth.logout("nonsense").await.unwrap();
    let later = UnixMillis(clock::wall().0 + 1);
    world.change(|users| users.get_mut("ann").unwrap().changed = later).await;
    assert!(auth.identify(&two.access_token).is_err());
    assert!(auth.refresh(&two.refresh_token, FROM).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_scrapers_token_reads_until_it_ends_or_is_removed() {
    let world = World::new();
    let auth = world.auth();
    let token = secret::new(LONG_PREFIX);
    let ends = clock::wall().plus(Millis::from_secs(60));
    let long = LongToken { id: "a".into(), hash: Digest::of(&token), made: clock::wall(), ends };
    world.change(|users| users.get_mut("ann").unwrap().tokens.push(long)).await;
    let identified = auth.identify(&token).unwrap();
    let caller = Caller::User { name: "ann".into(), role: Role::Viewer };
    assert_eq!(identified, Identified { caller, until: ends, name: "user ann viewer".into() });
    assert!(auth.identify(&format!("{token}0")).is_err());
    world.change(|users| users.get_mut("ann").unwrap().tokens[0].ends = clock::wall()).await;
    assert!(auth.identify(&token).is_err());
}

/// A session whose access token was taken once, and so is known.
async fn seen_before(auth: &Auth) -> Grant {
    let grant = login(auth, "ann", PASSWORD).await.unwrap();
    auth.identify(&grant.access_token).unwrap();
    grant
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_seen_before_dies_with_its_session_its_user_and_its_time() {
    let world = World::new();
    let auth = world.auth();
    let dead = |grant: &Grant| auth.identify(&grant.access_token).unwrap_err().code == Code::Unauthenticated;

    let grant = seen_before(&auth).await;
    auth.logout(&grant.access_token).await.unwrap();
    assert!(dead(&grant), "logged out");

    let grant = seen_before(&auth).await;
    auth.refresh(&grant.refresh_token, FROM).await.unwrap();
    assert!(auth.identify(&grant.access_token).is_ok());
    assert!(auth.refresh(&grant.refresh_token, FROM).await.is_err());
    assert!(dead(&grant), "its refresh token was used twice");

    let grant = seen_before(&auth).await;
    let (last, over) =
        (clock::wall().plus(Millis::from_secs(590)), clock::wall().plus(Millis::from_secs(601)));
    assert!(auth.identify_at(&grant.access_token, last).is_ok());
    assert!(auth.identify_at(&grant.access_token, over).is_err(), "past its end");

    world.change(|users| users.get_mut("ann").unwrap().role = Role::Viewer).await;
    let role = auth.identify(&grant.access_token).unwrap().caller.role();
    assert_eq!(role, Some(Role::Viewer), "the role of now");
    let later = UnixMillis(clock::wall().0 + 1);
    world.change(|users| users.get_mut("ann").unwrap().changed = later).await;
    assert!(dead(&grant), "the password was changed");

    world.set(user("ann", Role::Viewer));
    let grant = seen_before(&auth).await;
    world.change(|users| users.users.clear()).await;
    assert!(dead(&grant), "the user was removed");
}

fn operator(world: &World, name: &str) -> Credentials {
    let request = OperatorRequest { name: name.parse().unwrap(), role: Role::Admin, days: 5 };
    let issued = world.authority.issue_operator(&request, &Sealing::Plain, clock::wall()).unwrap();
    let nobody = |_: &Path| unreachable!("the key is plain");
    Credentials::load_operator(&issued.directory, clock::wall(), nobody).unwrap()
}

#[test]
fn an_operators_token_that_was_seen_before_dies_with_its_key_its_ca_and_its_time() {
    let world = World::new();
    let auth = world.auth();
    let (olga, otto) = (operator(&world, "olga"), operator(&world, "otto"));
    let token = |operator| mint_token(operator, clock::wall(), TOKEN_LIFE_MAX).unwrap();
    let (of_olga, of_otto) = (token(&olga), token(&otto));
    let identified = auth.identify(&of_olga).unwrap();
    assert!(
        matches!(&identified.caller, Caller::Operator { role: Role::Admin, name, .. } if name.as_str() == "olga")
    );
    assert_eq!(auth.identify(&of_olga).unwrap(), identified);
    assert!(auth.identify(&of_otto).is_ok());
    let over = clock::wall().plus(TOKEN_LIFE_MAX);
    assert_eq!(auth.identify_at(&of_olga, over).unwrap_err().code, Code::Unauthenticated, "past its end");

    let trust = world.node.trust();
    trust.replace_revoked([olga.identity().id].into_iter().collect());
    assert_eq!(auth.identify(&of_olga).unwrap_err().code, Code::Unauthenticated, "its key is revoked");
    assert!(auth.identify(&of_otto).is_ok());

    let other = World::new();
    let root = CertificateDer::from_pem_file(other.ca.path().join("ca.crt")).unwrap();
    trust.replace_roots(&[root]).unwrap();
    assert_eq!(
        auth.identify(&of_otto).unwrap_err().code,
        Code::Unauthenticated,
        "its CA is believed no more"
    );
}
