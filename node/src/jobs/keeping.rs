//! What survives of jobs, as bytes in the store.
//!
//! A version byte, then JSON: a field that a later version adds takes its default in what an earlier one wrote.

use p2p_shared::rpc::codec::{self, CodecError, Encoding};

use super::core::Saved;

/// The layout of a record.
const VERSION: u8 = 1;

/// As it is stored.
///
/// # Errors
/// If it is too large.
pub fn to_bytes(saved: &Saved) -> Result<Vec<u8>, CodecError> {
    let json = codec::encode(saved, Encoding::Json)?;
    Ok([&[VERSION], json.as_ref()].concat())
}

/// What was stored.
///
/// # Errors
/// If it is none of ours.
pub fn from_bytes(bytes: &[u8]) -> Result<Saved, CodecError> {
    match bytes.split_first() {
        Some((&VERSION, json)) => codec::decode(json, Encoding::Json),
        Some((version, _)) => Err(CodecError::Malformed(format!("layout {version}"))),
        None => Err(CodecError::Malformed("it is empty".into())),
    }
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
