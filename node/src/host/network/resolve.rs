//! Names to addresses, by the resolver of the system.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use p2p_shared::services::network::NameAnswer;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::error::NetworkError;

/// Longest name; DNS allows 253 bytes.
const NAME_BYTES_MAX: usize = 255;
/// Most addresses of one name.
const ADDRESSES_MAX: usize = 256;
/// How long the resolver is waited for. Its thread may take longer, and ends by itself.
const PATIENCE: Duration = Duration::from_secs(8);

/// The addresses of a name, or the address that it is.
pub async fn resolve(name: &str) -> Result<NameAnswer, NetworkError> {
    check(name)?;
    let began = Instant::now();
    let answer = timeout(PATIENCE, lookup_host((name, 0))).await;
    let silent = |_| NetworkError::ResolverSilent { name: name.to_owned(), seconds: PATIENCE.as_secs() };
    let unknown = |error: std::io::Error| NetworkError::UnknownName {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for found in answer.map_err(silent)?.map_err(unknown)?.take(ADDRESSES_MAX) {
        if !addresses.contains(&found.ip()) {
            addresses.push(found.ip());
        }
    }
    let elapsed_ms = began.elapsed().as_secs_f32() * 1_000.0;
    Ok(NameAnswer { name: name.to_owned(), addresses, elapsed_ms })
}

/// The address to send to: the one that a program would try first.
pub async fn target(name: &str) -> Result<IpAddr, NetworkError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return single(address);
    }
    let first = resolve(name).await?.addresses.first().copied();
    first.map_or_else(
        || Err(NetworkError::UnknownName { name: name.to_owned(), reason: "it has none".into() }),
        single,
    )
}

/// Many would answer one packet to the others.
fn single(address: IpAddr) -> Result<IpAddr, NetworkError> {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if is_broadcast || address.is_multicast() || address.is_unspecified() {
        return Err(NetworkError::Invalid(format!("{address} is not the address of one host")));
    }
    Ok(address)
}

fn check(name: &str) -> Result<(), NetworkError> {
    let is_odd = |letter: char| letter.is_control() || letter.is_whitespace();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(is_odd) {
        let text = format!("a name has 1 to {NAME_BYTES_MAX} bytes and no blanks, not {name:?}");
        return Err(NetworkError::Invalid(text.chars().take(400).collect()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_its_own_answer_and_what_is_no_name_is_refused() {
        let answer = resolve("192.0.2.7").await.unwrap();
        assert_eq!(answer.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        for name in ["", "a b", "a\0b", "a\nb", &"a".repeat(300)] {
            assert!(matches!(resolve(name).await, Err(NetworkError::Invalid(_))), "{name:?}");
        }
    }

    #[tokio::test]
    async fn only_one_host_is_a_target() {
        assert!(target("127.0.0.1").await.is_ok());
        for name in ["255.255.255.255", "224.0.0.1", "ff02::1", "0.0.0.0", "::"] {
            assert!(matches!(target(name).await, Err(NetworkError::Invalid(_))), "{name}");
        }
    }
}
