//! Signatures as Standard Webhooks has them: HMAC-SHA256 over `ID.TIMESTAMP.BODY`, so that a receiver knows who
//! speaks, and that it is not an old message again.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p2p_shared::time::UnixMillis;

/// How a secret in the form of Standard Webhooks begins.
const PREFIX: &str = "whsec_";
/// Fewest bytes of a secret, as Standard Webhooks has it.
const SECRET_BYTES_MIN: usize = 24;

/// The key of one receiver. It is never shown.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// The key of a secret: base64 behind `whsec_`, or the bytes themselves.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn new(secret: &str) -> Result<Self, String> {
        let bytes = match secret.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| "is no base64 behind whsec_".to_owned())?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "has {} bytes, of at least {SECRET_BYTES_MIN}: make one with `openssl rand -base64 48`",
                bytes.len()
            ));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp_s}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The value of `webhook-timestamp`.
pub(super) const fn timestamp_s(now: UnixMillis) -> u64 {
    now.0 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_standard_webhooks_is_signed_the_same() {
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn bad_secrets_are_told_without_showing_them() {
        for secret in ["short", "whsec_****", "whsec_AAAA"] {
            let told = SigningKey::new(secret).unwrap_err();
            assert!(!told.contains("short") && !told.contains("AAAA"), "{told}");
        }
        assert_eq!(format!("{:?}", SigningKey::new(&"x".repeat(24)).unwrap()), "SigningKey");
    }
}
