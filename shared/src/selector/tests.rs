use crate::id::NodeId;
use crate::services::node::{Label, MemberState};
use crate::time::UnixMillis;
use proptest::prelude::*;

use super::*;

fn member(name: &str, labels: &[(&str, &str)]) -> Member {
    let mut id = [0; 32];
    id[..name.len()].copy_from_slice(name.as_bytes());
    Member {
        name: name.parse().unwrap(),
        id: NodeId::new(id),
        state: MemberState::Alive,
        state_since: UnixMillis(0),
        addresses: Vec::new(),
        version: String::new(),
        labels: labels
            .iter()
            .map(|(key, value)| Label { key: (*key).into(), value: (*value).into() })
            .collect(),
        started: UnixMillis(0),
        sequence: 1,
        http: None,
    }
}

fn fleet() -> Vec<Member> {
    vec![
        member("web-1", &[("role", "web"), ("zone", "a")]),
        member("web-2", &[("role", "web"), ("zone", "b")]),
        member("db-1", &[("role", "db"), ("zone", "a")]),
        member("db-2", &[("role", "db"), ("empty", "")]),
        member("cache", &[]),
    ]
}

fn names(text: &str) -> String {
    let fleet = fleet();
    let selector: Selector = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let names: Vec<&str> =
        selector.select(&fleet).members.iter().map(|member| member.name.as_str()).collect();
    names.join(" ")
}

#[test]
fn each_form_selects_what_it_says() {
    for (text, expected) in [
        ("web-1", "web-1"),
        ("web-1,db-2", "web-1 db-2"),
        (" web-1 , db-2 ", "web-1 db-2"),
        ("web-*", "web-1 web-2"),
        ("*-1", "web-1 db-1"),
        ("*b*1", "web-1 db-1"),
        ("?b-2", "db-2"),
        ("all", "web-1 web-2 db-1 db-2 cache"),
        ("@all", "web-1 web-2 db-1 db-2 cache"),
        ("role=web", "web-1 web-2"),
        ("role=*", "web-1 web-2 db-1 db-2"),
        ("empty=", "db-2"),
        ("role=web and not web-1", "web-2"),
        ("role=web and zone=a or cache", "web-1 cache"),
        ("role=web and (zone=b or zone=a)", "web-1 web-2"),
        ("not (role=web or role=db)", "cache"),
        ("not web-1,web-2", "db-1 db-2 cache"),
        ("web-1,db-1 and zone=a", "web-1 db-1"),
        ("not not cache", "cache"),
        ("(((cache)))", "cache"),
        ("role=mail", ""),
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn a_whole_id_is_a_name_too() {
    let id = fleet()[2].id.to_string();
    assert_eq!(names(&id), "db-1");
}

#[test]
fn a_name_that_nobody_bears_is_told() {
    let fleet = fleet();
    let selector: Selector = "web-1,web-9 and not db-9".parse().unwrap();
    let selection = selector.select(&fleet);
    assert_eq!(selection.members.len(), 1);
    assert_eq!(selection.unknown, ["db-9", "web-9"]);
}

#[test]
fn an_empty_selector_is_an_error() {
    for text in ["", "  ", "\t\n"] {
        assert_eq!(text.parse::<Selector>(), Err(SelectorError::Empty));
    }
}

#[test]
fn what_is_wrong_says_where() {
    for (text, expected) in [
        ("web-1,", "a name, a glob or a label should stand where its end does in the selector"),
        ("(web-1", ") should stand where its end does in the selector"),
        ("web-1)", "and, or, or the end should stand where ) does in the selector"),
        ("a b", "and, or, or the end should stand where \"b\" does in the selector"),
        ("and", "a name, a glob or a label should stand where and does in the selector"),
        ("()", "a name, a glob or a label should stand where ) does in the selector"),
    ] {
        assert_eq!(text.parse::<Selector>().unwrap_err().to_string(), expected, "{text}");
    }
    for text in ["Web-1", "a_b", "=web", "role!=web", "self", "r\u{f6}le=web", "a=b=c", "\u{1b}[2J"] {
        assert_eq!(text.parse::<Selector>(), Err(SelectorError::Word(text.into())), "{text}");
    }
}

#[test]
fn depth_and_length_are_limited() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(nested(DEPTH_MAX).parse::<Selector>().is_ok());
    assert_eq!(nested(DEPTH_MAX + 1).parse::<Selector>(), Err(SelectorError::TooDeep));
    assert_eq!("(".repeat(60_000).parse::<Selector>(), Err(SelectorError::TooDeep));
    assert_eq!(format!("{}a", "not ".repeat(10_000)).parse::<Selector>(), Err(SelectorError::TooDeep));
    assert_eq!("a,".repeat(40_000).parse::<Selector>(), Err(SelectorError::TooLong));
}

#[test]
fn many_stars_take_no_time() {
    let pattern = format!("{}b", "*a".repeat(200));
    assert!(!like(&pattern, &"a".repeat(5_000)));
}

proptest! {
    #[test]
    fn any_text_ends_in_a_selector_or_an_error(text in "\\PC{0,64}") {
        let _ = text.parse::<Selector>().is_ok();
    }

    #[test]
    fn any_tokens_end_in_a_selector_or_an_error(
        words in proptest::collection::vec(
            prop_oneof![Just("("), Just(")"), Just(","), Just("and"), Just("or"), Just("not"), Just("a"), Just("k=v"), Just("*")],
            0..40,
        )
    ) {
        let _ = words.join(" ").parse::<Selector>().is_ok();
    }

    #[test]
    fn not_is_the_complement(pattern in "[a-z*?0-9-]{1,6}") {
        prop_assume!(!["and", "or", "not", "all", "self"].contains(&pattern.as_str()));
        let fleet = fleet();
        let yes: Selector = pattern.parse().unwrap();
        let no: Selector = format!("not {pattern}").parse().unwrap();
        prop_assert_eq!(yes.select(&fleet).members.len() + no.select(&fleet).members.len(), fleet.len());
    }
}
