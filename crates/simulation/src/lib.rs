//! Whole nodes on one thread from a seed, and what surrounds them: clients that behave as the library does, a network that tears,
//! a disk that fails, and clocks that jump.
//!
//! Chance comes from a seed and time is an argument, so a run that failed can be repeated. [`SocketIo`] and [`Backoff`] are
//! also what clients on real sockets are made of (`tests/chaos`).

mod answer;
mod backoff;
mod client_host;
mod coverage;
mod disk;
mod event;
mod fault;
mod gateway;
mod hub;
mod hub_log;
mod job;
mod message;
mod model_client;
mod model_log;
mod network;
mod node;
mod packet;
mod page;
mod plan;
mod publication;
mod role;
mod run;
mod shrink;
mod socket_io;
mod story;
mod stream;
mod tenant_hub;

pub use answer::Answer;
pub use backoff::Backoff;
pub use client_host::{ClientHost, HostNews};
pub use coverage::{Counted, Coverage};
pub use disk::{Disk, DiskError};
pub use event::Event;
pub use fault::Fault;
pub use gateway::{Call, Clients, Output};
pub use hub::{ClientIndex, Hub, ModelTime, Ticket};
pub use hub_log::{HubLog, LogModel};
pub use message::{Message, Payload};
pub use model_client::{Action, Input, ModelClient, Way};
pub use model_log::{DiskCounts, ModelDisk, ModelLog};
pub use network::{Arrival, Delivery, End, LinkIndex, Network, Tear};
pub use node::Node;
pub use packet::Packet;
pub use plan::{Person, Plan, Step};
pub use publication::{Publication, Topic};
pub use role::Role;
pub use run::{HubSettings, MakeHub, Outcome, run};
pub use shrink::shrink;
pub use socket_io::{Heard, SocketIo};
pub use story::tell;
pub use stream::{NodeLog, SharedStream, StreamCounts, StreamLine};
pub use tenant_hub::TenantHub;
