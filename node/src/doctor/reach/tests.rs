use p2p_shared::mesh::failure::CloseCode;

use super::*;
use crate::doctor::Verdict;

const OWN: NodeId = NodeId::new([1; 32]);
const OTHER: NodeId = NodeId::new([2; 32]);
const FAIL: Verdict = Verdict::Fail(Exit::Unavailable);

fn reached(answer: Answer) -> Reached {
    let address = "10.0.0.1:5678".parse().unwrap();
    Reached { target: "web-1:5678".into(), answers: Ok(vec![(address, answer)]) }
}

fn accepted(id: NodeId) -> Answer {
    Answer::Accepted(Met { id, name: "web-1".parse().unwrap(), round_trip: Duration::from_micros(3_200) })
}

fn refused(by: RefusedBy, reason: RefusalReason) -> Answer {
    Answer::Turned(LinkError::Refused { by, reason, detail: format!("{reason}: why") })
}

fn around() -> Around {
    Around { own: Some(OWN), ..Around::default() }
}

#[test]
fn each_answer_has_its_word_and_its_step() {
    let full = LinkError::Closed { code: Some(CloseCode::Limit), detail: "no more connections".into() };
    for (answer, verdict, words, step) in [
        (accepted(OTHER), Verdict::Ok, "web-1 answers in 3.2 ms", ""),
        (accepted(OWN), Verdict::Warn, "another machine runs with the certificate", "stop one"),
        (refused(RefusedBy::Us, RefusalReason::WrongCa), FAIL, "of another mesh", "same CA"),
        (refused(RefusedBy::Us, RefusalReason::Expired), FAIL, "its certificate is not good", "renew"),
        (refused(RefusedBy::Peer, RefusalReason::Revoked), FAIL, "refuses our certificate: revoked", "issue"),
        (refused(RefusedBy::Peer, RefusalReason::Expired), FAIL, "refuses our certificate: expired", "renew"),
        (refused(RefusedBy::Peer, RefusalReason::WrongVersion), FAIL, "something else", "upgrade"),
        (Answer::Turned(full), FAIL, "no more connections", "try again"),
        (Answer::Quic, Verdict::Warn, "answers over UDP", "certificate"),
        (Answer::Stuck, FAIL, "does not get through", "ping -M do"),
        (Answer::Nobody, FAIL, "nothing listens on UDP 5678", "start p2p-node"),
        (Answer::NoWay("Network is unreachable".into()), FAIL, "unreachable", "ip route"),
        (Answer::Silent, FAIL, "no answer over UDP within 3 s", "open UDP 5678"),
    ] {
        let finding = judge(&[reached(answer)], &around()).remove(0);
        assert_eq!(finding.verdict, verdict, "{finding:?}");
        assert!(finding.found.contains(words), "{finding:?}");
        assert!(finding.action.unwrap_or_default().contains(step));
    }
    let unresolved = Reached { target: "nowhere:5678".into(), answers: Err("no such host".into()) };
    assert_eq!(judge(&[unresolved], &around())[0].verdict, FAIL);
}

#[test]
fn one_peer_that_answers_is_enough() {
    let both = [reached(Answer::Silent), reached(accepted(OTHER))];
    let verdicts: Vec<Verdict> = judge(&both, &around()).iter().map(|finding| finding.verdict).collect();
    assert_eq!(verdicts, [Verdict::Warn, Verdict::Ok]);
    let joined = Around { members_alive: Some(4), ..around() };
    assert_eq!(judge(&[reached(Answer::Silent)], &joined)[0].verdict, Verdict::Warn);
    let alone = Around { members_alive: Some(0), ..around() };
    assert_eq!(judge(&[reached(Answer::Silent)], &alone)[0].verdict, FAIL);
}

#[test]
fn the_best_address_of_a_name_counts() {
    let (v6, v4) = ("[2001:db8::1]:5678".parse().unwrap(), "10.0.0.1:5678".parse().unwrap());
    let answers = Ok(vec![(v6, Answer::NoWay("no route".into())), (v4, accepted(OTHER))]);
    assert_eq!(judge(&[Reached { target: "web-1:5678".into(), answers }], &around())[0].verdict, Verdict::Ok);
}

#[test]
fn an_address_that_leads_back_is_no_peer() {
    let here = Around { runs_here: true, ..around() };
    let findings = judge(&[reached(accepted(OWN))], &here);
    let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
    assert_eq!(verdicts, [Verdict::Ok, Verdict::Warn], "{findings:?}");
    // Before it runs, nobody answers at its own address.
    let own = Around { here: vec!["10.0.0.1:5678".parse().unwrap()], ..around() };
    assert_eq!(judge(&[reached(Answer::Nobody)], &own)[0].verdict, Verdict::Ok);
    assert_eq!(judge(&[reached(Answer::Nobody)], &Around { runs_here: true, ..own })[0].verdict, FAIL);
    let both = [reached(accepted(OWN)), reached(accepted(OTHER))];
    assert!(judge(&both, &here).iter().all(|finding| finding.verdict == Verdict::Ok));
}

#[test]
fn a_node_that_knows_nobody_is_alone() {
    for (around, verdict) in [
        (Around { remembered: Some(0), ..around() }, Verdict::Warn),
        (Around { members_alive: Some(0), ..around() }, Verdict::Warn),
        (around(), Verdict::Warn),
        (Around { hidden: true, ..around() }, Verdict::Warn),
        (Around { blind: true, remembered: Some(2), ..around() }, Verdict::Warn),
        (Around { remembered: Some(2), ..around() }, Verdict::Ok),
        (Around { members_alive: Some(2), ..around() }, Verdict::Ok),
    ] {
        assert_eq!(judge(&[], &around)[0].verdict, verdict, "{around:?}");
    }
}
