//! Orders that are made until memory has forgotten the oldest, and who claims those then.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use foodtrack_contract::{ApplicationType, UserRole};
use memchr::memmem;

use crate::attack::{Attack, Demand, Surroundings};
use crate::joined::{Deed, Joined};
use crate::people::{HOSTILE_TENANT, person};
use crate::request::{UPGRADE, text_frame};

/// A hub has it in memory of 65 536 orders whose they are.
const ORDERS: usize = 66_560;
/// So many of them are out of memory, at least.
const FORGOTTEN: usize = 1_000;
const BATCH: usize = 256;
/// How long the hub may take for a batch.
const PATIENCE: Duration = Duration::from_secs(20);

/// Rates bound how fast orders are made, and that is not what is tried here.
const NO_RATES: &str = "
[limits]
packetsPerSecondPerConnection = 0
messagesPerSecondPerConnection = 0
messagesPerSecondPerUser = 0
messagesPerSecondPerTenant = 0
";

pub(super) fn all() -> Vec<Attack> {
    let claiming = Attack::new(
        "forgotten-orders",
        "claims of another customer's orders, once memory has forgotten them",
        10,
        |number| {
            let token = customer(&format!("thief-{number}"));
            Box::new(Joined::member(&token, "client_app", Thief::from(number)))
        },
    );
    let surroundings = Surroundings {
        more_config: NO_RATES,
        preparation: Some(make_orders),
        ..Surroundings::USUAL
    };
    vec![Attack { surroundings, demand: Some(Demand::Refused), ..claiming }]
}

/// Claims one order after the other.
struct Thief {
    next: usize,
    is_waiting: bool,
    accepted: usize,
    refused: usize,
}

impl Thief {
    fn from(number: usize) -> Self {
        Self { next: number * FORGOTTEN / 10, is_waiting: false, accepted: 0, refused: 0 }
    }
}

impl Deed for Thief {
    fn more(&mut self, _now: Instant, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.is_waiting, true) {
            return;
        }
        let order = self.next % FORGOTTEN;
        let claim = match self.next % 3 {
            0 => format!(r#"421["order:created",{{"orderId":"made-{order}"}}]"#),
            1 => format!(r#"421["order:cancelled",{{"orderId":"made-{order}"}}]"#),
            _ => format!(r#"421["subscribe:order","made-{order}"]"#),
        };
        self.next += 1;
        text_frame(out, &claim);
    }

    fn received(&mut self, bytes: &[u8]) {
        let (accepted, refused) = (successes(bytes), memmem::find_iter(bytes, FAILURE).count());
        self.accepted += accepted;
        self.refused += refused;
        self.is_waiting &= accepted + refused == 0;
    }

    fn accepted(&self) -> usize {
        self.accepted
    }

    fn refused(&self) -> usize {
        self.refused
    }
}

const SUCCESS: &[u8] = b"\"success\":true";
const FAILURE: &[u8] = b"\"success\":false";

fn successes(bytes: &[u8]) -> usize {
    memmem::find_iter(bytes, SUCCESS).count()
}

fn customer(user: &str) -> String {
    person(HOSTILE_TENANT, user, UserRole::Customer, ApplicationType::ClientApp)
}

/// Makes them all, as one customer.
fn make_orders(hub: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(hub)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut unread = Vec::new();
    stream.write_all(UPGRADE.as_bytes())?;
    read_until(&mut stream, &mut unread, |bytes| memmem::find(bytes, b"0{\"sid\"").is_some())?;
    let mut out = Vec::new();
    let token = customer("maker");
    text_frame(&mut out, &format!(r#"40{{"token":"{token}","application":"client_app"}}"#));
    stream.write_all(&out)?;
    read_until(&mut stream, &mut unread, |bytes| memmem::find(bytes, b"40{\"sid\"").is_some())?;
    for batch in 0..ORDERS.div_ceil(BATCH) {
        out.clear();
        unread.clear();
        for order in batch * BATCH..(batch + 1) * BATCH {
            text_frame(&mut out, &format!(r#"421["order:created",{{"orderId":"made-{order}"}}]"#));
        }
        stream.write_all(&out)?;
        read_until(&mut stream, &mut unread, |bytes| successes(bytes) == BATCH)?;
    }
    Ok(())
}

fn read_until(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
    is_there: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    let mut buffer = [0; 64 * 1024];
    while !is_there(unread) {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        unread.extend_from_slice(&buffer[..read]);
    }
    Ok(())
}
