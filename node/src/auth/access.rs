//! Access tokens of this node's own users: JSON Web Tokens (RFC 7519) that only this node makes and takes.
//!
//! A session enters and a signed text leaves; a text enters and what it says leaves, once it was judged. The
//! header is always the same three members, so it is compared and not read.

use aws_lc_rs::hkdf;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use p2p_shared::id::hex;
use p2p_shared::time::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

use super::secret;

/// What an HKDF (RFC 5869) of the secret is for.
const KEY_INFO: &[u8] = b"p2p-admin/access-token-key/v1";
/// RFC 9068.
const TYPE: &str = "at+jwt";
/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 2_048;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The user.
    pub sub: String,
    /// The session that it belongs to.
    pub sid: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
}

impl Claims {
    /// When it ends.
    pub const fn until(&self) -> UnixMillis {
        UnixMillis(self.exp.saturating_mul(1_000))
    }
}

/// The key of access tokens, and who makes them.
pub struct AccessKey {
    signing: EncodingKey,
    checking: DecodingKey,
    header: Header,
    /// As the first part of every token.
    encoded_header: String,
    issuer: String,
    life: Millis,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The library will not have it: a defect.
#[derive(Debug, thiserror::Error)]
#[error("access tokens cannot be made: {0}")]
pub struct KeyError(String);

impl AccessKey {
    /// The key that follows from a secret, for tokens of `issuer` that live for `life`.
    ///
    /// # Errors
    /// If the cryptography refuses it.
    pub fn new(secret: &[u8], issuer: &str, life: Millis) -> Result<Self, KeyError> {
        let failed = |what: &str| KeyError(what.to_owned());
        let mut seed = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(secret)
            .expand(&[KEY_INFO], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut seed))
            .map_err(|_| failed("no key follows from the secret"))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| KeyError(error.to_string()))?;
        let pkcs8 = pair.to_pkcs8().map_err(|_| failed("the key cannot be written"))?;
        let public = pair.public_key().as_ref();
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(hex(&aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public).as_ref()[..8])),
            ..Header::new(Algorithm::EdDSA)
        };
        let signing = EncodingKey::from_ed_der(pkcs8.as_ref());
        let probe =
            jsonwebtoken::encode(&header, &(), &signing).map_err(|error| KeyError(error.to_string()))?;
        let encoded_header = probe.split('.').next().unwrap_or_default().to_owned();
        let checking = DecodingKey::from_ed_der(public);
        Ok(Self { signing, checking, header, encoded_header, issuer: issuer.to_owned(), life })
    }

    /// For how long tokens are good.
    pub const fn life(&self) -> Millis {
        self.life
    }

    /// A token of a session of `user`.
    ///
    /// # Errors
    /// If the cryptography refuses it.
    pub fn mint(&self, user: &str, session: &str, now: UnixMillis) -> Result<String, KeyError> {
        let issued = now.0 / 1_000;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: user.to_owned(),
            sid: session.to_owned(),
            iat: issued,
            nbf: issued,
            exp: issued + self.life.0 / 1_000,
            jti: hex(&secret::random::<12>()),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing)
            .map_err(|error| KeyError(error.to_string()))
    }

    /// Whether a token claims to be one of ours. No other kind has such a header.
    pub fn is_for(&self, token: &str) -> bool {
        token.len() <= TOKEN_BYTES_MAX && token.split('.').next() == Some(self.encoded_header.as_str())
    }

    /// What a token says, if it is one of ours and good at `now`. Whether its session lives is asked elsewhere.
    pub fn read(&self, token: &str, now: UnixMillis) -> Option<Claims> {
        if !self.is_for(token) {
            return None;
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&self.issuer]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        // By the caller's clock, below.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &validation).ok()?.claims;
        let seconds = now.0 / 1_000;
        let lives = claims.exp.checked_sub(claims.iat).is_some_and(|life| life <= self.life.0 / 1_000);
        let is_now = claims.nbf == claims.iat && claims.nbf <= seconds && seconds < claims.exp;
        (lives && is_now).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_404_123_000);
    const HOUR: Millis = Millis::from_secs(3_600);

    fn key(secret: &[u8]) -> AccessKey {
        AccessKey::new(secret, "spiffe://home/node/web-1", HOUR).unwrap()
    }

    #[test]
    fn a_token_is_good_at_its_own_node_for_its_time() {
        let own = key(&[1; 32]);
        let token = own.mint("ann", "s1", NOW).unwrap();
        let claims = own.read(&token, NOW).unwrap();
        assert_eq!((claims.sub.as_str(), claims.sid.as_str()), ("ann", "s1"));
        assert_eq!(claims.until(), NOW.plus(HOUR));
        assert!(key(&[1; 32]).read(&token, NOW).is_some(), "the same secret, after a restart");
        assert!(key(&[2; 32]).read(&token, NOW).is_none());
        assert!(own.read(&token, NOW.plus(HOUR)).is_none());
        assert!(own.read(&token, UnixMillis(NOW.0 - 1_000)).is_none());
        let other = AccessKey::new(&[1; 32], "spiffe://home/node/web-2", HOUR).unwrap();
        assert!(other.read(&token, NOW).is_none(), "the same secret at another node");
        let shorter = AccessKey::new(&[1; 32], "spiffe://home/node/web-1", Millis::from_secs(60)).unwrap();
        assert!(shorter.read(&token, NOW).is_none(), "it lives longer than tokens may now");
    }

    #[test]
    fn no_other_header_is_taken_and_no_other_claims() {
        let own = key(&[1; 32]);
        let good = own.mint("ann", "s1", NOW).unwrap();
        let body = good.split_once('.').unwrap().1;
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
        assert!(own.read(&format!("{none}.{body}"), NOW).is_none());
        for header in [
            Header { kid: Some("../../etc/passwd".into()), ..own.header.clone() },
            Header { typ: Some("JWT".into()), ..own.header.clone() },
            Header { jku: Some("http://evil.example".into()), ..own.header.clone() },
        ] {
            let claims = own.read(&good, NOW).unwrap();
            let forged = jsonwebtoken::encode(&header, &claims, &own.signing).unwrap();
            assert!(own.read(&forged, NOW).is_none(), "{header:?}");
        }
        let missing = serde_json::json!({"iss": own.issuer, "sub": "ann", "exp": u64::MAX});
        let forged = jsonwebtoken::encode(&own.header, &missing, &own.signing).unwrap();
        assert!(own.read(&forged, NOW).is_none());
        let hmac = Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::HS256) };
        let confused =
            jsonwebtoken::encode(&hmac, &missing, &EncodingKey::from_secret(b"public key")).unwrap();
        assert!(own.read(&confused, NOW).is_none());
        for token in ["", ".", "..", "a.b.c", &good[..good.len() - 2], &"x".repeat(10_000)] {
            assert!(own.read(token, NOW).is_none(), "{token}");
        }
    }
}
