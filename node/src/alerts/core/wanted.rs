//! What rules want to be looked at: nothing else is.

use std::collections::BTreeSet;

use super::catalogue::{self, CERTIFICATE_LABEL, FILE_LABEL, PORT_LABEL};
use super::rule::Rule;

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names of figures.
    pub metrics: BTreeSet<String>,
    /// Paths of files.
    pub files: BTreeSet<String>,
    /// Addresses that are connected to.
    pub ports: BTreeSet<String>,
    /// Paths of files with a certificate.
    pub certificates: BTreeSet<String>,
}

impl Wanted {
    /// What these rules want.
    pub fn of<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Self {
        let mut wanted = Self::default();
        for rule in rules {
            let expression = &rule.expression;
            wanted.metrics.insert(expression.metric.clone());
            let Some(label) = catalogue::label_of(&expression.metric) else { continue };
            let named = catalogue::named(expression, label).map(str::to_owned);
            match label {
                FILE_LABEL => wanted.files.extend(named),
                PORT_LABEL => wanted.ports.extend(named),
                CERTIFICATE_LABEL => {
                    wanted.certificates.extend(named.filter(|path| path.starts_with('/')));
                }
                _ => {}
            }
        }
        wanted
    }

    /// Whether any of these figures is.
    pub fn any(&self, metrics: &[&str]) -> bool {
        metrics.iter().any(|metric| self.metrics.contains(*metric))
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::Book;
    use super::*;

    #[test]
    fn what_rules_name_is_looked_at() {
        let rules = "[[rule]]\nname = 'a'\nwhen = 'file_age_seconds{path=\"/x\"} > 1'\n\
                     [[rule]]\nname = 'b'\nwhen = 'port_open{address=\"[::1]:1\"} < 1'\n\
                     [[rule]]\nname = 'c'\nwhen = 'certificate_remaining_days{certificate=\"/y\"} < 1'";
        let wanted = Wanted::of(&Book::new(Some(rules), None).rules());
        assert!(wanted.files.contains("/x") && wanted.ports.contains("[::1]:1"));
        assert!(wanted.certificates.contains("/y"));
        assert!(wanted.any(&["units_failed", "unit_failed"]) && !wanted.any(&["units_failed"]));
    }
}
