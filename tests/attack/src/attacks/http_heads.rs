//! Heads that are slow, large, wrong or many; sockets that say nothing.

use std::time::{Duration, Instant};

use crate::asker::Asker;
use crate::attack::{Attack, Hostile, Sources, Surroundings};
use crate::request::{UPGRADE, get};

/// What systems give a process where nobody asked for more.
const DESCRIPTORS_USUAL: u64 = 1_024;

pub(super) fn all() -> Vec<Attack> {
    let silent =
        Attack::new("silent", "sockets that say nothing, at 1 024 descriptors", 1_500, |_| {
            Box::new(Silent)
        });
    let unread_stderr = Attack::new(
        "unread-stderr",
        "wrong requests that are logged, and nobody reads the log",
        200,
        |_| Box::new(Once::new(vec![get("/no/such/path"), UPGRADE.replace("13", "12")])),
    );
    vec![
        Attack::new("slow-heads", "a head of which a byte comes each second", 500, |_| {
            Box::new(SlowHead { written: 0, next: Instant::now() })
        }),
        Attack {
            sources: Sources::One,
            surroundings: Surroundings {
                descriptors_max: Some(DESCRIPTORS_USUAL),
                ..Surroundings::USUAL
            },
            ..silent
        },
        Attack {
            surroundings: Surroundings { is_stderr_unread: true, ..Surroundings::USUAL },
            ..unread_stderr
        },
        Attack::new("oversized-heads", "heads of 64 KiB", 100, |_| {
            let long = format!("GET /socket.io/ HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(65_536));
            Box::new(Once::new(vec![long]))
        }),
        Attack::new("wrong-upgrades", "upgrades of wrong versions, without a key", 100, |_| {
            let wrong = [
                UPGRADE.replace("Version: 13", "Version: 12"),
                UPGRADE.replace("Sec-WebSocket-Key", "X-Key"),
                UPGRADE.replace("EIO=4", "EIO=3"),
                UPGRADE.replace("transport=websocket", "transport=websocket&sid=gone"),
            ];
            Box::new(Once::new(wrong.to_vec()))
        }),
        Attack::new("abandoned-handshakes", "handshakes whose client is gone at once", 200, |_| {
            Box::new(Once::new(vec![UPGRADE.to_owned()]))
        }),
        Attack::new(
            "refused-streams",
            "streams of events without a token, or a wrong one",
            300,
            |_| {
                let wrong = ["/events", "/events?token=a.b.c", "/events?cursor=k-1&deviceId=x"];
                Box::new(Once::new(wrong.map(get).to_vec()))
            },
        ),
        Attack::new("metrics-flood", "1 200 sockets on /metrics and /health", 1_200, |number| {
            let path = if number % 2 == 0 { "/metrics" } else { "/health" };
            Asker::boxed(move |_| get(path))
        }),
    ]
}

struct Silent;

impl Hostile for Silent {
    fn opened(&mut self, _out: &mut Vec<u8>) {}
}

struct SlowHead {
    written: usize,
    next: Instant,
}

impl Hostile for SlowHead {
    fn opened(&mut self, _out: &mut Vec<u8>) {
        self.written = 0;
    }

    fn more(&mut self, now: Instant, out: &mut Vec<u8>) {
        if now >= self.next {
            self.next = now + Duration::from_secs(1);
            out.extend(UPGRADE.as_bytes().get(self.written));
            self.written += 1;
        }
    }
}

/// Sends one of its requests, waits for an answer or a while, hangs up, and comes again with the next.
struct Once {
    requests: Vec<String>,
    next: usize,
    until: Option<Instant>,
}

impl Once {
    fn new(requests: Vec<String>) -> Self {
        Self { requests, next: 0, until: None }
    }
}

impl Hostile for Once {
    fn opened(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.requests[self.next % self.requests.len()].as_bytes());
        self.next += 1;
        self.until = Some(Instant::now() + Duration::from_millis(100));
    }

    fn hangs_up(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    fn comes_again_after(&self) -> Duration {
        Duration::from_millis(50)
    }
}
