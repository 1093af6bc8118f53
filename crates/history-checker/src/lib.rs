//! Judges a history: what publishers tried and were told, and what recipients saw.
//!
//! A run writes down [`What`] happens, as values or as JSON lines; [`check`] reads the whole and says which promises were
//! broken. It knows no socket, no clock and no hub: real processes, simulated ones and tests are judged alike.

mod checker;
mod facts;
mod lines;
mod record;
mod verdict;

pub use checker::check;
pub use lines::{merge, read_lines, write_lines};
pub use record::{Attempt, Audience, Class, Receipt, Recipient, Record, What};
pub use verdict::{Kind, Verdict, Violation};
