//! Every event, room and route of the contract, tried by one tenant at another that has equal names for everything. What is tried is
//! made of the contract: an event, a topic or a route that is new is attacked here from its first day on.

use std::collections::BTreeMap;

use foodtrack_contract::{ApplicationType, CONTROL_EVENTS, EventType, builtin_schemas};
use foodtrack_server::{Secret, WebSocketConfig, WebhookConfig};
use serde_json::{Map, Value, json};

use crate::harness::{
    BackEnd, Client, EventSource, HttpConnection, Options, Reply, SIGNING_SECRET, Server,
    Transport, Who, config,
};
use crate::nodes::ask;

const VICTIM: &str = "sushi-osaka";
const ATTACKER: &str = "pizza-roma";
/// What stands in everything that the victim does.
const OF_VICTIM: &str = "what-only-osaka-may-see";
/// What stands in everything that the attacker does.
const OF_ATTACKER: &str = "what-roma-sent";
/// Names that both tenants have.
const USER: &str = "ada";
const DEVICE: &str = "tablet";
const ORDER: &str = "1";
const MESSAGE_ID: &str = "01890000-0000-7000-8000-000000000001";

/// A payload that the schema of an event takes: all that it names, with the names that both tenants have.
fn payload_of(schema: &Value, root: &Value, mark: &str) -> Value {
    let schema = resolved(schema, root);
    if let Some(first) = schema.get("enum").and_then(|it| it.get(0)) {
        return first.clone();
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(first) = schema.get(several).and_then(|it| it.get(0)) {
            return payload_of(first, root, mark);
        }
    }
    let kinds = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().cloned().unwrap_or_default(),
        Some(kind) => kind.clone(),
        None => json!("object"),
    };
    match kinds.as_str().unwrap_or_default() {
        "string" => json!(match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => "2026-11-30T12:00:00Z",
            Some("uuid") => MESSAGE_ID,
            _ => ORDER,
        }),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(true),
        "array" => json!([payload_of(schema.get("items").unwrap_or(&Value::Null), root, mark)]),
        _ => {
            let mut payload = Map::new();
            let fields = schema.get("properties").and_then(Value::as_object);
            for (name, field) in fields.into_iter().flatten() {
                payload.insert(name.clone(), payload_of(field, root, mark));
            }
            for name in ["orderId", "customerId", "of"] {
                let value = match name {
                    "orderId" => ORDER,
                    "customerId" => USER,
                    _ => mark,
                };
                payload.insert(name.into(), json!(value));
            }
            Value::Object(payload)
        }
    }
}

fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// Every event that is sent by somebody, with a payload that is taken.
fn events(mark: &str) -> Vec<(&'static str, Value)> {
    let schemas = builtin_schemas();
    let payload = |event: &EventType| {
        let schema = &schemas[event.as_str()];
        (event.as_str(), payload_of(schema, schema, mark))
    };
    EventType::ALL.iter().map(payload).collect()
}

/// What the victim is: somebody in each application, a stream, a back end, and a webhook.
struct Victim {
    people: Vec<Client>,
    stream: EventSource,
    told: BackEnd,
    pids: Vec<String>,
    cursor: String,
}

fn people(server: &Server, tenant: &str) -> Vec<Client> {
    let of = |application| {
        let who = Who::of_application(tenant, USER, application).device(DEVICE);
        Client::join(server, Transport::WebSocket, &who)
    };
    ApplicationType::ALL.into_iter().map(of).collect()
}

fn server(told: &BackEnd) -> Server {
    let mut config: WebSocketConfig = config().webhook(WebhookConfig {
        name: "books".into(),
        url: told.url(),
        secret: Some(Secret::new(SIGNING_SECRET)),
        events: vec!["*".into()],
        tenants: vec![VICTIM.into()],
        ..WebhookConfig::default()
    });
    // A refusal for its rate would hide one for its tenant.
    config.limits.api_requests_per_second_per_tenant = 0;
    config.limits.api_requests_per_second_per_token = 0;
    config.security.webhook_networks = vec!["127.0.0.0/8".into()];
    Server::with(config)
}

impl Victim {
    fn open() -> (Server, Self) {
        let told = BackEnd::start(|_| Reply::json(""));
        let server = server(&told);
        let mut people = people(&server, VICTIM);
        let mut back_end = Client::join(&server, Transport::WebSocket, &Who::service(VICTIM));
        let payload = json!({ "orderId": ORDER, "customerId": USER, "of": OF_VICTIM });
        let order = json!({ "id": MESSAGE_ID, "type": "order:created", "payload": payload });
        back_end.accepted("order:created", order);
        for client in &mut people {
            client.accepted("subscribe:order", json!(ORDER));
        }
        let mut cursor = String::new();
        let mut pids = Vec::new();
        for client in &mut people {
            pids.extend(client.pid.clone());
            cursor =
                client.drain().into_iter().filter_map(|it| it.cursor).next_back().unwrap_or(cursor);
        }
        assert!(!cursor.is_empty() && pids.len() == people.len());
        let stream = EventSource::open(&server, &Who::manager(VICTIM, USER), "", None);
        (server, Self { people, stream, told, pids, cursor })
    }

    /// Nothing of the attacker's has come to anybody of the victim's, all of whom are here and get what is theirs once.
    fn check(mut self, server: &Server) {
        let mut back_end = Client::join(server, Transport::WebSocket, &Who::service(VICTIM));
        let last = json!({ "orderId": ORDER, "status": "ready", "of": OF_VICTIM });
        back_end.accepted("order:status_changed", last);
        for client in &mut self.people {
            let event = client.next();
            assert_eq!(event.name, "order:status_changed", "first of all that came: {event:?}");
            assert_eq!(event.argument["payload"]["of"], OF_VICTIM);
            assert!(client.drain().is_empty(), "once");
        }
        assert_eq!(self.stream.expect("order:status_changed").data["payload"]["of"], OF_VICTIM);
        let (_, log) = ask(server, "GET /api/v1/log", &Who::service(VICTIM));
        let log = log["data"].as_array().unwrap();
        assert_eq!(log.len(), 2, "the victim's log has what it sent and no more: {log:?}");
        test_support::wait_until("the victim's webhook has both", || {
            self.told
                .taken()
                .iter()
                .map(|it| it.json()["events"].as_array().map_or(0, Vec::len))
                .sum::<usize>()
                >= 2
        });
        for told in self.told.taken() {
            assert!(!told.json().to_string().contains(OF_ATTACKER));
        }
        for line in ["GET /api/v1/rules", "GET /api/v1/events", "GET /api/v1/rooms"] {
            let (_, said) = ask(server, line, &Who::service(VICTIM));
            assert!(!said.to_string().contains(OF_ATTACKER), "{line}: {said}");
        }
    }
}

/// Whoever attacks: each kind of token that the attacker's tenant may give out.
fn attackers() -> Vec<Who> {
    let of = |application| Who::of_application(ATTACKER, USER, application).device("another");
    let mut all: Vec<_> = ApplicationType::ALL.into_iter().map(of).collect();
    all.extend([Who::owner(ATTACKER, USER), Who::service(ATTACKER)]);
    all
}

/// The same message with the victim's name wherever a message may have one.
fn disguises(event: &str, payload: &Value) -> Vec<Value> {
    let mut inside = payload.clone();
    for name in ["tenantId", "tenant", "tenant_id"] {
        inside[name] = json!(VICTIM);
    }
    let room = format!("order:{VICTIM}:{ORDER}");
    let whole = |payload: &Value| json!({ "type": event, "payload": payload });
    let with = |name: &str, value: Value| {
        let mut message = whole(payload);
        message[name] = value;
        message
    };
    vec![
        whole(&inside),
        with("tenantId", json!(VICTIM)),
        with("tenantId", json!([ATTACKER, VICTIM])),
        with("target", json!(room)),
        with("target", json!({ "tenantId": VICTIM, "room": room })),
        with("rooms", json!([room])),
        with("room", json!(room)),
        with("source", json!("system")),
        with("id", json!(MESSAGE_ID)),
    ]
}

/// Ids that might be read as the victim's.
fn foreign_ids() -> Vec<Value> {
    let names = [
        ORDER.to_owned(),
        format!("{VICTIM}:{ORDER}"),
        format!("order:{VICTIM}:{ORDER}"),
        format!("../{VICTIM}/{ORDER}"),
        format!("{{{VICTIM}}}:{ORDER}"),
        "*".into(),
        VICTIM.into(),
    ];
    let mut ids: Vec<Value> = names.into_iter().map(Value::from).collect();
    ids.push(json!({ "orderId": ORDER, "id": ORDER, "tenantId": VICTIM, "tenant": VICTIM }));
    ids
}

/// Nobody of the attacker's has got anything of the victim's.
fn sees_nothing(client: &mut Client, what: &str) {
    for event in client.drain() {
        let text = event.argument.to_string();
        assert!(!text.contains(OF_VICTIM), "{what}: {text}");
        assert_ne!(event.argument["tenantId"], VICTIM, "{what}: {text}");
    }
}

fn no_limits(server: &Server) -> bool {
    // A refusal for its rate would hide one for its tenant.
    server.metric("rate_limited_total") == 0
}

#[test]
fn no_event_in_whatever_disguise_reaches_another_tenant() {
    let (server, victim) = Victim::open();
    for who in attackers() {
        let mut client = Client::join(&server, Transport::WebSocket, &who);
        for (event, payload) in events(OF_ATTACKER) {
            for message in disguises(event, &payload) {
                let answer = client.ask(event, message.clone()).to_string();
                assert!(!answer.contains(OF_VICTIM), "{message}: {answer}");
            }
        }
        sees_nothing(&mut client, "events");
    }
    assert!(no_limits(&server));
    victim.check(&server);
}

#[test]
fn every_event_of_the_contract_is_tried_with_a_payload_that_is_taken() {
    let server = Server::start();
    let mut taken: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for who in attackers() {
        let mut client = Client::join(&server, Transport::WebSocket, &who);
        for (event, payload) in events(OF_ATTACKER) {
            let answer = client.ask(event, json!({ "type": event, "payload": payload }));
            let code = answer["error"]["code"].as_str().unwrap_or("taken").to_owned();
            taken.entry(event).or_default().push(code);
        }
    }
    for (event, codes) in taken {
        let is_reserved = codes.iter().all(|code| code == "event_reserved");
        assert!(
            is_reserved || codes.iter().any(|code| code == "taken"),
            "{event} is never taken, so that the suite proves nothing of it: {codes:?}"
        );
    }
}

#[test]
fn no_room_by_whatever_name_opens_to_another_tenant() {
    let (server, victim) = Victim::open();
    let mut back_end = Client::join(&server, Transport::WebSocket, &Who::service(VICTIM));
    for who in attackers() {
        let mut client = Client::join(&server, Transport::WebSocket, &who);
        for control in CONTROL_EVENTS {
            for id in foreign_ids() {
                let answer = client.ask(control, id.clone());
                let room = answer["data"]["room"].as_str();
                let tenant = room.and_then(|room| room.split(':').nth(1));
                assert!(tenant.is_none_or(|it| it == ATTACKER), "{control} {id}: {answer}");
                assert!(!answer.to_string().contains(OF_VICTIM), "{control} {id}: {answer}");
            }
        }
        for subscribe in CONTROL_EVENTS.into_iter().filter(|it| it.starts_with("subscribe:")) {
            for id in foreign_ids() {
                client.ask(subscribe, id);
            }
        }
        sees_nothing(&mut client, "rooms");
    }
    // What the victim sends now is for its own rooms of those names.
    let payload = json!({ "orderId": ORDER, "notes": OF_VICTIM });
    back_end.refused(
        "order:created",
        json!({ "type": "order:created", "tenantId": ATTACKER, "payload": payload }),
    );
    assert!(no_limits(&server));
    victim.check(&server);
}

#[test]
fn no_session_place_or_stream_of_another_tenant_is_taken_over() {
    let (server, victim) = Victim::open();
    for who in attackers() {
        for pid in &victim.pids {
            for transport in Transport::ALL {
                let auth = json!({ "token": who.token(), "pid": pid, "offset": victim.cursor });
                let mut client = Client::join_with(&server, &Options::new(transport, auth));
                assert!(!client.recovered, "{pid}");
                sees_nothing(&mut client, "a place");
            }
        }
        let mut stream = EventSource::open(&server, &who, "", Some(&victim.cursor));
        let mut sender = Client::join(&server, Transport::WebSocket, &Who::service(ATTACKER));
        sender.accepted("notification:info", json!({ "message": OF_ATTACKER, "of": OF_ATTACKER }));
        if who.claims.application_types.is_empty() {
            continue;
        }
        let first = stream.next().unwrap();
        assert!(!first.data.to_string().contains(OF_VICTIM), "{first:?}");
    }
    victim.check(&server);
}

#[test]
fn no_route_of_the_api_says_or_does_anything_about_another_tenant() {
    let (server, victim) = Victim::open();
    let description = HttpConnection::open(server.address()).get("/api/v1/openapi.json").json();
    let ids: Vec<String> = victim.people.iter().map(|it| it.id.clone()).collect();
    let mut names = vec![USER, DEVICE, ORDER, VICTIM, "books", "2", victim.cursor.as_str()];
    names.extend(ids.iter().map(String::as_str));
    let room = format!("order%3A{VICTIM}%3A{ORDER}");
    let key = format!("{USER}%2Fkitchen_app%2F{DEVICE}");
    names.extend([room.as_str(), key.as_str()]);
    let body = json!({
        "type": "order:updated", "tenantId": VICTIM, "tenant": VICTIM,
        "payload": { "orderId": ORDER, "of": OF_ATTACKER, "tenantId": VICTIM },
    });
    let mut tried = 0;
    for who in [Who::owner(ATTACKER, USER), Who::service(ATTACKER)] {
        let bearer = format!("Bearer {}", who.token());
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("X-Tenant-Id", VICTIM),
            ("Foodtrack-Tenant", VICTIM),
            ("X-Forwarded-For", "203.0.113.9"),
        ];
        for (path, methods) in description["paths"].as_object().unwrap() {
            for (method, _) in methods.as_object().unwrap() {
                for name in &names {
                    let path = filled(path, name);
                    for query in ["", "?tenant=sushi-osaka&tenantId=sushi-osaka"] {
                        let line = format!("{} {path}{query}", method.to_uppercase());
                        let mut http = HttpConnection::open(server.address());
                        let answer = http.request(&line, &headers, &body.to_string());
                        assert_ne!(answer.status, 429, "{line}");
                        assert!(!answer.body.contains(OF_VICTIM), "{line}: {}", answer.body);
                        for id in &ids {
                            let is_said = answer.body.contains(id) && !line.contains(id.as_str());
                            assert!(!is_said, "{line}: {}", answer.body);
                        }
                        tried += 1;
                    }
                    if !path.contains(name) {
                        break;
                    }
                }
            }
        }
    }
    assert!(tried > 300, "only {tried}");
    victim.check(&server);
}

/// A route's path with a name in the place of each parameter.
fn filled(path: &str, name: &str) -> String {
    let mut filled = String::new();
    for part in path.split_inclusive('/') {
        match part.strip_prefix('{') {
            Some(parameter) => {
                filled.push_str(name);
                filled.push_str(parameter.split_once('}').map_or("", |(_, rest)| rest));
            }
            None => filled.push_str(part),
        }
    }
    filled
}
