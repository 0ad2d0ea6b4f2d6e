use super::*;

const FIELDS: &[Field] = &[
    Field::word("name"),
    Field::word("user"),
    Field::of("cpu", Kind::Percent),
    Field::of("mem", Kind::Bytes),
    Field::of("node", Kind::Text),
    Field::of("age", Kind::Span),
];

struct Row(&'static str, &'static str, f64, f64, &'static str);

impl Record for Row {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match field {
            0 => self.0.into(),
            1 => self.1.into(),
            4 => self.4.into(),
            _ => self.number(field).map_or_else(String::new, |value| value.to_string()).into(),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match field {
            2 => Some(self.2),
            3 => Some(self.3),
            _ => None,
        }
    }
}

fn rows() -> [Row; 5] {
    [
        Row("nginx", "www", 61.0, 2e9, "web-1"),
        Row("postgres", "postgres", 20.0, 5e8, "db-1"),
        Row("ПРИВЕТ", "анна", 0.0, 0.0, "web-2"),
        Row("ΣΊΣΥΦΟΣ", "root", 1.0, 1.0, "web-10"),
        Row("a:b (c)", "ROOT", 50.0, 1024.0, "x"),
    ]
}

fn hits(text: &str) -> Vec<usize> {
    let filter = Filter::parse(text, FIELDS).unwrap().unwrap();
    rows().iter().enumerate().filter(|(_, row)| filter.matches(*row)).map(|(at, _)| at).collect()
}

#[test]
fn the_language_means_what_its_page_says() {
    for (text, wanted) in [
        ("NGINX", &[0][..]),
        ("!root", &[0, 1, 2]),
        ("not root and not nginx", &[1, 2]),
        ("~ngx", &[0]),
        ("user:post", &[1]),
        ("user=post", &[]),
        ("user=postgres", &[1]),
        ("user!=root", &[0, 1, 2]),
        ("cpu>50", &[0]),
        ("cpu>=50%", &[0, 4]),
        ("mem>1g", &[0]),
        ("mem<=1k", &[2, 3, 4]),
        ("cpu=20", &[1]),
        ("name=~^(ng|post)", &[0, 1]),
        ("name!~^(ng|post)", &[2, 3, 4]),
        ("node:web-*", &[0, 2, 3]),
        ("node:web-?", &[0, 2]),
        ("nginx or postgres", &[0, 1]),
        ("(nginx or root) and cpu<10", &[3]),
        ("root cpu>10", &[4]),
        ("привет", &[2]),
        ("АННА", &[2]),
        ("σίσυφος", &[3]),
        ("\"a:b (c)\"", &[4]),
        ("!(nginx or postgres) !~при", &[3, 4]),
    ] {
        assert_eq!(hits(text), wanted, "{text}");
    }
}

#[test]
fn mistakes_say_where_they_are() {
    for (text, at) in [
        ("nosuch:1", 0),
        ("ab cpu>x", 7),
        ("(a", 2),
        ("a )", 2),
        ("and b", 0),
        ("a or", 4),
        ("name=~(", 6),
        ("name>3", 5),
        ("\"open", 0),
        ("user:", 5),
        ("age>5x", 4),
    ] {
        let mistake = Filter::parse(text, FIELDS).unwrap_err();
        assert_eq!(mistake.at, at, "{text}: {mistake}");
    }
}

#[test]
fn nothing_is_no_filter() {
    assert!(Filter::parse("  ", FIELDS).unwrap().is_none());
}

#[test]
fn hostile_filters_cost_little() {
    assert!(Filter::parse(&"(".repeat(1_000), FIELDS).is_err());
    assert!(Filter::parse(&"!".repeat(1_000), FIELDS).is_err());
    assert!(Filter::parse(&"x".repeat(5_000), FIELDS).is_err());
    assert!(Filter::parse("name=~(((a{99}){99}){99})", FIELDS).is_err());
    let stars = Filter::parse(&format!("node:{}b", "*a".repeat(300)), FIELDS).unwrap().unwrap();
    assert!(!stars.matches(&rows()[0]));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        if let Ok(Some(filter)) = Filter::parse(&text, FIELDS) {
            for row in rows() {
                filter.matches(&row);
            }
        }
    }
}
