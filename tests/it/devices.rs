//! One device has one stream; sockets without a device are each their own.

use foodtrack_wire::socket_io::PacketType;
use serde_json::{Value, json};

use crate::harness::{
    Client, Options, PATIENCE, Server, Transport, Who, config, on_every_transport,
};
use crate::support::{TENANT, back_end, expect_numbers, number, numbers, publish};

fn tablet(server: &Server, transport: Transport, device: &str) -> Client {
    let who = Who::chef(TENANT, "kitchen");
    let auth = json!({ "token": who.token(), "deviceId": device });
    Client::join_with(server, &Options::new(transport, auth))
}

on_every_transport! {
    fn the_newest_connection_of_a_device_has_its_events(transport) {
        let server = Server::start();
        let mut older = tablet(&server, transport, "tablet-1");
        let mut other = tablet(&server, transport, "tablet-2");
        let mut newer = tablet(&server, transport, "tablet-1");
        // It is told, and sent away for good: it must not come back and take over in turn.
        assert_eq!(older.expect("system:error").payload("code"), "device_replaced");
        assert_eq!(older.packet(PATIENCE).unwrap().kind, PacketType::Disconnect);
        older.until_closed();
        publish(&mut back_end(&server), 1..=1);
        for client in [&mut other, &mut newer] {
            expect_numbers(client, &[1], "who is left");
        }
        // Another user's or application's device may be named the same.
        let auth = json!({ "token": Who::manager(TENANT, "kitchen").token(), "deviceId": "tablet-1" });
        Client::join_with(&server, &Options::new(transport, auth));
        let auth = json!({ "token": Who::chef(TENANT, "eve").token(), "deviceId": "tablet-1" });
        Client::join_with(&server, &Options::new(transport, auth));
        assert_eq!(newer.drain_names(), [""; 0]);
    }

    fn sockets_without_a_device_are_independent(transport) {
        let server = Server::start();
        let mut sockets = [0, 1, 2].map(|_| Client::join(&server, transport, &Who::chef(TENANT, "kitchen")));
        publish(&mut back_end(&server), 1..=1);
        for socket in &mut sockets {
            expect_numbers(socket, &[1], "each");
        }
    }

    fn five_sockets_that_come_back_at_once_each_get_what_each_missed(transport) {
        let mut server = Server::durable(config());
        let mut sender = back_end(&server);
        let sockets = [0, 1, 2, 3, 4].map(|_| Client::join(&server, transport, &Who::chef(TENANT, "kitchen")));
        publish(&mut sender, 1..=5);
        let mut aways = Vec::new();
        for (read, mut socket) in (1..).zip(sockets) {
            socket.take(read);
            aways.push(socket.tear());
        }
        publish(&mut sender, 6..=6);
        server.restart();
        let server = &server;
        std::thread::scope(|scope| {
            for (read, away) in (1..).zip(&aways) {
                scope.spawn(move || {
                    let mut back = away.resume(server);
                    assert!(back.recovered);
                    let missed: Vec<u64> = (read + 1..=6).collect();
                    expect_numbers(&mut back, &missed, &format!("the one that got {read}"));
                });
            }
        });
    }

    fn what_one_device_confirmed_the_other_still_gets(transport) {
        let server = Server::start();
        let aways = ["tablet-1", "tablet-2"].map(|device| tablet(&server, transport, device).tear());
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=2);
        let mut first = aways[0].clone().reloaded().resume(&server);
        expect_numbers(&mut first, &[1, 2], "the first");
        // To bring a cursor back is to confirm it.
        let first = first.tear().resume(&server);
        let mut first = first.tear().with("offset", Value::Null).with("pid", Value::Null).resume(&server);
        expect_numbers(&mut first, &[], "the first again");
        expect_numbers(&mut aways[1].clone().reloaded().resume(&server), &[1, 2], "the second");
    }
}

#[test]
fn a_device_that_its_session_comes_back_to_is_not_told_anything() {
    let server = Server::start();
    let mut older = tablet(&server, Transport::WebSocket, "tablet-1");
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=1);
    assert_eq!(number(&older.next()), 1);
    let mut back = older.away().resume(&server);
    assert!(back.recovered);
    publish(&mut sender, 2..=2);
    expect_numbers(&mut back, &[2], "taken over");
    let (events, _) = older.until_closed();
    assert_eq!(numbers(&events), [0; 0], "the zombie is not told: nobody is there");
}
