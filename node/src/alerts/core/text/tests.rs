use proptest::prelude::*;

use super::*;

#[test]
fn an_expression_reads_as_people_write_it() {
    let read = parse("cpu_usage_ratio{node=~\"web.*\", core!=\"0\"} > 0.9 until 0.8 for 5m").unwrap();
    assert_eq!((read.metric.as_str(), read.op), ("cpu_usage_ratio", Op::Greater));
    assert_eq!(read.limits, Limits { threshold: 0.9, until: Some(0.8), hold: Millis(300_000) });
    let labels = |node: &str| [("node".to_owned(), node.to_owned())].into();
    let fits = |node: &str| read.matchers.iter().all(|matcher| matcher.fits(&labels(node)));
    // The whole label has to fit, and one that is not there is empty.
    assert!(fits("web-1") && !fits("db-web"));
}

#[test]
fn short_forms_are_enough() {
    for text in ["up==0", "  load1>4 ", "a{} < 1e3", "a{b=\"c\",} >= -1", "a{b=\"\\\"\\\\\\n\"} != 0 for 90s"]
    {
        parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let mut wrong = Vec::new();
    for (text, line, column, words) in [
        ("", 1, 1, "the name of a figure"),
        ("9cpu > 1", 1, 1, "the name of a figure"),
        ("cpu", 1, 4, "a comparison"),
        ("cpu => 1", 1, 5, "a comparison"),
        ("cpu > high", 1, 7, "a number"),
        ("cpu > 1 for", 1, 9, "the end"),
        ("cpu > 1 for ever", 1, 13, "a span"),
        ("cpu > 1 for 5 m", 1, 14, "a span"),
        ("cpu > 1 for 99999999999999999999d", 1, 13, "a span"),
        ("cpu > 1 for 31d", 1, 13, "30d at most"),
        ("cpu\n  {a=~\"(\"} > 1", 2, 7, "no regular expression"),
        ("cpu{a\n=b} > 1", 2, 2, "double quotes"),
        ("cpu{a:\"b\"} > 1", 1, 7, "a comparison of a label"),
        ("cpu{a=\"b\" > 1", 1, 11, "behind a matcher"),
        ("cpu > 0.9 until 0.95", 1, 17, "at most the threshold"),
        ("cpu == 1 until 2", 1, 16, "not allowed"),
        ("cpu > 1 and mem > 2", 1, 9, "the end"),
        ("cpu > inf", 1, 7, "a number"),
    ] {
        let mistake = parse(text).unwrap_err();
        let place = (mistake.line, mistake.column);
        if place != (line, column) || !mistake.message.contains(words) {
            wrong.push(format!("{text:?}: {mistake}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_regular_expression_that_explodes_is_refused() {
    let mistake = parse("a{b=~\"((a{1,100}){1,100}){1,100}\"} > 1").unwrap_err();
    assert!(mistake.message.contains("no regular expression"), "{mistake}");
}

prop_compose! {
    fn matcher_text()(label in "[a-z_]{1,8}", how in 0usize..4, value in "[a-z.*\"\\\\\n ]{0,8}") -> (String, How, String) {
        (label, [How::Is, How::IsNot, How::Fits, How::FitsNot][how], value)
    }
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(
        metric in "[a-z_][a-z0-9_:]{0,20}",
        matchers in prop::collection::vec(matcher_text(), 0..4),
        threshold in -1e9f64..1e9,
        down in prop::option::of(0.0f64..1e6),
        hold in 0u64..1_000_000,
    ) {
        let matchers = matchers.iter().filter_map(|(label, how, value)| Matcher::new(label, *how, value).ok());
        let limits = Limits { threshold, until: down.map(|down| threshold - down), hold: Millis(hold) };
        let expression = Expression { metric, matchers: matchers.collect(), op: Op::Greater, limits };
        prop_assert_eq!(parse(&expression.to_string()), Ok(expression));
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in ".{0,60}") {
        if let Err(mistake) = parse(&text) {
            prop_assert!(mistake.line <= text.matches('\n').count() + 1);
            prop_assert!(mistake.column <= text.chars().count() + 1);
        }
    }

    #[test]
    fn almost_an_expression_is_read_or_refused(text in "cpu ?(\\{[a=\"~!,b]{0,8}\\})? ?[<>=!]{0,2} ?[0-9.e-]{0,4}( (until|for) ?[0-9]{0,3}[smhd]?){0,2}") {
        if let Ok(read) = parse(&text) {
            prop_assert_eq!(parse(&read.to_string()), Ok(read));
        }
    }
}
