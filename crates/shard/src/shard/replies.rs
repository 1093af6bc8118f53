//! Who waits for tenants' answers.

use foodtrack_tenant::{Answer, RequestId};
use slab::Slab;
use tokio::sync::oneshot;

/// Requests that tenants have yet to answer. Each is answered once; of a tenant that is dropped, who waits is told that nobody
/// knows.
#[derive(Debug, Default)]
pub(super) struct Replies {
    waiting: Slab<(u32, oneshot::Sender<Answer>)>,
}

impl Replies {
    pub(super) fn add(&mut self, tenant: u32, reply: oneshot::Sender<Answer>) -> RequestId {
        RequestId(self.waiting.insert((tenant, reply)) as u64)
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        let place = usize::try_from(id.0).unwrap_or(usize::MAX);
        if let Some((_, reply)) = self.waiting.try_remove(place) {
            // A reply that nobody waits for any more is no loss.
            let _ = reply.send(answer);
        }
    }

    /// A tenant was dropped: nobody answers for it.
    pub(super) fn drop_of(&mut self, tenant: u32) {
        self.waiting.retain(|_, (of, _)| *of != tenant);
    }
}
