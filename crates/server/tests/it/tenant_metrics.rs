//! What each tenant did: told of the largest to everybody, where the operator wants that, and of one to its own and to the operator.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foodtrack_contract::{TenantId, UserRole};
use foodtrack_server::WebSocketServer;
use serde_json::json;
use test_support::wait_until;

use crate::support::{Answer, call, config, request, serve, token};

const OPERATOR: &str = "0123456789abcdef0123456789abcdef";

fn publish(address: SocketAddr, tenant: &str, name: &str) -> u16 {
    static ORDERS: AtomicU64 = AtomicU64::new(0);
    let order = ORDERS.fetch_add(1, Ordering::Relaxed).to_string();
    let body = json!({ "type": name, "payload": { "orderId": order } }).to_string();
    call(address, "POST /api/v1/publish", &token(tenant, UserRole::System), &body).status
}

fn metrics_of(address: SocketAddr, tenant: &str, token: &str) -> Answer {
    call(address, &format!("GET /metrics/tenants/{tenant}"), token, "")
}

#[test]
fn tenants_are_named_where_the_operator_says_so_and_each_has_a_page_of_its_own() {
    let mut said = config();
    said.metrics.tenants_max = 1;
    let server = serve(said);
    let address = server.local_addr();
    for (tenant, events) in [("t1", 3), ("t2", 1)] {
        for _ in 0..events {
            assert_eq!(publish(address, tenant, "order:created"), 200);
        }
        assert_ne!(publish(address, tenant, "made:up"), 200);
        let page = metrics_of(address, tenant, &token(tenant, UserRole::RestaurantOwner));
        let kind = page.header("content-type").unwrap();
        assert_eq!((page.status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"));
        for (name, number) in [
            ("connections", 0),
            ("events_total", events),
            ("events_refused_total", 1),
            ("deliveries_total", 0),
        ] {
            let line = format!("foodtrack_tenant_{name}{{tenant=\"{tenant}\"}} {number}\n");
            assert!(page.body.contains(&line), "{line}{page:?}");
        }
        assert_eq!(page.body.matches("{tenant=").count(), 4, "{page:?}");
    }
    let is_named = || server.metrics().contains("foodtrack_tenant_events_total{tenant=");
    wait_until("one is named", is_named);
    let page = server.metrics();
    assert_eq!(page.matches("{tenant=").count(), 4, "{page}");
    assert!(page.contains("foodtrack_other_tenants_connections 0\n"), "{page}");
    server.stop();
}

#[test]
fn a_tenants_numbers_are_for_its_own_administrators_and_for_the_operator_alone() {
    let server = serve(config().operator_token(OPERATOR));
    let address = server.local_addr();
    assert_eq!(publish(address, "t2", "order:created"), 200);
    let owner = token("t1", UserRole::RestaurantOwner);
    assert_eq!(metrics_of(address, "t1", &owner).status, 200);
    let [there, not_there] = ["t2", "nobody"].map(|other| metrics_of(address, other, &owner));
    assert_eq!((there.status, there.code().as_str()), (403, "permission_denied"));
    let sentence = |answer: &Answer| answer.json()["detail"].clone();
    assert_eq!(sentence(&there), sentence(&not_there), "it tells nothing of who there is");
    assert_eq!(metrics_of(address, "t1", &token("t1", UserRole::Chef)).status, 403);
    assert_eq!(request(address, "GET /metrics/tenants/t1", &[], "").status, 401);
    assert_eq!(metrics_of(address, "t1", "made.up.token").status, 401);
    let of_operator = metrics_of(address, "t2", OPERATOR);
    assert!(of_operator.body.contains("foodtrack_tenant_events_total{tenant=\"t2\"} 1\n"));
    // Names that are a sample of their own, or none.
    for name in ["t2%22%7D%207%0Afoodtrack_forged_total%7Bx=%22", "%0A", "..", "%00"] {
        for who in [OPERATOR, owner.as_str()] {
            let refused = metrics_of(address, name, who);
            assert!(matches!(refused.status, 403 | 404), "{name}: {refused:?}");
            assert!(!refused.body.contains("\nfoodtrack_forged"), "{refused:?}");
        }
    }
    let bearer = format!("Bearer {owner}");
    let headers = [("Authorization", bearer.as_str()), ("Accept", "application/openmetrics-text")];
    let open = request(address, "GET /metrics/tenants/t1", &headers, "");
    assert!(open.body.ends_with("\n# EOF\n"), "{open:?}");
    server.stop();
}

/// Opens so many tenants, each with the longest name.
fn open_tenants(server: &WebSocketServer, count: usize) {
    let connections = server.connections();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for n in 0..count {
        let tenant = TenantId::parse(&format!("{n:0>64}")).unwrap();
        runtime.block_on(connections.open(&tenant)).unwrap();
    }
}

#[test]
fn the_page_of_ten_thousand_tenants_is_small_and_a_storm_of_scrapes_keeps_no_publisher_waiting() {
    let mut said = config();
    said.metrics.tenants_max = 100;
    let server = serve(said);
    let address = server.local_addr();
    open_tenants(&server, 10_000);
    wait_until("a hundred are named", || server.metrics().matches("{tenant=").count() == 400);
    let begun = Instant::now();
    let page = server.metrics();
    let took = begun.elapsed();
    println!("10 000 tenants: {} bytes in {took:?}", page.len());
    assert!(page.len() < 1_000_000, "{}", page.len());
    // 50 ms are promised of a release build; this one is not, and others are at work.
    assert!(took < Duration::from_secs(5), "{took:?}");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let scraper = || {
            let mut pages = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(request(address, "GET /metrics", &[], "").status, 200);
                pages += 1;
            }
            pages
        };
        let scrapers: Vec<_> = (0..4).map(|_| scope.spawn(scraper)).collect();
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(publish(address, "t1", "order:created"), 200);
        }
        let took = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let scraped: u32 = scrapers.into_iter().map(|it| it.join().unwrap()).sum();
        assert!(took < Duration::from_secs(20), "{took:?} for 20 events beside {scraped} pages");
    });
    server.stop();
}
