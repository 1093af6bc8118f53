//! Histories of a run, and the judge of them.
//!
//! A run notes [`What`] happens into a [`Recorder`], or prints it as JSON lines from a process of its own; [`check`] reads the
//! whole and says what the hub broke. It knows nothing of sockets: any test may use it.

mod checker;
mod facts;
mod record;
mod recorder;
mod verdict;

pub use checker::check;
pub use record::{Attempt, Audience, Class, Receipt, Recipient, Record, What};
pub use recorder::{Recorder, merge, now_us, read_lines, write_lines};
pub use verdict::{Kind, Verdict, Violation};
