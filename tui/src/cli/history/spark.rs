//! How a figure went, in one short line of bars. Pure.

/// Columns of a line.
const COLUMNS: u64 = 30;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar for the mean of each thirtieth of the span `from..to`; a blank where nothing is known. Points are
/// (time, mean, count). Ratios stand on 0 to 1 at least in part: their floor is 0; other figures fill the line.
pub(super) fn line(
    points: impl Iterator<Item = (u64, f32, u32)>,
    (from, to): (u64, u64),
    is_ratio: bool,
) -> String {
    let span = to.saturating_sub(from).max(1);
    let mut columns = [(0.0f64, 0.0f64); COLUMNS as usize];
    for (at, mean, count) in points {
        let column = at.saturating_sub(from).saturating_mul(COLUMNS) / span;
        if let Some((sum, weight)) = columns.get_mut(column as usize) {
            *sum += f64::from(mean) * f64::from(count);
            *weight += f64::from(count);
        }
    }
    let means = columns.map(|(sum, weight)| (weight > 0.0).then(|| sum / weight));
    let known = || means.iter().flatten().copied();
    let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let floor = if is_ratio { least.min(0.0) } else { least };
    let bar = |mean: f64| {
        let height = if most > floor { (mean - floor) / (most - floor) } else { 0.0 };
        BARS[((height * 8.0) as usize).min(BARS.len() - 1)]
    };
    means.map(|mean| mean.map_or(' ', bar)).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rise_with_the_figure_and_gaps_are_blank() {
        let points = (0..30u64).filter(|at| !(10..20).contains(at)).map(|at| (at * 1_000, at as f32, 1));
        let text = line(points, (0, 30_000), false);
        assert_eq!(text, "▁▁▁▁▂▂▂▂▃▃          ▆▆▇▇▇▇████");
    }

    #[test]
    fn what_rests_lies_low_and_nothing_is_blank() {
        assert_eq!(line([(0, 5.0, 1)].into_iter(), (0, 30_000), false).trim_end(), "▁");
        assert_eq!(line(std::iter::empty(), (0, 0), true).trim(), "");
        assert_eq!(line([(9, f32::MAX, 1)].into_iter(), (5, 5), true).trim(), "");
    }
}
