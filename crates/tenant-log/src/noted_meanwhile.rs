//! What is noted beside a tenant's log between the reading of the log's head and the tenant's hearing of it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Note;

/// How many notes are kept of one opening. Where there are more, none is, and the log is to be opened anew.
pub const NOTED_MEANWHILE_MAX: usize = 16_384;

/// The notes since a log was asked for, in the order in which this node made them or heard of them. The [`Head`](crate::Head) that
/// answers may be older than they are: who takes the head up takes them up behind it. Notes are added until the last clone is gone.
#[derive(Clone, Default)]
pub struct NotedMeanwhile {
    noted: Arc<Mutex<Noted>>,
}

#[derive(Default)]
pub(crate) struct Noted {
    notes: Vec<Note>,
    were_too_many: bool,
}

/// More than [`NOTED_MEANWHILE_MAX`] notes were made while a log was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more was noted while the log was opened than is kept of that: open it again")]
pub struct NotedTooMuch;

impl NotedMeanwhile {
    /// What was noted until now.
    ///
    /// # Errors
    /// [`NotedTooMuch`]
    pub fn notes(&self) -> Result<Vec<Note>, NotedTooMuch> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.were_too_many { Err(NotedTooMuch) } else { Ok(noted.notes.clone()) }
    }

    /// For who adds to it, which does not keep it.
    pub(crate) fn downgrade(&self) -> std::sync::Weak<Mutex<Noted>> {
        Arc::downgrade(&self.noted)
    }
}

impl Noted {
    pub(crate) fn add(&mut self, note: &Note) {
        if self.notes.len() >= NOTED_MEANWHILE_MAX {
            *self = Self { notes: Vec::new(), were_too_many: true };
        }
        if !self.were_too_many {
            self.notes.push(note.clone());
        }
    }
}

/// Says how many there are.
impl std::fmt::Debug for NotedMeanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NotedMeanwhile").field(&self.notes().map(|it| it.len())).finish()
    }
}
