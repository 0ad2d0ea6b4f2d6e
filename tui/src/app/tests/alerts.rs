//! Acting on alerts: what is under the cursor, or marked, and nothing else.

use super::*;
use crate::command::AlertVerb;

#[test]
fn an_alert_that_fires_is_acknowledged_and_silenced_by_its_labels() {
    let mut console = Console::over(Simulated::new(1, 2), options());
    console.enter();
    console.connect();
    console.press(":alerts all<enter>");
    console.feed();
    let alert = console.simulated.alerts(0).changed[0].clone();
    let node = console.simulated.id(0);
    console.press("xa");
    let [Command::Alert { node: on, verb, .. }] = &console.press("y")[..] else { panic!("one order") };
    assert_eq!((*on, verb), (node, &AlertVerb::Acknowledge(alert.id)));
    console.press("<esc>xs");
    console.press("2h a new disk<enter>");
    let [Command::Alert { verb, .. }] = &console.press("y")[..] else { panic!("one order") };
    let expected = AlertVerb::Silence {
        matchers: "alertname=\"disk_full\", mountpoint=\"/var\"".into(),
        reason: "a new disk".into(),
        span_s: 7_200,
    };
    assert_eq!(verb, &expected);
}

#[test]
fn what_does_not_fire_is_not_acknowledged() {
    let mut console = Console::over(Simulated::new(1, 2), options());
    console.enter();
    console.connect();
    console.press(":alerts all<enter>");
    console.feed();
    console.press("Gxa");
    assert_eq!(console.press("y"), [], "a rule is nothing that fires");
}
