//! What is appended: orders as they change, none like the other, of about 300 bytes.

use std::time::{Duration, UNIX_EPOCH};

use uuid::Uuid;

const COUNT: usize = 4_096;

/// Messages, taken one after the other, again and again.
pub(super) struct Messages {
    all: Vec<Vec<u8>>,
    next: usize,
}

impl Messages {
    pub(super) fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let mut word = |letters: usize| -> String {
            std::iter::repeat_with(|| random.lowercase()).take(letters).collect()
        };
        let message = |n: usize| {
            let at = UNIX_EPOCH + Duration::from_millis(1_800_000_000_000 + 7 * n as u64);
            let ms = at.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis());
            let (id, order, note) = (Uuid::now_v7(), word(8), word(40));
            let (customer, dish) = (word(10), word(12));
            format!(
                "{{\"id\":\"{id}\",\"type\":\"order:created\",\"timestamp\":{ms},\"source\":\"client_app\",\
                 \"payload\":{{\"orderId\":\"{order}\",\"customerId\":\"{customer}\",\"dish\":\"{dish}\",\
                 \"count\":{},\"note\":\"{note}\"}},\"priority\":\"medium\",\"retryCount\":0,\"encrypted\":false}}",
                n % 9
            )
            .into_bytes()
        };
        Self { all: (0..COUNT).map(message).collect(), next: 0 }
    }

    pub(super) fn next(&mut self) -> &[u8] {
        self.next = (self.next + 1) % COUNT;
        &self.all[self.next]
    }
}
