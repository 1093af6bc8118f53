//! What the business back end says to those who are about to come in or join a room.

use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_tenant::Permit;

/// What the back end says to a hook's question.
#[derive(Clone, Debug)]
pub struct HookAnswer {
    /// Whether they may.
    pub permit: Permit,
    /// For how long that is good for whoever asks the same, in milliseconds; 0 for those alone who wait for it.
    pub keep_ms: u32,
}

impl HookAnswer {
    /// There was no answer: whoever waits may try again.
    pub fn none(retry_after_ms: u64) -> Self {
        let sentence = "the back end that has a say in this gives no answer; try again shortly";
        let refusal = Refusal::new(ErrorCode::Degraded, sentence).retry_after_ms(retry_after_ms);
        Self { permit: Err(refusal), keep_ms: 0 }
    }
}
