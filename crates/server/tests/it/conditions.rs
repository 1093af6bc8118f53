//! What degrades a node shows in `/health`, in `/metrics` and in the log, and goes away by itself once it is mended.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foodtrack_contract::UserRole;
use serde_json::{Value, json};
use test_support::wait_until;

use crate::process::{command, limited, logged_by};
use crate::support::{SECRET, call, config, request, serve, token};

/// Whether both pages say that a condition holds, or both that it does not; `None` while they differ.
fn told(health: &str, metrics: &str, condition: &str) -> Option<bool> {
    let health: Value = serde_json::from_str(health).unwrap();
    let mut conditions = health["conditions"].as_array().unwrap().iter();
    let holds = conditions.any(|it| it["condition"] == condition);
    let line = format!("foodtrack_health_condition{{condition=\"{condition}\"}} ");
    let number = if holds { "1" } else { "0" };
    metrics.contains(&format!("{line}{number}\n")).then_some(holds)
}

fn wait_for(address: SocketAddr, condition: &str, holds: bool) {
    wait_until(&format!("{condition}: {holds}"), || {
        let page = |path: &str| request(address, &format!("GET {path}"), &[], "").body;
        told(&page("/health"), &page("/metrics"), condition) == Some(holds)
    });
}

/// The log has one line where the condition begins, with the sentence, and one where it is over.
fn check_lines(log: &str, condition: &str, sentence: &str) {
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(condition)).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("ERROR") && lines[0].contains(sentence), "{}", lines[0]);
    assert!(lines[1].contains("INFO") && lines[1].contains("is over"), "{}", lines[1]);
}

#[test]
fn few_descriptors_are_told_while_they_are_few() {
    let arguments = &["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"];
    // 175 of 200 are for sockets.
    let mut serve = limited("ulimit -n 200", arguments);
    serve
        .env("JWT_SECRET", SECRET)
        .env("FOODTRACK__SHARDS", "1")
        .env("FOODTRACK__LIMITS__HANDSHAKE_TIMEOUT_MS", "120000");
    let log = logged_by(serve, |served| {
        wait_for(served.address, "descriptors_short", false);
        let silent: Vec<TcpStream> =
            (0..150).map(|_| TcpStream::connect(served.address).unwrap()).collect();
        wait_for(served.address, "descriptors_short", true);
        drop(silent);
        wait_for(served.address, "descriptors_short", false);
    });
    check_lines(&log, "DescriptorsShort", "LimitNOFILE");
}

fn publish(address: SocketAddr, order: &str) -> u16 {
    let order = json!({ "type": "order:created", "payload": { "orderId": order } }).to_string();
    call(address, "POST /api/v1/publish", &token("t1", UserRole::System), &order).status
}

#[test]
fn a_log_whose_file_another_program_has_locked_is_told_and_takes_events_again_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let mut serve = command(&["serve", "--port", "0", "--host", "127.0.0.1", "--data-dir"]);
    serve.arg(&path).env("JWT_SECRET", SECRET);
    let log = logged_by(serve, |served| {
        let address = served.address;
        assert_eq!(publish(address, "7"), 200);
        let other = rusqlite::Connection::open(path.join("log.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let waiting = std::thread::spawn(move || publish(address, "9"));
        wait_for(address, "log_late", true);
        assert_eq!(waiting.join().unwrap(), 503);
        assert_eq!(publish(address, "10"), 503, "at once");
        wait_for(address, "log_late", true);
        other.execute_batch("ROLLBACK").unwrap();
        wait_for(address, "log_late", false);
        assert_eq!(publish(address, "11"), 200);
        let entries = call(address, "GET /api/v1/log", &token("t1", UserRole::RestaurantOwner), "");
        let entries = entries.data();
        let orders = entries.as_array().unwrap().iter().map(|it| it["message"]["payload"].clone());
        let kept: Vec<Value> = ["7", "11"].map(|order| json!({ "orderId": order })).into();
        assert_eq!(orders.collect::<Vec<_>>(), kept, "what was acknowledged, and no more");
    });
    let told = ["durable events wait", "has locked the log's file", "is over"];
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("LogLate")).collect();
    assert_eq!(lines.len(), told.len(), "{log}");
    assert!(lines.iter().zip(told).all(|(line, told)| line.contains(told)), "{lines:?}");
}

/// Where lines are written to. Who holds its gate stops shards that write one.
#[derive(Clone, Default)]
struct GatedLog {
    text: Arc<Mutex<Vec<u8>>>,
    gate: Arc<Mutex<()>>,
}

impl Write for GatedLog {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if std::thread::current().name().is_some_and(|name| name.starts_with("shard")) {
            drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.text.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A page, where a shard that is well takes the connection.
fn page_of_a_shard_that_is_well(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(1_500))).ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

#[test]
fn a_shard_that_is_late_is_told_by_the_others_until_it_is_back() {
    let log = GatedLog::default();
    let writer = log.clone();
    // The test is alone in its process.
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let server = serve(config().shards(2));
    let address = server.local_addr();
    wait_for(address, "shard_late", false);
    let gate = log.gate.lock().unwrap();
    // It is refused, and that is a line.
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.write_all(b"nonsense\r\n\r\n").unwrap();
    wait_until("the other shard tells", || {
        let page = |path| page_of_a_shard_that_is_well(address, path);
        let pages = page("/health").zip(page("/metrics"));
        pages.is_some_and(|(health, metrics)| told(&health, &metrics, "shard_late") == Some(true))
    });
    drop(gate);
    wait_for(address, "shard_late", false);
    server.stop();
    let text = String::from_utf8(log.text.lock().unwrap().clone()).unwrap();
    check_lines(&text, "ShardLate", "of 2 did not answer within 1 s");
}
