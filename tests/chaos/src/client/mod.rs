//! Unmodified Socket.IO clients on real sockets: thousands on a thread.

mod frames;
mod node_clients;
mod observer;
mod swarm;

pub use node_clients::{NodeClient, NodeClients};
pub use observer::{Observer, Opened};
pub use swarm::{ClientOptions, Swarm, SwarmError, Tear};
