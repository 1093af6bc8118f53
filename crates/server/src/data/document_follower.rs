//! Takes over what other nodes of the cluster changed: soon after they say so, and at any rate every few seconds.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use foodtrack_tenant_log::DocumentError;

/// What other nodes change as well.
pub(crate) trait Followed: Send + Sync {
    /// Puts in force what they changed. Waits for Redis.
    ///
    /// # Errors
    /// [`DocumentError::Away`]
    fn take_over(&self) -> Result<(), DocumentError>;
}

/// What the thread is told.
pub(crate) enum Follow {
    /// To look at once; told when it was done.
    Now(oneshot::Sender<()>),
    /// To end.
    End,
}

/// The thread that follows.
pub(crate) struct DocumentFollower {
    tell: Sender<Follow>,
    thread: JoinHandle<()>,
}

impl DocumentFollower {
    /// Starts it; it looks `every` so often by itself.
    ///
    /// # Errors
    /// The system gave no thread.
    pub(crate) fn start(followed: Vec<Arc<dyn Followed>>, every: Duration) -> io::Result<Self> {
        let (tell, told) = channel();
        let thread = std::thread::Builder::new()
            .name("documents".into())
            .spawn(move || follow(&followed, &told, every))?;
        Ok(Self { tell, thread })
    }

    /// The way to have it look at once.
    pub(crate) fn way(&self) -> Sender<Follow> {
        self.tell.clone()
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        // It may have ended.
        let _ = self.tell.send(Follow::End);
        if self.thread.join().is_err() {
            tracing::error!("the thread that follows other nodes' changes had panicked");
        }
    }
}

fn follow(followed: &[Arc<dyn Followed>], told: &Receiver<Follow>, every: Duration) {
    let mut has_failed = false;
    loop {
        let first = match told.recv_timeout(every) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut waiting = Vec::new();
        for told in first.into_iter().chain(told.try_iter()) {
            match told {
                Follow::Now(done) => waiting.push(done),
                Follow::End => return,
            }
        }
        // Each of them is looked at, also where one cannot be.
        let looked: Vec<_> = followed.iter().map(|it| it.take_over()).collect();
        match looked.into_iter().collect::<Result<(), _>>() {
            Ok(()) => {
                if std::mem::take(&mut has_failed) {
                    tracing::info!("what other nodes change is taken over again");
                }
                // Who asked may have gone.
                waiting.into_iter().for_each(|done| _ = done.send(()));
            }
            Err(error) => {
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::warn!(%error, "what other nodes change is not taken over");
                }
            }
        }
    }
}
