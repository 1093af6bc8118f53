//! Where devices are, in a log that several nodes write to: what is told of them is told once.

use std::time::Duration;

use foodtrack_tenant_log::{Answer, Fact, Leases as _, LeftDevice, RedisOptions, SubscriberKey};
use test_support::wait_until;

use crate::line::Line;
use crate::redis_node::{Node, options, server};
use crate::support::{offset, tenant};

fn key(text: &str) -> SubscriberKey {
    SubscriberKey::new(text).unwrap()
}

fn went(device: &SubscriberKey) -> Fact<'_> {
    Fact::Went { device, from: None }
}

#[test]
fn a_device_is_told_of_when_it_comes_to_the_first_node_and_when_it_leaves_the_last() {
    let Some(server) = server(&[]) else { return };
    let [mut one, mut other] = [(); 2].map(|()| Node::of(&server));
    // Whatever its name is.
    let (tablet, strange) = (key("ada:kitchen_app:t 1"), key("c0ffee\n'c1:client_app:%"));
    assert_eq!(one.tell(1, went(&tablet)), Answer::NoNews, "nobody knew that it was here");
    assert_eq!(one.tell(2, Fact::Came(&tablet)), Answer::Committed(offset(1)));
    assert_eq!(one.tell(3, Fact::Came(&tablet)), Answer::NoNews);
    assert_eq!(other.tell(4, Fact::Came(&tablet)), Answer::NoNews);
    assert_eq!(other.tell(5, Fact::Came(&strange)), Answer::Committed(offset(2)));
    assert_eq!(one.tell(6, went(&tablet)), Answer::NoNews, "it is at the other");
    assert_eq!(one.tell(7, went(&tablet)), Answer::NoNews);
    assert_eq!(other.tell(8, went(&tablet)), Answer::Committed(offset(3)));
    assert_eq!(other.tell(9, went(&tablet)), Answer::NoNews);
    assert_eq!(other.tell(10, went(&strange)), Answer::Committed(offset(4)));
    assert_eq!(one.ids(), [2, 5, 8, 10]);
    // What is sent again is known by its id, whatever it tells.
    assert_eq!(other.tell(10, went(&strange)), Answer::Repeated(offset(4)));
}

#[test]
fn what_stands_strangely_where_devices_are_holds_up_no_entry() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    let tablet = key("ada:kitchen_app:t1");
    server.command("SET foodtrack:{t}:devices 1");
    assert_eq!(node.tell(1, Fact::Came(&tablet)), Answer::NoNews);
    assert_eq!(node.append(2), Answer::Committed(offset(1)));
    assert!(node.log.left_devices(&tenant("t")).is_err());
    server.command("DEL foodtrack:{t}:devices");
    server.command("HSET foodtrack:{t}:devices ada:kitchen_app:t1 \"?? --\"");
    assert_eq!(node.tell(3, went(&tablet)), Answer::Committed(offset(2)));
    assert_eq!(node.tell(4, Fact::Came(&tablet)), Answer::Committed(offset(3)));
}

#[test]
fn devices_of_a_node_that_has_gone_are_found_and_those_that_came_back_stay() {
    let Some(server) = server(&[]) else { return };
    let short = RedisOptions { lease: Duration::from_millis(900), ..options(&server) };
    let line = Line::to(server.port());
    let mut gone = Node::with(&RedisOptions { url: line.url(), ..short.clone() });
    let mut other = Node::with(&short);
    let [moved, left] = ["a:kitchen_app:1", "a:kitchen_app:2"].map(key);
    gone.tell(1, Fact::Came(&moved));
    gone.tell(2, Fact::Came(&left));
    let found = |other: &Node| other.log.left_devices(&tenant("t")).unwrap_or_default();
    wait_until("both live", || other.log.left_devices(&tenant("t")).is_ok_and(|it| it.is_empty()));
    line.hold(true);
    wait_until("both are found", || found(&other).len() == 2);
    assert_eq!(other.tell(3, Fact::Came(&moved)), Answer::NoNews);
    for (n, LeftDevice { device, node }) in (4..).zip(found(&other)) {
        let told = other.tell(n, Fact::Went { device: &device, from: Some(&node) });
        let is_told = matches!(told, Answer::Committed(_));
        assert_eq!(is_told, device == left, "{device:?}: {told:?}");
    }
    assert_eq!(found(&other), []);
    line.hold(false);
}
