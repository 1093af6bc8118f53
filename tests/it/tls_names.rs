//! Several certificates by name, and which versions of TLS are spoken.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use foodtrack_server::{CertificateConfig, TlsVersion, WebSocketConfig};
use serde_json::Value;
use tempfile::TempDir;
use test_support::{Certificates, ClientTls, der_of, skipped, wait_until};

use crate::harness::{HttpConnection, Server, config, tls};

/// An authority of the test's own, and what it signs; the default certificate is for `localhost`.
struct Signed {
    directory: TempDir,
    made: Certificates,
}

impl Signed {
    fn new() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let Some(made) = Certificates::make(directory.path()) else {
            skipped("openssl is not installed");
            return None;
        };
        Some(Self { directory, made })
    }

    fn certificate(&self, file: &str, names: &[&str]) -> CertificateConfig {
        named(self.made.make_for(file, names))
    }

    /// The certificate in a file of this name.
    fn der(&self, file: &str) -> Vec<u8> {
        der_of(&self.directory.path().join(file))
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn named((certificate, key): (PathBuf, PathBuf)) -> CertificateConfig {
    CertificateConfig { cert_file: text(&certificate), key_file: text(&key) }
}

/// The certificate that who asks for a name is shown; nothing where it is for another name.
fn shown(signed: &Signed, address: SocketAddr, name: &str) -> Vec<u8> {
    let client = ClientTls::trusting(&signed.made.authority()).without_resumption();
    let connected = client.connect_to(name, TcpStream::connect(address).unwrap());
    let stream = connected.ok();
    let certificates =
        stream.as_ref().and_then(|it| it.tls()).and_then(|it| it.peer_certificates());
    certificates.map(|them| them[0].to_vec()).unwrap_or_default()
}

#[test]
fn who_asks_for_a_name_is_shown_its_certificate_and_everybody_else_the_default() {
    let (Some(signed), Some(mut tls)) = (Signed::new(), tls()) else { return };
    let default = signed.made.make_for("default", &["hub.example"]);
    (tls.cert_file, tls.key_file) = (Some(text(&default.0)), Some(text(&default.1)));
    let config: WebSocketConfig = config()
        .tls(tls)
        .certificate(signed.certificate("roma", &["pizza-roma.example", "www.pizza-roma.example"]))
        .certificate(signed.certificate("wild", &["*.tenants.example"]));
    let server = Server::with(config);
    let address = server.address();
    for (name, file) in [
        ("hub.example", "default.pem"),
        ("pizza-roma.example", "roma.pem"),
        ("WWW.Pizza-Roma.Example", "roma.pem"),
        ("a.tenants.example", "wild.pem"),
    ] {
        assert_eq!(shown(&signed, address, name), signed.der(file), "{name}");
    }
    let client = ClientTls::trusting(&signed.made.authority());
    for name in ["a.b.tenants.example", "tenants.example", "elsewhere.example"] {
        // It is shown the default one, which is for another name: the client says so, and not the hub.
        let refused = client.connect_to(name, TcpStream::connect(address).unwrap());
        assert!(refused.unwrap_err().to_string().contains("not valid for name"), "{name}");
    }
    // A session of one name is not taken up under another.
    let roma = client.connect_to("pizza-roma.example", TcpStream::connect(address).unwrap());
    let mut roma = roma.unwrap();
    roma.write_all(b"GET /ready HTTP/1.1\r\nHost: hub\r\n\r\n").unwrap();
    let mut answer = [0; 4_096];
    let read = roma.read(&mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    assert_eq!(shown(&signed, address, "a.tenants.example"), signed.der("wild.pem"));
}

#[test]
fn a_further_certificate_is_renewed_without_a_restart_and_one_that_cannot_be_used_changes_nothing()
{
    let (Some(signed), Some(mut tls)) = (Signed::new(), tls()) else { return };
    let default = signed.made.make_for("default", &["hub.example"]);
    (tls.cert_file, tls.key_file) = (Some(text(&default.0)), Some(text(&default.1)));
    let roma = signed.certificate("roma", &["roma.example"]);
    let server = Server::with(config().tls(tls).certificate(roma.clone()));
    let address = server.address();
    let before = shown(&signed, address, "roma.example");
    let conditions = || {
        // Its own clients trust another authority.
        let health = get(&signed, address, "/health");
        health.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    let (torn, torn_key) = signed.made.make_for("other", &["other.example"]);
    std::fs::copy(torn_key, &roma.key_file).unwrap();
    server.reload_certificate();
    wait_until("health says why", || conditions().contains("is not that of the certificate"));
    assert_eq!(shown(&signed, address, "roma.example"), before);
    std::fs::copy(torn, &roma.cert_file).unwrap();
    server.reload_certificate();
    wait_until("the other one counts", || {
        shown(&signed, address, "other.example") == signed.der("other.pem")
    });
    wait_until("it is well again", || !conditions().contains("certificate_invalid"));
    // Nobody has that name any more: it is shown the default one, which it refuses.
    assert_ne!(shown(&signed, address, "roma.example"), before);
}

/// What is answered to `GET path`.
fn get(signed: &Signed, address: SocketAddr, path: &str) -> String {
    let client = ClientTls::trusting(&signed.made.authority());
    let mut stream =
        client.connect_to("hub.example", TcpStream::connect(address).unwrap()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_further_certificate_that_cannot_be_used_is_refused_at_the_start_at_its_place() {
    let (Some(signed), Some(tls)) = (Signed::new(), tls()) else { return };
    let roma = signed.certificate("roma", &["roma.example"]);
    let again = signed.certificate("again", &["ROMA.example"]);
    let nameless = signed.certificate("nameless", &[]);
    let swapped = CertificateConfig { key_file: again.key_file.clone(), ..roma.clone() };
    let gone = CertificateConfig { cert_file: "/nowhere.pem".into(), ..roma.clone() };
    for (certificates, sentence) in [
        (vec![roma.clone(), again], "certificates.1.certFile: the certificate in"),
        (vec![nameless], "has no DNS name"),
        (vec![swapped], "certificates.0.certFile: the key in"),
        (vec![gone], "certificates.0.certFile: /nowhere.pem cannot be read"),
    ] {
        let config = WebSocketConfig { certificates, ..config().tls(tls.clone()) };
        let errors = config.check().unwrap_err().to_string();
        assert!(errors.contains(sentence), "{sentence}: {errors}");
    }
    let plain = WebSocketConfig { certificates: vec![roma], ..config() };
    if plain.tls.cert_file.is_none() {
        assert!(plain.check().unwrap_err().to_string().contains("set tls.certFile"));
    }
}

#[test]
fn versions_that_are_not_spoken_are_refused_with_an_alert() {
    let Some(mut tls) = tls() else { return skipped("openssl is not installed") };
    let authority = crate::harness::certificates().unwrap().authority();
    let old = ClientTls::of_1_2(&authority);
    let (both, newest) = (Server::with(config().tls(tls.clone())), {
        tls.min_version = TlsVersion::V1_3;
        Server::with(config().tls(tls))
    });
    for server in [&both, &newest] {
        let answer = HttpConnection::open(server.address()).get("/ready");
        assert_eq!(answer.status, 200);
    }
    old.connect(TcpStream::connect(both.address()).unwrap()).unwrap();
    let refused = old.connect(TcpStream::connect(newest.address()).unwrap()).unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    // No library offers it any more: a hello of TLS 1.1, by hand.
    for server in [&both, &newest] {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.write_all(&hello_of_1_1()).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        // An alert, which is fatal.
        assert_eq!((answer[0], answer[5]), (21, 2), "{answer:?}");
    }
}

/// A `ClientHello` whose newest version is 1.1 (RFC 4346, section 7.4.1.2), without extensions.
fn hello_of_1_1() -> Vec<u8> {
    let version = [3, 2];
    let mut body = version.to_vec();
    body.extend([7; 32]);
    // No session, one cipher suite (TLS_RSA_WITH_AES_128_CBC_SHA), no compression.
    body.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    let mut hello = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    hello.extend(body);
    hello
}

#[test]
fn only_pages_and_only_over_tls_tell_browsers_to_stay_with_tls() {
    let Some(tls) = tls() else { return skipped("openssl is not installed") };
    let header = "strict-transport-security";
    let server = Server::with(config().tls(tls.clone()));
    let mut connection = HttpConnection::open(server.address());
    let page = connection.get("/api/v1/reference");
    assert_eq!(page.header(header), Some("max-age=15552000"));
    assert_eq!(connection.get("/health").header(header), None, "no page");
    assert_eq!(connection.get("/api/v1/openapi.json").header(header), None, "no page");
    let mut off = tls;
    off.hsts_seconds = 0;
    let server = Server::with(config().tls(off));
    assert_eq!(
        HttpConnection::open(server.address()).get("/api/v1/reference").header(header),
        None
    );
    let plain = WebSocketConfig { tls: foodtrack_server::TlsConfig::default(), ..config() };
    let server = Server::with(plain);
    let page = HttpConnection::open(server.address()).get("/api/v1/reference");
    assert_eq!((page.status, page.header(header)), (200, None));
    assert_ne!(page.body, Value::Null.to_string());
}
