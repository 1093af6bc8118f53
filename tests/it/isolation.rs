//! Nothing of one restaurant ever reaches another.

use foodtrack_contract::{ApplicationSet, ApplicationType, Priority};
use foodtrack_server::{Broadcast, Recipients, TenantId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, Server, Transport, Who, on_every_transport};

const TENANTS: [&str; 2] = ["pizza-roma", "sushi-kyoto"];
const ORDERS: [&str; 3] = ["1", "2", "3"];

/// A small generator of its own, so that a seed means the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

struct Restaurant {
    name: &'static str,
    clients: Vec<Client>,
}

impl Restaurant {
    /// The same users, devices and applications in each.
    fn open(server: &Server, name: &'static str) -> Self {
        let mut clients = Vec::new();
        for application in ApplicationType::ALL {
            for transport in Transport::ALL {
                let who = Who::of_application(name, &format!("user-of-{application}"), application);
                clients.push(Client::join(server, transport, &who));
            }
        }
        clients.push(Client::join(server, Transport::WebSocket, &Who::owner(name, "owner")));
        Self { name, clients }
    }
}

/// One step of somebody in a restaurant. What is published names the restaurant in its payload.
fn step(random: &mut Random, server: &Server, restaurant: &mut Restaurant) {
    let own = restaurant.name;
    let order = random.pick(&ORDERS);
    let place = random.below(restaurant.clients.len());
    let client = &mut restaurant.clients[place];
    let mut event = |name: &str| {
        // Ids of both tenants, and of their repeats, are often equal.
        let id = Uuid::from_u128(random.below(1_000) as u128);
        let payload =
            json!({ "orderId": order, "stationId": "grill", "status": "ready", "of": own });
        json!({ "type": name, "id": id, "payload": payload })
    };
    let topic = ["order", "kitchen", "route"][place % 3];
    // Whether each of them is allowed to is not the point.
    let _ = match place % 4 {
        0 => client.ask(&format!("subscribe:{topic}"), json!(order)),
        1 => client.ask("unsubscribe:order", json!(order)),
        2 => client.ask("order:status_changed", event("order:status_changed")),
        _ => client.ask("order:created", event("order:created")),
    };
    let to = match random.below(4) {
        0 => Recipients { everyone: true, ..Recipients::default() },
        1 => Recipients { users: vec!["user-of-kitchen_app".into()], ..Recipients::default() },
        2 => Recipients { rooms: vec![format!("order:{own}:{order}")], ..Recipients::default() },
        _ => Recipients { applications: ApplicationSet::ALL, ..Recipients::default() },
    };
    let broadcast = Broadcast {
        event: "notification:info".into(),
        payload: json!({ "message": "hello", "of": own }).to_string(),
        priority: Priority::Medium,
        to,
        except: Vec::new(),
    };
    server.wait(server.broadcaster().broadcast(&TenantId::parse(own).unwrap(), broadcast)).unwrap();
}

#[test]
fn whatever_two_tenants_with_equal_names_do_each_sees_its_own_alone() {
    let server = Server::start();
    let mut restaurants = TENANTS.map(|name| Restaurant::open(&server, name));
    let mut random = Random(20_261_123);
    for _ in 0..150 {
        let which = random.below(2);
        step(&mut random, &server, &mut restaurants[which]);
    }
    for restaurant in &mut restaurants {
        let mut events = 0;
        for client in &mut restaurant.clients {
            for event in client.drain() {
                let text = event.argument.to_string();
                let other = TENANTS.iter().find(|name| **name != restaurant.name).unwrap();
                assert!(!text.contains(other), "{} got {text}", restaurant.name);
                if event.name.starts_with("order:") || event.name.starts_with("notification:") {
                    assert_eq!(event.argument["tenantId"], restaurant.name, "{text}");
                    assert_eq!(event.payload("of"), restaurant.name, "{text}");
                    events += 1;
                }
            }
        }
        assert!(events > 200, "{} saw only {events} events", restaurant.name);
    }
    assert_eq!(server.metric("tenant_mismatches_total"), 0);
}

on_every_transport! {
    fn a_message_that_names_another_tenant_is_refused_and_counted(transport) {
        let server = Server::start();
        let mut chef = Client::join(&server, transport, &Who::chef("pizza-roma", "ada"));
        let mut other = Client::join(&server, transport, &Who::owner("sushi-kyoto", "ada"));
        let message = json!({
            "type": "order:status_changed", "tenantId": "sushi-kyoto",
            "payload": { "orderId": "1", "status": "ready" },
        });
        assert_eq!(chef.refused("order:status_changed", message.clone()), "tenant_mismatch");
        assert_eq!(chef.refused("subscribe:tenant", json!("sushi-kyoto")), "tenant_mismatch");
        // Without an acknowledgement it is told all the same.
        chef.emit("order:status_changed", message);
        assert_eq!(chef.expect("system:error").payload("code"), "tenant_mismatch");
        assert_eq!(other.drain_names(), [""; 0]);
        assert_eq!(server.metric("tenant_mismatches_total"), 3);
        assert_eq!(server.metric("events_accepted_total"), 0);
    }

    fn equal_message_ids_of_two_tenants_never_meet(transport) {
        let server = Server::start();
        let id = Uuid::from_u128(7);
        let message = json!({ "type": "order:created", "id": id, "payload": { "orderId": "1" } });
        for tenant in TENANTS {
            let mut owner = Client::join(&server, transport, &Who::owner(tenant, "ada"));
            let accepted = json!({ "id": id, "offset": 1 });
            assert_eq!(owner.accepted("order:created", message.clone()), accepted);
            assert_eq!(owner.drain_names(), ["order:created"], "{tenant}");
        }
        assert_eq!(server.metric("duplicates_total"), 0);
    }

    fn admin_access_sees_its_own_tenant_whole_and_no_other(transport) {
        let server = Server::start();
        let [mut own, mut other] =
            TENANTS.map(|tenant| Client::join(&server, transport, &Who::owner(tenant, "ada")));
        // An owner follows any order and any user of the own tenant; the names mean nothing beyond it.
        own.subscribe("order", "1");
        own.subscribe("customer", "eve");
        let mut eve = Client::join(&server, transport, &Who::customer("sushi-kyoto", "eve"));
        eve.accepted("order:created", json!({ "orderId": "1" }));
        assert_eq!(other.drain_names(), ["order:created"]);
        assert_eq!(own.drain_names(), [""; 0]);
        let health = own.accepted("health_check", Value::Null);
        assert_eq!(health["connections"]["total"], 1, "{health}");
    }
}
