//! The toy back end: it answers what clients of the demo ask through the hub, and verifies that the hub asks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{constant_time, hmac};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;

use super::http_call::{CallError, call};
use super::http_request::{header, next_request, write_answer};
use super::restaurants::{Restaurant, restaurants};
use crate::signature;

/// How far the clocks may differ, in seconds.
const CLOCK_S_MAX: u64 = 300;
/// How long a connection may bring nothing.
const IDLE_MAX: Duration = Duration::from_secs(90);
/// How long it takes for the request that is answered too late.
const LATE: Duration = Duration::from_secs(30);

/// What a client asks, as the hub tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    event: String,
    payload: Value,
    tenant_id: String,
    permissions: Vec<String>,
}

/// Answers requests at a hub whose restaurants are the demo's.
pub(crate) struct RequestDesk<T> {
    hub: SocketAddr,
    key: hmac::Key,
    service_token: T,
}

impl<T: Fn(&str) -> String + Send + Sync + 'static> RequestDesk<T> {
    /// For the hub at `hub`, which signs with `secret`. `service_token` makes a token of role `system` for the tenant whose id it is
    /// given.
    pub(crate) fn new(hub: SocketAddr, secret: &str, service_token: T) -> Self {
        Self { hub, key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), service_token }
    }

    /// Answers until it is dropped.
    pub(crate) async fn run(self, listener: TcpListener) {
        let desk = Arc::new(self);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let desk = Arc::clone(&desk);
            tokio::spawn(async move {
                // A connection that breaks is the hub's to replace.
                let _ = desk.serve(stream).await;
            });
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut read = Vec::new();
        while let Some((head, body)) =
            time::timeout(IDLE_MAX, next_request(&mut stream, &mut read)).await??
        {
            let (status, answer) = match self.is_signed(&head, &body) {
                true => (200, self.answer(&body).await),
                false => (401, json!({ "success": false, "error": "this is not the hub's" })),
            };
            write_answer(&mut stream, status, &answer).await?;
        }
        Ok(())
    }

    fn is_signed(&self, head: &str, body: &[u8]) -> bool {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Some(header) = header(head, signature::HEADER) else { return false };
        let at_s = header.strip_prefix("t=").and_then(|rest| rest.split_once(','));
        let Some(at_s) = at_s.and_then(|(at_s, _)| at_s.parse().ok()) else { return false };
        let expected = signature::sign(&self.key, at_s, body);
        now_s.abs_diff(at_s) <= CLOCK_S_MAX
            && constant_time::verify_slices_are_equal(header.as_bytes(), expected.as_bytes())
                .is_ok()
    }

    async fn answer(&self, body: &[u8]) -> Value {
        let refuse = |sentence: &str| json!({ "success": false, "error": sentence });
        let Ok(asked) = serde_json::from_slice::<Asked>(body) else {
            return refuse("this is no request");
        };
        let restaurant = restaurants().iter().find(|restaurant| restaurant.id == asked.tenant_id);
        let Some(restaurant) = restaurant else { return refuse("the demo has no such restaurant") };
        match self.data(&asked, restaurant).await {
            Ok(data) => json!({ "success": true, "data": data }),
            Err(sentence) => refuse(&sentence),
        }
    }

    async fn data(&self, asked: &Asked, restaurant: &Restaurant) -> Result<Value, String> {
        match &*asked.event {
            "kitchen:get_stations" => Ok(json!([
                { "id": "oven", "name": "Oven" },
                { "id": "counter", "name": "Cold counter" },
                { "id": "bar", "name": "Bar" },
            ])),
            "tenant:get_kitchen_status" => Ok(json!({
                "restaurant": restaurant.name, "isOpen": true, "dishes": restaurant.menu.len(),
            })),
            "order:get_details" | "customer:track_order" => self.order(asked).await,
            "admin:get_connection_stats" => self.connections(asked).await,
            "demo:answer_late" => {
                time::sleep(LATE).await;
                Ok(Value::Null)
            }
            event => Err(format!("nobody answers {event}")),
        }
    }

    /// What the hub's log says of an order.
    async fn order(&self, asked: &Asked) -> Result<Value, String> {
        let order = asked.payload["orderId"].as_str().unwrap_or_default();
        // It becomes a part of an address.
        if order.is_empty() || !order.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("name an order as orderId".into());
        }
        let line = format!("GET /api/v1/orders/{order}/timeline?limit=10");
        let timeline = self.ask_hub(asked, &line).await?;
        let events = timeline["data"].as_array().filter(|events| !events.is_empty());
        let Some(events) = events else { return Err(format!("no such order: {order}")) };
        let names: Vec<&Value> = events.iter().map(|event| &event["entry"]["event"]).collect();
        Ok(json!({ "orderId": order, "events": names }))
    }

    /// How many are connected to the tenant, for who may know.
    async fn connections(&self, asked: &Asked) -> Result<Value, String> {
        if !asked.permissions.iter().any(|it| it == "admin:access") {
            return Err("only an administrator may know who is connected".into());
        }
        let mut found = self.ask_hub(asked, "GET /api/v1/connections?limit=1").await?;
        Ok(found["data"]["counts"].take())
    }

    async fn ask_hub(&self, asked: &Asked, line: &str) -> Result<Value, String> {
        let token = (self.service_token)(&asked.tenant_id);
        call(self.hub, &token, line, &Value::Null).await.map_err(|error: CallError| {
            tracing::warn!(%error, "the toy back end could not ask the hub");
            String::from("the back end does not know at the moment")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "what both sides of a request know";

    /// Asks a desk whose hub is away.
    async fn asked(event: &str, payload: &Value, secret: &str, age_s: u64) -> (u16, Value) {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let desk = RequestDesk::new(nowhere, SECRET, |_: &str| String::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(desk.run(listener));
        let body = json!({
            "event": event, "payload": payload, "tenantId": "pizza-roma", "permissions": ["read:orders"],
        })
        .to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let signed = signature::sign(&key, now_s - age_s, body.as_bytes());
        let answer = reqwest::Client::new()
            .post(format!("http://{address}/"))
            .header(signature::HEADER, signed)
            .body(body)
            .send()
            .await
            .unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        running.abort();
        (status, serde_json::from_str(&text).unwrap())
    }

    #[tokio::test]
    async fn the_hub_alone_is_answered() {
        let (status, answer) = asked("kitchen:get_stations", &Value::Null, SECRET, 0).await;
        assert_eq!((status, &answer["success"]), (200, &json!(true)), "{answer}");
        assert_eq!(asked("kitchen:get_stations", &Value::Null, "another", 0).await.0, 401);
        assert_eq!(asked("kitchen:get_stations", &Value::Null, SECRET, 301).await.0, 401);
    }

    #[tokio::test]
    async fn what_is_not_known_or_not_allowed_is_refused_in_words() {
        for (event, payload, sentence) in [
            ("order:get_details", json!({}), "name an order as orderId"),
            ("order:get_details", json!({ "orderId": "../x" }), "name an order as orderId"),
            (
                "order:get_details",
                json!({ "orderId": "A2" }),
                "the back end does not know at the moment",
            ),
            (
                "admin:get_connection_stats",
                json!({}),
                "only an administrator may know who is connected",
            ),
            ("kitchen:get_orders", json!({}), "nobody answers kitchen:get_orders"),
        ] {
            let (_, answer) = asked(event, &payload, SECRET, 0).await;
            assert_eq!((&answer["success"], &answer["error"]), (&json!(false), &json!(sentence)));
        }
    }
}
