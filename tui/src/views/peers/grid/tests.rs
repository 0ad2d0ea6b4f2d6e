use std::collections::BTreeSet;

use p2p_shared::id::NodeName;
use p2p_shared::services::node::FleetDelta;
use proptest::prelude::*;

use super::*;
use crate::theme::Theme;
use crate::views::peers::PeersView;
use crate::views::stage::Stage;
use crate::views::{Change, View};

const SIZES: [(u16, u16); 2] = [(80, 21), (200, 47)];

/// A fleet of nodes with names as long as people give them.
fn stage(nodes: usize) -> Stage {
    let mut stage = Stage::data(nodes, 3);
    let mut delta = stage.world.fleet();
    for member in &mut delta.changed {
        let name = member.name.as_str().replace("web-", "web-frontend-");
        member.name = name.parse::<NodeName>().unwrap();
    }
    stage.fleet.apply(delta);
    stage
}

/// Changes what a node says of its connections.
fn say(stage: &mut Stage, index: usize, change: impl FnOnce(&mut Vec<Peer>)) {
    let mut peers = stage.world.peers(index);
    change(&mut peers);
    stage.fleet.set_peers(stage.world.id(index), peers, stage.now);
}

fn view_of(stage: &Stage) -> PeersView {
    let mut view = PeersView::default();
    view.set_scope(&stage.scene(), Scope::All);
    stage.tell(&mut view);
    view
}

fn snapshot(stage: &Stage, view: &PeersView, name: &str) {
    for (width, height) in SIZES {
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../../snapshots", omit_expression => true }, {
            let text = stage.paint(view, (width, height), &Theme::default());
            insta::assert_snapshot!(format!("peers_grid_{name}_{width}x{height}"), text);
        });
    }
}

/// Ten nodes: one loses packets, one has a wrong clock, one is lost, of one pair one side alone sees the other.
fn ailing() -> Stage {
    let mut stage = stage(10);
    let [lossy, wrong] = [stage.world.id(2), stage.world.id(5)];
    for index in 0..10 {
        let one_sided = stage.world.id(8);
        say(&mut stage, index, |peers| {
            for peer in peers.iter_mut() {
                if index == 2 || peer.id == lossy {
                    peer.lost_packets = peer.sent_packets / 8;
                }
                if index == 5 {
                    peer.clock_ahead_ms = Some(1_230);
                }
                if peer.id == wrong {
                    peer.clock_ahead_ms = Some(-1_230);
                }
            }
            if index == 7 {
                peers.retain(|peer| peer.id != one_sided);
            }
        });
    }
    let mut delta = stage.world.fleet();
    delta.changed.retain(|member| member.id == stage.world.id(4));
    delta.changed[0].state = MemberState::Lost;
    (delta.full, delta.seq) = (false, 9);
    stage.fleet.apply(delta);
    stage
}

#[test]
fn a_grid_is_readable_with_three_ten_and_forty_nodes() {
    for nodes in [3, 10, 40] {
        let stage = stage(nodes);
        snapshot(&stage, &view_of(&stage), &nodes.to_string());
    }
}

#[test]
fn trouble_is_marked_in_each_figure() {
    let stage = ailing();
    let mut view = view_of(&stage);
    for name in ["rtt", "loss", "clock"] {
        snapshot(&stage, &view, &format!("ailing_{name}"));
        view.on_action(&stage.scene(), Action::Tree);
    }
    let [request] = &view.on_action(&stage.scene(), Action::Describe)[..] else { panic!() };
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../../snapshots", omit_expression => true }, {
        insta::assert_debug_snapshot!("peers_grid_facts", request);
    });
}

#[test]
fn before_the_first_answers_it_says_for_whom_it_waits() {
    let stage = Stage::loading(3);
    let text = stage.paint(&view_of(&stage), (80, 21), &Theme::default());
    assert!(text.contains("waiting for the first answer of 3 nodes"), "{text}");
}

#[test]
fn a_scope_of_one_node_shows_it_among_all() {
    let stage = stage(5);
    let mut view = PeersView::default();
    let node = stage.world.id(3);
    view.set_scope(&stage.scene(), Scope::one(node));
    assert_eq!(view.grid.counts(), (5, 5));
    assert_eq!(view.nodes(&stage.scene()), [node], "its row is under the cursor");
    let two = Scope::Nodes(BTreeSet::from([stage.world.id(1), stage.world.id(2)]));
    view.set_scope(&stage.scene(), two.clone());
    assert_eq!((view.grid.counts(), view.scope()), ((2, 2), Some(two)));
    view.on_action(&stage.scene(), Action::TabNext);
    view.set_scope(&stage.scene(), Scope::one(node));
    assert_eq!(
        view.title(&stage.scene()),
        "peers of queue-1",
        "one node is seen in the sub-tab that is shown"
    );
    view.set_scope(&stage.scene(), Scope::All);
    assert_eq!(view.title(&stage.scene()), "grid of 5 nodes");
}

#[test]
fn a_great_fleet_is_asked_in_part_and_says_so() {
    let stage = Stage::loading(150);
    let mut view = PeersView::default();
    let far = stage.world.id(149);
    view.set_scope(&stage.scene(), Scope::one(far));
    assert_eq!(view.topics(&stage.scene()).len(), NODES_MAX);
    assert_eq!(view.nodes(&stage.scene()), [far], "the node that one comes from is among them");
    let text = stage.paint(&view, (200, 50), &Theme::default());
    assert!(text.contains("86 nodes left out (:peers SELECTOR)"), "{text}");
}

#[test]
fn enter_leads_to_the_connection_and_the_clicks_to_cells() {
    let stage = stage(10);
    let mut view = view_of(&stage);
    let scene = stage.scene();
    view.on_action(&scene, Action::Down);
    view.on_action(&scene, Action::Right);
    let (from, to) = view.grid.cursor().unwrap();
    assert!(view.on_action(&scene, Action::Open).is_empty());
    assert_eq!(view.asker(&scene), Some(from));
    assert_eq!(view.lists.peers.table.cursor().map(|(id, _)| id), Some(to));
    view.on_action(&scene, Action::TabPrevious);
    let plan = view.grid.plan(scene.fleet, scene.body);
    let press = |view: &mut PeersView, column, row| view.press(&scene, (column, row));
    press(&mut view, plan.label + 6 * 4, 3 + 6);
    assert_eq!(view.grid.at, (6, 4));
    press(&mut view, 0, 2);
    assert_eq!(view.grid.figure, Figure::Loss);
    press(&mut view, 79, 15);
    assert_eq!(view.grid.at, (6, 4), "below the rows stands no cell");
}

#[test]
fn a_filter_and_a_search_are_of_nodes() {
    let stage = stage(12);
    let mut view = view_of(&stage);
    let scene = stage.scene();
    let search = Filter::parse("name:db-2", view.fields()).unwrap().unwrap();
    assert!(view.seek(&scene, true, &search));
    let row = view.nodes(&scene)[0];
    assert_eq!(scene.fleet.name_of(row), "db-2");
    view.set_filter(&scene, Filter::parse("db-", view.fields()).unwrap());
    assert_eq!(view.grid.counts(), (2, 12));
    assert_eq!(view.nodes(&scene), [row]);
    view.set_filter(&scene, Filter::parse("nothing", view.fields()).unwrap());
    assert!(stage.paint(&view, (80, 21), &Theme::default()).contains("nothing passes the filter"));
}

#[test]
fn rows_are_ordered_by_name_or_those_that_ail_first_and_what_is_left_out_is_said() {
    let mut stage = stage(70);
    let ids = (0..70).map(|index| stage.world.id(index));
    let (_, last) = ids.map(|id| (stage.fleet.name_of(id), id)).max().unwrap();
    let mut ill = stage.fleet.get(last).unwrap().member.clone();
    ill.state = MemberState::Lost;
    stage.fleet.apply(FleetDelta { seq: 9, full: false, changed: vec![ill], forgotten: vec![] });
    let mut view = view_of(&stage);
    let scene = stage.scene();
    assert_eq!(view.grid.counts(), (64, 70));
    for size in [(80, 21), (200, 47)] {
        assert!(stage.paint(&view, size, &Theme::default()).contains("6 nodes left out"));
    }
    assert_eq!(view.title(&scene), "grid of 64 of 70 nodes");
    view.on_action(&scene, Action::Sort(SortKey::State));
    assert_eq!(view.grid.nodes[0], last, "and it has a place, wherever its name would stand");
    view.on_action(&scene, Action::Sort(SortKey::Name));
    view.on_action(&scene, Action::Sort(SortKey::Name));
    let names: Vec<_> = view.grid.nodes.iter().map(|id| scene.fleet.name_of(*id)).collect();
    assert!(names.is_sorted_by(|one, other| one >= other), "{names:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Nodes come, go and are called otherwise: the cursor stays on its two as long as both are there, and is always on
    /// the screen.
    #[test]
    fn the_cursor_stays_on_its_pair(
        nodes in 3usize..45,
        steps in (0usize..50, 0usize..50),
        gone in proptest::collection::vec(0usize..45, 0..6),
        renamed in proptest::collection::vec((0usize..45, 0u32..90), 0..8),
        size in (40u16..220, 8u16..60),
    ) {
        let mut stage = stage(nodes);
        stage.body = Rect::new(0, 0, size.0, size.1);
        let mut view = view_of(&stage);
        for _ in 0..steps.0 {
            view.on_action(&stage.scene(), Action::Down);
        }
        for _ in 0..steps.1 {
            view.on_action(&stage.scene(), Action::Right);
        }
        let pair = view.grid.cursor().unwrap();
        let gone: BTreeSet<NodeId> = gone.into_iter().map(|at| stage.world.id(at % nodes)).collect();
        let mut delta = stage.world.fleet();
        for (at, number) in renamed {
            delta.changed[at % nodes].name = format!("{}-{number}", ["a", "m", "z"][at % 3]).parse().unwrap();
        }
        delta.changed.retain(|member| !gone.contains(&member.id));
        stage.fleet.apply(delta);
        view.on_change(&stage.scene(), Change::Nodes);
        if !gone.contains(&pair.0) && !gone.contains(&pair.1) {
            prop_assert_eq!(view.grid.cursor(), Some(pair));
        }
        let plan = view.grid.plan(&stage.fleet, stage.body);
        let (row, column) = view.grid.at;
        if plan.rows > 0 && view.grid.cursor().is_some() {
            prop_assert!((view.grid.top..view.grid.top + plan.rows).contains(&row));
            prop_assert!((view.grid.left..view.grid.left + plan.columns).contains(&column));
        }
        stage.paint(&view, size, &Theme::default().ascii());
    }
}
