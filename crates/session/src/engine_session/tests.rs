use super::*;
use crate::poll_body::tests::Texts;

const FIRST: LinkId = LinkId::new(1, 1);
const SECOND: LinkId = LinkId::new(2, 1);

fn id(t: &str) -> Option<RequestId> {
    RequestId::parse(t)
}

/// A client that polls on [`FIRST`] and was told on [`SECOND`] that it may change.
fn changing() -> EngineSession {
    let mut session = EngineSession::polling(0);
    session.poll(id("a"), FIRST, 0, |_| Carrier::Open);
    assert!(session.open_upgrade(SECOND));
    assert_eq!(session.probe(SECOND, &Packet::Ping("probe")), Some(ProbeStep::Answer));
    session
}

#[test]
fn an_upgrade_makes_the_probed_connection_the_transport() {
    let mut session = changing();
    assert!(session.is_polling() && session.has_websocket());
    assert_eq!(session.links(), [Some(FIRST), Some(SECOND)]);
    let answer = session.finish_upgrade(SECOND).unwrap();
    assert_eq!((answer.link, answer.body), (FIRST, b"6".to_vec()));
    assert_eq!((session.websocket_link(), session.is_polling()), (Some(SECOND), false));
    assert_eq!(session.poll(id("b"), FIRST, 0, |_| Carrier::Open), None);
    assert!(!session.open_upgrade(FIRST));
    // The connection of the last poll is nobody's now.
    assert_eq!(session.lose(FIRST), Lost::Nothing);
    assert_eq!(session.lose(SECOND), Lost::Client);
    assert_eq!(session.websocket_link(), None);
}

#[test]
fn a_pong_confirms_only_what_is_known_to_have_been_read_before_it() {
    let mut session = EngineSession::websocket(FIRST, 0);
    assert_eq!(session.pong(0, 1), Pong::Senseless);
    session.ping(7, 1);
    assert!(!session.may_mark());
    session.ping(8, 2);
    assert_eq!(session.pong(0, 3), Pong::Confirms(7));
    assert_eq!(session.pong(0, 4), Pong::Answers);
    assert_eq!((session.pong(0, 5), session.heard_ms()), (Pong::Senseless, 5));
}

#[test]
fn an_answer_that_nobody_can_ask_for_again_proves_nothing_about_the_log() {
    for (t, proves) in [("a", true), ("", false)] {
        let mut session = EngineSession::polling(0);
        session.ping(7, 0);
        session.poll(id(t), FIRST, 0, |_| Carrier::Open);
        session.answer_poll(&mut Texts::of(&["42"]), true, 100, None).unwrap();
        assert_eq!(session.pong(0, 1), if proves { Pong::Confirms(7) } else { Pong::Answers });
        assert_eq!(session.may_mark(), proves, "{t}");
    }
    // Where there was nothing of the log, only this answer is not claimed.
    let mut session = EngineSession::polling(0);
    session.ping(7, 0);
    session.poll(None, FIRST, 0, |_| Carrier::Open);
    session.answer_poll(&mut Texts::of(&["42"]), false, 100, None).unwrap();
    assert_eq!((session.pong(0, 1), session.may_mark()), (Pong::Answers, true));
}

#[test]
fn a_poll_that_may_be_a_repeated_one_proves_nothing_from_then_on() {
    let mut session = EngineSession::polling(0);
    let time = "1700000000.123";
    session.poll(id(time), FIRST, 0, |_| Carrier::Open);
    session.answer_poll(&mut Texts::of(&["42"]), true, 100, None).unwrap();
    session.ping(7, 0);
    session.poll(id(time), SECOND, 0, |_| Carrier::Open);
    assert_eq!((session.pong(0, 1), session.may_mark()), (Pong::Answers, false));
}

#[test]
fn a_session_is_closed_once_and_for_its_first_reason() {
    let mut session = EngineSession::websocket(FIRST, 0);
    assert_eq!((session.leave(), session.is_closing()), (None, false));
    assert_eq!(session.close(CloseReason::SlowReader), Closing::Begun);
    assert_eq!(session.close(CloseReason::ServerClosed), Closing::Already);
    let leave = Leave { reason: CloseReason::SlowReader, is_news: true };
    assert_eq!(session.leave(), Some(leave));
    assert!(!session.stay_for_upgrade());
}

#[test]
fn who_is_told_to_stay_away_while_it_changes_hears_it_on_its_websocket() {
    let mut session = changing();
    session.close(CloseReason::Disconnected);
    assert!(session.stay_for_upgrade());
    let leave = Leave { reason: CloseReason::Disconnected, is_news: false };
    assert_eq!((session.leave(), session.is_kept_by_upgrade()), (Some(leave), true));
    assert_eq!(session.close(CloseReason::Disconnected), Closing::Already);
    session.finish_upgrade(SECOND);
    assert!(!session.stay_for_upgrade());
    let end = session.end(CloseReason::Disconnected, None::<Box<Texts>>, 100);
    assert!(matches!(end, End::WebSocket(Some(SECOND), Some(1_000))), "{end:?}");
}

#[test]
fn a_server_that_stops_does_not_wait_for_an_upgrade() {
    let mut session = changing();
    session.close(CloseReason::ServerClosed);
    assert!(!session.stay_for_upgrade());
    let mut session = changing();
    session.close(CloseReason::Disconnected);
    assert!(session.stay_for_upgrade());
    assert_eq!(session.close(CloseReason::ServerClosed), Closing::GiveUpUpgrade);
    assert!(session.end_upgrade(SECOND));
    assert!(!session.stay_for_upgrade());
}

#[test]
fn only_who_may_come_back_in_vain_is_told_by_its_next_poll() {
    let end = |reason| EngineSession::polling(0).end(reason, Texts::of(&["42"]), 100);
    for reason in [CloseReason::Disconnected, CloseReason::ServerClosed] {
        assert!(matches!(end(reason), End::Polling { last: Some(_), .. }), "{reason:?}");
    }
    for reason in [CloseReason::TransportError, CloseReason::PingTimeout, CloseReason::SlowReader] {
        assert!(matches!(end(reason), End::Polling { last: None, .. }), "{reason:?}");
    }
}

#[test]
fn who_moves_is_reached_by_what_came_along_and_by_nothing_else() {
    let mut session = EngineSession::websocket(FIRST, 0);
    session.ping(7, 0);
    assert_eq!(session.depart(), [Some(FIRST), None]);
    assert!(session.arrive([Some(SECOND), None]));
    assert_eq!(session.websocket_link(), Some(SECOND));
    assert_eq!(session.pong(0, 1), Pong::Answers, "the mark was the other application's");
    session.depart();
    assert!(!session.arrive([None, None]));
    let mut session = EngineSession::polling(0);
    session.depart();
    assert!(session.arrive([None, None]), "its next poll comes here");
}
