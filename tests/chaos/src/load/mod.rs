//! Two loads that others have published figures for: connections that tear all the time, and a server that restarts.

mod broadcaster;
mod jitter;
mod listeners;
mod node_clients;
mod percentiles;
mod stand;
mod storm;

pub use jitter::{Jitter, JitterReport};
pub use node_clients::NodeClients;
pub use percentiles::Percentiles;
pub use stand::LoadError;
pub use storm::{How, Storm, StormReport};
