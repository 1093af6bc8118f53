//! Publishes to everybody at a steady pace, on a thread of its own, and insists.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use foodtrack_contract::Priority;

use crate::hub::publish;
use crate::recorder::Recorder;
use foodtrack_history_checker::What;
use foodtrack_simulation::{Answer, Publication, Topic};

const TIMEOUT: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(20);

/// The publisher of a load. Its events are numbered from 0.
pub(super) struct Broadcaster {
    published: Arc<AtomicU64>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What to publish, and where.
pub(super) struct Broadcast {
    pub(super) address: SocketAddr,
    pub(super) tenant: String,
    pub(super) token: String,
    /// Between two events.
    pub(super) period: Duration,
    /// No more events than this.
    pub(super) count: u64,
    pub(super) recorder: Recorder,
}

impl Broadcaster {
    pub(super) fn start(broadcast: Broadcast) -> Self {
        let (published, stops) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, flag) = (Arc::clone(&published), Arc::clone(&stops));
        let thread = Some(thread::spawn(move || broadcast.run(&counter, &flag)));
        Self { published, stops, thread }
    }

    /// How many events the hub has acknowledged.
    pub(super) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }

    /// Publishes nothing more; returns how many events there were in all.
    pub(super) fn stop(&mut self) -> u64 {
        self.stops.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It panics only where a test already has.
            thread.join().ok();
        }
        self.published()
    }

    pub(super) fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Broadcaster {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Broadcast {
    fn run(&self, published: &AtomicU64, stops: &AtomicBool) {
        let start = Instant::now();
        let mut due = start;
        for number in 0..self.count {
            due += self.period;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let event = self.event(number);
            let message = event.message(&self.tenant);
            // Once an event may be in the log it must get through, or nobody knows how many there were.
            let mut is_under_way = false;
            while is_under_way || !stops.load(Ordering::SeqCst) {
                self.recorder.note(What::Attempted(event.attempt(&self.tenant)));
                is_under_way = true;
                let (tenant, id) = (self.tenant.clone(), event.id.clone());
                match publish(self.address, &self.token, &message, TIMEOUT) {
                    Answer::Acknowledged(offset) => {
                        self.recorder.note(What::Acknowledged { tenant, id, offset });
                        published.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                    Answer::Refused { code, certain, .. } => {
                        self.recorder.note(What::Refused { tenant, id, code, certain });
                    }
                    Answer::Unknown => self.recorder.note(What::Unknown { tenant, id }),
                }
                if start.elapsed() > self.period * 100 + Duration::from_secs(120) {
                    return;
                }
                thread::sleep(RETRY);
            }
            if stops.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    fn event(&self, number: u64) -> Publication {
        Publication {
            id: uuid::Uuid::now_v7().to_string(),
            has_id: true,
            topic: Topic::Product,
            about: String::from("pizza"),
            customer: None,
            priority: Priority::Medium,
            number,
            padding_bytes: 0,
        }
    }
}
