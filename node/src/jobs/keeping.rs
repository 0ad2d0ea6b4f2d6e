//! What survives of jobs, as bytes in the store.

use p2p_shared::rpc::codec::CodecError;

use super::core::Saved;
use crate::store::records;

/// The layout of a record.
const VERSION: u8 = 1;

/// As it is stored.
///
/// # Errors
/// If it is too large.
pub fn to_bytes(saved: &Saved) -> Result<Vec<u8>, CodecError> {
    records::to_bytes(VERSION, saved)
}

/// What was stored.
///
/// # Errors
/// If it is none of ours.
pub fn from_bytes(bytes: &[u8]) -> Result<Saved, CodecError> {
    records::from_bytes(VERSION, bytes)
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::exec::{CommandLine, ExecRequest};
    use p2p_shared::services::job::{JobOwner, JobRequest, JobState, JobWork};
    use p2p_shared::time::UnixMillis;

    use super::super::core::Author;
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_strange_one_is_an_error() {
        let exec = ExecRequest {
            command: CommandLine::Shell { line: "true".into() },
            directory: None,
            user: None,
            environment: Vec::new(),
            timeout_ms: Some(5),
            output_bytes_max: None,
        };
        let saved = Saved {
            id: "a".parse().unwrap(),
            request: JobRequest::new(JobWork::Command(exec)),
            author: Author { owner: JobOwner { name: "ann".into(), id: None, role: None }, until: None },
            submitted: UnixMillis(5),
            start_by: None,
            again_at: None,
            state: JobState::Failed,
            since: UnixMillis(6),
            detail: "exit 1".into(),
            attempts: 1,
            attempts_max: 1,
            run: None,
            exits: Vec::new(),
            asked_by: None,
            output_bytes: 3,
            output_dropped: false,
        };
        let bytes = to_bytes(&saved).unwrap();
        assert_eq!(from_bytes(&bytes).unwrap(), saved);
        for strange in [&b""[..], b"\x02{}", b"\x01{", &bytes[..bytes.len() - 1]] {
            assert!(from_bytes(strange).is_err());
        }
    }
}
