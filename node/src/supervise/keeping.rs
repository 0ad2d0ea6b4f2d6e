//! What survives of programs, as bytes in the store.

use p2p_shared::rpc::codec::CodecError;
use serde::{Deserialize, Serialize};

use super::core::Saved;
use crate::store::records;

/// The layout of a record.
const VERSION: u8 = 1;

/// A record: the program, and the boot in which it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The boot of the machine.
    pub boot: String,
    /// The program.
    pub saved: Saved,
}

impl Record {
    /// As it is stored.
    ///
    /// # Errors
    /// If it is too large.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        records::to_bytes(VERSION, self)
    }

    /// What was stored.
    ///
    /// # Errors
    /// If it is none of ours.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        records::from_bytes(VERSION, bytes)
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::program::{ProgramDefinition, ProgramState};
    use p2p_shared::time::UnixMillis;

    use super::*;

    #[test]
    fn a_record_reads_back_and_a_strange_one_is_an_error() {
        let saved = Saved {
            definition: ProgramDefinition::new("a".parse().unwrap(), "/bin/true"),
            wanted: true,
            rest: ProgramState::Failed,
            since: UnixMillis(5),
            detail: "exit 1".into(),
            run: None,
            asked_by: None,
            starts: 3,
            exits: Vec::new(),
        };
        let record = Record { boot: "b".into(), saved };
        let bytes = record.to_bytes().unwrap();
        assert_eq!(Record::from_bytes(&bytes).unwrap(), record);
        for strange in [&b""[..], b"\x02{}", b"\x01{", &bytes[..bytes.len() - 1]] {
            assert!(Record::from_bytes(strange).is_err());
        }
    }
}
