//! Tokens whose signature was found right: judging one costs about as much as a whole request.
//!
//! A token enters, and what it was found to say leaves, once or again. What is remembered is forgotten when the
//! token ends, and counts no more once anything changed that it was judged by: a CA, or a key that was revoked.
//! Whether its user and session are still there is not judged here, but at every use. Only tokens that are good
//! are remembered, so a stranger takes up no room.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use p2p_shared::access::{Caller, Role};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{TOKEN_BYTES_MAX, TokenError, TokenHolder, Trust, verify_token};

/// Tokens that are remembered.
const KNOWN_MAX: usize = 4_096;
/// Bytes of a token by which it is looked up.
const TAIL: usize = 64;

/// What tokens say that were found good.
pub struct Verified<T> {
    /// Nobody else can say which tokens fall together.
    hasher: RandomState,
    // Held for one look-up, never across a wait.
    known: Mutex<HashMap<u64, Known<T>>>,
}

struct Known<T> {
    token: Box<str>,
    says: Arc<T>,
    until: UnixMillis,
    /// Of what it was judged by.
    epoch: u64,
}

impl<T> Default for Verified<T> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), known: Mutex::default() }
    }
}

impl<T> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified(..)")
    }
}

impl<T> Verified<T> {
    /// What `token` says: as it was found before, by the same `epoch` and if it is not over, or as `judge` finds
    /// now, together with when it ends.
    ///
    /// # Errors
    /// As `judge` says.
    pub fn or_judge<E>(
        &self,
        token: &str,
        (epoch, now): (u64, UnixMillis),
        judge: impl FnOnce() -> Result<(T, UnixMillis), E>,
    ) -> Result<Arc<T>, E> {
        let hash = self.hasher.hash_one(tail(token));
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&hash)
            && *known.token == *token
            && known.epoch == epoch
            && now < known.until
        {
            return Ok(Arc::clone(&known.says));
        }
        let (says, until) = judge()?;
        let says = Arc::new(says);
        let mut known = known();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, known| known.epoch == epoch && now < known.until);
        }
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(hash, Known { token: token.into(), says: Arc::clone(&says), until, epoch });
        Ok(says)
    }
}

/// The end of a token, which is of its signature: as good as all of it to tell it from others by.
fn tail(token: &str) -> &[u8] {
    token.as_bytes().last_chunk::<TAIL>().map_or(token.as_bytes(), <[u8; TAIL]>::as_slice)
}

/// The name of whom a token is of, which no other caller has: it is written out once, and again if the role changed.
#[derive(Debug, Default)]
pub struct Named(OnceLock<(Option<Role>, Arc<str>)>);

impl Named {
    /// The name of `caller`, who is always the same one but for the role.
    pub fn of(&self, caller: &Caller) -> Arc<str> {
        let (role, name) = self.0.get_or_init(|| (caller.role(), name_of(caller)));
        if *role == caller.role() { Arc::clone(name) } else { name_of(caller) }
    }
}

fn name_of(caller: &Caller) -> Arc<str> {
    match caller {
        Caller::Node { id, .. } => format!("node {id}"),
        Caller::Operator { id, role, .. } => format!("operator {id} {role}"),
        Caller::User { name, role } => format!("user {name} {role}"),
        Caller::Unix { uid, .. } => format!("uid {uid}"),
    }
    .into()
}

/// Operators' tokens, judged by whom this node believes.
#[derive(Debug)]
pub struct Holders {
    trust: Arc<Trust>,
    verified: Verified<(TokenHolder, Named)>,
}

impl Holders {
    /// None is known yet.
    pub fn new(trust: Arc<Trust>) -> Self {
        Self { trust, verified: Verified::default() }
    }

    /// Whose token it is, as good at `now`.
    ///
    /// # Errors
    /// [`TokenError`] says what is wrong with it.
    pub fn verify(&self, token: &str, now: UnixMillis) -> Result<Arc<(TokenHolder, Named)>, TokenError> {
        // Before the judgement: what changes while it is made counts as changed.
        let epoch = self.trust.epoch();
        // One that is too long is not even looked up.
        if token.len() > TOKEN_BYTES_MAX {
            return verify_token(&self.trust, token, now).map(|holder| Arc::new((holder, Named::default())));
        }
        self.verified.or_judge(token, (epoch, now), || {
            let holder = verify_token(&self.trust, token, now)?;
            let until = holder.until.min(holder.operator.not_after);
            Ok(((holder, Named::default()), until))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn later(millis: u64) -> UnixMillis {
        UnixMillis(NOW.0 + millis)
    }

    #[test]
    fn a_token_is_judged_once_until_it_ends_or_what_judged_it_changed() {
        let verified = Verified::default();
        let mut judged = 0;
        let mut ask = |token: &str, epoch, now| {
            let judge = || {
                judged += 1;
                Ok::<_, ()>((token.to_owned(), later(60_000)))
            };
            assert_eq!(*verified.or_judge(token, (epoch, now), judge).unwrap(), token);
            judged
        };
        assert_eq!(ask("a", 0, NOW), 1);
        assert_eq!(ask("a", 0, later(59_999)), 1);
        assert_eq!(ask("b", 0, NOW), 2, "another one");
        assert_eq!(ask("a", 0, later(60_000)), 3, "it has ended");
        assert_eq!(ask("b", 1, NOW), 4, "a key was revoked");
        assert_eq!(ask("b", 1, NOW), 4);
        assert_eq!(verified.or_judge("c", (1, NOW), || Err("wrong")), Err("wrong"));
        assert_eq!(
            verified.or_judge("c", (1, NOW), || Err("still")),
            Err("still"),
            "no refusal is remembered"
        );
    }

    #[test]
    fn a_name_follows_the_role() {
        let named = Named::default();
        let user = |role| Caller::User { name: "ann".into(), role };
        assert_eq!(&*named.of(&user(Role::Viewer)), "user ann viewer");
        assert_eq!(&*named.of(&user(Role::Admin)), "user ann admin");
        assert_eq!(&*named.of(&user(Role::Viewer)), "user ann viewer");
    }

    #[test]
    fn only_so_many_are_remembered_and_those_that_ended_go_first() {
        let verified = Verified::default();
        let ask = |token: &str, now, until| {
            let mut fresh = false;
            let judge = || {
                fresh = true;
                Ok::<_, ()>(((), until))
            };
            verified.or_judge(token, (0, now), judge).unwrap();
            fresh
        };
        ask("long", NOW, later(60_000));
        for index in 0..KNOWN_MAX - 1 {
            ask(&format!("short {index}"), NOW, later(1));
        }
        ask("one more", later(1), later(60_000));
        assert!(!ask("long", later(1), later(60_000)));
        for index in 0..KNOWN_MAX * 2 {
            ask(&format!("more {index}"), later(1), later(60_000));
            assert!(verified.known.lock().unwrap().len() <= KNOWN_MAX);
        }
    }
}
