//! A disk that is full or fails costs what must be kept, and nothing else.

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Instant;

use foodtrack_contract::{ErrorCode, Priority, Refusal};
use foodtrack_server::TenantId;
use foodtrack_shard::{Accepted, Broadcast, Recipients};
use foodtrack_tenant_log::{CommitError, SqliteOptions};
use serde_json::{Value, json};
use test_support::{skipped, wait_until};

use crate::harness::{
    Address, Client, Gate, HttpConnection, Hub, PATIENCE, Process, Shut, Transport, Who, config,
    eventually, on_every_transport,
};
use crate::support::{TENANT, back_end, expect_nothing, expect_numbers, number, publish, update};

fn info(number: u64) -> Value {
    json!({ "message": "m", "number": number })
}

fn place(number: u64) -> Value {
    json!({ "orderId": "1", "latitude": 1, "longitude": 2, "number": number })
}

/// Clients that look on while the disk does not take anything.
struct Onlookers {
    dashboard: Client,
    courier: Client,
    sender: Client,
}

impl Onlookers {
    fn join(hub: &Hub, transport: Transport) -> Self {
        Self {
            dashboard: Client::join(hub, transport, &Who::manager(TENANT, "mia")),
            courier: Client::join(hub, transport, &Who::courier(TENANT, "dora")),
            sender: back_end(hub),
        }
    }

    /// What must be kept is refused, the rest goes on, and everybody stays.
    #[track_caller]
    fn check_refused(&mut self, code: &str, numbers: std::ops::Range<u64>) {
        for number in numbers {
            assert_eq!(self.sender.refused("order:updated", update("1", 0)), code);
            self.sender.accepted("notification:info", info(number));
            self.courier.accepted("delivery:location_updated", place(number));
            let got = self.dashboard.take(2);
            assert_eq!(got.iter().map(crate::support::number).collect::<Vec<_>>(), [number; 2]);
            self.courier.expect("notification:info");
        }
        // Without an acknowledgement it is told all the same.
        self.sender.emit("order:updated", update("1", 0));
        assert_eq!(self.sender.expect("system:error").payload("code"), code);
    }
}

/// A hub, and the gate that its commits pass.
fn on_gated_disk(directory: &tempfile::TempDir) -> (Hub, Gate) {
    let gate = Gate::default();
    let options = SqliteOptions { commit_gate: Box::new(gate.clone()), ..SqliteOptions::default() };
    (Hub::on_disk(directory, options), gate)
}

on_every_transport! {
    fn a_full_disk_refuses_what_must_be_kept_and_takes_it_again_when_there_is_room(transport) {
        let directory = tempfile::tempdir().unwrap();
        let (hub, gate) = on_gated_disk(&directory);
        let mut all = Onlookers::join(&hub, transport);
        publish(&mut all.sender, 1..=1);
        assert_eq!(number(&all.dashboard.next()), 1);
        gate.fail(Some(CommitError::DiskFull));
        all.check_refused("storage_full", 10..13);
        gate.fail(None);
        publish(&mut all.sender, 20..=21);
        expect_numbers(&mut all.dashboard, &[20, 21], "there is room again");
        assert_eq!(hub.count(TENANT), 3, "nobody was sent away");
        // A cursor from the time of trouble is as good as any.
        let away = all.dashboard.tear();
        publish(&mut all.sender, 22..=22);
        let mut back = away.resume(&hub);
        assert!(back.recovered);
        expect_numbers(&mut back, &[22], "");
    }

    fn who_asks_again_for_a_room_is_told_to_be_in_it_only_when_that_is_kept(transport) {
        let directory = tempfile::tempdir().unwrap();
        let (hub, gate) = on_gated_disk(&directory);
        let mut all = Onlookers::join(&hub, transport);
        publish(&mut all.sender, 1..=1);
        all.dashboard.expect("order:updated");
        let shut = gate.shut();
        all.dashboard.emit("subscribe:order", json!("7"));
        all.dashboard.settle();
        // It does not know whether that arrived.
        let mut back = all.dashboard.tear().resume(&hub);
        assert!(back.recovered);
        back.emit("subscribe:order", json!("7"));
        expect_nothing(&mut back, "the disk has nothing of it yet");
        gate.fail(Some(CommitError::DiskFull));
        drop(shut);
        assert_eq!(back.expect("system:error").payload("code"), "storage_full");
        assert_eq!(back.refused("subscribe:order", json!("7")), "storage_full");
        // Torn before it was refused, and asked for again by its session after that.
        let shut = gate.shut();
        back.emit("subscribe:order", json!("8"));
        back.settle();
        let away = back.tear();
        drop(shut);
        let mut back = away.resume(&hub);
        assert_eq!(back.refused("subscribe:order", json!("8")), "storage_full");
        // Where it was back in time, the first one's refusal came too.
        back.drain();
        gate.fail(None);
        back.subscribe("order", "7");
        back.subscribe("order", "8");
    }

    fn a_disk_that_fails_refuses_what_must_be_kept_for_good(transport) {
        let directory = tempfile::tempdir().unwrap();
        let (hub, gate) = on_gated_disk(&directory);
        let mut all = Onlookers::join(&hub, transport);
        publish(&mut all.sender, 1..=1);
        all.dashboard.expect("order:updated");
        gate.fail(Some(CommitError::Disk("sector 7".into())));
        // It may be on the disk all the same: nobody knows.
        assert_eq!(all.sender.refused("order:updated", update("1", 2)), "timeout");
        // What the disk does afterwards proves nothing.
        gate.fail(None);
        all.check_refused("storage_failed", 10..13);
        assert!(hub.log_has_failed(), "/health says so");
        expect_nothing(&mut all.dashboard, "nothing of what was refused");
        // Newcomers are let in.
        let mut late = Client::join(&hub, transport, &Who::manager(TENANT, "late"));
        all.sender.accepted("notification:info", info(20));
        let got = late.expect("notification:info");
        assert_eq!(number(&got), 20);
        let mut elsewhere = Client::join(&hub, transport, &Who::owner("sushi-kyoto", "olga"));
        assert_eq!(elsewhere.refused("order:updated", update("1", 2)), "storage_failed");
        elsewhere.accepted("notification:info", info(21));
        assert_eq!(number(&elsewhere.expect("notification:info")), 21);
        assert!(!elsewhere.is_up_to_date(), "nobody can tell what its tenant's log has for it");
    }
}

/// What a back end is told, on a thread of its own.
type Asked = JoinHandle<Result<Accepted, Refusal>>;

/// Sends an event from a back end.
fn broadcast(hub: &Hub) -> Asked {
    let broadcaster = hub.broadcaster();
    std::thread::spawn(move || {
        let broadcast = Broadcast {
            event: "order:updated".into(),
            payload: update("1", 1).to_string(),
            priority: Priority::Medium,
            to: Recipients { everyone: true, ..Recipients::default() },
            except: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(broadcaster.broadcast(&TenantId::parse(TENANT).unwrap(), broadcast))
    })
}

/// A hub that was told to stop while a back end's event waits for the disk, and a client of the tenant.
fn stopping(directory: &tempfile::TempDir) -> (Hub, Client, Shut, Asked) {
    let (hub, gate) = on_gated_disk(directory);
    let dashboard = Client::join(&hub, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let shut = gate.shut();
    let asked = broadcast(&hub);
    gate.wait_until_somebody_waits();
    hub.begin_to_stop();
    (hub, dashboard, shut, asked)
}

#[test]
fn a_server_that_stops_answers_whose_event_waits_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (hub, _dashboard, shut, asked) = stopping(&directory);
    wait_until("it accepts nobody", || TcpStream::connect(hub.address()).is_err());
    drop(shut);
    assert!(asked.join().unwrap().unwrap().offset.is_some());
}

#[test]
fn who_gets_no_answer_from_a_server_that_stops_is_not_told_that_nothing_was_done() {
    let directory = tempfile::tempdir().unwrap();
    // The gate opens again when the test is over, before the hub ends.
    let (_hub, _dashboard, _shut, asked) = stopping(&directory);
    // It does not wait for ever.
    assert_eq!(asked.join().unwrap().unwrap_err().code(), ErrorCode::Timeout);
}

/// Whether this process may make a file system of its own.
fn may_mount() -> bool {
    let line = "mount -t tmpfs -o size=64k tmpfs /tmp";
    let tried = Command::new("unshare").args(["-m", "sh", "-c", line]).output();
    tried.is_ok_and(|it| it.status.success())
}

#[test]
fn a_server_whose_disk_is_really_full_goes_on_and_recovers() {
    if !may_mount() {
        return skipped("this user may not mount a tmpfs");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    // Seen by the server alone, and gone with it.
    let line = format!(
        "exec unshare -m sh -c 'mount -t tmpfs -o size=120m tmpfs {path} && exec \"$0\" \"$@\"' \"$0\" \"$@\""
    );
    let server = Process::serve_within(&line, directory.path(), &config());
    let mut dashboard = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=1);
    dashboard.expect("order:updated");
    let inside = format!("/proc/{}/root{path}", server.id());
    let ballast = format!("{inside}/ballast");
    let _ = std::fs::write(&ballast, vec![0; 128 << 20]);
    assert!(std::fs::metadata(&ballast).unwrap().size() < 128 << 20, "the disk is not full");
    // What is reserved is used up first.
    // Text that no packing makes smaller.
    let mut random = fastrand::Rng::with_seed(7);
    let filling: String = std::iter::repeat_with(|| random.alphanumeric()).take(50_000).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut accepted = 1;
    let code = loop {
        assert!(Instant::now() < deadline, "{accepted} were accepted");
        let payload = json!({ "orderId": "1", "number": accepted + 1, "filling": filling });
        let answer = sender.ask("order:updated", payload);
        if answer["success"] == false {
            break answer["error"]["code"].as_str().unwrap().to_owned();
        }
        accepted += 1;
        dashboard.expect("order:updated");
    };
    assert_eq!(code, "storage_full");
    let mut http = HttpConnection::open(server.address());
    let mut get = |path: &str| http.get(path);
    eventually(|| (get("/health").json()["status"] == "degraded").then_some(()));
    let health = get("/health").json();
    assert_eq!(health["conditions"][0]["condition"], "storage_full", "{health}");
    assert!(health["lastError"]["message"].is_string(), "{health}");
    let page = get("/metrics").body;
    assert!(page.contains("\nfoodtrack_log_storage_full 1\n"), "{page}");
    assert!(!page.contains("foodtrack_log_refused_total{reason=\"storage_full\"} 0\n"), "{page}");
    assert!(page.contains("\nfoodtrack_log_disk_free_bytes "), "{page}");
    let condition = "foodtrack_health_condition{condition=\"storage_full\"}";
    assert!(page.contains(&format!("{condition} 1\n")), "{page}");
    let ready = get("/ready");
    assert_eq!((ready.status, &ready.json()["reason"]), (503, &json!("log_full")), "{ready:?}");
    assert_eq!(get("/live").status, 200, "starting it anew would not help");
    sender.accepted("notification:info", info(7));
    assert_eq!(number(&dashboard.expect("notification:info")), 7);
    std::fs::remove_file(&ballast).unwrap();
    // Nobody publishes: the server looks by itself.
    eventually(|| (get("/health").json()["status"] == "healthy").then_some(()));
    assert_eq!(get("/ready").status, 200);
    assert!(get("/metrics").body.contains(&format!("{condition} 0\n")));
    eventually(|| {
        let payload = json!({ "orderId": "1", "number": 100_000, "filling": filling });
        (sender.ask("order:updated", payload)["success"] == true).then_some(())
    });
    assert_eq!(number(&dashboard.expect("order:updated")), 100_000);
    expect_nothing(&mut dashboard, "nothing of what was refused");
}
