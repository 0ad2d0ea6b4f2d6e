use proptest::prelude::*;

use super::rows::{PeerRow, Row};
use super::*;
use crate::action::SortKey;
use crate::views::stage::{SIZES, Stage};

fn shown(stage: &Stage, tab: Tab, name: &str) {
    let mut view = PeersView { tab, ..PeersView::default() };
    stage.show(&mut view);
    for (width, height) in SIZES {
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true }, {
            let text = stage.paint(&view, (width, height), &Theme::default());
            insta::assert_snapshot!(format!("peers_{name}_{width}x{height}"), text);
        });
    }
}

fn view_of(stage: &Stage) -> PeersView {
    let mut view = PeersView { tab: Tab::Peers, ..PeersView::default() };
    stage.show(&mut view);
    view
}

fn names(stage: &Stage, view: &PeersView) -> Vec<String> {
    let (_, node) = view.node(&stage.scene()).unwrap();
    let rows = PeerRow::all(node, around(&stage.scene(), node, Tab::Peers)).unwrap();
    let name = |key| rows.iter().find(|row| row.key() == key).unwrap().cell(0, &Theme::default().glyphs).text;
    view.lists.peers.table.rows().iter().map(|key| name(*key)).collect()
}

#[test]
fn connections_are_listed_at_every_size() {
    shown(&Stage::data(8, 3), Tab::Peers, "data");
}

#[test]
fn the_routing_table_is_listed_nearest_first() {
    shown(&Stage::data(8, 3), Tab::Routing, "routing");
}

#[test]
fn refusals_are_listed_newest_first() {
    let mut stage = Stage::data(8, 3);
    let many = (0..8).map(|index| stage.world.refused(index)).max_by_key(Vec::len).unwrap();
    assert!(!many.is_empty());
    stage.fleet.set_refused(stage.world.id(0), many, stage.now);
    shown(&stage, Tab::Refused, "refused");
}

#[test]
fn before_the_first_list_it_says_what_it_waits_for() {
    shown(&Stage::loading(3), Tab::Peers, "loading");
}

#[test]
fn an_old_list_is_dimmed() {
    shown(&Stage::data(8, 3).wait(30), Tab::Peers, "stale");
}

#[test]
fn a_lost_node_keeps_its_last_list() {
    shown(&Stage::data(8, 3).wait(90).lost(), Tab::Peers, "lost");
}

#[test]
fn a_refusal_to_answer_is_given_in_the_nodes_words() {
    shown(&Stage::loading(3).denied(Topic::Peers), Tab::Peers, "denied");
}

#[test]
fn only_what_is_shown_is_subscribed() {
    let mut stage = Stage::data(3, 1);
    stage.world.set_state(2, p2p_shared::services::node::MemberState::Lost);
    stage.fleet.apply(stage.world.fleet_change(2));
    let mut view = view_of(&stage);
    view.tab = Tab::Grid;
    let one = |topic| BTreeSet::from([Subscription { node: stage.world.id(0), topic }]);
    let grid = [0, 1].map(|index| Subscription { node: stage.world.id(index), topic: Topic::Peers });
    let wanted = [
        BTreeSet::from(grid),
        one(Topic::Peers),
        one(Topic::Routing),
        BTreeSet::new(),
        one(Topic::Refused),
        BTreeSet::from(grid),
    ];
    for wanted in wanted {
        assert_eq!(view.topics(&stage.scene()), wanted, "{:?}", view.tab);
        view.on_action(&stage.scene(), Action::TabNext);
    }
    view.on_action(&stage.scene(), Action::TabPrevious);
    assert_eq!(view.tab, Tab::Grid);
}

fn looked_up(stage: &mut Stage, name: &str) -> PeersView {
    let node = stage.world.id(0);
    let name: p2p_shared::id::NodeName = name.parse().unwrap();
    stage.fleet.begin_look_up(node, name.clone());
    stage.fleet.set_look_up(node, &name, Ok(stage.world.look_up(0, &name)));
    let mut view = PeersView::default();
    stage.show(&mut view);
    view.show_look_up(&stage.scene(), node);
    view
}

#[test]
fn a_look_up_is_told_hop_by_hop() {
    for (name, file) in [("queue-1", "look_up"), ("nobody-9", "look_up_lost")] {
        let mut stage = Stage::data(8, 3);
        looked_up(&mut stage, name);
        shown(&stage, Tab::LookUp, file);
    }
    shown(&Stage::data(8, 3), Tab::LookUp, "look_up_none");
}

#[test]
fn a_look_up_goes_on_from_the_next_node_and_from_a_row() {
    let mut stage = Stage::data(8, 1);
    let mut view = looked_up(&mut stage, "queue-1");
    assert!(view.topics(&stage.scene()).is_empty());
    let rows = view.lists.hops.table.rows().len();
    assert_eq!(rows, 3);
    let next = view.on_action(&stage.scene(), Action::PaneNext);
    assert!(
        matches!(&next[..], [Request::LookUp { node, name }] if *node != stage.world.id(0) && name.as_str() == "queue-1")
    );
    let mut view = looked_up(&mut stage, "queue-1");
    let request = view.on_action(&stage.scene(), Action::Menu);
    let [Request::Menu(menu)] = &request[..] else { panic!("{request:?}") };
    assert!(menu.items.iter().all(|item| item.choice.is_ok()), "{menu:?}");
}

#[test]
fn sorting_by_rtt_puts_the_nearest_first_and_again_the_farthest() {
    let stage = Stage::data(8, 1);
    let mut view = view_of(&stage);
    view.on_action(&stage.scene(), Action::Sort(SortKey::Rtt));
    let near = names(&stage, &view);
    view.on_action(&stage.scene(), Action::Sort(SortKey::Rtt));
    let far = names(&stage, &view);
    assert_eq!(near.first(), far.last());
    let order = view.lists.peers.table.order;
    view.on_action(&stage.scene(), Action::Sort(SortKey::Disk));
    assert_eq!(view.lists.peers.table.order, order, "no column has disks");
}

#[test]
fn a_filter_belongs_to_its_tab() {
    let stage = Stage::data(8, 1);
    let mut view = view_of(&stage);
    let filter = Filter::parse("role:operator rtt>=0 age>0s", view.fields()).unwrap();
    view.set_filter(&stage.scene(), filter);
    assert_eq!(view.lists.peers.table.rows().len(), 2);
    assert!(view.filter().is_some());
    view.on_action(&stage.scene(), Action::TabNext);
    assert!(view.filter().is_none());
    for text in ["seen<1d", "bits>=0", "state:alive or name:web*"] {
        view.set_filter(&stage.scene(), Filter::parse(text, view.fields()).unwrap());
        assert!(!view.lists.routing.table.rows().is_empty(), "{text}");
    }
}

#[test]
fn enter_shows_a_node_and_says_what_is_none() {
    let stage = Stage::data(8, 1);
    let mut view = view_of(&stage);
    let scene = stage.scene();
    view.set_filter(&scene, Filter::parse("role:node", view.fields()).unwrap());
    let id = view.nodes(&scene)[0];
    assert_eq!(view.on_action(&scene, Action::Open), [Request::Show(ViewId::Resources, Scope::one(id))]);
    assert_eq!(view.copy(&scene, false), Some(id.to_string()));
    assert!(view.copy(&scene, true).is_some_and(|line| line.starts_with("build-1\talive\t")));
    view.set_filter(&scene, Filter::parse("role:operator", view.fields()).unwrap());
    assert!(
        matches!(&view.on_action(&scene, Action::Open)[..], [Request::Say(text)] if text.contains("operator"))
    );
    assert_eq!(view.nodes(&scene), [stage.world.id(0)], "an operator is no node to follow");
}

#[test]
fn a_search_moves_the_cursor_and_marks_are_taken_off() {
    let stage = Stage::data(8, 1);
    let mut view = view_of(&stage);
    let scene = stage.scene();
    let search = Filter::parse("queue", view.fields()).unwrap().unwrap();
    assert!(view.seek(&scene, true, &search));
    assert_eq!(view.nodes(&scene), [stage.world.id(3)]);
    view.on_action(&scene, Action::Mark);
    assert_eq!(view.status(&scene), "1 marked");
    assert!(view.clear_marks() && !view.clear_marks());
}

#[test]
fn the_cursor_stays_on_its_connection_when_a_list_comes_anew() {
    let mut stage = Stage::data(8, 1);
    let mut view = view_of(&stage);
    view.on_action(&stage.scene(), Action::Down);
    view.on_action(&stage.scene(), Action::Down);
    let kept = view.lists.peers.table.cursor();
    let fewer: Vec<_> = stage.world.peers(0).into_iter().skip(1).rev().collect();
    stage.fleet.set_peers(stage.world.id(0), fewer, stage.now);
    stage.tell(&mut view);
    assert_eq!(view.lists.peers.table.cursor(), kept);
}

#[test]
fn clicks_choose_tabs_columns_and_rows() {
    let stage = Stage::data(8, 1);
    let mut view = view_of(&stage);
    let press = |view: &mut PeersView, column, row| {
        view.on_mouse(&stage.scene(), Mouse { kind: MouseKind::Press, column, row });
    };
    press(&mut view, 3, 4);
    assert_eq!(view.lists.peers.table.position(), 2);
    press(&mut view, 3, 1);
    assert!(view.lists.peers.table.order.descending, "the name again reverses");
    press(&mut view, 22, 0);
    assert_eq!(view.tab, Tab::Routing);
    press(&mut view, 2, 0);
    assert_eq!(view.tab, Tab::Grid);
}

#[test]
fn hostile_texts_stay_on_their_line() {
    let mut stage = Stage::data(2, 1);
    stage.world = stage.world.clone().with_hostile_names();
    stage.hear(0);
    let mut view = view_of(&stage);
    view.tab = Tab::Refused;
    let text = stage.paint(&view, (200, 50), &Theme::default());
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'));
    let ascii = stage.paint(&view_of(&stage), (80, 24), &Theme::default().ascii());
    assert!(ascii.is_ascii());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_size_and_no_action_panics(
        size in (0u16..220, 0u16..70),
        actions in proptest::collection::vec(0usize..crate::action::TABLE.len(), 0..30),
        click in (0u16..220, 0u16..70),
        nodes in 0usize..5,
        tab in 0usize..5,
    ) {
        let mut stage = Stage::data(nodes, 1);
        stage.body = Rect::new(0, 0, size.0, size.1);
        let mut view = PeersView { tab: Tab::ALL[tab], ..PeersView::default() };
        stage.tell(&mut view);
        for action in actions {
            view.on_action(&stage.scene(), crate::action::TABLE[action].action);
        }
        view.on_mouse(&stage.scene(), Mouse { kind: MouseKind::Press, column: click.0, row: click.1 });
        stage.paint(&view, size, &Theme::default());
        if nodes > 0 {
            prop_assert!(view.topics(&stage.scene()).len() <= nodes);
        }
    }
}
