//! Back ends that are known by their certificates.

use std::net::TcpStream;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{Certificates, ClientTls, skipped, wait_until};

use crate::harness::{Client, HttpConnection, Server, Transport, Who, certificates, config, tls};
use crate::support::TENANT;

/// A hub, an authority for its back ends, and two certificates of that.
struct Backends {
    server: Server,
    directory: TempDir,
    made: Certificates,
}

impl Backends {
    fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let (Some(mut tls), Some(made)) = (tls(), Certificates::make(directory.path())) else {
            skipped("openssl is not installed");
            return None;
        };
        let book = directory.path().join("clients.toml");
        std::fs::write(&book, "").unwrap();
        tls.client_ca_file = made.authority().to_str().map(str::to_owned);
        tls.clients_file = book.to_str().map(str::to_owned);
        Some(Self { server: Server::with(config().tls(tls)), directory, made })
    }

    /// A certificate of the back ends' authority.
    fn certificate(&self, name: &str) -> PathBuf {
        self.made.make_between(name, "20200101000000Z", "20400101000000Z")
    }

    fn write_book(&self, text: &str) {
        std::fs::write(self.directory.path().join("clients.toml"), text).unwrap();
        self.server.reload_certificate();
    }

    /// A connection that is begun with a certificate.
    fn connect(&self, certificate: &Path, key: &Path) -> std::io::Result<HttpConnection> {
        let authority = certificates().unwrap().authority();
        let socket = TcpStream::connect(self.server.address())?;
        let stream = ClientTls::showing(&authority, certificate, key).connect(socket)?;
        Ok(HttpConnection::over(self.server.address(), stream))
    }
}

fn sha256(certificate: &Path) -> String {
    let der = test_support::der_of(certificate);
    let digest = digest::digest(&digest::SHA256, &der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn message() -> String {
    json!({ "type": "order:created", "payload": { "orderId": "1", "customerId": "ada" } })
        .to_string()
}

fn publish(http: &mut HttpConnection, headers: &[(&str, &str)]) -> (u16, Value) {
    let headers = [&[("Content-Type", "application/json")][..], headers].concat();
    let answer = http.request("POST /api/v1/publish", &headers, &message());
    (answer.status, answer.json())
}

#[test]
fn a_certificate_speaks_for_the_tenants_that_are_written_down_and_no_other() {
    let Some(hub) = Backends::start() else { return };
    let billing = hub.certificate("billing");
    hub.write_book(&format!(
        "[[client]]\nname = 'billing'\nsha256 = '{}'\ntenants = ['{TENANT}', 'kyoto']\nmay = ['publish']\n",
        sha256(&billing)
    ));
    let mut ada = Client::join(&hub.server, Transport::WebSocket, &Who::customer(TENANT, "ada"));
    let mut other = Client::join(&hub.server, Transport::WebSocket, &Who::customer("wien", "ada"));
    let mut http = hub.connect(&billing, &hub.made.key()).unwrap();
    let own = [("foodtrack-tenant", TENANT)];
    wait_until("the book is read", || publish(&mut http, &own).0 == 200);
    ada.expect("order:created");
    let (status, refusal) = publish(&mut http, &[("foodtrack-tenant", "wien")]);
    assert_eq!((status, &refusal["code"]), (403, &json!("permission_denied")), "{refusal}");
    // Which of the two is not guessed.
    let (status, refusal) = publish(&mut http, &[]);
    assert_eq!(refusal["code"], "token_claims", "{status} {refusal}");
    // It may publish, and no more.
    let answer = http.request("GET /api/v1/connections", &own, "");
    assert_eq!(answer.status, 403, "{answer:?}");
    // A page in a browser that has the certificate is not the back end.
    assert_eq!(publish(&mut http, &[("Origin", "https://page.example"), own[0]]).0, 401);
    // A token goes before it, whatever the certificate is good for.
    let bearer = format!("Bearer {}", Who::chef(TENANT, "carl").token());
    let (status, refusal) = publish(&mut http, &[("Authorization", &bearer), own[0]]);
    assert_eq!((status, &refusal["code"]), (403, &json!("permission_denied")), "{refusal}");
    assert_eq!(publish(&mut http, &[("Authorization", "Basic eA=="), own[0]]).0, 401);
    assert_eq!(other.drain_names(), [""; 0]);
}

#[test]
fn who_is_taken_out_of_the_book_is_refused_from_then_on() {
    let Some(hub) = Backends::start() else { return };
    let billing = hub.certificate("billing");
    let entry =
        "[[client]]\nname = 'billing'\nsan = 'localhost'\nmay = ['publish', 'administer']\n";
    hub.write_book(&format!("{entry}tenants = ['{TENANT}']\n"));
    let mut http = hub.connect(&billing, &hub.made.key()).unwrap();
    wait_until("the book is read", || publish(&mut http, &[]).0 == 200);
    assert_eq!(http.request("GET /api/v1/connections", &[], "").status, 200);
    hub.write_book("");
    wait_until("it is refused", || publish(&mut http, &[]).0 == 401);
    // A book that cannot be read changes nothing.
    hub.write_book("[[client]]\nname = 'billing'");
    let health = || HttpConnection::open(hub.server.address()).get("/health").body;
    wait_until("it is told", || health().contains("certificate_invalid"));
    assert_eq!(publish(&mut http, &[]).0, 401);
}

#[test]
fn certificates_of_strangers_are_refused_and_those_nobody_wrote_down_are_nobodys() {
    let Some(hub) = Backends::start() else { return };
    let unknown = hub.certificate("unknown");
    let mut http = hub.connect(&unknown, &hub.made.key()).unwrap();
    let (status, refusal) = publish(&mut http, &[]);
    assert_eq!((status, &refusal["code"]), (401, &json!("token_missing")), "{refusal}");
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Certificates::make(elsewhere.path()).unwrap();
    // TLS 1.3 tells a client so after its part of the handshake is over.
    let answered = hub.connect(&foreign.certificate(), &foreign.key()).and_then(|mut http| {
        http.send("GET /health", &[], "")?;
        http.receive(std::time::Instant::now() + crate::harness::PATIENCE)
    });
    assert!(answered.is_err(), "{answered:?}");
    // Who shows none brings a token.
    let mut http = HttpConnection::open(hub.server.address());
    let answer = http.call(
        "POST /api/v1/publish",
        &Who::service(TENANT).token(),
        &serde_json::from_str(&message()).unwrap(),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
}
