//! One client's state machine, without I/O: time and packets in, steps and deadlines out.
//!
//! [`Session`] is the Socket.IO side: which namespaces are joined, which binary packet is half here, which parser the
//! client speaks. [`Heartbeat`] is the Engine.IO side's clock, and [`Pings`] tells what an answer proves. [`Probe`] is the
//! upgrade from long-polling.

mod heartbeat;
mod pings;
mod probe;
mod session;

pub use heartbeat::{Beat, Heartbeat, HeartbeatConfig};
pub use pings::Pings;
pub use probe::{Probe, ProbeStep};
pub use session::{Event, NamespaceId, Namespaces, Parser, Session, SessionError, Step};
