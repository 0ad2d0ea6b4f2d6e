//! What an open port says of itself before it is asked anything: the first line, made harmless.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// Bytes that are read.
const BYTES_MAX: usize = 512;
/// Characters that are kept.
const LENGTH_MAX: usize = 120;

/// The banner; `None` if nothing came in time.
pub(super) async fn wait(socket: OwnedFd, patience: Duration) -> Option<String> {
    let socket = TcpStream::from_std(socket.into()).ok()?;
    let mut buffer = [0; BYTES_MAX];
    let read = async {
        loop {
            socket.readable().await?;
            match socket.try_read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    };
    let length = timeout(patience, read).await.ok()?.ok()?;
    line(&buffer[..length])
}

/// The first line with anything on it; what is not plain text becomes dots.
fn line(bytes: &[u8]) -> Option<String> {
    let lines = bytes.split(|&byte| byte == b'\n' || byte == b'\r');
    let mut lines = lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let plain = |&byte: &u8| if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '.' };
    Some(lines.next()?.iter().take(LENGTH_MAX).map(plain).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_line_is_kept() {
        assert_eq!(line(b"\r\nSSH-2.0-OpenSSH_9.2\r\nmore").as_deref(), Some("SSH-2.0-OpenSSH_9.2"));
        assert_eq!(line(b"\x1b[2J\xff\x00hi").as_deref(), Some(".[2J..hi"));
        assert_eq!(line(b"\n \r\n"), None);
    }

    proptest! {
        #[test]
        fn no_banner_can_change_a_terminal(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let kept = line(&bytes).unwrap_or_default();
            prop_assert!(kept.len() <= LENGTH_MAX && kept.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
