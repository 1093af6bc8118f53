//! What clients are told of their node.

use foodtrack_contract::ApplicationType;

use super::{Sent, Test};
use crate::input::Input;

const STATE: &str = r#"{"status":"degraded"}"#;

/// Whom the node's state is told, by their places.
fn told(sent: &Sent) -> Vec<u32> {
    let is_it = |text: &str| text.starts_with("2[\"system:heartbeat\"") && text.contains(STATE);
    sent.iter().filter(|(_, text)| is_it(text)).map(|(place, _)| *place).collect()
}

#[test]
fn a_change_of_the_node_is_told_once_to_who_is_live_and_to_who_catches_up_behind_the_greeting() {
    let mut test = Test::new();
    let chef = |test: &mut Test| test.connect("chef", ApplicationType::KitchenApp, None).0;
    let live = chef(&mut test);
    test.begin(live);
    let catches_up = chef(&mut test);
    // The store does not say how far it had confirmed.
    test.handle(Input::Connected(catches_up));
    let sent = test.handle(Input::Announce(STATE));
    assert_eq!(told(&sent), [live.place(), catches_up.place()], "{sent:?}");
    // Whoever comes while it is so hears it as well.
    test.settings.node_trouble = Some(STATE.into());
    let enters = chef(&mut test);
    let sent = test.handle(Input::Connected(enters));
    assert_eq!(told(&sent), [enters.place()], "{sent:?}");
    assert!(sent[0].1.starts_with("2[\"system:connection_established\""), "{sent:?}");
    test.settings.node_trouble = None;
    let comes = chef(&mut test);
    assert!(told(&test.begin(comes)).is_empty(), "all is well again");
}
