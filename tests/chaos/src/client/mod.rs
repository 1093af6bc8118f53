//! Unmodified Socket.IO clients on real sockets: thousands on a thread.

mod frames;
mod observer;
mod swarm;

pub use observer::{Observer, Opened};
pub use swarm::{ClientOptions, Swarm, SwarmError, Tear};
