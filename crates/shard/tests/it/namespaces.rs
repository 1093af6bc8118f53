//! A server with two namespaces: everyone is answered, sent to and sent away in the one that they joined.

use foodtrack_shard::TenantLimits;

use crate::poller::Poller;
use crate::server::Server;

const CHEF: &str = "t1 chef admin kitchen_app 60";
const OWNER: &str = "t1 olga admin tenant_dashboard 60";

/// Joins the second namespace, with more members of what is said, as JSON text.
fn join_second(server: &Server, token: &str, more: &str) -> Poller {
    let poller = Poller::open(server);
    poller.post(&format!("40/second,{{\"token\":\"{token}\"{more}}}"));
    poller.find("40/second,{");
    poller
}

#[test]
fn an_event_goes_out_in_the_namespace_that_its_recipient_joined() {
    let server = Server::start(TenantLimits::default());
    let owner = Poller::join(&server, OWNER);
    let chefs = [join_second(&server, CHEF, ""), join_second(&server, CHEF, "")];
    // What the server says by itself is said there, too.
    chefs.iter().for_each(|chef| _ = chef.find("42/second,[\"system:connection_established\""));
    owner.emit(r#"["order:created",{"orderId":"42"}]"#);
    let of_owner = owner.find("42[\"order:created\"");
    for chef in &chefs {
        let of_chef = chef.find("42/second,[\"order:created\"");
        assert_eq!(of_chef.strip_prefix("42/second,"), of_owner.strip_prefix("42"));
    }
    // And the other way: from the second namespace to the first, with the answer in the second.
    let event = r#"["order:status_changed",{"orderId":"42","status":"preparing"}]"#;
    chefs[0].post(&format!("42/second,7{event}"));
    let answer = chefs[0].find("43/second,7[");
    assert!(answer.contains("\"success\":true"), "{answer}");
    chefs[1].find("42/second,[\"order:status_changed\"");
    owner.find("42[\"order:status_changed\"");
}

#[test]
fn who_is_sent_away_is_told_so_in_their_namespace() {
    let server = Server::start(TenantLimits::default());
    let first = join_second(&server, CHEF, ",\"deviceId\":\"tablet\"");
    let _second = join_second(&server, CHEF, ",\"deviceId\":\"tablet\"");
    assert!(first.find("42/second,[\"system:error\"").contains("device_replaced"));
    first.find("41/second,");
}

#[test]
fn a_connection_is_in_one_namespace_at_a_time() {
    let server = Server::start(TenantLimits::default());
    let chef = join_second(&server, CHEF, "");
    chef.post(&format!("40{{\"token\":\"{CHEF}\"}}"));
    assert!(chef.find("44{").contains("namespace_unknown"));
    chef.post("42/second,1[\"health_check\"]");
    chef.find("43/second,1[");
    chef.post("41/second,");
    // Once it has left the other one.
    chef.post(&format!("40{{\"token\":\"{CHEF}\"}}"));
    chef.find("40{");
}
