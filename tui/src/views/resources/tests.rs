use proptest::prelude::*;

use super::*;
use crate::views::stage::{SIZES, Stage};
use p2p_shared::error::RpcError;

fn shown(stage: &Stage, name: &str) {
    let mut view = ResourcesView::new();
    stage.show(&mut view);
    for (width, height) in SIZES {
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true }, {
            let text = stage.paint(&view, (width, height), &Theme::default());
            insta::assert_snapshot!(format!("resources_{name}_{width}x{height}"), text);
        });
    }
}

#[test]
fn figures_are_drawn_at_every_size() {
    shown(&Stage::data(3, 200), "data");
}

#[test]
fn before_the_first_figures_it_says_what_it_waits_for() {
    shown(&Stage::loading(3), "loading");
}

#[test]
fn old_figures_are_dimmed_and_stand_still() {
    shown(&Stage::data(3, 200).wait(12), "stale");
}

#[test]
fn a_lost_node_keeps_its_last_figures() {
    shown(&Stage::data(3, 200).wait(700).lost(), "lost");
}

/// A view that looks back, and a stage on which the node has answered what it asked.
fn looking_back(stage: &mut Stage, actions: &[Action]) -> ResourcesView {
    let mut view = ResourcesView::new();
    stage.show(&mut view);
    for action in actions {
        view.on_action(&stage.scene(), *action);
        if let Some((node, order)) = view.wanted(&stage.scene()) {
            stage.fleet.set_past(node, order, Ok(stage.world.past(0, order)));
            view.answered();
        }
    }
    view
}

fn snapshot(stage: &Stage, view: &ResourcesView, name: &str) {
    for (width, height) in SIZES {
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true }, {
            let text = stage.paint(view, (width, height), &Theme::default());
            insta::assert_snapshot!(format!("resources_{name}_{width}x{height}"), text);
        });
    }
}

#[test]
fn the_past_is_drawn_with_the_busiest_processes_of_then() {
    let mut stage = Stage::data(3, 200);
    let view = looking_back(&mut stage, &[Action::Earlier, Action::Earlier]);
    snapshot(&stage, &view, "past");
}

#[test]
fn a_long_span_until_now_is_what_the_node_remembers() {
    let mut stage = Stage::data(3, 200);
    let view = looking_back(&mut stage, &[Action::ZoomOut; 7]);
    assert_eq!(view.past(), None);
    let text = stage.paint(&view, (80, 24), &Theme::default());
    assert!(text.contains("last 1d") && text.contains("11-23 04:0"), "{text}");
}

#[test]
fn before_the_answer_and_without_one_it_is_said() {
    let mut stage = Stage::data(1, 20);
    let mut view = ResourcesView::new();
    stage.show(&mut view);
    view.on_action(&stage.scene(), Action::Earlier);
    let text = |stage: &Stage, view: &ResourcesView| stage.paint(view, (80, 24), &Theme::default());
    assert!(text(&stage, &view).contains("asking web-1"));
    let (node, order) = view.wanted(&stage.scene()).unwrap();
    view.answered();
    stage.fleet.set_past(node, order, Err(RpcError::forbidden("no monitor.read for you")));
    assert!(text(&stage, &view).contains("no history from web-1: no monitor.read for you"));
    assert_eq!(view.wanted(&stage.scene()), None, "a refusal is not asked for again");
    view.refresh();
    assert!(view.wanted(&stage.scene()).is_some());
    let mut nothing = stage.world.past(0, order);
    nothing.course.series.clear();
    stage.fleet.set_past(node, order, Ok(nothing));
    assert!(text(&stage, &view).contains("web-1 knows nothing of the 2m"));
}

#[test]
fn a_refusal_is_given_in_the_nodes_words() {
    shown(&Stage::loading(3).denied(Topic::Sample), "denied");
}

#[test]
fn an_ascii_theme_draws_nothing_else() {
    let stage = Stage::data(3, 200);
    let mut view = ResourcesView::new();
    stage.show(&mut view);
    for size in SIZES {
        assert!(stage.paint(&view, size, &Theme::default().ascii()).is_ascii());
    }
}

#[test]
fn tab_goes_through_the_nodes_by_name_and_the_topic_follows() {
    let stage = Stage::data(3, 2);
    let scene = stage.scene();
    let mut view = ResourcesView::new();
    view.set_scope(&scene, Scope::All);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let id = view.nodes(&scene)[0];
        assert_eq!(view.topics(&scene), BTreeSet::from([Subscription { node: id, topic: Topic::Sample }]));
        seen.push(scene.fleet.name_of(id));
        assert!(view.on_action(&scene, Action::PaneNext).is_empty());
    }
    assert_eq!(seen, ["cache-1", "db-1", "web-1", "cache-1"]);
    view.on_action(&scene, Action::PanePrevious);
    view.on_action(&scene, Action::PanePrevious);
    assert_eq!(view.title(&scene), "resources of web-1");
}

#[test]
fn the_shown_node_stays_when_others_come_before_it() {
    let (few, many) = (Stage::loading(1), Stage::loading(3));
    let mut view = ResourcesView::new();
    few.tell(&mut view);
    assert_eq!(view.title(&few.scene()), "resources of web-1");
    many.tell(&mut view);
    assert_eq!(view.title(&many.scene()), "resources of web-1");
}

#[test]
fn zoom_stops_at_its_ends() {
    let stage = Stage::data(1, 5);
    let mut view = ResourcesView::new();
    let text = |view: &ResourcesView| stage.paint(view, (80, 24), &Theme::default());
    for (action, span) in [(Action::ZoomOut, "until"), (Action::ZoomIn, "last 1m")] {
        for _ in 0..19 {
            view.on_action(&stage.scene(), action);
        }
        assert!(text(&view).contains(span));
    }
}

#[test]
fn enter_shows_the_processes_of_the_node() {
    let stage = Stage::data(1, 1);
    let asked = ResourcesView::new().on_action(&stage.scene(), Action::Open);
    assert_eq!(asked, [Request::Show(ViewId::Processes, Scope::one(stage.world.id(0)))]);
}

#[test]
fn a_copy_is_the_name_or_the_figures_in_a_line() {
    let stage = Stage::data(1, 1);
    let copy = |row| ResourcesView::new().copy(&stage.scene(), row).unwrap();
    assert_eq!(copy(false), "web-1");
    assert!(copy(true).starts_with("web-1 cpu ") && !copy(true).contains('\n'));
}

#[test]
fn an_empty_fleet_is_said_to_be_empty() {
    let stage = Stage::loading(0);
    let view = ResourcesView::new();
    assert!(view.topics(&stage.scene()).is_empty());
    assert!(stage.paint(&view, (80, 24), &Theme::default()).contains("no node is known yet"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_size_and_no_figures_panic(
        size in (0u16..220, 0u16..70),
        odd in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(-3.0f32), 0.0..2.0f32],
        counts in (0usize..600, 0usize..40),
        bytes: u64,
    ) {
        let mut stage = Stage::data(1, 3);
        let mut sample = stage.world.sample(0);
        sample.cpu.cores = vec![odd; counts.0];
        sample.cpu.ratio = odd;
        sample.load = [odd; 3];
        sample.memory.total_bytes = bytes;
        sample.uptime_s = bytes;
        sample.disks = std::iter::repeat_n(sample.disks[0].clone(), counts.1).collect();
        sample.interfaces[0].received_bytes_per_s = bytes;
        sample.temperatures.iter_mut().for_each(|sensor| sensor.celsius = odd);
        stage.fleet.set_sample(stage.world.id(0), sample, stage.now);
        let mut view = ResourcesView::new();
        stage.show(&mut view);
        view.on_action(&stage.scene(), Action::Bottom);
        stage.paint(&view, size, &Theme::default());
    }
}
