//! What a client with a backlog is told of the log, and the word that the backlog is gone.

use std::time::{Duration, Instant};

use foodtrack_contract::{Cursor, Offset};
use foodtrack_transport::Limits;
use test_support::stays_false_for;

use crate::client::{Poller, Wire, event, join_by_websocket};
use crate::server::Server;

/// Entries of 64 KiB: more than the kernel's buffers take.
const ENTRIES_IN_ALL: usize = 400;
const ENTRIES: u64 = ENTRIES_IN_ALL as u64;

pub(crate) fn patient_server() -> Server {
    Server::start(Limits { queue_bytes_max: 64 << 20, ..Limits::default() })
}

/// A client of the library, as far as the log goes: it keeps the last cursor it saw.
struct Reader {
    cursor: Cursor,
    got: Vec<u64>,
    cursors_with_overtakers: usize,
}

impl Reader {
    fn new() -> Self {
        Self { cursor: Cursor::parse("k-0").unwrap(), got: Vec::new(), cursors_with_overtakers: 0 }
    }

    /// Takes an entry. The connection may be torn behind it: then its cursor must tell exactly what arrived.
    fn read(&mut self, packet: &str) {
        let name = packet.strip_prefix("42[\"e").unwrap_or_else(|| panic!("{packet:.80}"));
        let offset = name.split('"').next().unwrap().parse().unwrap();
        let suffix = packet.strip_suffix("\"]").unwrap().rsplit('"').next().unwrap();
        self.cursor = Cursor::parse(suffix).unwrap_or_else(|| panic!("{suffix}"));
        self.got.push(offset);
        self.cursors_with_overtakers += usize::from(!self.cursor.beyond().is_empty());
        for offset in 1..=ENTRIES + 3 {
            let is_covered = self.cursor.covers(Offset::new(offset).unwrap());
            assert_eq!(is_covered, self.got.contains(&offset), "{offset} by {suffix}");
        }
    }

    fn expect_all(&self) {
        assert_eq!(self.got.len() as u64, ENTRIES + 3);
        assert_eq!(self.cursor.to_string(), format!("k-{}", ENTRIES + 3));
        assert!(self.cursors_with_overtakers > 0, "nothing overtook");
        assert_eq!(self.got.last(), Some(&ENTRIES));
    }
}

pub(crate) fn blocked_websocket(server: &Server) -> Wire {
    let mut wire = join_by_websocket(server.address);
    wire.shrink();
    // In portions, each of which is flushed: the later ones meet a socket that takes no more.
    wire.send_text(&vec![event("log", 8); ENTRIES_IN_ALL / 8]);
    server.wait_for_entries(ENTRIES);
    wire
}

#[test]
fn the_cursors_behind_a_blocked_socket_tell_what_arrived() {
    let server = patient_server();
    let mut wire = blocked_websocket(&server);
    wire.send_text(&[event("urgent", 3)]);
    server.wait_for_entries(ENTRIES + 3);
    let mut reader = Reader::new();
    (0..ENTRIES + 3).for_each(|_| reader.read(&wire.message()));
    reader.expect_all();
    // Without a backlog the shared bytes are true again.
    wire.send_text(&[event("urgent", 1)]);
    assert_eq!(wire.message(), format!("42[\"e{0}\",\"\",\"k-{0}\"]", ENTRIES + 4));
}

#[test]
fn the_cursors_in_polls_tell_what_arrived() {
    let server = patient_server();
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.post(&[event("log", ENTRIES_IN_ALL), event("urgent", 3)]);
    let mut reader = Reader::new();
    let mut polls = poller.poll_until(1 + ENTRIES_IN_ALL + 3);
    assert!(polls.remove(0).starts_with("40{"));
    polls.iter().for_each(|packet| reader.read(packet));
    reader.expect_all();
}

#[test]
fn who_asked_is_told_once_that_a_socket_has_taken_everything() {
    let server = patient_server();
    let mut wire = blocked_websocket(&server);
    wire.send_text(&[event("tell", 2)]);
    stays_false_for(Duration::from_millis(100), "it was told", || server.drained() > 0);
    for offset in 1..=ENTRIES + 2 {
        assert!(wire.message().starts_with(&format!("42[\"e{offset}\"")));
    }
    assert_eq!(wire.message(), event("drained", 0));
    assert_eq!(server.drained(), 3);
}

#[test]
fn who_asked_is_told_where_there_was_no_backlog() {
    let server = patient_server();
    let mut wire = join_by_websocket(server.address);
    wire.send_text(&[event("tell", 2), event("urgent", 1)]);
    for offset in 1..=3 {
        assert_eq!(wire.message(), format!("42[\"e{offset}\",\"\",\"k-{offset}\"]"));
    }
    assert_eq!(wire.message(), event("drained", 0));
    wire.send_text(&[event("echo", 5)]);
    wire.expect_echoes(5..6);
    assert_eq!(server.drained(), 3);
}

#[test]
fn who_asked_is_told_when_a_poll_has_fetched_everything() {
    let server = patient_server();
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.post(&[event("log", 40), event("tell", 0)]);
    stays_false_for(Duration::from_millis(50), "it was told", || server.drained() > 0);
    // More than one poll may bring.
    let packets = poller.poll_until(42);
    assert_eq!(packets.last(), Some(&event("drained", 0)));
    assert_eq!((packets.len(), server.drained()), (42, 1));
}

#[test]
fn of_a_client_that_is_gone_nobody_is_told_that_it_is_drained() {
    let server = patient_server();
    let mut wire = blocked_websocket(&server);
    wire.send_text(&[event("tell", 0)]);
    server.settle();
    drop(wire);
    server.wait_until_empty(Duration::from_secs(5));
    // Its place is another's now.
    let mut other = join_by_websocket(server.address);
    other.send_text(&[event("echo", 1)]);
    other.expect_echoes(1..2);
    assert_eq!(server.drained(), 0);
}

#[test]
fn who_has_missed_nothing_does_not_wait_for_all_who_take_what_they_missed() {
    const EACH: Duration = Duration::from_millis(40);
    const MANY: u32 = 40;
    let server = Server::start(Limits::default());
    server.take_for_each_drained(EACH);
    let mut first = join_by_websocket(server.address);
    let mut second = join_by_websocket(server.address);
    let mut many: Vec<_> = (0..MANY).map(|_| join_by_websocket(server.address)).collect();
    // All of them find the shard held, so that it reads them in one turn.
    first.send_text(&[event("hold", 300)]);
    server.wait_until_held();
    many.iter_mut().for_each(|wire| wire.send_text(&[event("tell", 0)]));
    server.wait_for_events(1 + u64::from(MANY));
    second.send_text(&[event("echo", 7)]);
    let sent = Instant::now();
    second.expect_echoes(7..8);
    let took = sent.elapsed();
    assert!(took < EACH * MANY / 2, "it waited {took:?}");
    // Nobody is forgotten.
    for wire in &mut many {
        assert_eq!(wire.message(), r#"42["drained",0]"#);
    }
    assert_eq!(server.drained(), MANY as usize);
}
