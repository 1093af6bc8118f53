//! What systemd is told of the server's state.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::process::{Served, command};
use crate::support::SECRET;

#[test]
fn the_service_manager_is_told_when_clients_can_connect_that_the_shards_answer_and_when_it_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = || {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    let mut serve = command(&["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"]);
    serve.env("JWT_SECRET", SECRET).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "60000");
    let mut server = Served::start(&mut serve);
    assert_eq!(heard(), "READY=1");
    assert_eq!(
        (heard(), heard(), heard()),
        ("WATCHDOG=1".into(), "WATCHDOG=1".into(), "WATCHDOG=1".into())
    );
    server.signal("TERM");
    while heard() != "STOPPING=1" {}
    assert_eq!(server.wait(), 0);
}
