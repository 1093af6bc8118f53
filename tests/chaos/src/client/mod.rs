//! Unmodified Socket.IO clients: one as a value, thousands on a thread.

mod backoff;
mod event;
mod frames;
mod observer;
mod socket_io;
mod swarm;

pub use backoff::Backoff;
pub use event::{Event, Message};
pub use observer::{Observer, Opened};
pub use socket_io::{Heard, SocketIo};
pub use swarm::{ClientOptions, Swarm, SwarmError, Tear};
