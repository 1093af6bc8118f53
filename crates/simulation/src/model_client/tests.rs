use super::*;

const HANDSHAKE: &str = r#"0{"sid":"s","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;
const JOINED: &str = r#"40{"sid":"x","pid":"p"}"#;

/// A client, and what its application heard.
struct Stage {
    client: ModelClient,
    now_ms: u64,
    heard: Vec<String>,
}

impl Stage {
    fn new(ways: &[Way]) -> Self {
        let client = ModelClient::new(1, ways.to_vec(), Map::new());
        Self { client, now_ms: 0, heard: Vec::new() }
    }

    fn gives(&mut self, input: Input<'_>) -> Vec<Action> {
        let heard = &mut self.heard;
        self.client.handle(self.now_ms, input, &mut |one| {
            heard.push(match one {
                Heard::Connected(recovered) => format!("connected {recovered}"),
                Heard::Event(event) => format!("{} {}", event.name, event.argument),
                other => format!("{other:?}"),
            });
        })
    }

    #[track_caller]
    fn expect(&mut self, input: Input<'_>, actions: &[Action]) {
        assert_eq!(self.gives(input), actions, "after {input:?}");
    }

    /// By WebSocket alone, joined.
    fn joined() -> Self {
        let mut stage = Self::new(&[Way::WebSocket]);
        stage.expect(Input::Tick, &[Action::Open(Way::WebSocket)]);
        stage.expect(Input::Payload(Way::WebSocket, HANDSHAKE), &[say("40{}")]);
        stage.expect(Input::Payload(Way::WebSocket, JOINED), &[]);
        assert!(stage.client.is_joined());
        stage
    }
}

fn say(packet: &str) -> Action {
    Action::Say(packet.into())
}

fn post(payload: &str) -> Action {
    Action::Post(payload.into())
}

#[test]
fn what_is_emitted_while_away_is_sent_once_behind_connect() {
    let mut stage = Stage::joined();
    stage.expect(Input::Emit("a", "1"), &[say(r#"420["a",1]"#)]);
    stage.expect(Input::Closed(Way::WebSocket), &[Action::Leave]);
    stage.expect(Input::Emit("b", "2"), &[]);
    stage.now_ms = stage.client.next_ms().expect("it tries again");
    stage.expect(Input::Tick, &[Action::Open(Way::WebSocket)]);
    stage.expect(Input::Payload(Way::WebSocket, HANDSHAKE), &[say(r#"40{"pid":"p"}"#)]);
    stage.expect(Input::Emit("c", "3"), &[]);
    let behind = [say(r#"421["b",2]"#), say(r#"422["c",3]"#)];
    stage.expect(Input::Payload(Way::WebSocket, JOINED), &behind);
    assert_eq!(stage.heard, ["connected false", "connected true"]);
}

#[test]
fn it_comes_back_with_its_pid_and_the_offset_of_the_last_event() {
    let mut stage = Stage::joined();
    stage.expect(Input::Payload(Way::WebSocket, r#"42["a",1,"e-4"]"#), &[]);
    stage.expect(Input::Closed(Way::WebSocket), &[Action::Leave]);
    stage.now_ms = stage.client.next_ms().expect("it tries again");
    assert!((500..=1_500).contains(&stage.now_ms), "{}", stage.now_ms);
    stage.expect(Input::Tick, &[Action::Open(Way::WebSocket)]);
    let connect = say(r#"40{"pid":"p","offset":"e-4"}"#);
    stage.expect(Input::Payload(Way::WebSocket, HANDSHAKE), &[connect]);
}

#[test]
fn a_server_that_is_silent_for_too_long_is_gone() {
    let mut stage = Stage::joined();
    assert_eq!(stage.client.next_ms(), Some(500));
    stage.now_ms = 300;
    stage.expect(Input::Payload(Way::WebSocket, "2"), &[say("3")]);
    assert_eq!(stage.client.next_ms(), Some(800));
    stage.now_ms = 799;
    stage.expect(Input::Tick, &[]);
    stage.now_ms = 800;
    stage.expect(Input::Tick, &[Action::Leave]);
    assert!(!stage.client.is_joined());
}

#[test]
fn it_polls_one_request_at_a_time_and_posts_one_payload_at_a_time() {
    let mut stage = Stage::new(&[Way::Polling]);
    stage.expect(Input::Tick, &[Action::Open(Way::Polling)]);
    stage.expect(Input::Payload(Way::Polling, HANDSHAKE), &[post("40{}"), Action::Poll]);
    stage.expect(Input::Posted, &[]);
    let both = format!("{JOINED}\u{1e}42[\"a\",1,\"e-1\"]");
    stage.expect(Input::Payload(Way::Polling, &both), &[Action::Poll]);
    stage.expect(Input::Emit("b", "2"), &[post(r#"420["b",2]"#)]);
    stage.expect(Input::Emit("c", "3"), &[]);
    stage.expect(Input::Emit("d", "4"), &[]);
    stage.expect(Input::Posted, &[post("421[\"c\",3]\u{1e}422[\"d\",4]")]);
    assert_eq!(stage.heard, ["connected false", "a 1"]);
}

/// Has joined by polling, a poll waits, and "2probe" was said.
fn probing() -> Stage {
    let mut stage = Stage::new(&[Way::Polling, Way::WebSocket]);
    stage.expect(Input::Tick, &[Action::Open(Way::Polling)]);
    let begins = [Action::OpenProbe, say("2probe"), post("40{}"), Action::Poll];
    stage.expect(Input::Payload(Way::Polling, HANDSHAKE), &begins);
    stage.expect(Input::Posted, &[]);
    stage.expect(Input::Payload(Way::Polling, JOINED), &[Action::Poll]);
    stage
}

/// And "3probe" was heard.
fn changing() -> Stage {
    let mut stage = probing();
    stage.expect(Input::Payload(Way::WebSocket, "3probe"), &[]);
    stage
}

#[test]
fn it_changes_to_the_websocket_when_its_poll_has_ended_and_keeps_what_it_wants_to_say() {
    let mut stage = changing();
    stage.expect(Input::Emit("a", "1"), &[]);
    assert_eq!(stage.client.way(), Some(Way::Polling));
    stage.expect(Input::Payload(Way::Polling, "6"), &[say("5"), say(r#"420["a",1]"#)]);
    assert_eq!(stage.client.way(), Some(Way::WebSocket));
    stage.expect(Input::Payload(Way::WebSocket, r#"42["b",2]"#), &[]);
    assert_eq!(stage.heard, ["connected false", "b 2"]);
}

#[test]
fn a_probe_that_fails_leaves_it_polling() {
    let mut stage = probing();
    stage.expect(Input::Closed(Way::WebSocket), &[]);
    stage.expect(Input::Emit("a", "1"), &[post(r#"420["a",1]"#)]);
    stage.expect(Input::Payload(Way::Polling, r#"42["b",2]"#), &[Action::Poll]);
    assert!(stage.client.is_joined());
}

#[test]
fn a_websocket_that_goes_in_the_moment_of_the_change_leaves_it_deaf_until_its_patience_ends() {
    let mut stage = changing();
    stage.expect(Input::Closed(Way::WebSocket), &[]);
    stage.expect(Input::Emit("a", "1"), &[]);
    // The poll that waits is heard, and is the last.
    stage.expect(Input::Payload(Way::Polling, r#"42["b",2]"#), &[]);
    assert_eq!(stage.heard, ["connected false", "b 2"]);
    stage.now_ms = stage.client.next_ms().expect("it has patience");
    assert_eq!(stage.now_ms, 500);
    stage.expect(Input::Tick, &[Action::Leave]);
}

#[test]
fn who_is_refused_or_sent_away_does_not_come_back() {
    for word in [r#"44{"message":"m"}"#, "41"] {
        let mut stage = Stage::joined();
        stage.expect(Input::Payload(Way::WebSocket, word), &[Action::Leave]);
        assert_eq!(stage.client.next_ms(), None);
        stage.now_ms = 100_000;
        stage.expect(Input::Tick, &[]);
    }
}

#[test]
fn a_line_torn_between_any_two_packets_loses_nothing_that_it_was_told_of() {
    let story = [HANDSHAKE, JOINED, r#"42["a",1,"e-1"]"#, "2", r#"42["a",2,"e-2"]"#];
    for cut in 0..=story.len() {
        let mut stage = Stage::new(&[Way::WebSocket]);
        stage.gives(Input::Tick);
        for packet in &story[..cut] {
            stage.gives(Input::Payload(Way::WebSocket, packet));
        }
        let told = stage.heard.iter().filter(|heard| heard.starts_with("a ")).count();
        stage.expect(Input::Closed(Way::WebSocket), &[Action::Leave]);
        stage.now_ms = stage.client.next_ms().expect("it tries again");
        stage.expect(Input::Tick, &[Action::Open(Way::WebSocket)]);
        let Action::Say(connect) = &stage.gives(Input::Payload(Way::WebSocket, HANDSHAKE))[0]
        else {
            panic!("it says CONNECT");
        };
        let offset = format!("\"offset\":\"e-{told}\"");
        assert_eq!(connect.contains(&offset), told > 0, "{cut}: {connect}");
    }
}
