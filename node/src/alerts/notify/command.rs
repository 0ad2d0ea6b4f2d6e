//! One attempt to tell a program of this machine: the body on its standard input, exit code 0 is taken.
//!
//! It runs as the node does, without a shell, in a clean environment, for a bounded time; whatever it leaves
//! running of its own is its own. Only the end of what it says on its standard error is looked at.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How much of its standard error is read.
const ERROR_BYTES_MAX: u64 = 2_048;
/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program did not take it.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// It cannot be started.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// Which one.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It hangs.
    #[error("it did not end within {} s and was killed", TIMEOUT.as_secs())]
    Timeout,
    /// It said no.
    #[error("it ended with {status}: {said}")]
    Ended {
        /// How it ended.
        status: String,
        /// What it said.
        said: String,
    },
}

/// Tells a program.
pub(super) async fn run(argv: &[String], id: &str, body: &[u8]) -> Result<(), CommandError> {
    let [program, arguments @ ..] = argv else {
        return Err(CommandError::Start {
            program: "an empty command".into(),
            source: std::io::ErrorKind::InvalidInput.into(),
        });
    };
    let failed = |source| CommandError::Start { program: program.clone(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("WEBHOOK_ID", id)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let exchange = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                // One that does not read it may take it all the same: its exit code says.
                let _ = stdin.write_all(body).await;
            }
        };
        let read = async {
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                let _ = stderr.take(ERROR_BYTES_MAX).read_to_end(&mut said).await;
            }
            said
        };
        let ((), said, ended) = tokio::join!(write, read, child.wait());
        (said, ended)
    };
    let (said, ended) = timeout(TIMEOUT, exchange).await.map_err(|_| CommandError::Timeout)?;
    let status = ended.map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said).trim().escape_default().to_string();
    Err(CommandError::Ended { status: status.to_string(), said })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn a_program_reads_the_body_and_its_exit_code_counts() {
        run(&shell("test \"$(cat)$WEBHOOK_ID\" = bodymsg_1"), "msg_1", b"body").await.unwrap();
        // One that reads nothing of much.
        run(&shell("exit 0"), "msg_1", &vec![b'x'; 1 << 20]).await.unwrap();
        let refused = run(&shell("echo no room >&2; exit 3"), "msg_1", b"body").await.unwrap_err();
        assert_eq!(refused.to_string(), "it ended with exit status: 3: no room");
        let missing = run(&["/no/such".to_owned()], "msg_1", b"").await.unwrap_err();
        assert!(missing.to_string().contains("/no/such cannot be started"), "{missing}");
    }
}
