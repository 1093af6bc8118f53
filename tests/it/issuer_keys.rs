//! Keys of issuers that are fetched: they change while the server runs, and survive an issuer that is away, lies or is slow.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_server::{IssuerConfig, WebSocketConfig};
use serde_json::{Value, json};
use test_support::wait_until;

use crate::harness::{
    BackEnd, Client, HttpConnection, Options, Reply, Server, Transport, Who, config, now_s,
};
use crate::revocation::refusal;
use crate::support::TENANT;

const ISSUER: &str = "https://login.example";

/// A key that signs ES256, and its public half.
struct SigningKey {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl SigningKey {
    fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair, kid }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|it| URL_SAFE_NO_PAD.encode(it));
        json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y })
    }

    fn token(&self, issuer: &str, tenant: &str) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "ES256", "kid": self.kid }));
        let claims = part(json!({
            "iss": issuer, "sub": "carl", "tenantId": tenant, "role": "chef", "applicationTypes": ["kitchen_app"],
            "iat": now_s(), "exp": now_s() + 600,
        }));
        let message = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn jwks(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// An issuer whose answer can be changed.
struct Login {
    says: Arc<Mutex<Reply>>,
    back_end: BackEnd,
}

impl Login {
    fn new(first: Reply) -> Self {
        let says = Arc::new(Mutex::new(first));
        let reply = Arc::clone(&says);
        let back_end = BackEnd::start(move |_| reply.lock().unwrap().clone());
        Self { says, back_end }
    }

    fn say(&self, reply: Reply) {
        *self.says.lock().unwrap() = reply;
    }

    fn issuer(&self) -> IssuerConfig {
        IssuerConfig {
            name: "login".into(),
            issuer: ISSUER.into(),
            jwks_url: Some(format!("{}/keys", self.back_end.origin())),
            ..IssuerConfig::default()
        }
    }
}

/// One that may ask loopback, as often as it is allowed.
fn trusting(mut config: WebSocketConfig) -> WebSocketConfig {
    config.security.issuer_networks = vec!["127.0.0.0/8".into()];
    config.security.jwks_refresh_seconds = 1;
    config
}

/// The code with which a token is refused; `None` where its bearer comes in.
fn code(server: &Server, token: &str) -> Option<String> {
    let options = Options::new(Transport::WebSocket, json!({ "token": token }));
    refusal(Client::connect(server, &options))
}

fn health(server: &Server) -> String {
    HttpConnection::open(server.address()).get("/health").json().to_string()
}

#[test]
fn a_key_that_is_not_known_yet_is_fetched_and_one_that_is_gone_is_refused() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let login = Login::new(Reply::json(&jwks(&[&old])));
    let mut config = trusting(config().issuer(login.issuer()));
    config.security.jwks_refresh_seconds = 300;
    let server = Server::with(config);
    assert_eq!(code(&server, &old.token(ISSUER, TENANT)), None);
    login.say(Reply::json(&jwks(&[&new])));
    // Nobody who names a key makes it fetch at once, or often: but it does.
    wait_until("the new key is known", || code(&server, &new.token(ISSUER, TENANT)).is_none());
    assert_eq!(code(&server, &old.token(ISSUER, TENANT)).as_deref(), Some("token_signature"));
    // The secret of the section `security` is trusted beside it.
    drop(Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "cora")));
}

#[test]
fn however_many_strangers_name_unknown_keys_the_issuer_is_asked_once_in_a_while() {
    let (key, other) = (SigningKey::new("key"), SigningKey::new("other"));
    let login = Login::new(Reply::json(&jwks(&[&key])));
    let mut config = trusting(config().issuer(login.issuer()));
    config.security.jwks_refresh_seconds = 300;
    let server = Server::with(config);
    let token = other.token(ISSUER, TENANT);
    for _ in 0..50 {
        assert_eq!(code(&server, &token).as_deref(), Some("token_signature"));
    }
    assert!(login.back_end.taken().len() <= 2, "{} times", login.back_end.taken().len());
}

/// Issuers that all have the same key at first, each of which then tells a lie of its own.
struct Liars {
    key: SigningKey,
    logins: Vec<Login>,
}

impl Liars {
    fn new(count: usize) -> Self {
        let key = SigningKey::new("key");
        let logins = (0..count).map(|_| Login::new(Reply::json(&jwks(&[&key])))).collect();
        Self { key, logins }
    }

    fn issuers(&self) -> WebSocketConfig {
        let mut config = trusting(config());
        for (i, login) in self.logins.iter().enumerate() {
            let (name, issuer) = (format!("login-{i}"), issuer(i));
            config = config.issuer(IssuerConfig { name, issuer, ..login.issuer() });
        }
        config
    }

    /// Whoever has a token of any of them comes in.
    fn expect_good(&self, server: &Server) {
        for i in 0..self.logins.len() {
            assert_eq!(code(server, &self.key.token(&issuer(i), TENANT)), None, "issuer {i}");
        }
    }
}

fn issuer(number: usize) -> String {
    format!("https://login-{number}.example")
}

#[test]
fn an_issuer_that_lies_changes_nothing_and_is_told_of_until_it_is_true_again() {
    let forged = SigningKey::new("key");
    let elsewhere = BackEnd::start({
        let keys = jwks(&[&forged]);
        move |_| Reply::json(&keys)
    });
    let lies = [
        Reply::json(""),
        Reply::json("<html>come back later</html>"),
        Reply::json("{\"keys\":[]}"),
        Reply::json("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"key\"}]}"),
        Reply::json(&jwks(&[&forged; 101])),
        Reply::json(&jwks(&[&forged])).status(500),
        Reply::json("").status(302).header("location", &elsewhere.url()),
        Reply::json("").status(307).header("location", "http://169.254.169.254/latest"),
        Reply::hang_up(),
        Reply::flood(100 << 20),
    ];
    let liars = Liars::new(lies.len());
    let server = Server::with(liars.issuers());
    liars.expect_good(&server);
    assert!(!health(&server).contains("issuer_keys_missing"));
    for (login, lie) in liars.logins.iter().zip(lies) {
        login.say(lie);
    }
    let looks = |i: usize| server.metric_of("issuer_key_fetches_total", &format!("login-{i}"));
    let taken = |i: usize| {
        let page = server.metrics_page();
        let name =
            format!("foodtrack_issuer_key_fetches_total{{issuer=\"login-{i}\",result=\"taken\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned));
        line.unwrap().parse::<u64>().unwrap()
    };
    for i in 0..liars.logins.len() {
        let before = looks(i) - taken(i);
        wait_until(&format!("lie {i} was looked at"), || looks(i) - taken(i) > before);
        wait_until("health names it", || health(&server).contains(&format!("login-{i}")));
    }
    liars.expect_good(&server);
    let of_forged = forged.token(&issuer(6), TENANT);
    assert_eq!(code(&server, &of_forged).as_deref(), Some("token_signature"));
    assert!(elsewhere.taken().is_empty(), "a redirect is not followed");
    // It goes away by itself.
    for login in &liars.logins {
        login.say(Reply::json(&jwks(&[&liars.key])));
    }
    wait_until("health is good", || !health(&server).contains("issuer_keys_missing"));
    liars.expect_good(&server);
}

#[test]
fn an_issuer_that_is_away_at_the_start_keeps_its_own_tokens_waiting_and_nobody_elses() {
    let key = SigningKey::new("key");
    let login = Login::new(Reply::json("").status(503));
    let server = Server::with(trusting(config().issuer(login.issuer())));
    assert_eq!(code(&server, &key.token(ISSUER, TENANT)).as_deref(), Some("degraded"));
    drop(Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "cora")));
    wait_until("health says so", || health(&server).contains("issuer_keys_missing"));
    login.say(Reply::json(&jwks(&[&key])));
    wait_until("it is asked again", || code(&server, &key.token(ISSUER, TENANT)).is_none());
    wait_until("health is good", || !health(&server).contains("issuer_keys_missing"));
}

#[test]
fn the_last_good_keys_are_there_after_a_restart_while_the_issuer_is_away() {
    let key = SigningKey::new("key");
    let login = Login::new(Reply::json(&jwks(&[&key])));
    let mut server = Server::durable(trusting(config().issuer(login.issuer())));
    assert_eq!(code(&server, &key.token(ISSUER, TENANT)), None);
    login.say(Reply::hang_up());
    server.restart();
    assert_eq!(code(&server, &key.token(ISSUER, TENANT)), None);
}

#[test]
fn an_issuer_says_where_its_keys_are_and_only_for_itself() {
    let key = SigningKey::new("key");
    let keys = Login::new(Reply::json(&jwks(&[&key])));
    let login = Login::new(Reply::json("{}"));
    let issuer = login.back_end.origin();
    let discovery = |of: &str| {
        let uri = format!("{}/keys", keys.back_end.origin());
        Reply::json(&json!({ "issuer": of, "jwks_uri": uri }).to_string())
    };
    login.say(discovery("https://somebody.else"));
    let said =
        IssuerConfig { issuer: issuer.clone(), jwks_url: None, discovery: true, ..login.issuer() };
    let server = Server::with(trusting(config().issuer(said)));
    assert_eq!(login.back_end.taken()[0].path(), "/.well-known/openid-configuration");
    assert_eq!(code(&server, &key.token(&issuer, TENANT)).as_deref(), Some("degraded"));
    login.say(discovery(&issuer));
    wait_until("it is believed", || code(&server, &key.token(&issuer, TENANT)).is_none());
    // What it points to is held to the same rules as what is configured.
    let uri = "http://169.254.169.254/latest/meta-data";
    login.say(Reply::json(&json!({ "issuer": issuer, "jwks_uri": uri }).to_string()));
    let failed = || server.metric_of("issuer_key_fetches_total", "failed");
    let before = failed();
    wait_until("it looked again", || failed() > before);
    assert_eq!(code(&server, &key.token(&issuer, TENANT)), None);
}

#[test]
fn an_issuer_speaks_for_its_own_tenants_alone() {
    let key = SigningKey::new("key");
    let login = Login::new(Reply::json(&jwks(&[&key])));
    let tenants = vec!["sushi-*".into()];
    let issuer = IssuerConfig { tenants, ..login.issuer() };
    let server = Server::with(trusting(config().issuer(issuer)));
    assert_eq!(code(&server, &key.token(ISSUER, "sushi-kyoto")), None);
    assert_eq!(code(&server, &key.token(ISSUER, TENANT)).as_deref(), Some("token_claims"));
}

#[test]
fn a_file_of_keys_that_changes_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    std::fs::write(&file, jwks(&[&old])).unwrap();
    let issuer = IssuerConfig {
        name: "login".into(),
        issuer: ISSUER.into(),
        jwks: Some(file.to_str().unwrap().into()),
        ..IssuerConfig::default()
    };
    let server = Server::with(trusting(config().issuer(issuer)));
    assert_eq!(code(&server, &old.token(ISSUER, TENANT)), None);
    std::fs::write(&file, jwks(&[&new])).unwrap();
    wait_until("it is read", || code(&server, &new.token(ISSUER, TENANT)).is_none());
    assert_eq!(code(&server, &old.token(ISSUER, TENANT)).as_deref(), Some("token_signature"));
}

#[test]
fn an_issuer_that_hangs_holds_up_neither_the_start_nor_those_whose_keys_are_known() {
    let key = SigningKey::new("key");
    let (hangs, good) = (Login::new(Reply::never()), Login::new(Reply::json(&jwks(&[&key]))));
    let other = IssuerConfig { name: "other".into(), issuer: issuer(1), ..good.issuer() };
    let begin = Instant::now();
    let server = Server::with(trusting(config().issuer(hangs.issuer()).issuer(other)));
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    drop(Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "cora")));
    let waiting = key.token(ISSUER, TENANT);
    assert_eq!(code(&server, &waiting).as_deref(), Some("degraded"));
    wait_until("health names it", || health(&server).contains("login"));
    // The other one hangs from now on.
    good.say(Reply::never());
    let asked = good.back_end.taken().len();
    wait_until("it is asked", || good.back_end.taken().len() > asked);
    assert_eq!(code(&server, &key.token(&issuer(1), TENANT)), None);
}
