//! A look-up in the DHT as rows for people: the questions with names, and addresses as they are now.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::node::{LookUp, LookUpQuestion, QuestionEnd};
use p2p_shared::time::Millis;

use crate::dht::core::key::Key;
use crate::dht::core::output::Outcome;
use crate::dht::core::trace::{End, Question};
use crate::membership::handle::Directory;
use crate::naming::Traced;

/// What is told of a look-up of `name` by the node `own`; `address` says where a connection stands.
pub(super) fn look_up(
    (name, traced): (NodeName, Traced),
    own: NodeId,
    members: &Directory,
    address: impl Fn(NodeId) -> Option<SocketAddr>,
) -> LookUp {
    let names: BTreeMap<NodeId, &NodeName> = members.iter().map(|member| (member.id, &member.name)).collect();
    let Traced { key, ended, found, disbelieved } = traced;
    let begun = Millis(ended.at.0.saturating_sub(ended.stats.elapsed.0));
    let question = |question: &Question| {
        let told = told(question, begun, ended.at);
        LookUpQuestion {
            name: names.get(&told.id).map(|name| (*name).clone()),
            address: address(told.id).or(told.address),
            ..told
        }
    };
    let questions: Vec<LookUpQuestion> = ended.questions.iter().map(question).collect();
    let elsewhere = questions.iter().filter(|question| question.had_record).count();
    let held_here = matches!(ended.outcome, Outcome::Found { replicas, .. } if replicas as usize > elsewhere);
    LookUp {
        name,
        key: key.to_string(),
        own_bits: Key::from(own).distance(key).bucket().map_or(256, |bucket| bucket.0.into()),
        held_here,
        questions,
        found,
        disbelieved,
        rounds: ended.stats.hops,
        messages: ended.stats.messages,
        failures: ended.stats.failures,
        elapsed_ms: ended.stats.elapsed.0,
    }
}

/// A question as the core has it, of a look-up that began then and ended at `at`.
fn told(question: &Question, begun: Millis, at: Millis) -> LookUpQuestion {
    let took = question.took(at);
    let (end, named, nearer, had_record) = match question.end {
        End::Open => (QuestionEnd::Open, 0, 0, false),
        End::Failed { .. } => (QuestionEnd::Failed, 0, 0, false),
        End::Answered { named, nearer, had_record, .. } => (QuestionEnd::Answered, named, nearer, had_record),
    };
    LookUpQuestion {
        id: question.contact.id,
        name: None,
        address: question.contact.addresses.as_slice().first().copied(),
        hop: question.hop,
        shared_bits: question.shared_bits,
        asked_ms: question.asked_at.since(begun).0,
        end,
        took_ms: (end != QuestionEnd::Open).then_some(took.0),
        slow: question.is_slow(at),
        named,
        nearer,
        had_record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::core::message::Contact;

    fn asked(end: End) -> Question {
        let contact = Contact::new(NodeId::new([7; 32]), ["192.0.2.7:5678".parse().unwrap()]);
        Question { contact, hop: 2, shared_bits: 5, asked_at: Millis(1_020), end }
    }

    #[test]
    fn times_count_from_the_beginning_and_what_was_given_up_has_none() {
        let answered = End::Answered { at: Millis(1_100), named: 20, nearer: 3, had_record: true };
        let row = told(&asked(answered), Millis(1_000), Millis(1_900));
        assert_eq!((row.asked_ms, row.took_ms, row.slow), (20, Some(80), false));
        assert_eq!((row.named, row.nearer, row.had_record, row.hop, row.shared_bits), (20, 3, true, 2, 5));
        let failed = told(&asked(End::Failed { at: Millis(1_800) }), Millis(1_000), Millis(1_900));
        assert_eq!((failed.end, failed.took_ms, failed.slow), (QuestionEnd::Failed, Some(780), true));
        let open = told(&asked(End::Open), Millis(1_000), Millis(1_900));
        assert_eq!((open.end, open.took_ms, open.slow), (QuestionEnd::Open, None, true));
    }
}
