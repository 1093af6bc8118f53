//! The hub's certificate while it runs: renewed, spoilt, about to end.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use foodtrack_server::WebSocketConfig;
use serde_json::Value;
use tempfile::TempDir;
use test_support::{ClientStream, skipped, wait_until};

use crate::harness::{
    Client, HttpConnection, Server, Transport, Who, certificates, config, connect, tls,
};
use crate::support::{TENANT, back_end, publish};

/// A server whose certificate is in files of the test's own.
struct Renewed {
    server: Server,
    directory: TempDir,
}

/// A time as `openssl` takes it: `date`'s words for it.
fn time(words: &str) -> String {
    let said = Command::new("date").args(["-u", "-d", words, "+%Y%m%d%H%M%SZ"]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

impl Renewed {
    fn start() -> Option<Self> {
        let (Some(mut tls), Some(made)) = (tls(), certificates()) else {
            skipped("openssl is not installed");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        std::fs::copy(made.certificate(), file("hub.pem")).unwrap();
        std::fs::copy(made.key(), file("hub.key")).unwrap();
        let text = |path: PathBuf| Some(path.to_str().unwrap().to_owned());
        (tls.cert_file, tls.key_file) = (text(file("hub.pem")), text(file("hub.key")));
        let config: WebSocketConfig = config().tls(tls);
        Some(Self { server: Server::with(config), directory })
    }

    fn replace(&self, name: &str, with: &Path) {
        // As those do who renew: a new file takes the place of the old one.
        let new = self.directory.path().join("new");
        std::fs::copy(with, &new).unwrap();
        std::fs::rename(new, self.directory.path().join(name)).unwrap();
    }

    fn conditions(&self) -> String {
        HttpConnection::open(self.server.address()).get("/health").json()["conditions"].to_string()
    }

    /// The certificate that a new connection is shown.
    fn shown(&self) -> Vec<u8> {
        let stream = connect(self.server.address()).unwrap();
        stream.tls().unwrap().peer_certificates().unwrap()[0].to_vec()
    }
}

fn ask(stream: &mut ClientStream) -> String {
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: hub\r\n\r\n").unwrap();
    let mut answer = [0; 4_096];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[test]
fn a_new_certificate_counts_without_a_restart_and_nobody_is_cut_off() {
    let Some(hub) = Renewed::start() else { return };
    let mut chef = Client::join(&hub.server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut kept = connect(hub.server.address()).unwrap();
    let before = hub.shown();
    let new = certificates().unwrap().make_between("renewed", &time("-1 day"), &time("+90 days"));
    hub.replace("hub.pem", &new);
    wait_until("the new certificate is shown", || hub.shown() != before);
    assert!(ask(&mut kept).starts_with("HTTP/1.1 200"));
    publish(&mut back_end(&hub.server), 1..=1);
    chef.expect("order:updated");
    let health = HttpConnection::open(hub.server.address()).get("/health").json();
    assert_eq!(health["certificateDaysLeft"], 89, "{health}");
    assert_eq!(health["conditions"], Value::Array(Vec::new()));
    let page = HttpConnection::open(hub.server.address()).get("/metrics").body;
    assert!(page.contains("foodtrack_certificate_remaining_seconds 77"), "{page}");
}

#[test]
fn files_that_cannot_be_used_change_nothing_and_health_says_why() {
    let Some(hub) = Renewed::start() else { return };
    let before = hub.shown();
    let good = certificates().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = test_support::Certificates::make(elsewhere.path()).unwrap();
    let expired = good.make_between("ended", &time("-3 days"), &time("-2 days"));
    let torn = elsewhere.path().join("torn.pem");
    std::fs::write(&torn, &std::fs::read(good.certificate()).unwrap()[..200]).unwrap();
    for (name, file, why, repaired) in [
        ("hub.key", other.key(), "is not that of the certificate", good.key()),
        ("hub.pem", expired, "expired at", good.certificate()),
        ("hub.pem", torn, "is no certificate", good.certificate()),
    ] {
        hub.replace(name, &file);
        hub.server.reload_certificate();
        wait_until(why, || {
            let conditions = hub.conditions();
            conditions.contains("certificate_invalid") && conditions.contains(why)
        });
        assert_eq!(hub.shown(), before, "{why}");
        hub.replace(name, &repaired);
        hub.server.reload_certificate();
        wait_until("it is well again", || hub.conditions() == "[]");
    }
}

#[test]
fn a_certificate_that_ends_soon_degrades_the_node_before_it_does() {
    let Some(hub) = Renewed::start() else { return };
    assert_eq!(hub.conditions(), "[]");
    let made = certificates().unwrap();
    let soon = made.make_between("soon", &time("-80 days"), &time("+10 days"));
    hub.replace("hub.pem", &soon);
    hub.server.reload_certificate();
    wait_until("it is told", || {
        let conditions = hub.conditions();
        conditions.contains("certificate_expires_soon") && conditions.contains("9 days")
    });
}
