//! What a tenant's own people do on their connections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use foodtrack_contract::{ApplicationType, UserRole};

use crate::attack::{Attack, Hostile};
use crate::joined::{Deaf, Joined};
use crate::people::{HOSTILE_TENANT, TENANTS, person};
use crate::request::{binary_frame, text_frame};

const LARGE_BYTES: usize = 990_000;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn all() -> Vec<Attack> {
    vec![
        Attack::new(
            "rejoin-storm",
            "leaving and joining again, with a burst each time",
            20,
            |number| {
                let token = customer(HOSTILE_TENANT, number);
                let packet = format!(r#"40{{"token":"{token}","application":"client_app"}}"#);
                member(&token, "client_app", move |_, out| {
                    (0..40).for_each(|_| text_frame(out, r#"42["ping"]"#));
                    text_frame(out, "41");
                    text_frame(out, &packet);
                })
            },
        ),
        Attack::new("one-customer", "95 connections of one customer, beside the staff", 95, |_| {
            let token = customer(TENANTS[0], 0);
            member(&token, "client_app", |_, out| {
                text_frame(out, &order(next()));
            })
        }),
        Attack::new("long-rooms", "rooms with long names, joined and left", 50, |number| {
            let token = dashboard(number);
            member(&token, "tenant_dashboard", |_, out| {
                let room = format!("{:0>200}", next());
                text_frame(out, &format!(r#"42["subscribe:order","{room}"]"#));
                if next().is_multiple_of(3) {
                    text_frame(out, &format!(r#"42["unsubscribe:order","{room}"]"#));
                }
            })
        }),
        Attack::new(
            "msgpack-expansion",
            "control characters, six times as long in JSON",
            10,
            |number| {
                let token = dashboard(number);
                member(&token, "tenant_dashboard", |_, out| binary_frame(out, &msgpack_zeros()))
            },
        ),
        Attack::new("deep-payloads", "payloads of 2 000 arrays in each other", 20, |number| {
            let token = dashboard(number);
            member(&token, "tenant_dashboard", |_, out| {
                let deep = "[".repeat(2_000) + &"]".repeat(2_000);
                let text = format!(
                    r#"42["product:updated",{{"productId":"p-{}","deep":{deep}}}]"#,
                    next()
                );
                text_frame(out, &text);
            })
        }),
        Attack::new("deaf-readers", "members who make traffic and read nothing", 60, |number| {
            let token = dashboard(number);
            Box::new(Joined::member(
                &token,
                "tenant_dashboard",
                Deaf(|_: Instant, out: &mut Vec<u8>| {
                    let notes = "n".repeat(4_000);
                    let text = format!(
                        r#"42["product:updated",{{"productId":"p-{}","notes":"{notes}"}}]"#,
                        next()
                    );
                    text_frame(out, &text);
                }),
            ))
        }),
    ]
}

fn member(
    token: &str,
    application: &str,
    deed: impl FnMut(Instant, &mut Vec<u8>) + Send + 'static,
) -> Box<dyn Hostile> {
    Box::new(Joined::member(token, application, deed)) as Box<dyn Hostile>
}

fn customer(tenant: &str, number: usize) -> String {
    let user = format!("customer-{number}");
    person(tenant, &user, UserRole::Customer, ApplicationType::ClientApp)
}

fn dashboard(number: usize) -> String {
    let user = format!("owner-{number}");
    let app = ApplicationType::TenantDashboard;
    person(HOSTILE_TENANT, &user, UserRole::RestaurantOwner, app)
}

/// A number that none had before.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn order(number: u64) -> String {
    format!(r#"42["order:created",{{"orderId":"made-{number}"}}]"#)
}

/// An EVENT packet of socket.io-msgpack-parser: `product:updated` with a string of NUL characters.
fn msgpack_zeros() -> Vec<u8> {
    fn string(out: &mut Vec<u8>, text: &[u8]) {
        out.push(0xdb);
        out.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(text);
    }
    let mut out = vec![0x83];
    string(&mut out, b"type");
    out.push(2);
    string(&mut out, b"nsp");
    string(&mut out, b"/");
    string(&mut out, b"data");
    out.push(0x92);
    string(&mut out, b"product:updated");
    out.push(0x82);
    string(&mut out, b"productId");
    string(&mut out, format!("p-{}", next()).as_bytes());
    string(&mut out, b"notes");
    string(&mut out, &vec![0; LARGE_BYTES]);
    out
}
