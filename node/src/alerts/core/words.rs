//! What is said of an alert: a rule's summary with the alert's own words in it, and figures with their units.

use std::fmt::Write;

use super::rule::{Labels, Rule};

/// Longest summary that is made, in bytes; a longer one is cut.
const SUMMARY_BYTES_MAX: usize = 512;

/// The summary of a rule for an alert with these labels and this value. `{LABEL}` stands for a label (nothing for
/// one that is not there), `{value}` for the value in its unit.
pub fn summary(rule: &Rule, labels: &Labels, value: f64) -> String {
    let metric = &rule.expression.metric;
    if rule.summary.is_empty() {
        return format!("{metric} is {}", quantity(metric, value));
    }
    let mut text = String::with_capacity(rule.summary.len() + 32);
    let mut rest = rule.summary.as_str();
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, behind)) = behind.split_once('}') else {
            text.push('{');
            rest = behind;
            break;
        };
        match name {
            "value" => text.push_str(&quantity(metric, value)),
            name => text.push_str(labels.get(name).map_or("", String::as_str)),
        }
        rest = behind;
    }
    text.push_str(rest);
    text.truncate(text.floor_char_boundary(SUMMARY_BYTES_MAX));
    text
}

/// A value of a figure, in the unit that its name ends in.
pub fn quantity(metric: &str, value: f64) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match metric.rsplit('_').next() {
        Some("ratio") => write!(text, "{:.1}%", value * 100.0),
        Some("bytes") => write!(text, "{}", bytes(value)),
        Some("seconds") => write!(text, "{}", seconds(value)),
        _ if value.fract() == 0.0 && value.abs() < 1e15 => write!(text, "{value:.0}"),
        _ => write!(text, "{value:.2}"),
    };
    text
}

fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut scaled = value;
    for unit in units {
        if scaled.abs() < 1_024.0 || unit == "PiB" {
            return if unit == "B" { format!("{scaled:.0} B") } else { format!("{scaled:.1} {unit}") };
        }
        scaled /= 1_024.0;
    }
    String::new()
}

fn seconds(value: f64) -> String {
    match value.abs() {
        small if small < 1.0 => format!("{:.0}ms", value * 1e3),
        minutes if minutes < 600.0 => format!("{value:.1}s"),
        hours if hours < 36_000.0 => format!("{:.0}m", value / 60.0),
        days if days < 864_000.0 => format!("{:.1}h", value / 3_600.0),
        _ => format!("{:.0}d", value / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::{Severity, Telling};
    use super::super::text;
    use super::*;

    #[test]
    fn a_summary_has_the_words_of_its_alert() {
        let mut rule = Rule {
            name: "disk".into(),
            expression: text::parse("filesystem_used_ratio > 0.9").unwrap(),
            severity: Severity::Warning,
            labels: Labels::new(),
            overrides: Vec::new(),
            summary: "{mountpoint} is {value} full{nothing}; {".into(),
            telling: Telling::Told,
        };
        let labels = Labels::from([("mountpoint".to_owned(), "/var".to_owned())]);
        assert_eq!(summary(&rule, &labels, 0.935), "/var is 93.5% full; {");
        rule.summary.clear();
        assert_eq!(summary(&rule, &labels, 0.935), "filesystem_used_ratio is 93.5%");
        rule.summary = "\u{e9}".repeat(600);
        assert_eq!(summary(&rule, &labels, 0.0).len(), SUMMARY_BYTES_MAX);
    }

    #[test]
    fn figures_are_said_in_their_unit() {
        for (metric, value, words) in [
            ("a_bytes", 0.0, "0 B"),
            ("a_bytes", 3_221_225_472.0, "3.0 GiB"),
            ("a_seconds", 0.05, "50ms"),
            ("a_seconds", 90_000.0, "25.0h"),
            ("a_days", 12.25, "12.25"),
            ("load1", 3.0, "3"),
        ] {
            assert_eq!(quantity(metric, value), words);
        }
    }
}
