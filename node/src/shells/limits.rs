//! When a shell has to end: what the local policy says of time, as a function of what is known of the shell.

use p2p_shared::time::Millis;

/// What the local policy sets, none of it by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShellLimits {
    /// What a shell shows is recorded.
    pub record: bool,
    /// A shell ends when nobody has typed into it for so long. What it writes meanwhile does not count: a forgotten
    /// `top` would go on for ever.
    pub idle_minutes: Option<u32>,
    /// A shell ends so long after it was opened.
    pub total_minutes: Option<u32>,
}

/// How old a shell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// Since it was opened.
    pub total: Millis,
    /// Since somebody typed into it last, or attached to it.
    pub idle: Millis,
}

impl ShellLimits {
    /// Why a shell of this age has to end, if it has to.
    pub fn verdict(&self, age: Age) -> Option<String> {
        let passed = |limit: Option<u32>, age: Millis| limit.filter(|limit| age >= minutes(*limit));
        if let Some(limit) = passed(self.total_minutes, age.total) {
            return Some(format!(
                "local policy: no shell lives longer than {limit} minutes (shell_total_minutes)"
            ));
        }
        let limit = passed(self.idle_minutes, age.idle)?;
        Some(format!("local policy: nobody typed into it for {limit} minutes (shell_idle_minutes)"))
    }

    /// How long a shell of this age has at least; `None` for as long as it likes.
    pub fn left(&self, age: Age) -> Option<Millis> {
        let left = |limit: Option<u32>, age: Millis| limit.map(|limit| minutes(limit) - age);
        let (total, idle) = (left(self.total_minutes, age.total), left(self.idle_minutes, age.idle));
        total.into_iter().chain(idle).min()
    }
}

const fn minutes(count: u32) -> Millis {
    Millis::from_secs(count as u64 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(total_s: u64, idle_s: u64) -> Age {
        Age { total: Millis::from_secs(total_s), idle: Millis::from_secs(idle_s) }
    }

    #[test]
    fn without_limits_a_shell_lives_for_ever() {
        let limits = ShellLimits::default();
        assert_eq!((limits.verdict(age(u64::MAX / 2_000, 1)), limits.left(age(1, 1))), (None, None));
    }

    #[test]
    fn each_limit_ends_it_at_its_time_and_is_named() {
        let limits = ShellLimits { idle_minutes: Some(10), total_minutes: Some(60), record: false };
        assert_eq!(limits.verdict(age(3_599, 599)), None);
        assert!(limits.verdict(age(3_599, 600)).unwrap().contains("shell_idle_minutes"));
        assert!(limits.verdict(age(3_600, 0)).unwrap().contains("shell_total_minutes"));
        assert_eq!(limits.left(age(0, 0)), Some(Millis::from_secs(600)));
        assert_eq!(limits.left(age(3_500, 0)), Some(Millis::from_secs(100)));
        assert_eq!(limits.left(age(9_999, 9_999)), Some(Millis::ZERO));
    }
}
