//! What is appended: orders as they change, none like the other, of about 300 bytes.

use uuid::Uuid;

const COUNT: usize = 4_096;

/// Messages, made once for all who append.
pub(super) struct Messages(Vec<Vec<u8>>);

impl Messages {
    pub(super) fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let mut word = |letters: usize| -> String {
            std::iter::repeat_with(|| random.lowercase()).take(letters).collect()
        };
        let message = |n: usize| {
            let ms = 1_800_000_000_000 + 7 * n as u64;
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
        Self((0..COUNT).map(message).collect())
    }

    /// One after the other, and then from the front again.
    pub(super) fn nth(&self, n: usize) -> &[u8] {
        &self.0[n % COUNT]
    }
}
