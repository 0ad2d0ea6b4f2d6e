//! Passwords: hashed with Argon2id, and compared a few at a time.
//!
//! A password enters and is compared or turned into a PHC string; it is kept nowhere. 19 MiB and two passes, as
//! the OWASP password storage cheat sheet has it (RFC 9106). A user that does not exist costs the same.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::time::Millis;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::Denied;

/// Comparisons at a time: each has 19 MiB and one core.
const AT_ONCE: usize = 2;
/// Comparisons that wait for their turn.
const WAITING: usize = 8;
/// After how long a full queue has places again.
const CROWD_GOES: Millis = Millis::from_secs(1);
/// Longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Fewest characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 12;

/// The PHC string of a password.
///
/// # Errors
/// If the system has no memory or no randomness for it.
pub fn hash(password: &str) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

fn matches(password: &str, phc: &str) -> bool {
    PasswordHash::new(phc)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// The hash of no password: what users who do not exist are compared with.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash(&super::secret::new("")).unwrap_or_default());

/// Compares passwords, so many at a time.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), places: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }
}

impl Passwords {
    /// Whether `password` is the one of a PHC string; `None` stands for a user who does not exist or has none,
    /// and takes as long.
    ///
    /// # Errors
    /// `rate_limited` if too many wait already.
    pub async fn is_right(&self, password: Zeroizing<String>, phc: Option<String>) -> Result<bool, Denied> {
        let crowded = || {
            let why = "too many logins at this moment: try again in a second";
            Denied { error: RpcError::new(Code::RateLimited, why), wait: Some(CROWD_GOES) }
        };
        let _place = self.places.try_acquire().map_err(|_| crowded())?;
        let _turn = self.turns.acquire().await.map_err(|_| crowded())?;
        let compared = spawn_blocking(move || {
            let known = phc.is_some();
            matches(&password, phc.as_deref().unwrap_or(&NOBODY)) && known
        });
        compared.await.map_err(|error| RpcError::internal(error.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_alone_is_right() {
        let passwords = Passwords::default();
        let phc = hash("correct horse battery").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        let is_right = async |password: &str, phc: Option<&str>| {
            passwords.is_right(Zeroizing::new(password.to_owned()), phc.map(str::to_owned)).await.unwrap()
        };
        assert!(is_right("correct horse battery", Some(&phc)).await);
        assert!(!is_right("correct horse batterz", Some(&phc)).await);
        assert!(!is_right("", Some(&phc)).await);
        assert!(!is_right("correct horse battery", None).await);
        assert!(!is_right("correct horse battery", Some("broken")).await);
    }

    #[tokio::test]
    async fn a_crowd_is_told_to_come_again() {
        let passwords = Passwords::default();
        let all = (0..AT_ONCE + WAITING + 1).map(|_| passwords.is_right(Zeroizing::new(String::new()), None));
        let ended = futures::future::join_all(all).await;
        let refused: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.iter().map(|denied| denied.error.code).collect::<Vec<_>>(), [Code::RateLimited]);
    }
}
