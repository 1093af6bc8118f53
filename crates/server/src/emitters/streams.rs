//! `@socket.io/redis-streams-emitter`: entries of a stream, which wait for whoever reads them.

use std::time::Duration;

use redis::streams::{StreamRangeReply, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands as _, AsyncConnectionConfig, RedisError, from_redis_value_ref};
use uuid::Uuid;

use super::Emitter;
use super::emitted::Emitted;
use super::publishing::Patience;

/// Entries that are read at once.
const ENTRIES_MAX: usize = 100;
/// How long a read waits for entries.
const BLOCK_MS: usize = 1_000;
/// How long one that waits may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Whose turn it is not looks again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Emitter {
    /// Reads on from where the last holder was. What is read twice, because that one ended, is known by its id.
    pub(super) async fn read_stream(&mut self, is_broken: &mut bool) -> Result<(), RedisError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(READ_TIMEOUT));
        let mut reading = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let options = StreamReadOptions::default().count(ENTRIES_MAX).block(BLOCK_MS);
        let key = self.config.key.clone();
        let mut place = None;
        loop {
            if !self.holder.is_ours().await? {
                self.is_heard(is_broken);
                // Another one reads on from here.
                place = None;
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            let after = match place.take() {
                Some(after) => after,
                None => self.last_place(&mut reading).await?,
            };
            self.is_heard(is_broken);
            let read: Option<StreamReadReply> =
                reading.xread_options(&[key.as_str()], &[after.as_str()], &options).await?;
            let entries = read.into_iter().flat_map(|it| it.keys).flat_map(|it| it.ids);
            let mut last = after;
            for entry in entries {
                let fields: Vec<(String, String)> = entry
                    .map
                    .iter()
                    .filter_map(|(name, it)| Some((name.clone(), from_redis_value_ref(it).ok()?)))
                    .collect();
                let field = |name: &str| {
                    fields.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
                };
                let read = Emitted::of_entry(field, self.publishing.namespace());
                self.publishing.take(read, entry_id(&key, &entry.id), Patience::All).await;
                last = entry.id;
                self.note_place(&last).await?;
            }
            place = Some(last);
        }
    }

    /// Where the last holder was. The first of all begins at the stream's end.
    async fn last_place(
        &mut self,
        reading: &mut redis::aio::MultiplexedConnection,
    ) -> Result<String, RedisError> {
        let place_key = self.holder.place_key();
        let noted: Option<String> = self.holder.connection().await?.get(place_key).await?;
        let is_id = |it: &String| {
            let digits =
                |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
            it.split_once('-').is_some_and(|(ms, n)| digits(ms) && digits(n))
        };
        if let Some(place) = noted.filter(is_id) {
            return Ok(place);
        }
        let newest: StreamRangeReply =
            reading.xrevrange_count(&self.config.key, "+", "-", 1).await?;
        let place = newest.ids.into_iter().next().map_or_else(|| String::from("0-0"), |it| it.id);
        self.note_place(&place).await?;
        Ok(place)
    }

    async fn note_place(&mut self, place: &str) -> Result<(), RedisError> {
        let key = self.holder.place_key();
        self.holder.connection().await?.set(key, place).await
    }
}

/// The id of what an entry says: the same whoever reads it.
fn entry_id(stream: &str, entry: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("redis-stream:{stream}:{entry}").as_bytes())
}
