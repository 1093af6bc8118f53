//! What tenants remember in memory is bounded for all of them together, and nobody notices.

use foodtrack_server::LimitsConfig;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, Server, Transport, Who, config, limits, on_every_transport};
use crate::support::update;

const TENANTS: [&str; 2] = ["ristorante", "taverna"];

/// A server whose tenants forget whatever their logs know as soon as they have had their turn.
fn forgetful() -> Server {
    Server::durable(config().limits(LimitsConfig { table_bytes_max: 1, ..limits() }))
}

fn given_up(server: &Server) -> u64 {
    server.metric("tables_given_up_total")
}

/// The answer to a message whose payload says who sent it.
fn say(client: &mut Client, id: u128, text: &str) -> Value {
    let message = json!({ "type": "notification:info", "id": Uuid::from_u128(id),
        "payload": { "message": text } });
    client.accepted("notification:info", message)
}

on_every_transport! {
    fn an_id_that_memory_forgot_is_answered_as_the_first_time_in_each_of_two_tenants(transport) {
        let server = forgetful();
        let mut owners =
            TENANTS.map(|tenant| Client::join(&server, transport, &Who::manager(tenant, "mia")));
        let first: Vec<Vec<Value>> = owners
            .iter_mut()
            .enumerate()
            // The same ids, at other offsets.
            .map(|(n, owner)| {
                (0..n).for_each(|_| _ = say(owner, 1_000, "before"));
                (0..20).map(|id| say(owner, id, "first")).collect()
            })
            .collect();
        assert!(given_up(&server) > 0);
        for (owner, first) in owners.iter_mut().zip(&first) {
            owner.drain();
            for (id, first) in first.iter().enumerate().rev() {
                let again = say(owner, id as u128, "again");
                assert_eq!((&again["id"], &again["offset"]), (&first["id"], &first["offset"]));
                assert_eq!(again["duplicate"], json!(true), "{again}");
            }
            let new = say(owner, 100, "new");
            assert!(new["duplicate"] != json!(true), "{new}");
            let texts = owner.drain();
            assert_eq!(texts.len(), 1, "{texts:?}");
        }
    }

    fn ids_that_memory_forgot_are_answered_alike_after_a_restart_and_so_are_those_of_volatile_events(transport) {
        let mut server = forgetful();
        let mut owner = Client::join(&server, transport, &Who::manager(TENANTS[0], "mia"));
        let first = say(&mut owner, 1, "first");
        server.restart();
        let mut owner = owner.tear().resume(&server);
        let again = say(&mut owner, 1, "again");
        assert_eq!((&again["offset"], &again["duplicate"]), (&first["offset"], &json!(true)));
        // In no log: it is not forgotten, however much else is.
        let mut courier = Client::join(&server, transport, &Who::courier(TENANTS[0], "dora"));
        let id = Uuid::from_u128(7);
        let place = json!({ "type": "delivery:location_updated", "id": id,
            "payload": { "orderId": "1", "driverId": "dora", "latitude": 41.9, "longitude": 12.5 } });
        let known = |answer: Value| answer["duplicate"] == json!(true);
        assert!(!known(courier.accepted("delivery:location_updated", place.clone())));
        let before = given_up(&server);
        (100..110).for_each(|id| _ = say(&mut owner, id, "more"));
        assert!(given_up(&server) > before);
        assert!(known(courier.accepted("delivery:location_updated", place)));
    }

    fn an_order_that_memory_forgot_is_its_customers_in_each_of_two_tenants(transport) {
        let server = forgetful();
        let order = || json!({ "orderId": "42" });
        let customer = |tenant: &str, user| Client::join(&server, transport, &Who::customer(tenant, user));
        // The same order is another's in each.
        let mut ada = customer(TENANTS[0], "ada");
        let mut eve = customer(TENANTS[1], "eve");
        ada.accepted("order:created", order());
        eve.accepted("order:created", order());
        assert!(given_up(&server) > 0);
        for (owner, tenant, other) in [(&mut ada, TENANTS[0], "eve"), (&mut eve, TENANTS[1], "ada")] {
            let mut other = customer(tenant, other);
            for event in ["order:created", "order:updated", "order:cancelled"] {
                assert_eq!(other.refused(event, order()), "order_forbidden", "{event}");
            }
            owner.drain();
            owner.accepted("order:updated", update("42", 7));
            owner.expect("order:updated");
        }
    }
}
