//! The figures that rules look at: those of the history under the same names, and what only rules ask for.
//!
//! Samples and rows enter, figures leave; only those that a rule wants. Nothing here reads anything itself.

use p2p_shared::services::monitor::HostSample;
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::services::program::{ProgramInfo, ProgramState};
use p2p_shared::time::Millis;

use super::core::alert::Figure;
use super::core::recent::{Recent, Steps};
use super::core::rule::Labels;
use super::core::wanted::Wanted;
use crate::history::figures::{Figures, MeshSample};
use crate::host::moment::Moment;

/// A difference of the clocks below this is no step.
const STEP_LEAST: Millis = Millis(1_000);

/// A figure without a label.
pub(super) fn plain(metric: &str, value: f64) -> Figure {
    Figure { metric: metric.to_owned(), labels: Labels::new(), value }
}

/// A figure with one.
pub(super) fn labelled(metric: &str, (label, text): (&str, &str), value: f64) -> Figure {
    let labels = Labels::from([(label.to_owned(), text.to_owned())]);
    Figure { metric: metric.to_owned(), labels, value }
}

/// 1 for what holds.
pub(super) fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Makes figures of samples.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    history: Figures,
    steps: Steps,
    restarts: Recent,
}

impl Gatherer {
    /// The figures of one sample of the host and the mesh.
    pub(super) fn host(
        &mut self,
        now: Moment,
        (host, mesh): (&HostSample, MeshSample),
        wanted: &Wanted,
    ) -> Vec<Figure> {
        let mut found = Vec::new();
        for (name, value) in self.history.of(now.monotonic, host, mesh) {
            let metric = name.split_once('{').map_or(name.as_str(), |(metric, _)| metric);
            if wanted.metrics.contains(metric) {
                found.push(Figure {
                    metric: metric.to_owned(),
                    labels: labels_in(name),
                    value: f64::from(*value),
                });
            }
        }
        let cores = host.cpu.cores.len();
        for (metric, load) in
            ["load1_per_core", "load5_per_core", "load15_per_core"].into_iter().zip(host.load)
        {
            if wanted.metrics.contains(metric) && cores > 0 {
                found.push(plain(metric, f64::from(load) / cores as f64));
            }
        }
        if let Some(skew) = mesh.clock_skew_s.filter(|_| wanted.metrics.contains("clock_skew_seconds")) {
            found.push(plain("clock_skew_seconds", skew.into()));
        }
        // The clock that goes on while the machine sleeps: waking up is no step.
        let step = self.steps.note(now.since_boot, now.wall.0, STEP_LEAST);
        if wanted.metrics.contains("clock_step_seconds") {
            found.push(plain("clock_step_seconds", step.0 as f64 / 1e3));
        }
        found
    }

    /// The figures of the programs that the node keeps running.
    pub(super) fn programs(&mut self, now: Moment, programs: &[ProgramInfo], wanted: &Wanted) -> Vec<Figure> {
        let mut found = Vec::new();
        for program in programs {
            let label = ("program", program.name.as_str());
            if wanted.metrics.contains("program_failed") {
                found.push(labelled("program_failed", label, truth(program.state == ProgramState::Failed)));
            }
            if wanted.metrics.contains("program_running") {
                found.push(labelled("program_running", label, truth(program.state.runs())));
            }
            self.restarts.note(now.monotonic, program.name.as_str(), program.restarts);
        }
        let is_there = |name: &str| programs.iter().any(|program| program.name.as_str() == name);
        let gone: Vec<String> = self
            .restarts
            .counts(now.monotonic)
            .filter(|(name, _)| !is_there(name))
            .map(|(name, _)| name.to_owned())
            .collect();
        gone.iter().for_each(|name| self.restarts.forget(name));
        if wanted.metrics.contains("program_restarts_10m") {
            let counts = self.restarts.counts(now.monotonic);
            found.extend(
                counts.map(|(name, count)| labelled("program_restarts_10m", ("program", name), count as f64)),
            );
        }
        found
    }
}

/// The figures of the other members.
pub(super) fn members(members: &[Member], own: p2p_shared::id::NodeId, wanted: &Wanted) -> Vec<Figure> {
    let others = || members.iter().filter(|member| member.id != own && member.state != MemberState::Left);
    let is_lost = |member: &Member| member.state == MemberState::Lost;
    let mut found = Vec::new();
    if wanted.metrics.contains("node_lost") {
        found.extend(
            others().map(|one| labelled("node_lost", ("node", one.name.as_str()), truth(is_lost(one)))),
        );
    }
    if wanted.metrics.contains("nodes_lost") {
        found.push(plain("nodes_lost", others().filter(|one| is_lost(one)).count() as f64));
    }
    found
}

/// The labels in a name of the history, such as `load{core="1"}`: there is one at most.
fn labels_in(name: &str) -> Labels {
    let Some((_, inside)) = name.split_once('{') else { return Labels::new() };
    let Some((label, quoted)) = inside.strip_suffix("\"}").and_then(|inside| inside.split_once("=\"")) else {
        return Labels::new();
    };
    let mut text = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            letter => text.push(letter),
        }
    }
    Labels::from([(label.to_owned(), text)])
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::alert::FIGURES;

    use super::super::core::catalogue;
    use super::*;
    use crate::host::Roots;
    use crate::host::figures::HostFigures;
    use crate::host::figures::slow::SlowFigures;

    #[test]
    fn every_figure_of_the_history_is_known_to_rules_under_its_label() {
        let host = HostFigures::new(&Roots::default()).sample(Moment::now(), &SlowFigures::default(), 7);
        let wanted = Wanted {
            metrics: FIGURES.iter().map(|figure| figure.name.to_owned()).collect(),
            ..Wanted::default()
        };
        let mut history = Figures::default();
        history.of(Millis(1_000), &host, MeshSample::default());
        let names: Vec<String> = history
            .of(Millis(2_000), &host, MeshSample::default())
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        for name in &names {
            let metric = name.split('{').next().unwrap();
            let labels = labels_in(name);
            assert_eq!(
                catalogue::label_of(metric),
                Some(labels.keys().next().map_or("", String::as_str)),
                "{name}"
            );
        }
        let mesh = MeshSample { clock_skew_s: Some(0.5), ..MeshSample::default() };
        let found = Gatherer::default().host(Moment::now(), (&host, mesh), &wanted);
        assert!(found.iter().any(|figure| figure.metric == "clock_skew_seconds" && figure.value == 0.5));
        assert!(found.iter().any(|figure| figure.metric == "load15_per_core"));
    }

    #[test]
    fn a_label_is_what_it_was_before_it_was_quoted() {
        let labels = labels_in("a{mountpoint=\"/x\\\"\\\\\\n\"}");
        assert_eq!(labels["mountpoint"], "/x\"\\\n");
        assert_eq!(labels_in("load1"), Labels::new());
    }
}
