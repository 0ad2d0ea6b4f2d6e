//! The figures that rules can be about: a rule that names another would never say anything.

use std::net::SocketAddr;

use p2p_shared::config::edits;
use p2p_shared::services::alert::FIGURES;

use super::rule::Expression;

/// Letters by which a name may differ from the one that is meant.
const EDITS_MAX: usize = 3;

/// What has to be named for there to be a figure at all.
pub const FILE_LABEL: &str = "path";
/// As [`FILE_LABEL`].
pub const PORT_LABEL: &str = "address";
/// Which certificate: `node` or `http`, or the path of a file with one.
pub const CERTIFICATE_LABEL: &str = "certificate";

/// The label of a figure.
pub fn label_of(metric: &str) -> Option<&'static str> {
    FIGURES.binary_search_by_key(&metric, |figure| figure.name).ok().map(|index| FIGURES[index].label)
}

/// Whether an expression can ever say anything.
///
/// # Errors
/// In words, why not.
pub fn check(expression: &Expression) -> Result<(), String> {
    let metric = expression.metric.as_str();
    let label = check_labels(expression)?;
    match (label, named(expression, label)) {
        (FILE_LABEL | PORT_LABEL, None) => {
            Err(format!("{metric} has to say which one: {metric}{{{label}=\"...\"}}"))
        }
        (FILE_LABEL, Some(path)) if !path.starts_with('/') => Err(format!("{path:?} is no absolute path")),
        (PORT_LABEL, Some(address)) if address.parse::<SocketAddr>().is_err() => {
            Err(format!("{address:?} is no address such as 127.0.0.1:5432 or [::1]:5432"))
        }
        (CERTIFICATE_LABEL, Some(which)) if !which.starts_with('/') && !["node", "http"].contains(&which) => {
            Err(format!("a certificate is node, http or the path of a file, and not {which:?}"))
        }
        _ => Ok(()),
    }
}

/// Whether the figure exists and has the labels that are named; its label.
///
/// # Errors
/// As [`check`].
pub fn check_labels(expression: &Expression) -> Result<&'static str, String> {
    let metric = expression.metric.as_str();
    let Some(label) = label_of(metric) else { return Err(unknown(metric)) };
    if let Some(other) = expression.matchers.iter().find(|matcher| matcher.label != label) {
        let has = if label.is_empty() { "no label".to_owned() } else { format!("only the label {label}") };
        return Err(format!("{metric} has {has}, and not {}", other.label));
    }
    Ok(label)
}

/// The value that a label has to be exactly, if an expression says one.
pub fn named<'e>(expression: &'e Expression, label: &str) -> Option<&'e str> {
    let is = |matcher: &&super::rule::Matcher| matcher.label == label && matcher.how == super::rule::How::Is;
    expression.matchers.iter().find(is).map(|matcher| matcher.value.as_str())
}

fn unknown(metric: &str) -> String {
    let close = FIGURES.iter().map(|figure| (edits(metric, figure.name), figure.name)).min();
    match close.filter(|(edits, _)| *edits <= EDITS_MAX) {
        Some((_, name)) => format!("there is no figure {metric}; did you mean {name}?"),
        None => format!("there is no figure {metric}; `p2p-tui alerts figures` lists those there are"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    #[test]
    fn figures_are_in_their_order_so_that_they_are_found() {
        assert!(FIGURES.is_sorted_by_key(|figure| figure.name));
        assert!(FIGURES.iter().all(|figure| label_of(figure.name) == Some(figure.label)));
    }

    #[test]
    fn a_rule_that_could_never_say_anything_is_refused() {
        for (text, words) in [
            ("lod1 > 1", "did you mean load1?"),
            ("temperature > 1", "there is no figure temperature"),
            ("load1{core=\"1\"} > 1", "no label"),
            ("filesystem_used_ratio{disk=\"/\"} > 1", "only the label mountpoint"),
            ("file_age_seconds > 1", "file_age_seconds{path=\"...\"}"),
            ("port_open{address=~\".*\"} < 1", "has to say which one"),
            ("port_open{address=\"localhost:22\"} < 1", "no address such as"),
            ("file_exists{path=\"a\"} < 1", "no absolute path"),
            ("certificate_remaining_days{certificate=\"a\"} < 1", "node, http or the path"),
        ] {
            let refused = check(&text::parse(text).unwrap()).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
        check(&text::parse("port_open{address=\"127.0.0.1:22\"} < 1").unwrap()).unwrap();
    }
}
