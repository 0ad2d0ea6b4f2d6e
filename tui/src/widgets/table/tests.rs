use proptest::prelude::*;

use super::slots::GUTTER;
use super::*;

const ORDER: Order = Order { key: SortKey::Cpu, descending: true };

fn table(rows: &[u32]) -> Table<u32> {
    let mut table = Table::new(ORDER);
    table.set_rows(rows.to_vec(), rows.len());
    table
}

#[test]
fn the_cursor_keeps_its_place_when_its_object_goes() {
    let mut table = table(&[1, 2, 3]);
    table.on_action(Action::Down, 10);
    table.set_rows(vec![1, 3], 2);
    assert_eq!(table.cursor(), Some(3));
    table.set_rows(Vec::new(), 0);
    assert_eq!(table.cursor(), None);
    table.set_rows(vec![7], 1);
    assert_eq!(table.cursor(), Some(7));
}

#[test]
fn marks_are_objects_not_places() {
    let mut table = table(&[1, 2, 3]);
    table.on_action(Action::Mark, 10);
    assert_eq!((table.targets(), table.cursor()), (vec![1], Some(2)));
    table.set_rows(vec![3, 2, 1], 3);
    assert_eq!(table.targets(), [1]);
    table.retain_marks(|row| *row != 1);
    assert_eq!(table.targets(), [2], "without marks it is the cursor");
}

#[test]
fn a_range_is_marked_by_its_two_ends() {
    let mut table = table(&[1, 2, 3, 4, 5]);
    table.on_action(Action::Down, 10);
    table.on_action(Action::MarkRange, 10);
    assert!(table.is_ranging());
    table.on_action(Action::Down, 10);
    table.on_action(Action::Down, 10);
    table.on_action(Action::MarkRange, 10);
    assert_eq!(table.targets(), [2, 3, 4]);
    table.on_action(Action::ClearMarks, 10);
    assert!(table.marks().is_empty());
}

#[test]
fn the_same_sort_key_again_reverses() {
    let mut table = table(&[]);
    table.sort_by(SortKey::Name);
    assert_eq!(table.order, Order { key: SortKey::Name, descending: false });
    table.sort_by(SortKey::Name);
    assert!(table.order.descending);
    table.sort_by(SortKey::Memory);
    assert!(table.order.descending, "the greatest first");
}

const COLUMNS: &[Column] = &[
    Column::text("NAME", 10, 0, Some(SortKey::Name)),
    Column::number("CPU", 5, 1, Some(SortKey::Cpu)),
    Column::number("RARE", 8, 9, None),
    Column::rest("COMMAND", 10, 2, None),
];

#[test]
fn narrow_screens_lose_the_rare_columns_first() {
    let shown = |total| slots(COLUMNS, total).iter().map(|slot| slot.column).collect::<Vec<_>>();
    assert_eq!(shown(80), [0, 1, 2, 3]);
    assert_eq!(shown(30), [0, 1, 3]);
    assert_eq!(shown(18), [0, 1]);
    assert_eq!(shown(5), [0]);
}

#[test]
fn columns_fill_the_screen_and_never_overlap() {
    for total in 1..200 {
        let slots = slots(COLUMNS, total);
        for pair in slots.windows(2) {
            assert!(pair[0].x + pair[0].width < pair[1].x, "{total}: {slots:?}");
        }
        if let Some(last) = slots.last() {
            assert!(last.x + last.width <= total, "{total}: {slots:?}");
        }
    }
    let last = *slots(COLUMNS, 100).last().unwrap();
    assert_eq!(last.x + last.width, 100);
}

#[test]
fn a_click_on_a_heading_finds_its_column() {
    assert_eq!(sort_at(COLUMNS, 80, GUTTER), Some(SortKey::Name));
    assert_eq!(sort_at(COLUMNS, 80, GUTTER + 12), Some(SortKey::Cpu));
    assert_eq!(sort_at(COLUMNS, 80, 0), None);
}

proptest! {
    #[test]
    fn the_cursor_stays_on_its_object(rows in proptest::collection::hash_set(0u32..1_000, 1..100), steps in 0usize..100, seed: u64) {
        let rows: Vec<u32> = rows.into_iter().collect();
        let mut table = table(&rows);
        for _ in 0..steps {
            table.on_action(Action::Down, 10);
        }
        let before = table.cursor();
        let mut shuffled = rows.clone();
        p2p_shared::rng::Rng::new(seed).shuffle(&mut shuffled);
        table.set_rows(shuffled, rows.len());
        prop_assert_eq!(table.cursor(), before);
    }

    #[test]
    fn the_cursor_is_always_visible(count in 0usize..300, actions in proptest::collection::vec(0usize..8, 0..60), height in 1usize..40) {
        const MOVES: [Action; 8] = [
            Action::Down, Action::Up, Action::PageDown, Action::PageUp,
            Action::HalfDown, Action::HalfUp, Action::Top, Action::Bottom,
        ];
        let rows: Vec<u32> = (0..count as u32).collect();
        let mut table = table(&rows);
        for action in actions {
            table.on_action(MOVES[action], height);
        }
        let visible: Vec<u32> = table.visible(height).map(|(_, row)| row).collect();
        prop_assert!(table.cursor().is_none_or(|cursor| visible.contains(&cursor)));
        prop_assert_eq!(visible.len(), height.min(count));
    }
}
