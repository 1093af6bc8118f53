//! Who comes in, who does not and is told why, and when a token ends.

use foodtrack_contract::ApplicationType;
use serde_json::{Value, json};

use foodtrack_wire::socket_io::PacketType;

use crate::harness::{
    Client, Connect, Options, Server, Transport, Who, config, now_s, on_every_transport,
};

const TENANT: &str = "pizza-roma";

#[track_caller]
fn refusal(server: &Server, options: &Options) -> Value {
    match Client::connect(server, options) {
        Connect::Refused(error) => error,
        Connect::Connected(_) => panic!("{:?} came in", options.auth),
        Connect::HttpRefused(answer) => panic!("refused before CONNECT: {answer}"),
    }
}

/// A server that takes tokens to the second.
fn punctual() -> Server {
    let mut config = config();
    config.security.leeway_seconds = 0;
    Server::with(config)
}

on_every_transport! {
    fn every_refusal_is_a_connect_error_with_message_and_data(transport) {
        let server = Server::start();
        let auth = |who: &Who| json!({ "token": who.token() });
        let named = |who: &Who, application: &str| json!({ "token": who.token(), "application": application });
        let chef = Who::chef(TENANT, "carl");
        let both = chef.clone().applications(&[ApplicationType::KitchenApp, ApplicationType::TenantDashboard]);
        let device = chef.clone().device("tablet-1");
        let cases = [
            (Value::Null, "token_missing"),
            (json!({}), "token_missing"),
            (json!({ "token": "" }), "token_missing"),
            (json!({ "token": 7 }), "token_missing"),
            (json!({ "token": "a.b.c" }), "token_malformed"),
            (json!({ "token": "nonsense" }), "token_malformed"),
            (auth(&chef.clone().signed_with("another secret of at least 32 bytes")), "token_signature"),
            (auth(&chef.clone().expires_at_s(now_s() - 60)), "token_expired"),
            (auth(&chef.clone().applications(&[])), "application_required"),
            (auth(&both), "application_required"),
            (named(&both, "toaster"), "application_unknown"),
            (named(&both, "delivery_app"), "application_forbidden"),
            (json!({ "token": chef.token(), "deviceId": "x".repeat(129) }), "message_malformed"),
            (json!({ "token": device.token(), "deviceId": "tablet-2" }), "token_claims"),
        ];
        for (auth, code) in cases {
            let error = refusal(&server, &Options::new(transport, auth.clone()));
            assert_eq!(error["data"]["code"], code, "{auth}: {error}");
            assert!(error["data"]["number"].is_u64(), "{error}");
            assert_eq!(error["data"]["message"], error["message"], "{error}");
            assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
        }
        assert_eq!(server.metric("handshakes_refused_total"), 14);
        assert_eq!(server.metric("connections"), 0);
    }

    fn after_a_refusal_the_same_transport_may_try_again(transport) {
        let server = Server::start();
        let mut client = Client::open(&server, &Options::new(transport, Value::Null)).unwrap();
        client.send_packet(PacketType::Connect, None, &json!({ "token": "a.b.c" }), &[]);
        assert_eq!(client.packet(crate::harness::PATIENCE).unwrap().kind, PacketType::ConnectError);
        let auth = json!({ "token": Who::chef(TENANT, "carl").token() });
        client.send_packet(PacketType::Connect, None, &auth, &[]);
        assert_eq!(client.packet(crate::harness::PATIENCE).unwrap().kind, PacketType::Connect);
        client.expect("system:connection_established");
        assert_eq!(server.count(TENANT), 1);
    }

    fn the_token_may_come_in_a_header_or_a_cookie(transport) {
        let server = Server::start();
        let token = Who::chef(TENANT, "carl").token();
        let bearer = Options::new(transport, Value::Null).header("Authorization", &format!("Bearer {token}"));
        let cookie = Options::new(transport, json!({})).header("Cookie", &format!("a=b; token={token}"));
        for options in [bearer, cookie] {
            let mut client = Client::join_with(&server, &options);
            client.accepted("kitchen:notification", json!({ "message": "m" }));
        }
    }

    fn an_application_is_known_by_each_of_its_names(transport) {
        let server = Server::start();
        for (name, application) in [
            ("kitchen_app", ApplicationType::KitchenApp), ("kitchen", ApplicationType::KitchenApp),
            ("client", ApplicationType::ClientApp), ("customer", ApplicationType::ClientApp),
            ("dashboard", ApplicationType::TenantDashboard), ("delivery", ApplicationType::DeliveryApp),
        ] {
            let who = Who::owner(TENANT, "olga").applications(&ApplicationType::ALL);
            let auth = json!({ "token": who.token(), "application": name });
            let mut client = match Client::connect(&server, &Options::new(transport, auth)) {
                Connect::Connected(client) => client,
                _ => panic!("{name} is refused"),
            };
            let greeting = client.expect("system:connection_established");
            assert_eq!(greeting.payload("application"), application.as_str());
            assert_eq!(greeting.payload("tenantId"), TENANT);
        }
    }

    fn when_the_token_ends_the_transport_closes_with_a_word(transport) {
        let server = punctual();
        let who = Who::chef(TENANT, "carl").expires_at_s(now_s() + 2);
        let mut client = Client::join(&server, transport, &who);
        let (events, _) = client.until_closed();
        // No DISCONNECT packet: the client's library connects again by itself, with a fresh token.
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["system:reconnection_required", "system:error"]);
        assert_eq!(events[0].payload("reason"), "token_expiring");
        assert_eq!(events[1].payload("code"), "token_expired");
        assert_eq!(server.count(TENANT), 0);
    }

    fn a_fresh_token_of_the_same_subject_renews_and_no_other_does(transport) {
        let server = punctual();
        let chef = Who::chef(TENANT, "carl");
        let expires_at_s = now_s() + 6;
        let mut client = Client::join(&server, transport, &chef.clone().expires_at_s(expires_at_s));
        for other in [
            Who::chef(TENANT, "eve"),
            Who::chef("sushi-kyoto", "carl"),
            chef.clone().applications(&[ApplicationType::DeliveryApp]),
        ] {
            let code = client.refused("authenticate", json!({ "token": other.token() }));
            assert_eq!(code, "token_subject");
        }
        let forged = chef.clone().signed_with("another secret of at least 32 bytes");
        assert_eq!(client.refused("authenticate", json!({ "token": forged.token() })), "token_signature");
        assert_eq!(client.refused("authenticate", json!(7)), "message_malformed");
        let answer = client.accepted("authenticate", json!({ "token": chef.token() }));
        assert!(answer["expiresAt"].as_str().unwrap().ends_with('Z'), "{answer}");
        assert_eq!(client.expect("authenticated").argument, answer);
        // The token alone will do, too.
        client.accepted("authenticate", json!(chef.token()));
        client.expect("authenticated");
        // Past the end of the first token the connection is as it was.
        crate::harness::eventually(|| (now_s() > expires_at_s + 1).then_some(()));
        assert_eq!(client.drain_names(), [""; 0]);
    }
}
