//! Names, shapes and words of applications that were written before the contract: an event of the contract becomes what such
//! an application listens to, and what it sends becomes an event of the contract.
//!
//! Pure tables: no clock, no socket, no file, no thread; `clippy.toml` beside this crate forbids them. The tables are data
//! ([`BUILTIN`] holds those of FoodTrack's four applications), checked when they are read.

mod check;
mod explain;
mod field_rule;
mod fields;
mod incoming;
mod kind;
mod outgoing;
mod problem;
mod profile;
mod said;
mod statuses;

pub use incoming::{Incoming, Meaning};
pub use outgoing::NotSent;
pub use problem::{Problem, Problems};
pub use profile::{BUILTIN, Profile, Tables};
