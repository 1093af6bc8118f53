//! A tenant's back end: publishes over HTTP, one after the other, on a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::job::{FirstSent, Job};
use crate::hub::publish;
use crate::recorder::Recorder;

const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct BackEnd {
    jobs: Option<Sender<Job>>,
    pending: Arc<AtomicUsize>,
    gives_up: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BackEnd {
    pub(super) fn start(
        addresses: &[SocketAddr],
        tenant: &str,
        token: &str,
        recorder: &Recorder,
    ) -> Self {
        let (sender, jobs) = channel();
        let (pending, gives_up) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let desk = Desk {
            addresses: addresses.to_vec(),
            tenant: tenant.to_owned(),
            token: token.to_owned(),
            recorder: recorder.clone(),
            pending: Arc::clone(&pending),
            gives_up: Arc::clone(&gives_up),
        };
        let thread = Some(thread::spawn(move || desk.work(&jobs)));
        Self { jobs: Some(sender), pending, gives_up, thread }
    }

    pub(super) fn take(&self, job: Job) {
        self.pending.fetch_add(1, Ordering::SeqCst);
        if let Some(jobs) = &self.jobs {
            // The thread ends only with this end of the channel.
            jobs.send(job).ok();
        }
    }

    /// Jobs that are neither told nor given up.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::SeqCst)
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.gives_up.store(true, Ordering::SeqCst);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It panics only where a test already has.
            thread.join().ok();
        }
    }
}

struct Desk {
    addresses: Vec<SocketAddr>,
    tenant: String,
    token: String,
    recorder: Recorder,
    pending: Arc<AtomicUsize>,
    gives_up: Arc<AtomicBool>,
}

impl Desk {
    fn work(&self, jobs: &Receiver<Job>) {
        // As a balancer does it that knows nothing of the nodes.
        let mut addresses = self.addresses.iter().copied().cycle();
        let mut first_sent = FirstSent::default();
        for job in jobs {
            let mut job = Some(job);
            while let Some(next) = job.take().filter(|_| !self.gives_up.load(Ordering::SeqCst)) {
                thread::sleep(next.not_before.saturating_duration_since(Instant::now()));
                if !first_sent.lets(&next, Instant::now()) {
                    break;
                }
                let message = next.attempt(&self.tenant, &self.recorder);
                let Some(address) = addresses.next() else { return };
                let answer = publish(address, &self.token, &message, TIMEOUT);
                job = next.answered(&self.tenant, answer, &self.recorder);
            }
            self.pending.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
