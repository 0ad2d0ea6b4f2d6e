//! Which jobs a list is about: terms of a text enter, a verdict on each row leaves. Pure.

use p2p_shared::services::job::{JobPriority, JobState};

use super::table::Row;

/// Most terms of one filter.
const TERMS_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    State(JobState),
    By(String),
    Priority(JobPriority),
    Label(String),
    Key(String),
    /// In lower case, somewhere in work or label.
    Word(String),
}

/// All of its terms have to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<Term>);

impl Filter {
    /// The filter that a text means.
    ///
    /// # Errors
    /// In words for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let terms: Vec<&str> = text.split_whitespace().collect();
        if terms.len() > TERMS_MAX {
            return Err(format!("a filter has at most {TERMS_MAX} terms"));
        }
        terms.into_iter().map(term).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a job is meant.
    pub fn fits(&self, row: &Row) -> bool {
        let info = &row.info;
        self.0.iter().all(|term| match term {
            Term::State(state) => info.state == *state,
            Term::By(name) => info.owner.name == *name,
            Term::Priority(priority) => info.priority == *priority,
            Term::Label(label) => info.label.contains(label.as_str()),
            Term::Key(key) => row.key.as_deref() == Some(key),
            Term::Word(word) => [&info.work, &info.label].iter().any(|text| holds(text, word)),
        })
    }
}

fn term(text: &str) -> Result<Term, String> {
    let Some((name, value)) = text.split_once(':') else { return Ok(Term::Word(text.to_lowercase())) };
    match name {
        "state" => {
            let state = JobState::ALL.into_iter().find(|state| state.as_str() == value);
            let words = JobState::ALL.map(JobState::as_str).join(", ");
            state.map(Term::State).ok_or_else(|| format!("{value:?} is no state: {words}"))
        }
        "by" => Ok(Term::By(value.to_owned())),
        "priority" => {
            let known = [JobPriority::Low, JobPriority::Normal, JobPriority::High];
            let priority = known.into_iter().find(|priority| priority.as_str() == value);
            priority.map(Term::Priority).ok_or_else(|| format!("{value:?} is no priority: low, normal, high"))
        }
        "label" => Ok(Term::Label(value.to_owned())),
        "key" => Ok(Term::Key(value.to_owned())),
        // Paths and addresses hold colons too.
        _ => Ok(Term::Word(text.to_lowercase())),
    }
}

fn holds(text: &str, word: &str) -> bool {
    if text.is_ascii() && word.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        return word.is_empty() || text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    }
    text.to_lowercase().contains(word)
}

#[cfg(test)]
mod tests {
    use super::super::testing::row;
    use super::*;

    #[test]
    fn all_terms_have_to_fit() {
        let mut row = row("a1", JobState::Failed);
        row.info.work = "apt-get install Étoile".into();
        row.info.label = "upgrade".into();
        row.key = Some("k".into());
        for (text, expected) in [
            ("", true),
            ("state:failed", true),
            ("state:queued", false),
            ("by:ann priority:normal", true),
            ("by:an", false),
            ("INSTALL", true),
            ("étoile upgrade", true),
            ("state:failed remove", false),
            ("label:upg key:k", true),
            ("key:other", false),
            ("http://x", false),
        ] {
            assert_eq!(Filter::parse(text).unwrap().fits(&row), expected, "{text}");
        }
        assert!(Filter::parse("state:tired").unwrap_err().contains("interrupted"));
        assert!(Filter::parse("priority:most").is_err());
        assert!(Filter::parse(&"x ".repeat(17)).is_err());
    }
}
