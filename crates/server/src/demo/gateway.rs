//! A stand-in for the platform's API gateway: it publishes simulated customers' orders as a real back end would, over
//! HTTP, with a service token.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time;
use uuid::Uuid;

use super::http_call::{CallError, call};
use super::restaurants::{Restaurant, restaurants};

/// Letters of an order's id; without those that are easily confused.
const ORDER_LETTERS: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";

/// Publishes an order for each of the demo's restaurants in turn.
pub struct Gateway<T> {
    hub: SocketAddr,
    interval: Duration,
    service_token: T,
}

impl<T: Fn(&str) -> String> Gateway<T> {
    /// A gateway in front of the hub at `hub`, which orders in each restaurant once every `interval`.
    ///
    /// `service_token` makes a token of role `system` for the tenant whose id it is given.
    pub fn new(hub: SocketAddr, interval: Duration, service_token: T) -> Self {
        Self { hub, interval, service_token }
    }

    /// Publishes until it is dropped; what fails is logged and tried anew with the next order.
    ///
    /// Needs a tokio runtime with I/O and time.
    pub async fn run(self) {
        let restaurants = restaurants();
        let turns = u32::try_from(restaurants.len()).unwrap_or(u32::MAX);
        let mut turn = time::interval(self.interval / turns.max(1));
        turn.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        for restaurant in restaurants.iter().cycle() {
            turn.tick().await;
            let token = (self.service_token)(&restaurant.id);
            if let Err(error) = publish(self.hub, &token, &order(restaurant)).await {
                tracing::warn!(tenant = restaurant.id, %error, "the simulated gateway could not publish an order");
            }
        }
    }
}

/// Publishes one message through `POST /api/v1/publish`. Its `id` makes it safe to publish it again.
///
/// # Errors
/// See [`CallError`].
async fn publish(hub: SocketAddr, token: &str, message: &Value) -> Result<(), CallError> {
    call(hub, token, "POST /api/v1/publish", message).await.map(drop)
}

/// An order of some dishes, for somebody in town.
fn order(restaurant: &Restaurant) -> Value {
    let person = &restaurant.people[random_below(restaurant.people.len())];
    let first = random_below(restaurant.menu.len());
    let mut total_amount = 0.0;
    let mut items = Vec::new();
    for dish in restaurant.menu.iter().cycle().skip(first).take(1 + random_below(2)) {
        let quantity = u8::from(random_below(3) == 0) + 1;
        total_amount += f64::from(quantity) * dish.price;
        items.push(json!({ "sku": dish.sku, "name": dish.name, "quantity": quantity, "price": dish.price }));
    }
    json!({
        "id": Uuid::now_v7(),
        "type": "order:created",
        "payload": {
            "orderId": order_id(),
            "customerId": format!("town-{}", person.to_lowercase()),
            "customerName": person,
            "items": items,
            "totalAmount": total_amount,
            "currency": restaurant.currency,
            "address": restaurant.addresses[random_below(restaurant.addresses.len())],
        },
    })
}

fn order_id() -> String {
    (0..6).map(|_| char::from(ORDER_LETTERS[random_below(ORDER_LETTERS.len())])).collect()
}

/// A number below `bound`, which is at least 1. Slightly biased, as befits a hungry customer.
fn random_below(bound: usize) -> usize {
    let random = getrandom::u32().unwrap_or_default();
    usize::try_from(random).unwrap_or_default() % bound
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers one request with `answer`, and hands the request over.
    async fn hub(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let request = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !complete(&request) {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).await.unwrap();
                assert_ne!(read, 0, "the request ends early: {request}");
                request.push_str(str::from_utf8(&bytes[..read]).unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            request
        });
        (address, request)
    }

    fn complete(request: &str) -> bool {
        let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        body.len() == length.parse::<usize>().unwrap()
    }

    #[tokio::test]
    async fn an_order_is_published_with_the_tenants_service_token() {
        let (address, request) = hub("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
        let gateway = Gateway::new(address, Duration::from_secs(60), |tenant: &str| {
            format!("token-of-{tenant}")
        });
        let running = tokio::spawn(gateway.run());
        let request = request.await.unwrap();
        running.abort();
        assert!(request.starts_with("POST /api/v1/publish HTTP/1.1\r\n"));
        assert!(request.contains("\r\nAuthorization: Bearer token-of-pizza-roma\r\n"));
        let message: Value =
            serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(message["type"], "order:created");
        assert!(message["payload"]["address"]["latitude"].is_f64());
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_that_names_the_status() {
        let (address, _request) = hub("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
        let error = publish(address, "token", &json!({})).await.unwrap_err();
        assert!(matches!(error, CallError::Refused { status: 403 }), "{error}");
    }

    #[tokio::test]
    async fn a_hub_that_is_away_is_an_error_and_no_panic() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = publish(address, "token", &json!({})).await.unwrap_err();
        assert!(matches!(error, CallError::Connection { .. }), "{error}");
    }

    #[test]
    fn an_order_costs_what_its_items_cost() {
        for restaurant in restaurants() {
            for _ in 0..50 {
                let payload = order(restaurant)["payload"].take();
                let items = payload["items"].as_array().unwrap().clone();
                let sum: f64 = items
                    .iter()
                    .map(|item| {
                        item["quantity"].as_f64().unwrap() * item["price"].as_f64().unwrap()
                    })
                    .sum();
                assert!((payload["totalAmount"].as_f64().unwrap() - sum).abs() < 1e-9);
                assert_eq!(payload["orderId"].as_str().unwrap().len(), 6);
            }
        }
    }
}
