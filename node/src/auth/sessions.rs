//! Sessions of users: one family of refresh tokens a login.
//!
//! Pure: hashes and times enter, and what is to be kept leaves. A refresh token is good once; the one that it is
//! changed for takes its place. One that comes again was stolen, or was used by a thief before: the family ends
//! (RFC 9700, 4.14). Access tokens name their family, and are good while it lives.

use std::collections::BTreeMap;

use p2p_shared::time::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

use super::secret::{self, Digest};

/// How long a login lasts, however often it is refreshed.
pub const SESSION_LIFE: Millis = Millis::from_secs(14 * 86_400);
/// Most sessions of one user: the oldest goes.
const OF_A_USER_MAX: usize = 32;
/// Most refreshes of one session: every token that was ever used is remembered.
const USED_MAX: usize = 1_024;
/// What a refresh token begins with.
const PREFIX: &str = "p2pr_";

/// One login, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub user: String,
    /// When it began.
    pub begun: UnixMillis,
    /// When it ends at the latest.
    pub ends: UnixMillis,
    /// Of the refresh token that is good.
    current: Digest,
    /// Of those that were.
    used: Vec<Digest>,
}

/// All sessions, by their ids.
#[derive(Debug, Default)]
pub struct Sessions {
    by_id: BTreeMap<String, Session>,
}

/// What has to be kept after a change: a session, or that there is none any more.
pub type Change = (String, Option<Session>);

/// A refresh token was taken.
#[derive(Debug)]
pub struct Refreshed {
    /// The session.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// The token that takes the place of the one that came.
    pub token: String,
    /// What has to be kept before it is given out.
    pub change: Change,
}

/// Why a refresh token is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is none of ours, or its session is over.
    Unknown,
    /// It was used before: its session has ended with this.
    Reused {
        /// Whose it was.
        user: String,
        /// What has to be kept.
        change: Box<Change>,
    },
}

impl Sessions {
    /// The sessions that were kept.
    pub fn new(kept: impl IntoIterator<Item = (String, Session)>) -> Self {
        Self { by_id: kept.into_iter().collect() }
    }

    /// Begins a session: its id, its first refresh token, and what has to be kept.
    pub fn begin(&mut self, user: &str, now: UnixMillis) -> (String, String, Vec<Change>) {
        let id = p2p_shared::id::hex(&secret::random::<12>());
        let token = new_token(&id);
        let session = Session {
            user: user.to_owned(),
            begun: now,
            ends: now.plus(SESSION_LIFE),
            current: Digest::of(&token),
            used: Vec::new(),
        };
        self.by_id.insert(id.clone(), session.clone());
        let mut changes = self.expire(now);
        let mut own: Vec<_> = self.by_id.iter().filter(|(_, session)| session.user == user).collect();
        own.sort_by_key(|(_, session)| session.begun);
        let surplus = own.len().saturating_sub(OF_A_USER_MAX);
        let oldest: Vec<String> = own.into_iter().take(surplus).map(|(id, _)| id.clone()).collect();
        changes.extend(oldest.iter().filter_map(|id| self.end(id)));
        changes.push((id.clone(), Some(session)));
        (id, token, changes)
    }

    /// Changes a refresh token for the next one.
    ///
    /// # Errors
    /// Why not; a reused one has ended its session.
    pub fn refresh(&mut self, token: &str, now: UnixMillis) -> Result<Refreshed, Unusable> {
        let id = id_of(token).ok_or(Unusable::Unknown)?;
        let session = self.by_id.get_mut(id).filter(|session| session.ends > now).ok_or(Unusable::Unknown)?;
        if session.current.is_of(token) && session.used.len() < USED_MAX {
            let next = new_token(id);
            let old = std::mem::replace(&mut session.current, Digest::of(&next));
            session.used.push(old);
            let change = (id.to_owned(), Some(session.clone()));
            return Ok(Refreshed { id: id.to_owned(), user: session.user.clone(), token: next, change });
        }
        let is_used = session.used.iter().any(|used| used.is_of(token));
        let user = session.user.clone();
        match is_used.then(|| self.end(id)).flatten() {
            Some(change) => Err(Unusable::Reused { user, change: Box::new(change) }),
            None => Err(Unusable::Unknown),
        }
    }

    /// The session that a refresh token belongs to, be it good or used.
    pub fn of_token(&self, token: &str) -> Option<&str> {
        let (id, session) = self.by_id.get_key_value(id_of(token)?)?;
        let known = session.current.is_of(token) || session.used.iter().any(|used| used.is_of(token));
        known.then_some(id.as_str())
    }

    /// The session of an id, if it is not over.
    pub fn get(&self, id: &str, now: UnixMillis) -> Option<&Session> {
        self.by_id.get(id).filter(|session| session.ends > now)
    }

    /// Ends a session.
    pub fn end(&mut self, id: &str) -> Option<Change> {
        self.by_id.remove(id).map(|_| (id.to_owned(), None))
    }

    fn expire(&mut self, now: UnixMillis) -> Vec<Change> {
        let over = self.by_id.iter().filter(|(_, session)| session.ends <= now);
        let over: Vec<String> = over.map(|(id, _)| id.clone()).collect();
        over.iter().filter_map(|id| self.end(id)).collect()
    }
}

fn new_token(id: &str) -> String {
    secret::new(&format!("{PREFIX}{id}_"))
}

/// The session that a token says it is of.
fn id_of(token: &str) -> Option<&str> {
    token.strip_prefix(PREFIX)?.split_once('_').map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn each_token_is_good_once_and_a_second_use_ends_the_session() {
        let mut sessions = Sessions::default();
        let (id, first, _) = sessions.begin("ann", NOW);
        let second = sessions.refresh(&first, NOW).unwrap();
        assert_eq!((second.id.as_str(), second.user.as_str()), (id.as_str(), "ann"));
        let third = sessions.refresh(&second.token, NOW).unwrap();
        assert_eq!(
            sessions.refresh(&first, NOW).unwrap_err(),
            Unusable::Reused { user: "ann".into(), change: Box::new((id.clone(), None)) }
        );
        assert_eq!(sessions.refresh(&third.token, NOW).unwrap_err(), Unusable::Unknown);
        assert!(sessions.get(&id, NOW).is_none());
    }

    #[test]
    fn a_guess_with_the_right_id_ends_nothing() {
        let mut sessions = Sessions::default();
        let (id, token, _) = sessions.begin("ann", NOW);
        for guess in
            [new_token(&id), format!("p2pr_{id}_"), format!("p2pr_{id}"), String::new(), "p2pr__".into()]
        {
            assert_eq!(sessions.refresh(&guess, NOW).unwrap_err(), Unusable::Unknown, "{guess}");
        }
        assert!(sessions.refresh(&token, NOW).is_ok());
    }

    #[test]
    fn a_session_ends_and_what_was_kept_goes_on() {
        let mut sessions = Sessions::default();
        let (id, token, changes) = sessions.begin("ann", NOW);
        let kept = changes.into_iter().filter_map(|(id, session)| session.map(|session| (id, session)));
        let mut later = Sessions::new(kept);
        assert_eq!(later.of_token(&token), Some(id.as_str()));
        let late = NOW.plus(SESSION_LIFE);
        assert_eq!(later.refresh(&token, late).unwrap_err(), Unusable::Unknown);
        assert!(later.refresh(&token, NOW).is_ok());
        let (_, _, changes) = later.begin("zoe", late);
        assert_eq!(changes.len(), 2, "the old one is forgotten on the way");
    }

    #[test]
    fn of_many_sessions_of_one_user_the_oldest_go() {
        let mut sessions = Sessions::default();
        let first = sessions.begin("ann", NOW).0;
        for index in 1..=OF_A_USER_MAX as u64 {
            sessions.begin("ann", UnixMillis(NOW.0 + index));
        }
        sessions.begin("zoe", NOW);
        assert!(sessions.get(&first, NOW).is_none());
        assert_eq!(sessions.by_id.len(), OF_A_USER_MAX + 1);
    }
}
