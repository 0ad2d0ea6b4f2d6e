use proptest::prelude::*;
use ratatui::buffer::Buffer;

use super::*;
use crate::theme::Theme;
use crate::widgets::paint::Painter;

const WINDOW: Window =
    Window { end: Millis(60_000), span: Millis(60_000), axis: Axis::Ago(Millis(60_000)), gap: GAP };

fn chart<'a>(points: &'a [Point], second: Option<&'a [Point]>, unit: Unit) -> Chart<'a> {
    Chart {
        unit,
        first: Series { points, role: Role::First },
        second: second.map(|points| Series { points, role: Role::Second }),
        window: WINDOW,
        dimmed: false,
    }
}

fn lines(chart: &Chart<'_>, theme: &Theme, (width, height): (u16, u16)) -> Vec<String> {
    let area = Rect::new(0, 0, width, height);
    let mut buf = Buffer::empty(area);
    draw(chart, area, &mut Painter { buf: &mut buf, theme });
    let row = |y| (0..width).map(|x| buf[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect()
}

fn seconds(value: impl Fn(u64) -> f64) -> Vec<Point> {
    (0..=60).map(|second| (Millis::from_secs(second), value(second))).collect()
}

#[test]
fn a_ramp_rises_from_left_to_right_under_its_scale() {
    let points = seconds(|second| second as f64 / 60.0);
    let shown = lines(&chart(&points, None, Unit::Percent), &Theme::default(), (30, 7));
    assert_eq!(
        shown,
        [
            "100%                      ⢀⣠⣴⣾",
            "                      ⢀⣤⣴⣿⣿⣿⣿⣿",
            "                  ⣀⣤⣶⣿⣿⣿⣿⣿⣿⣿⣿⣿",
            " 50%          ⣀⣤⣶⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿",
            "          ⣠⣤⣾⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿",
            "  0% ⣀⣠⣴⣾⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿",
            "     -1m                   now",
        ]
    );
}

#[test]
fn ascii_draws_bars() {
    let points = seconds(|second| if second < 30 { 0.0 } else { 1.0 });
    let shown = lines(&chart(&points, None, Unit::Percent), &Theme::default().ascii(), (25, 3));
    assert_eq!(
        shown,
        ["100%           ##########", "               ##########", "  0% __________##########"]
    );
    assert!(shown.iter().all(|line| line.is_ascii()));
}

#[test]
fn what_was_not_measured_is_a_gap_and_nothing_is_a_line() {
    let mut points = seconds(|_| 0.0);
    points.retain(|(at, _)| !(20_000..40_000).contains(&at.0));
    points[32].1 = f64::NAN;
    assert_eq!(points[32].0, Millis(52_000));
    let shown = plot::columns(&points, WINDOW, 6);
    assert_eq!(shown.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, false, true, true]);
    assert!(plot::columns(&points, WINDOW, 60)[52].is_none());
}

#[test]
fn the_newest_value_stands_at_the_right_also_when_the_clock_is_young() {
    let window = Window { end: Millis(10_000), axis: Axis::Ago(Millis(10_000)), ..WINDOW };
    let points: Vec<Point> = (0..=10).map(|second| (Millis::from_secs(second), 1.0)).collect();
    let shown = plot::columns(&points, window, 6);
    assert_eq!(
        shown.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, false, false, false, false, true]
    );
}

#[test]
fn two_series_face_each_other() {
    let (up, down) = (seconds(|_| 4_000.0), seconds(|_| 900.0));
    let shown = lines(&chart(&up, Some(&down), Unit::Rate), &Theme::default(), (22, 5));
    assert_eq!(shown[0].trim_end(), "5.0K ⣤⣤⣤⣤⣤⣤⣤⣤⣤⣤⣤⣤⣤⣤⣤⣤⣤");
    assert_eq!(&shown[3][..4], "1.0K");
    assert_eq!(shown[4], "     -1m           now");
}

#[test]
fn a_peak_is_kept_however_little_room_there_is() {
    let points = seconds(|second| if second == 31 { 1.0 } else { 0.1 });
    let shown = plot::columns(&points, WINDOW, 4);
    assert_eq!(shown[2], Some(1.0));
}

#[test]
fn cores_fit_any_height() {
    let many: Vec<cores::Core> =
        (0..12).map(|index| cores::Core { now: index as f32 / 11.0, past: vec![0.5; 90] }).collect();
    let theme = Theme::default();
    let shown = |width, height| {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        cores::draw(&many, false, area, &mut Painter { buf: &mut buf, theme: &theme });
        (0..height).map(|y| (0..width).map(|x| buf[(x, y)].symbol()).collect::<String>()).collect::<Vec<_>>()
    };
    assert_eq!(shown(20, 12)[11], "11 ▄▄▄▄▄▄▄▄▄▄▄▄ 100%");
    assert!(shown(60, 4)[3].contains("11") && shown(60, 4)[3].contains("27%"), "{:?}", shown(60, 4));
    assert_eq!(shown(12, 1), ["▁▁▂▃▃▄▅▆▆▇██"], "a bar each");
    assert_eq!(shown(6, 1), ["▁▃▄▆▇█"], "a bar for two");
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), 0.0..1.0f64, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(f64::MAX),]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_size_and_no_value_panics(
        size in (0u16..300, 0u16..100),
        place in (0u16..50, 0u16..20),
        first in proptest::collection::vec((any::<u64>(), any_value()), 0..80),
        second in proptest::collection::vec((0u64..70_000, any_value()), 0..80),
        times in (any::<u64>(), any::<u64>(), 0u64..100_000),
        ascii in any::<bool>(),
        unit in prop_oneof![Just(Unit::Percent), Just(Unit::Rate), Just(Unit::Number)],
    ) {
        let theme = if ascii { Theme::default().ascii() } else { Theme::default() };
        let mut buf = Buffer::empty(Rect::new(0, 0, 200, 60));
        let area = Rect::new(place.0, place.1, size.0, size.1);
        let first: Vec<Point> = first.into_iter().map(|(at, value)| (Millis(at), value)).collect();
        let second: Vec<Point> = second.into_iter().map(|(at, value)| (Millis(at), value)).collect();
        let values: Vec<f32> = second.iter().map(|(_, value)| *value as f32).collect();
        let lines: Vec<cores::Core> =
            values.iter().map(|now| cores::Core { now: *now, past: values.clone() }).collect();
        let mut painter = Painter { buf: &mut buf, theme: &theme };
        cores::draw(&lines, ascii, area, &mut painter);
        cores::rows_wanted(lines.len(), size.0);
        let odd = Window { end: Millis(times.0), span: Millis(times.1), axis: Axis::Ago(Millis(times.2)), gap: GAP };
        for window in [WINDOW, odd, Window { axis: Axis::Clock, ..odd }] {
            let one = Chart { window, ..chart(&first, None, unit) };
            draw(&one, area, &mut painter);
            draw(&Chart { window, ..chart(&first, Some(&second), unit) }, area, &mut painter);
        }
    }
}
