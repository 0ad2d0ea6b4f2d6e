use proptest::prelude::*;

use super::super::rule::Op;
use super::*;

fn only(text: &str) -> Rule {
    let file = read(text);
    assert_eq!(file.mistakes, []);
    match file.rules.into_iter().next() {
        Some(FileRule::On(rule)) => *rule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rule_has_all_that_is_written() {
    let rule = only(
        r#"
        [[rule]]
        name = "disk_full"
        when = 'filesystem_used_ratio{mountpoint!="/boot"} > 0.9 until 0.85 for 5m'
        severity = "critical"
        summary = "{mountpoint} is {value} full"
        labels = { team = "storage" }
        notify = false
        [[rule.except]]
        where = 'mountpoint=~"/srv.*"'
        threshold = 0.97
        for = "1h"
        severity = "info"
        [[rule.except]]
        where = '{mountpoint="/tmp"}'
        for = "10m"
        "#,
    );
    let head = (rule.name.as_str(), rule.severity, rule.telling);
    assert_eq!(head, ("disk_full", Severity::Critical, Telling::Shown));
    assert_eq!((rule.expression.op, rule.labels["team"].as_str()), (Op::Greater, "storage"));
    let of = |mountpoint: &str| rule.limits(&[("mountpoint".to_owned(), mountpoint.to_owned())].into());
    let limits = |threshold, until, hold| Limits { threshold, until, hold: Millis(hold) };
    assert_eq!(of("/srv/a"), (limits(0.97, None, 3_600_000), Severity::Info));
    assert_eq!(of("/tmp"), (limits(0.9, Some(0.85), 600_000), Severity::Critical));
    assert_eq!(of("/"), (limits(0.9, Some(0.85), 300_000), Severity::Critical));
}

#[test]
fn a_rule_with_a_mistake_is_named_by_its_place_and_the_others_go_on() {
    let text = "[[rule]]\nname = \"good\"\nwhen = \"load1 > 1\"\n\n\
                [[rule]]\nname = \"bad\"\nwhen = \"temperature_celsius{sensor=\\\"x\\\"} >> 1\"\n\n\
                [[rule]]\nname = \"off\"\noff = true\n";
    let file = read(text);
    assert_eq!(file.rules.iter().map(FileRule::name).collect::<Vec<_>>(), ["good", "off"]);
    assert_eq!(file.rules[1], FileRule::Off("off".into()));
    let place = |mistake: &Mistake| (mistake.line, mistake.column, mistake.message.clone());
    assert_eq!(place(&file.mistakes[0]), (7, 44, "expected a number".to_owned()));
    assert!(!file.is_broken);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let a = "[[rule]]\nname = 'a'\n";
    let when = "[[rule]]\nname = 'a'\nwhen = 'load1 > 1'\n";
    let disk = "[[rule]]\nname = 'a'\nwhen = 'filesystem_used_ratio > 1'\n";
    let mut wrong = Vec::new();
    for (text, line, column, words) in [
        ("[[rule]".to_owned(), 1, 8, ""),
        ("rule = 1".into(), 1, 1, "[[rule]]"),
        ("x = 1".into(), 1, 1, "only [[rule]]"),
        ("[[rule]]\nwhen = 'load1 > 1'".into(), 1, 1, "needs a name"),
        ("[[rule]]\nname = 'a b'".into(), 2, 8, "a name is"),
        (a.into(), 1, 1, "needs `when`"),
        (format!("{a}when = 'load1 > high'"), 3, 17, "a number"),
        (format!("{a}when = '''\nload1 >\n high'''"), 5, 2, "a number"),
        (format!("{when}severity = 'bad'"), 4, 12, "info, warning or critical"),
        (format!("{when}how = 1"), 4, 1, "unknown key"),
        (format!("{when}labels = {{ alertname = 'b' }}"), 4, 12, "neither alertname"),
        (format!("{when}[[rule.except]]\nfor = '5m'"), 4, 1, "needs `where`"),
        (format!("{when}[[rule.except]]\nwhere = 'a='"), 5, 12, "double quotes"),
        (format!("{when}[[rule.except]]\nwhere = 'a=\"b\"'"), 5, 9, "has no label"),
        (format!("{disk}[[rule.except]]\nwhere = 'mountpoint=\"/\"'\nuntil = 2"), 4, 1, "at most"),
        (format!("{when}{when}"), 4, 1, "above already"),
    ] {
        let file = read(&text);
        let mistake = file.mistakes.first().cloned().unwrap_or_else(|| panic!("{text}"));
        if (mistake.line, mistake.column) != (line, column) || !mistake.message.contains(words) {
            wrong.push(format!("{text:?}: {mistake}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "(\\[\\[rule\\]\\]\n)?(name = '[a-z ]{0,4}'\n)?(when = \"[a-z>\\\\ 0-9{}=]{0,12}\"\n)?.{0,20}",
    ) {
        for mistake in read(&text).mistakes {
            prop_assert!(mistake.line <= text.matches('\n').count() + 1);
        }
    }
}
