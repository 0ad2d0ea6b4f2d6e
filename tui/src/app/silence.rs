//! A silence in one line: `SPAN REASON`.

use p2p_shared::id::NodeId;

use super::confirm::{Deed, Proposal, Target};
use crate::cli::pace;
use crate::command::AlertVerb;

/// How it is written, for who got it wrong.
const USAGE: &str = "write a span and why, such as: 2h the disk is replaced";

/// The silences that a line says for these: (node, name, matchers).
pub fn silence(targets: &[(NodeId, String, String)], text: &str) -> Result<Proposal, String> {
    let (span, reason) = text.trim().split_once(' ').ok_or(USAGE)?;
    let millis = pace::span(span).map_err(|what| format!("{span}: {what}"))?;
    let span_s = u32::try_from(millis.0.div_ceil(1_000)).map_err(|_| "that is too long".to_owned())?;
    let reason = reason.trim();
    let target = |(node, name, matchers): &(NodeId, String, String)| {
        let (matchers, reason) = (matchers.clone(), reason.to_owned());
        let deed = Deed::Alert(AlertVerb::Silence { matchers, reason, span_s });
        Target { node: *node, name: name.clone(), deed }
    };
    Ok(Proposal { verb: format!("Silence for {span}"), targets: targets.iter().map(target).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_has_a_span_and_a_reason() {
        let targets = [(NodeId::new([1; 32]), "a on b".to_owned(), "alertname=\"a\"".to_owned())];
        let proposal = silence(&targets, " 2h  a new disk comes ").unwrap();
        let (matchers, reason) = ("alertname=\"a\"".to_owned(), "a new disk comes".to_owned());
        let expected = Deed::Alert(AlertVerb::Silence { matchers, reason, span_s: 7_200 });
        assert_eq!(proposal.targets[0].deed, expected);
        for wrong in ["", "2h", "soon because", "99999999999d x"] {
            assert!(silence(&targets, wrong).is_err(), "{wrong}");
        }
    }
}
