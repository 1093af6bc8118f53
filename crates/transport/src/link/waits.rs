//! What a stranger's socket waits for.

/// What a stranger's link waits for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// It is among those that wait.
    is_queued: bool,
    /// Something may be there to read.
    is_readable: bool,
    /// And then the end.
    has_hung_up: bool,
    /// Its reading was put off, and goes on.
    resumes: bool,
}

impl Waits {
    /// It is among those that wait from now on. Returns whether it was not before.
    pub(crate) fn enqueue(&mut self) -> bool {
        !std::mem::replace(&mut self.is_queued, true)
    }

    /// Something may be there to read; and then the end, where it `has_hung_up`.
    pub(crate) fn note_readable(&mut self, has_hung_up: bool) {
        self.is_readable = true;
        self.has_hung_up |= has_hung_up;
    }

    /// Reading was put off, and goes on.
    pub(crate) fn note_resumed(&mut self) {
        self.resumes = true;
    }

    /// Whether reading was put off, and goes on.
    pub(crate) fn resumes(self) -> bool {
        self.resumes
    }

    /// Whether something may be there to read, and if so whether the end comes behind it.
    pub(crate) fn readable(self) -> Option<bool> {
        self.is_readable.then_some(self.has_hung_up)
    }
}
