//! Wakes a reactor from another thread.

use std::sync::atomic::{AtomicBool, Ordering};

/// Ends a reactor's wait. Waking one that is awake already costs no system call.
#[derive(Debug)]
pub struct Waker {
    waker: mio::Waker,
    pending: AtomicBool,
}

impl Waker {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self { waker, pending: AtomicBool::new(false) }
    }

    /// Makes the reactor take a turn soon.
    pub fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            // It fails only where the kernel's counter is full, and then the reactor wakes anyway.
            let _ = self.waker.wake();
        }
    }

    /// To be called before the reactor looks at what woke it.
    pub(crate) fn rearm(&self) {
        // A swap, not a store: a store may still be on its way while the reactor looks at its mailbox, and who sends in
        // between would neither be seen nor wake it.
        self.pending.swap(false, Ordering::AcqRel);
    }
}
