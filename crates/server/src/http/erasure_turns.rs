//! Whose turn it is to have something erased: one at a time, and then none for much longer than it took, so that others do not wait for
//! erasures most of the time, whatever tenants ask for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::tenant_places::{Place, TenantPlaces};

/// How many tenants' erasures wait or are made, with those who had theirs a moment ago.
const WAITING_MAX: usize = 16;
/// The shortest time after which it is worth asking again.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// For how long nothing is erased after an erasure.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// So many times what it took.
    times: u32,
    /// At most so long: what takes longer does so in many short steps, between which others have theirs.
    at_most: Duration,
    /// Of the same tenant so much longer.
    of_tenant: Duration,
    /// Who would wait for a turn longer than this is refused.
    wait_max: Duration,
}

const REST: Rest = Rest {
    times: 9,
    at_most: Duration::from_secs(60),
    of_tenant: Duration::from_secs(1),
    wait_max: Duration::from_secs(30),
};

/// Turns of erasures, in the order in which they were asked for, one of a tenant.
pub(super) struct ErasureTurns {
    rest: Rest,
    places: TenantPlaces,
    at_once: Arc<Semaphore>,
    progress: Arc<Mutex<Progress>>,
}

/// What is known of when the next one begins.
#[derive(Debug)]
enum Progress {
    /// One is made since then.
    UnderWay(Instant),
    /// None is made before then.
    RestsUntil(Instant),
}

/// Something may be erased; nothing else is, until this ends.
pub(super) struct ErasureTurn {
    rest: Rest,
    place: Place,
    at_once: OwnedSemaphorePermit,
    under_way: UnderWay,
}

/// Says that one is made, as long as it is there.
struct UnderWay(Arc<Mutex<Progress>>);

impl Default for ErasureTurns {
    fn default() -> Self {
        Self::new(REST)
    }
}

impl ErasureTurns {
    fn new(rest: Rest) -> Self {
        Self {
            rest,
            places: TenantPlaces::new(WAITING_MAX, 1),
            at_once: Arc::new(Semaphore::new(1)),
            progress: Arc::new(Mutex::new(Progress::RestsUntil(Instant::now()))),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ErrorCode::Overloaded`], with the time that it takes at least: one of the tenant is made, waits, or was made a moment ago, too many
    /// wait, or it would take too long.
    pub(super) async fn turn(&self, tenant: &TenantId) -> Result<ErasureTurn, Refusal> {
        let Some(place) = self.places.take(tenant) else {
            let sentence = "something of the tenant is being erased, or was a moment ago, or too many tenants wait for it; try again later";
            return Err(self.overloaded(sentence, self.rest.of_tenant));
        };
        let sentence = "what other tenants have had erased holds this up; try again later";
        if self.wait() > self.rest.wait_max {
            return Err(self.overloaded(sentence, Duration::ZERO));
        }
        let turn = Arc::clone(&self.at_once).acquire_owned();
        // Nobody closes it.
        let Ok(Ok(at_once)) = tokio::time::timeout(self.rest.wait_max, turn).await else {
            return Err(self.overloaded(sentence, Duration::ZERO));
        };
        let under_way = UnderWay::begin(&self.progress);
        Ok(ErasureTurn { rest: self.rest, place, at_once, under_way })
    }

    /// How long it takes until the next one can begin, at least.
    fn wait(&self) -> Duration {
        match *of(&self.progress) {
            Progress::UnderWay(since) => self.rest.after(since.elapsed()),
            Progress::RestsUntil(until) => until.saturating_duration_since(Instant::now()),
        }
    }

    fn overloaded(&self, sentence: &'static str, more: Duration) -> Refusal {
        let wait = (self.wait() + more).max(RETRY_AFTER_MIN).as_millis();
        let wait_ms = u64::try_from(wait).unwrap_or(u64::MAX);
        Refusal::new(ErrorCode::Overloaded, sentence).retry_after_ms(wait_ms)
    }
}

impl ErasureTurn {
    /// It is over, after others waited for it so long.
    pub(super) fn end(self, took: Duration) {
        let Self { rest, place, at_once, under_way } = self;
        let pause = rest.after(took);
        under_way.end(pause);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            drop(at_once);
            tokio::time::sleep(rest.of_tenant).await;
            drop(place);
        });
    }
}

impl UnderWay {
    fn begin(progress: &Arc<Mutex<Progress>>) -> Self {
        *of(progress) = Progress::UnderWay(Instant::now());
        Self(Arc::clone(progress))
    }

    fn end(self, pause: Duration) {
        let progress = Arc::clone(&self.0);
        drop(self);
        *of(&progress) = Progress::RestsUntil(Instant::now() + pause);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *of(&self.0) = Progress::RestsUntil(Instant::now());
    }
}

impl Rest {
    /// Nothing is erased for so long after one that took so long.
    fn after(self, took: Duration) -> Duration {
        took.saturating_mul(self.times).min(self.at_most)
    }
}

fn of(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Rest = Rest {
        times: 9,
        at_most: Duration::from_millis(500),
        of_tenant: Duration::from_millis(20),
        wait_max: Duration::from_millis(300),
    };
    const TOOK: Duration = Duration::from_millis(5);

    fn tenant(n: usize) -> TenantId {
        TenantId::parse(&format!("t{n}")).unwrap()
    }

    fn on_a_runtime(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(work);
    }

    /// A tenant that asks again and again. Returns how many turns it had until then.
    async fn asks_in_a_loop(turns: &ErasureTurns, tenant: TenantId, until: Instant) -> u32 {
        let mut had = 0;
        while Instant::now() < until {
            match turns.turn(&tenant).await {
                Ok(turn) => {
                    had += 1;
                    tokio::time::sleep(TOOK).await;
                    turn.end(TOOK);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        had
    }

    #[test]
    fn erasures_take_a_tenth_of_the_time_however_many_tenants_ask_in_a_loop_and_each_has_its_turns()
    {
        on_a_runtime(async {
            let turns = ErasureTurns::new(SHORT);
            let began = Instant::now();
            let until = began + Duration::from_millis(700);
            let (a, b, c) = tokio::join!(
                asks_in_a_loop(&turns, tenant(1), until),
                asks_in_a_loop(&turns, tenant(2), until),
                asks_in_a_loop(&turns, tenant(3), until),
            );
            // What was asked for in time may be made a little later.
            let time = began.elapsed();
            let most = time.as_millis() / (10 * TOOK).as_millis() + 1;
            assert!(u128::from(a + b + c) <= most, "{a} + {b} + {c} in {time:?}");
            let (least, most) = (a.min(b).min(c), a.max(b).max(c));
            assert!(least >= 1 && most - least <= 1, "in turns: {a}, {b}, {c}");
        });
    }

    #[test]
    fn who_is_refused_an_erasure_is_told_when_it_can_be_made() {
        on_a_runtime(async {
            let turns = ErasureTurns::new(SHORT);
            let turn = turns.turn(&tenant(1)).await.unwrap();
            // The same tenant while it is made, and another one when the rest is longer than anybody waits.
            let refused = turns.turn(&tenant(1)).await.err().unwrap();
            assert_eq!(refused.code(), ErrorCode::Overloaded);
            turn.end(Duration::from_millis(50));
            let refused = turns.turn(&tenant(2)).await.err().unwrap();
            let began = Instant::now();
            assert!(refused.retry_after() >= Some(450), "{refused:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            // Who comes when the rest is shorter than that waits for it.
            turns.turn(&tenant(2)).await.unwrap().end(Duration::ZERO);
            let waited = began.elapsed();
            assert!(waited >= Duration::from_millis(400), "{waited:?}");
            assert!(turns.turn(&tenant(2)).await.is_err(), "a tenant's next one is later");
            turns.turn(&tenant(3)).await.unwrap().end(Duration::ZERO);
            tokio::time::sleep(SHORT.of_tenant * 3).await;
            assert!(turns.turn(&tenant(2)).await.is_ok());
        });
    }

    #[test]
    fn the_rest_after_an_erasure_is_nine_times_as_long_and_has_an_end() {
        assert_eq!(REST.after(Duration::from_millis(250)), Duration::from_millis(2_250));
        assert_eq!(REST.after(Duration::from_secs(60 * 60)), REST.at_most);
    }
}
