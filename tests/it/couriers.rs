//! Couriers accept orders that are offered: the first one has the order, for good.

use std::path::Path;

use foodtrack_tenant_log::SqliteOptions;
use serde_json::{Value, json};

use crate::harness::{
    Address, Client, Hub, Process, Server, Transport, Who, config, eventually, on_both_transports,
};
use crate::support::{TENANT, back_end};

fn courier(server: &impl Address, transport: Transport, user: &str) -> Client {
    Client::join(server, transport, &Who::courier(TENANT, user))
}

fn order(id: &str) -> Value {
    json!({ "orderId": id })
}

fn accepting(id: &str, user: &str) -> Value {
    json!({ "orderId": id, "assigneeId": user })
}

/// Dora has the order, and nobody else can accept it.
#[track_caller]
pub(crate) fn check_is_doras(server: &impl Address, transport: Transport, id: &str, first: &Value) {
    let mut dino = courier(server, transport, "dino");
    assert_eq!(dino.refused("delivery:assigned", accepting(id, "dino")), "order_taken");
    let mut dora = courier(server, transport, "dora");
    let again = dora.accepted("delivery:assigned", accepting(id, "dora"));
    assert_eq!((&again["id"], &again["offset"]), (&first["id"], &first["offset"]), "{again}");
    assert_eq!(again["duplicate"], true);
}

on_both_transports! {
    fn the_first_courier_to_accept_an_order_has_it_and_the_same_answer_again(transport) {
        let server = Server::start();
        let mut mia = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut dora = courier(&server, transport, "dora");
        let mut dino = courier(&server, transport, "dino");
        let first = dora.accepted("delivery:assigned", accepting("42", "dora"));
        assert_eq!(mia.expect("delivery:assigned").payload("assigneeId"), "dora");
        dora.expect("delivery:assigned");
        // Something else is said about the order: only now it is no repeat of what was said last.
        dora.accepted("delivery:picked_up", order("42"));
        check_is_doras(&server, transport, "42", &first);
        assert_eq!(dino.refused("delivery:assigned", accepting("42", "dino")), "order_taken");
        assert_eq!(dino.refused("delivery:assigned", accepting("43", "dora")), "permission_denied");
        assert_eq!(dino.refused("order:assigned", accepting("43", "dino")), "source_forbidden");
        assert_eq!(mia.drain_names(), ["delivery:picked_up"], "the order was assigned once");
    }

    fn a_dashboard_or_a_back_end_assigns_anew_and_then_that_courier_has_the_order(transport) {
        let server = Server::start();
        let mut mia = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut service = back_end(&server);
        let mut dora = courier(&server, transport, "dora");
        let mut dino = courier(&server, transport, "dino");
        mia.accepted("order:assigned", accepting("42", "dino"));
        assert_eq!(dora.refused("delivery:assigned", accepting("42", "dora")), "order_taken");
        service.accepted("delivery:assigned", accepting("42", "dora"));
        assert_eq!(dino.refused("delivery:assigned", accepting("42", "dino")), "order_taken");
        dora.accepted("delivery:assigned", accepting("42", "dora"));
    }

    fn a_courier_hears_of_their_own_orders_alone(transport) {
        let server = Server::start();
        let mut mia = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut service = back_end(&server);
        let mut dora = courier(&server, transport, "dora");
        let mut dino = courier(&server, transport, "dino");
        dora.accepted("delivery:assigned", accepting("42", "dora"));
        dora.accepted("delivery:picked_up", order("42"));
        service.accepted("delivery:delayed", order("42"));
        mia.accepted("order:cancelled", order("42"));
        // Naming a courier in the payload of another event tells them nothing.
        service.accepted("delivery:completed", accepting("43", "dora"));
        assert_eq!(
            dora.drain_names(),
            ["delivery:assigned", "delivery:picked_up", "delivery:delayed", "order:cancelled"]
        );
        assert!(dino.drain_names().is_empty());
        mia.accepted("order:assigned", accepting("42", "dino"));
        service.accepted("delivery:completed", order("42"));
        assert_eq!(dino.drain_names(), ["order:assigned", "delivery:completed"]);
        assert!(dora.drain_names().is_empty());
    }

    fn of_all_who_accept_one_order_at_once_exactly_one_has_it(transport) {
        let server = Server::durable(config());
        let users = ["dora", "dino", "dana", "dirk"];
        let mut couriers: Vec<Client> =
            users.iter().map(|user| courier(&server, transport, user)).collect();
        for round in 0..20 {
            let id = format!("race-{round}");
            for (client, user) in couriers.iter_mut().zip(users) {
                client.emit("delivery:assigned", accepting(&id, user));
            }
            couriers.iter_mut().for_each(Client::settle);
            let mut owners = 0;
            for client in &mut couriers {
                let names = eventually(|| Some(client.drain_names()).filter(|it| !it.is_empty()));
                match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["delivery:assigned"] => owners += 1,
                    ["system:error"] => {}
                    _ => panic!("{names:?}"),
                }
            }
            assert_eq!(owners, 1, "round {round}");
        }
    }

    fn a_courier_has_the_order_that_memory_forgot_also_after_a_restart(transport) {
        let directory = tempfile::tempdir().unwrap();
        let forgetful = |directory: &Path| {
            Hub::on_disk_remembering(3, directory, SqliteOptions::default())
        };
        let fill = |client: &mut Client, prefix: &str, user: &str| {
            for n in 0..6 {
                client.accepted("delivery:assigned", accepting(&format!("{prefix}-{n}"), user));
            }
        };
        let hub = forgetful(directory.path());
        let mut dora = courier(&hub, transport, "dora");
        let first = dora.accepted("delivery:assigned", accepting("42", "dora"));
        fill(&mut dora, "a", "dora");
        check_is_doras(&hub, transport, "42", &first);
        drop((dora, hub));
        let hub = forgetful(directory.path());
        check_is_doras(&hub, transport, "42", &first);
        let mut dana = courier(&hub, transport, "dana");
        fill(&mut dana, "b", "dana");
        check_is_doras(&hub, transport, "42", &first);
        // And it hears of what memory forgot.
        let mut dora = courier(&hub, transport, "dora");
        dora.drain();
        fill(&mut dana, "c", "dana");
        back_end(&hub).accepted("delivery:delayed", order("42"));
        assert_eq!(dora.drain_names(), ["delivery:delayed"]);
    }
}

#[test]
fn a_courier_has_the_order_also_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let transport = Transport::WebSocket;
    let server = Process::serve(directory.path(), &config());
    let first =
        courier(&server, transport, "dora").accepted("delivery:assigned", accepting("42", "dora"));
    server.kill();
    let server = Process::serve(directory.path(), &config());
    check_is_doras(&server, transport, "42", &first);
}
