//! Two loads that others have published figures for: connections that tear all the time, and a server that restarts.

mod broadcaster;
mod fixture;
mod jitter;
mod listeners;
mod percentiles;
mod storm;

pub use fixture::LoadError;
pub use jitter::{Jitter, JitterReport};
pub use percentiles::Percentiles;
pub use storm::{How, Storm, StormReport};
