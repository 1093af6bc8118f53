//! One client's state machine, without I/O: time and packets in, steps and deadlines out.
//!
//! [`Session`] is the Socket.IO side: which namespaces are joined, which binary packet is half here, which parser the
//! client speaks. [`Heartbeat`] is the Engine.IO side's clock, and [`Pings`] tells what an answer proves. [`Probe`] is the
//! upgrade from long-polling.

mod closed_polling;
mod heartbeat;
mod link_id;
mod pings;
mod poll_body;
mod polling;
mod probe;
mod request_replay;
mod session;
mod sid;

pub use closed_polling::{ClosedPolling, FinalPoll};
pub use heartbeat::{Beat, Heartbeat, HeartbeatConfig};
pub use link_id::LinkId;
pub use pings::Pings;
pub use poll_body::{Backlog, EncodedPacket, LastPacket, POLL_PACKETS_MAX};
pub use polling::{Lost, PollAnswer, PollStep, Polling, PollingEnd};
pub use probe::ProbeStep;
pub use request_replay::{Carrier, RequestId};
pub use session::{Event, NamespaceId, Namespaces, Parser, Session, SessionError, Step};
pub use sid::Sid;
