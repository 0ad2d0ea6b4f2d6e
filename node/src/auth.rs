//! Who a request of the HTTP face comes from.
//!
//! A name with a password, a token, or the certificate of a TLS client, enters; a caller leaves, or a refusal that does not say which of the two
//! was wrong. Three kinds of token: one of a user's session at this node, a long-lived one of a scraper of this
//! node, and an operator's, signed by the operator's own key. Nothing here decides what a caller may do.

pub mod access;
pub(crate) mod attempts;
pub mod password;
pub mod secret;
pub mod sessions;
pub mod users;
pub mod verified;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p2p_shared::access::{Caller, Role};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{Credentials, PeerIdentity, PeerKind, TokenHolder, Trust};
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::access::{AccessKey, Claims, KeyError};
use self::attempts::Attempts;
use self::password::Passwords;
use self::secret::Digest;
use self::sessions::{Change, Session, Sessions, Unusable};
use self::users::{User, UserFile, Users};
use self::verified::{Holders, Named, Verified};
use crate::audit::Audit;
use crate::audit::record::Asked;
use crate::clock;
use crate::store::{Store, StoreError};

/// What a scraper's token begins with.
pub const LONG_PREFIX: &str = "p2pt_";
/// Under which name a secret that was made here is kept.
const SECRET_KEY: &str = "auth-secret";

/// Why nobody can be let in at all.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// What was kept cannot be read, or the new secret cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a login is given.
#[derive(Debug)]
pub struct Grant {
    /// Good for a while.
    pub access_token: String,
    /// For how long.
    pub life: Millis,
    /// Good once, for the next ones.
    pub refresh_token: String,
}

/// Why somebody is given no tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// In words.
    pub error: RpcError,
    /// After how long another attempt is taken, if that is why.
    pub wait: Option<Millis>,
}

impl From<RpcError> for Denied {
    fn from(error: RpcError) -> Self {
        Self { error, wait: None }
    }
}

/// Who asks, and until when that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// Who.
    pub caller: Caller,
    /// When the token, or the certificate, ends.
    pub until: UnixMillis,
    /// A name that no other caller has: another key, or another role, is another caller.
    pub name: Arc<str>,
}

/// The one place that knows users, sessions and tokens. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    users: UserFile,
    passwords: Passwords,
    key: AccessKey,
    /// Tokens of sessions. Their key is this node's own and stays.
    verified: Verified<(Claims, Named)>,
    holders: Holders,
    trust: Arc<Trust>,
    store: Store,
    audit: Option<Audit>,
    zero: Instant,
    // Each is held for one look-up or change in memory, never across a wait.
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    // Held while a change is on its way to the disk, so that changes come one after the other.
    keeping: tokio::sync::Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused() -> RpcError {
    RpcError::unauthenticated("the token is not good here, or no longer: log in again")
}

impl Auth {
    /// Takes up the sessions that were kept. `secret` is the one that is configured; without it one is made, once.
    /// Who is refused is recorded in `audit`.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub fn open(
        data: &Path,
        (credentials, store): (&Credentials, &Store),
        secret: Option<&[u8]>,
        life: Millis,
        audit: Option<Audit>,
    ) -> Result<Self, AuthError> {
        let own = match secret {
            Some(secret) => Zeroizing::new(secret.to_vec()),
            None => made_here(store)?,
        };
        let identity = credentials.identity();
        let issuer = format!("spiffe://{}/node/{}", identity.mesh, identity.name);
        Ok(Self(Arc::new(Inner {
            users: UserFile::new(data),
            passwords: Passwords::default(),
            key: AccessKey::new(&own, &issuer, life)?,
            verified: Verified::default(),
            holders: Holders::new(credentials.trust()),
            trust: credentials.trust(),
            sessions: Mutex::new(Sessions::new(kept(store)?)),
            store: store.clone(),
            audit,
            zero: Instant::now(),
            attempts: Mutex::default(),
            keeping: tokio::sync::Mutex::default(),
        })))
    }

    /// A session for whoever knows the password.
    ///
    /// # Errors
    /// `unauthenticated`, the same for a wrong password and for a user who does not exist; `rate_limited` after
    /// too many attempts of that address or at that user; `bad_request` for what can be nobody's password.
    pub async fn login(
        &self,
        name: &str,
        password: Zeroizing<String>,
        from: IpAddr,
    ) -> Result<Grant, Denied> {
        let wrong = || RpcError::unauthenticated("the user or the password is wrong");
        // Neither is anybody's, and neither costs a comparison.
        if !(1..=password::PASSWORD_BYTES_MAX).contains(&password.len()) {
            let why = format!("a password is 1 to {} bytes", password::PASSWORD_BYTES_MAX);
            return Err(RpcError::bad_request(why).into());
        }
        if name.len() > users::NAME_BYTES_MAX {
            return Err(wrong().into());
        }
        let by_user = format!("user {name}");
        self.attempt(&[attempts::by_address(from), by_user.clone()])?;
        let user = self.0.users.now().get(name).cloned();
        let phc = user.as_ref().and_then(|user| user.password.clone());
        let right = self.0.passwords.is_right(password, phc).await?;
        let Some(user) = user.filter(|_| right) else {
            let name = p2p_shared::tls::clean_text(name.as_bytes());
            tracing::warn!(user = name, %from, "a login was refused");
            self.record(("auth.token", &name), from, &wrong());
            return Err(wrong().into());
        };
        lock(&self.0.attempts).forgive(&by_user);
        let now = clock::wall();
        let keeping = self.0.keeping.lock().await;
        let (session, refresh_token, changes) = lock(&self.0.sessions).begin(&user.name, now);
        self.keep(changes).await?;
        drop(keeping);
        tracing::info!(user = user.name, %from, "logged in");
        self.grant(&user, &session, refresh_token, now)
    }

    /// The next tokens of a session.
    ///
    /// # Errors
    /// `unauthenticated` if the token is not good; if it was used before, its session has ended.
    pub async fn refresh(&self, token: &str, from: IpAddr) -> Result<Grant, Denied> {
        let now = clock::wall();
        let keeping = self.0.keeping.lock().await;
        let refreshed = lock(&self.0.sessions).refresh(token, now);
        let refreshed = match refreshed {
            Ok(refreshed) => refreshed,
            Err(Unusable::Unknown) => {
                self.attempt(&[attempts::by_address(from)])?;
                return Err(refused().into());
            }
            Err(Unusable::Reused { user, change }) => {
                let error =
                    RpcError::unauthenticated("a refresh token was used twice: its session has ended");
                tracing::warn!(user, %from, "{}", error.message);
                self.record(("auth.refresh", &user), from, &error);
                self.keep(vec![*change]).await?;
                return Err(refused().into());
            }
        };
        let user = self.0.users.now().get(&refreshed.user).cloned();
        let begun = lock(&self.0.sessions).get(&refreshed.id, now).map(|session| session.begun);
        let Some(user) = user.filter(|user| begun.is_some_and(|begun| begun >= user.changed)) else {
            let ended = lock(&self.0.sessions).end(&refreshed.id);
            self.keep(ended.into_iter().collect()).await?;
            return Err(refused().into());
        };
        self.keep(vec![refreshed.change]).await?;
        drop(keeping);
        self.grant(&user, &refreshed.id, refreshed.token, now)
    }

    /// Ends the session of a refresh token, or of an access token. One that is unknown ends nothing.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn logout(&self, token: &str) -> Result<(), RpcError> {
        let keeping = self.0.keeping.lock().await;
        let session = lock(&self.0.sessions).of_token(token).map(str::to_owned);
        let session = session.or_else(|| self.0.key.read(token, clock::wall()).map(|claims| claims.sid));
        let change = session.and_then(|session| lock(&self.0.sessions).end(&session));
        let kept = self.keep(change.into_iter().collect()).await;
        drop(keeping);
        kept
    }

    /// Who a token is of.
    ///
    /// # Errors
    /// `unauthenticated`, and nothing more, if it is not good.
    pub fn identify(&self, token: &str) -> Result<Identified, RpcError> {
        self.identify_at(token, clock::wall())
    }

    fn identify_at(&self, token: &str, now: UnixMillis) -> Result<Identified, RpcError> {
        if token.starts_with(LONG_PREFIX) {
            return self.scraper(token, now);
        }
        if self.0.key.is_for(token) {
            let read = || {
                let claims = self.0.key.read(token, now).ok_or_else(refused)?;
                let until = claims.until();
                Ok::<_, RpcError>(((claims, Named::default()), until))
            };
            let known = self.0.verified.or_judge(token, (0, now), read)?;
            return self.session(&known, now);
        }
        let holder = self.0.holders.verify(token, now).map_err(|error| {
            tracing::debug!(%error, "a token was refused");
            refused()
        })?;
        self.operator(&holder, now)
    }

    /// Asked anew at each request: the user, the role and the session may have changed since.
    fn session(&self, (claims, named): &(Claims, Named), now: UnixMillis) -> Result<Identified, RpcError> {
        let until = claims.until();
        let users = self.0.users.lately();
        let user = users.get(&claims.sub).ok_or_else(refused)?;
        let sessions = lock(&self.0.sessions);
        let session = sessions.get(&claims.sid, now).ok_or_else(refused)?;
        if until <= now || session.user != user.name || session.begun < user.changed {
            return Err(refused());
        }
        let caller = Caller::User { name: user.name.clone(), role: user.role };
        Ok(Identified { name: named.of(&caller), caller, until })
    }

    fn operator(
        &self,
        (holder, named): &(TokenHolder, Named),
        now: UnixMillis,
    ) -> Result<Identified, RpcError> {
        let TokenHolder { operator, until, .. } = holder;
        let PeerKind::Operator(role) = operator.kind else { return Err(refused()) };
        if *until <= now || operator.not_after <= now || self.0.trust.is_revoked(&operator.id) {
            return Err(refused());
        }
        let caller = Caller::Operator { id: operator.id, name: operator.name.clone(), role };
        Ok(Identified { name: named.of(&caller), caller, until: *until })
    }

    /// Who a client is by the certificate that it showed in its handshake, where it was judged as any peer's.
    ///
    /// # Errors
    /// `forbidden` for a node: its certificate makes it a peer, and nobody who may ask for anything;
    /// `unauthenticated` for one that is no longer good.
    pub fn of_certificate(&self, peer: &PeerIdentity) -> Result<Identified, RpcError> {
        let PeerKind::Operator(role) = peer.kind else {
            let name = &peer.name;
            tracing::warn!(node = %name, "refused: a node showed its certificate as a client's");
            return Err(RpcError::forbidden(format!(
                "denied: role: {name} is a node, and a node has no authority of its own: show an operator's certificate"
            )));
        };
        if peer.not_after <= clock::wall() || self.0.trust.is_revoked(&peer.id) {
            return Err(RpcError::unauthenticated("the certificate is no longer good"));
        }
        let caller = Caller::Operator { id: peer.id, name: peer.name.clone(), role };
        Ok(Identified { name: Named::default().of(&caller), caller, until: peer.not_after })
    }

    fn scraper(&self, token: &str, now: UnixMillis) -> Result<Identified, RpcError> {
        let digest = Digest::of(token);
        let holder = |users: &Users| {
            let mut tokens =
                users.users.iter().flat_map(|user| user.tokens.iter().map(move |token| (user, token)));
            let (user, long) = tokens.find(|(_, long)| long.hash == digest && now < long.ends)?;
            let caller = Caller::User { name: user.name.clone(), role: Role::Viewer };
            Some(Identified { name: Named::default().of(&caller), caller, until: long.ends })
        };
        // One that was made just now is good at once.
        holder(&self.0.users.lately()).or_else(|| holder(&self.0.users.now())).ok_or_else(refused)
    }

    /// A refusal, in the audit record: no call was made that would stand there.
    fn record(&self, (what, who): (&str, &str), from: IpAddr, error: &RpcError) {
        let asked = || Asked {
            caller: "user".to_owned(),
            who: who.to_owned(),
            id: None,
            role: None,
            from: Some(from.to_string()),
            face: "http".to_owned(),
            method: what.to_owned(),
            arguments: String::new(),
            request: String::new(),
            trace: None,
        };
        if let Some(audit) = &self.0.audit {
            audit.refused(asked, error);
        }
    }

    fn attempt(&self, names: &[String]) -> Result<(), Denied> {
        let now = Millis::from(self.0.zero.elapsed());
        lock(&self.0.attempts).take(names, now).map_err(|wait| {
            let seconds = wait.0.div_ceil(1_000);
            let why = format!("too many attempts: try again in {seconds} s");
            Denied { error: RpcError::new(Code::RateLimited, why), wait: Some(wait) }
        })
    }

    fn grant(&self, user: &User, session: &str, refresh: String, now: UnixMillis) -> Result<Grant, Denied> {
        let minted = self.0.key.mint(&user.name, session, now);
        let access_token = minted.map_err(|error| RpcError::internal(error.to_string()))?;
        Ok(Grant { access_token, life: self.0.key.life(), refresh_token: refresh })
    }

    async fn keep(&self, changes: Vec<Change>) -> Result<(), RpcError> {
        let store = self.0.store.clone();
        let written = tokio::task::spawn_blocking(move || {
            let changes: Result<Vec<_>, _> = changes
                .into_iter()
                .map(|(id, session)| {
                    session.map(|session| store_bytes(&session)).transpose().map(|bytes| (id, bytes))
                })
                .collect();
            let changes = changes.map_err(|error| error.to_string())?;
            store.put_sessions(changes).map_err(|error| error.to_string())
        });
        let failed =
            |error: String| RpcError::new(Code::Unavailable, format!("the session cannot be kept: {error}"));
        written.await.map_err(|error| failed(error.to_string()))?.map_err(failed)
    }
}

/// How sessions are written.
const LAYOUT: u8 = 1;

fn store_bytes(session: &Session) -> Result<Vec<u8>, p2p_shared::rpc::codec::CodecError> {
    crate::store::records::to_bytes(LAYOUT, session)
}

fn kept(store: &Store) -> Result<Vec<(String, Session)>, StoreError> {
    let readable = |(id, bytes): (String, Vec<u8>)| match crate::store::records::from_bytes(LAYOUT, &bytes) {
        Ok(session) => Some((id, session)),
        Err(error) => {
            tracing::warn!(%error, "a session that was kept cannot be read: it is over");
            None
        }
    };
    Ok(store.sessions()?.into_iter().filter_map(readable).collect())
}

/// The secret that this node made for itself, at its first start or now.
fn made_here(store: &Store) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    if let Some(kept) = store.meta(SECRET_KEY)? {
        return Ok(Zeroizing::new(kept));
    }
    let secret = secret::random::<32>();
    store.put_meta(SECRET_KEY, &secret)?;
    Ok(Zeroizing::new(secret.to_vec()))
}

#[cfg(test)]
mod tests;
