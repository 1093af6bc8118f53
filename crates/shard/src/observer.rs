//! Clients that watch a tenant from outside: they are in a namespace of their own, in no tenant and no room, and confirm nothing.

use foodtrack_contract::Refusal;
use foodtrack_transport::ClientKey;

use crate::mailbox::ShardMessage;
use crate::shards::Shards;

/// The namespace of those who watch.
pub const OBSERVERS_NAMESPACE: &str = "/admin";

/// A client that watches: on which shard, and which one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObserverId {
    pub(crate) shard: usize,
    pub(crate) client: ClientKey,
}

/// Who lets clients watch, and tells them what there is to see. Asked by shards: it may not wait.
pub trait ObserverDesk: Send + Sync {
    /// Somebody wants to watch, with the handshake's `auth`. Let in, it is told things until [`ObserverDesk::went`].
    ///
    /// # Errors
    /// Why it may not.
    fn admit(&self, observer: ObserverId, auth: Option<&str>) -> Result<(), Refusal>;

    /// Somebody who watches said something: a JSON array of the event's name and its arguments.
    fn said(&self, observer: ObserverId, event: &str);

    /// Somebody watches no more.
    fn went(&self, observer: ObserverId);
}

/// The way to clients that watch.
#[derive(Clone)]
pub struct Observers {
    shards: Shards,
}

impl Observers {
    /// A handle to those of these shards.
    pub fn new(shards: Shards) -> Self {
        Self { shards }
    }

    /// Sends events, each as its name and its arguments in JSON with commas between them. A full mailbox loses them: `false`.
    pub fn tell(&self, observer: ObserverId, events: Vec<(&'static str, String)>) -> bool {
        let message = ShardMessage::TellObserver(observer.client, events);
        self.shards.sender(observer.shard).try_send(message).is_ok()
    }

    /// Sends somebody away for good. Lost with a full mailbox: `false`, and it may be tried again.
    pub fn end(&self, observer: ObserverId) -> bool {
        let message = ShardMessage::EndObserver(observer.client);
        self.shards.sender(observer.shard).try_send(message).is_ok()
    }
}
