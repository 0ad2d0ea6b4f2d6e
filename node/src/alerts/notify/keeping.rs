//! What is on its way, as it is stored: messages under `m` and their number, alerts of groups under `a` and a
//! hash of their group and fingerprint.

use super::core::group::Member;
use super::core::notice::Message;
use super::core::outbox::{GroupKey, Output, Saved};
use crate::alerts::core::rule::Labels;
use crate::store::records::{from_bytes, to_bytes};
use crate::store::{Store, StoreError};

/// The layout of both kinds.
const LAYOUT: u8 = 1;

/// A record to keep under a text, or to forget.
pub(super) type Change = (String, Option<Vec<u8>>);

/// A change as it is stored; nothing for what is sent.
pub(super) fn change(output: Output) -> Option<Change> {
    let record = |encoded: Result<Vec<u8>, _>| match encoded {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            tracing::error!(%error, "something on its way is too large to be kept");
            None
        }
    };
    match output {
        Output::KeepMember(group, fingerprint, member) => {
            let text = member_text(&group, &fingerprint);
            Some((text, member.and_then(|member| record(to_bytes(LAYOUT, &(group, member))))))
        }
        Output::KeepMessage(number, message) => {
            // Twenty digits sort as the numbers do.
            let text = format!("m{number:020}");
            Some((text, message.and_then(|message| record(to_bytes(LAYOUT, &message)))))
        }
        Output::Send(_) => None,
    }
}

fn member_text(group: &GroupKey, fingerprint: &str) -> String {
    let labels: Labels = group.labels.clone();
    let mut hash = blake3::Hasher::new();
    let texts = labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for text in [group.receiver.as_str(), fingerprint].into_iter().chain(texts) {
        hash.update(&(text.len() as u64).to_be_bytes()).update(text.as_bytes());
    }
    format!("a{}", hash.finalize().to_hex())
}

/// What an earlier run kept. What cannot be read is told and left out.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn read(store: &Store) -> Result<Saved, StoreError> {
    let mut saved = Saved::default();
    for (text, bytes) in store.notices()? {
        let read = match text.strip_prefix('m').map(str::parse) {
            Some(Ok(number)) => {
                from_bytes::<Message>(LAYOUT, &bytes).map(|message| saved.messages.push((number, message)))
            }
            _ => from_bytes::<(GroupKey, Member)>(LAYOUT, &bytes).map(|member| saved.members.push(member)),
        };
        if let Err(error) = read {
            tracing::error!(%error, "an alert that was on its way cannot be read: it is lost");
        }
    }
    Ok(saved)
}
