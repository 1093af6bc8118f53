//! One client's state machine, without I/O: time and packets in, steps and deadlines out.
//!
//! [`EngineSession`] is the Engine.IO side: by which connections a client is reached, its upgrade from long-polling, its
//! heartbeat, requests that come twice, and how the session ends. [`Session`] is the Socket.IO side: which namespaces are
//! joined, which binary packet is half here, which parser the client speaks. Clients that speak plain JSON have the same
//! session: [`PlainStep`].

mod close_reason;
mod closed_polling;
#[cfg(any(test, fuzzing))]
pub mod engine_operations;
mod engine_session;
mod heartbeat;
mod link_id;
mod pings;
mod plain_json;
mod poll_body;
mod polling;
mod probe;
mod request_replay;
mod session;

pub use close_reason::CloseReason;
pub use closed_polling::{ClosedPolling, FinalPoll};
pub use engine_session::{Closing, End, EngineSession, Leave, Pong};
pub use foodtrack_wire::{NamespaceId, Sid};
pub use heartbeat::{Beat, HeartbeatConfig};
pub use link_id::LinkId;
pub use plain_json::PlainStep;
pub use poll_body::{Backlog, LastPacket, POLL_PACKETS_MAX};
pub use polling::{Lost, PollAnswer, PollStep, Polling};
pub use probe::ProbeStep;
pub use request_replay::{Carrier, RequestId};
pub use session::{Event, Namespaces, Parser, Session, SessionError, Step};
