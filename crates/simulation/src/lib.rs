//! What surrounds a hub, as values: clients that behave as the library does, a network that tears, a disk that fails.
//!
//! Chance comes from a seed and time is an argument, so a run that failed can be repeated. [`SocketIo`] and [`Backoff`] are
//! also what clients on real sockets are made of (`tests/chaos`).

mod backoff;
mod disk;
mod event;
mod model_client;
mod network;
mod socket_io;

pub use backoff::Backoff;
pub use disk::{Disk, DiskError};
pub use event::Event;
pub use model_client::{Action, Input, ModelClient, Way};
pub use network::{Arrival, Delivery, End, LinkIndex, Network, Tear};
pub use socket_io::{Heard, SocketIo};
