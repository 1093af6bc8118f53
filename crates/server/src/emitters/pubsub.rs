//! `@socket.io/redis-emitter`: messages on channels.

use futures_util::StreamExt as _;
use redis::RedisError;
use uuid::Uuid;

use super::Emitter;
use super::emitted::Emitted;
use super::publishing::Patience;

impl Emitter {
    /// Listens to the channels of the namespace and of its rooms. Every node does; the one whose turn it is passes on.
    pub(super) async fn listen_to_channels(
        &mut self,
        is_broken: &mut bool,
    ) -> Result<(), RedisError> {
        let mut listening = self.client.get_async_pubsub().await?;
        listening.psubscribe(format!("{}#{}#*", self.config.key, self.config.namespace)).await?;
        self.holder.is_ours().await?;
        self.is_heard(is_broken);
        let mut claims = tokio::time::interval(super::LISTEN_AGAIN);
        let mut messages = listening.on_message();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                _ = claims.tick() => {
                    self.holder.is_ours().await?;
                    continue;
                }
            };
            let Some(message) = message else {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            };
            if self.holder.is_ours().await? {
                let read =
                    Emitted::of_message(message.get_payload_bytes(), self.publishing.namespace());
                self.publishing.take(read, Uuid::now_v7(), Patience::Some).await;
            }
        }
    }
}
