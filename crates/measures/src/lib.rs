//! Numbers that one thread writes and others read: no lock, and no instruction that other cores wait for.

mod counter;
mod histogram;

pub use counter::Counter;
pub use histogram::{BOUNDS_US, BUCKETS, Histogram, HistogramReading};
