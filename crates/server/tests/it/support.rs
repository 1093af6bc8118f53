//! A client that speaks just enough HTTP, tokens, and a server to talk to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foodtrack_contract::{ApplicationSet, ApplicationType, UserRole};
use foodtrack_server::{TokenClaims, TokenSigner, WebSocketConfig, WebSocketServer};
use serde_json::Value;

pub(crate) const SECRET: &str = "a secret for tests, of at least 32 bytes";

/// A server on a free port of loopback.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default().host("127.0.0.1").port(0).shards(1).jwt_secret(SECRET)
}

pub(crate) fn serve(config: WebSocketConfig) -> WebSocketServer {
    WebSocketServer::bind(config.check().unwrap()).unwrap()
}

/// A token that is good for an hour.
pub(crate) fn token(tenant: &str, role: UserRole) -> String {
    signed(&claims(tenant, role))
}

/// The claims of such a token.
pub(crate) fn claims(tenant: &str, role: UserRole) -> TokenClaims {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let application_types = match role {
        UserRole::System => ApplicationSet::EMPTY,
        _ => ApplicationSet::of(&[ApplicationType::TenantDashboard]),
    };
    TokenClaims {
        tenant_id: tenant.into(),
        user_id: "u1".into(),
        role,
        application_types,
        permissions: None,
        device_id: None,
        issued_at_s: now_s,
        expires_at_s: now_s + 3_600,
        token_id: None,
        issuer: None,
        audience: None,
    }
}

pub(crate) fn signed(claims: &TokenClaims) -> String {
    TokenSigner::hs256(SECRET).sign(claims).unwrap()
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// `code` of a refusal, which is a problem document.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(json["success"], false, "{self:?}");
        assert_eq!(json["status"], self.status, "{self:?}");
        json["code"].as_str().unwrap().to_owned()
    }

    /// `data` of a success.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        let mut json = self.json();
        assert_eq!(json["success"], true, "{self:?}");
        json["data"].take()
    }
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut text =
        format!("{line} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).unwrap();
    read_answer(&mut stream)
}

/// Reads up to the length that the head names: the server may keep the connection.
fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let answer = Answer { status, head: head.into(), body: body.into() };
            let length =
                answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return answer;
            }
        }
        let read = stream.read(&mut chunk).unwrap();
        assert_ne!(read, 0, "the answer ends early: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// One request with a token.
pub(crate) fn call(address: SocketAddr, line: &str, token: &str, body: &str) -> Answer {
    request(address, line, &[("Authorization", &format!("Bearer {token}"))], body)
}
