//! Tokens that an operator signs with the certificate's own key: good for a short time at every node.
//!
//! A JSON Web Token (RFC 7519) leaves [`mint_token`]: EdDSA, the certificate chain in `x5c` (RFC 7515, 4.1.6), issuer
//! and subject the operator's URI, audience the mesh. [`verify_token`] takes one from anybody and judges the chain as
//! that of a peer, then the signature, then the times. There is nothing to forge for whoever passes it on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::credentials::Credentials;
use super::profile::{self, PeerIdentity, PeerKind};
use super::refusal::Refusal;
use super::trust::Trust;
use crate::time::{Millis, UnixMillis};

/// The longest that a token may be good for.
pub const TOKEN_LIFE_MAX: Millis = Millis::from_secs(15 * 60);
/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far two clocks may be apart.
const LEEWAY: Millis = Millis::from_secs(30);
/// What the header says that it is, so that no other kind of token passes for one.
const TYPE: &str = "p2p-operator+jwt";
/// Most certificates in a chain.
const CHAIN_MAX: usize = 3;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
}

/// Why a token is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is no such token, or says too much or too little.
    #[error("it is no operator's token: {0}")]
    Malformed(String),
    /// Its certificate is not good.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its certificate is not an operator's.
    #[error("its certificate is a node's, and a node has no authority")]
    NotAnOperator,
    /// The signature is not one of the certificate's key.
    #[error("its signature is wrong")]
    Signature,
    /// It is over.
    #[error("it ended {0} s ago: `p2p-tui token` makes a new one")]
    Ended(u64),
    /// It is not good yet.
    #[error("it is good in {0} s, not before: is a clock wrong?")]
    Early(u64),
    /// It is good for longer than any may be.
    #[error("it claims to be good for {0} s, and no token is for more than {max} s", max = TOKEN_LIFE_MAX.0 / 1_000)]
    TooLong(u64),
}

/// Whose token it is, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHolder {
    /// The operator, as the certificate says.
    pub operator: PeerIdentity,
    /// When the token ends.
    pub until: UnixMillis,
    /// What it is known by.
    pub id: String,
}

/// A token of this operator, good from `now` on for `life`, at most [`TOKEN_LIFE_MAX`] and never past the end of
/// the certificate.
///
/// # Errors
/// If these are not an operator's credentials.
pub fn mint_token(credentials: &Credentials, now: UnixMillis, life: Millis) -> Result<String, TokenError> {
    let identity = credentials.identity();
    if !matches!(identity.kind, PeerKind::Operator(_)) {
        return Err(TokenError::NotAnOperator);
    }
    let ends = now.plus(Millis(life.0.min(TOKEN_LIFE_MAX.0))).min(identity.not_after);
    let subject = subject(identity);
    let claims = Claims {
        iss: subject.clone(),
        sub: subject,
        aud: identity.mesh.to_string(),
        iat: seconds(now),
        nbf: seconds(now),
        exp: seconds(ends),
        jti: Uuid::now_v7().to_string(),
    };
    let chain = credentials.chain().iter().map(|certificate| STANDARD.encode(certificate)).collect();
    let header = Header { typ: Some(TYPE.to_owned()), x5c: Some(chain), ..Header::new(Algorithm::EdDSA) };
    let key = credentials.token_key().ok_or_else(|| malformed("the key cannot sign it"))?;
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&key)).map_err(malformed)
}

/// Whose token it is, as good at `now`.
///
/// # Errors
/// [`TokenError`] says what is wrong with it.
pub fn verify_token(trust: &Trust, token: &str, now: UnixMillis) -> Result<TokenHolder, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(malformed("it is too long"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(malformed)?;
    let chain = header.x5c_der().map_err(malformed)?.unwrap_or_default();
    let expected =
        Header { typ: Some(TYPE.to_owned()), x5c: header.x5c.clone(), ..Header::new(Algorithm::EdDSA) };
    if header != expected || chain.is_empty() || chain.len() > CHAIN_MAX {
        return Err(malformed("its header is not exactly alg, typ and x5c, as ours have them"));
    }
    let mut chain = chain.into_iter().map(CertificateDer::from);
    let leaf = chain.next().ok_or_else(|| malformed("it has no certificate"))?;
    let intermediates: Vec<_> = chain.collect();
    let operator = trust.verify(&leaf, &intermediates, now)?;
    if !matches!(operator.kind, PeerKind::Operator(_)) {
        return Err(TokenError::NotAnOperator);
    }
    let key = DecodingKey::from_ed_der(&profile::public_key(&leaf)?);
    let claims =
        jsonwebtoken::decode::<Claims>(token, &key, &validation()).map_err(|_| TokenError::Signature)?.claims;
    judge(&claims, &operator, now)
}

/// The signature alone: the claims are judged here, by the caller's clock.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims::<&str>(&[]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn judge(claims: &Claims, operator: &PeerIdentity, now: UnixMillis) -> Result<TokenHolder, TokenError> {
    let subject = subject(operator);
    if claims.iss != subject || claims.sub != subject || claims.aud != operator.mesh.to_string() {
        return Err(malformed("it is not the one of its certificate's holder, for this mesh"));
    }
    if claims.nbf != claims.iat || claims.exp < claims.iat {
        return Err(malformed("its times are in no order"));
    }
    let life = claims.exp - claims.iat;
    if life > TOKEN_LIFE_MAX.0 / 1_000 {
        return Err(TokenError::TooLong(life));
    }
    let time = |seconds: u64| UnixMillis(seconds.saturating_mul(1_000));
    let (from, until) = (time(claims.iat), time(claims.exp));
    if from > now.plus(LEEWAY) {
        return Err(TokenError::Early(from.since(now).0 / 1_000));
    }
    if until <= now {
        return Err(TokenError::Ended(now.since(until).0 / 1_000));
    }
    Ok(TokenHolder { operator: operator.clone(), until, id: claims.jti.clone() })
}

fn subject(identity: &PeerIdentity) -> String {
    format!("spiffe://{}/operator/{}", identity.mesh, identity.name)
}

const fn seconds(time: UnixMillis) -> u64 {
    time.0 / 1_000
}

fn malformed(why: impl std::fmt::Display) -> TokenError {
    TokenError::Malformed(why.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::testing::{NOW, TestCa, mesh_key, node_params, operator_params};
    use super::*;

    fn credentials(ca: &TestCa, params: rcgen::CertificateParams) -> Credentials {
        let key = mesh_key();
        let leaf = ca.leaf(&key, params, |_| ());
        Credentials::from_parts(vec![leaf], &[ca.der()], &key.serialize_der(), NOW).unwrap()
    }

    fn operator(ca: &TestCa) -> Credentials {
        credentials(ca, operator_params("admin"))
    }

    #[test]
    fn a_token_says_who_and_until_when() {
        let ca = TestCa::new();
        let operator = operator(&ca);
        let token = mint_token(&operator, NOW, Millis::from_secs(60)).unwrap();
        let holder = verify_token(&ca.trust(), &token, NOW).unwrap();
        assert_eq!(&holder.operator, operator.identity());
        assert_eq!(holder.until, UnixMillis(NOW.0 / 1_000 * 1_000 + 60_000));
        let long = mint_token(&operator, NOW, Millis::from_secs(86_400)).unwrap();
        let until = verify_token(&ca.trust(), &long, NOW).unwrap().until;
        assert_eq!(until, UnixMillis(NOW.0 / 1_000 * 1_000 + TOKEN_LIFE_MAX.0));
    }

    #[test]
    fn a_token_ends_and_does_not_begin_before_its_time() {
        let ca = TestCa::new();
        let token = mint_token(&operator(&ca), NOW, Millis::from_secs(60)).unwrap();
        let at =
            |millis: i64| verify_token(&ca.trust(), &token, UnixMillis(NOW.0.saturating_add_signed(millis)));
        assert!(at(59_000 - 1_000).is_ok());
        assert!(matches!(at(60_000), Err(TokenError::Ended(_))));
        assert!(at(-29_000).is_ok(), "clocks differ a little");
        assert!(matches!(at(-40_000), Err(TokenError::Early(_))));
    }

    #[test]
    fn neither_a_node_nor_a_stranger_nor_a_revoked_operator_has_one() {
        let ca = TestCa::new();
        let node = credentials(&ca, node_params());
        assert!(matches!(mint_token(&node, NOW, TOKEN_LIFE_MAX), Err(TokenError::NotAnOperator)));
        let foreign = mint_token(&operator(&TestCa::new()), NOW, TOKEN_LIFE_MAX).unwrap();
        assert!(matches!(verify_token(&ca.trust(), &foreign, NOW), Err(TokenError::Refused(_))));
        let operator = operator(&ca);
        let token = mint_token(&operator, NOW, TOKEN_LIFE_MAX).unwrap();
        let trust = ca.trust();
        trust.replace_revoked(HashSet::from([operator.identity().id]));
        assert!(matches!(verify_token(&trust, &token, NOW), Err(TokenError::Refused(_))));
    }

    /// Signs anything at all with an operator's key: what a defect or a malicious operator could make.
    fn signed(credentials: &Credentials, header: &Header, claims: &Claims) -> String {
        let key = credentials.token_key().unwrap();
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(&key)).unwrap()
    }

    #[test]
    fn what_is_not_exactly_a_token_of_ours_is_refused() {
        let ca = TestCa::new();
        let operator = operator(&ca);
        let good = mint_token(&operator, NOW, TOKEN_LIFE_MAX).unwrap();
        let header = jsonwebtoken::decode_header(&good).unwrap();
        let now = seconds(NOW);
        let claims = |change: fn(&mut Claims)| {
            let of = subject(operator.identity());
            let mut claims = Claims {
                iss: of.clone(),
                sub: of,
                aud: operator.identity().mesh.to_string(),
                iat: now,
                nbf: now,
                exp: now + 60,
                jti: "x".to_owned(),
            };
            change(&mut claims);
            claims
        };
        let refused = |token: &str| verify_token(&ca.trust(), token, NOW).unwrap_err().to_string();
        assert!(verify_token(&ca.trust(), &signed(&operator, &header, &claims(|_| ())), NOW).is_ok());
        let changes: [fn(&mut Claims); 6] = [
            |claims| claims.aud = "mesh-2".to_owned(),
            |claims| claims.sub = "spiffe://mesh-1/operator/root".to_owned(),
            |claims| claims.iss = "web-1".to_owned(),
            |claims| claims.exp += 86_400,
            |claims| claims.exp = u64::MAX,
            |claims| claims.nbf = 0,
        ];
        for change in changes {
            refused(&signed(&operator, &header, &claims(change)));
        }
        let headers = [
            Header { typ: Some("JWT".to_owned()), ..header.clone() },
            Header { kid: Some("../../key".to_owned()), ..header.clone() },
            Header { jku: Some("https://evil.example".to_owned()), ..header.clone() },
            Header { x5c: None, ..header.clone() },
        ];
        for header in headers {
            refused(&signed(&operator, &header, &claims(|_| ())));
        }
        let other = signed(&credentials(&ca, operator_params("admin")), &header, &claims(|_| ()));
        assert_eq!(refused(&other), "its signature is wrong");
        let (body, signature) = good.rsplit_once('.').unwrap();
        refused(body);
        refused(&format!("{body}."));
        refused(&format!("{body}.{}", signature.chars().rev().collect::<String>()));
        refused(&"a".repeat(TOKEN_BYTES_MAX + 1));
        refused("");
        refused("..");
    }
}
