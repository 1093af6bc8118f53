//! Faults against a running hub, and a judge of what its clients saw.
//!
//! [`recorder`] writes down what happens, and `foodtrack_history_checker` judges it; [`client`] is thousands of unmodified
//! Socket.IO clients on one thread; [`hub`] is the process under test and its disk. [`campaign`] makes schedules of faults from
//! a seed, [`load`] runs two loads that others have published figures for.

pub mod campaign;
pub mod client;
pub mod hub;
pub mod load;
pub mod recorder;
