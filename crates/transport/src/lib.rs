//! Clients' sockets: one event loop a shard, HTTP/1.1, WebSocket, long-polling, and the flush at the end of a turn. The
//! only crate that opens sockets of clients.
//!
//! [`Reactor`] owns sockets and clients; an [`Application`] decides who may join and what is sent to whom.

mod acceptor;
mod admission;
mod allowance;
mod chunked;
mod cidr_blocks;
mod client;
mod clients;
mod commons;
mod deadlines;
mod delivery_queue;
mod door;
mod engine_request;
mod form;
mod frame;
mod frame_layout;
mod handover;
mod http;
#[cfg(any(test, fuzzing))]
pub mod http_connection;
mod http_response;
mod limits;
mod link;
mod links;
mod listener;
mod network;
mod node_mark;
mod origin_policy;
mod outbox;
mod packet_parts;
mod passed_on;
mod proxy_header;
mod reactor;
mod request_reader;
mod seldom;
mod send_ring;
mod sid;
mod stranger_budget;
mod stranger_ledger;
mod stranger_queue;
mod strangers_by_address;
mod streams;
mod timer_wheel;
mod tls_door;
mod trusted_proxies;
mod turned_away;
mod waiting;
mod waker;
mod written_cursor;

pub use cidr_blocks::{CidrBlocks, MalformedCidrBlock};
pub use client::{ClientKey, HandshakeInfo, Protocol};
pub use commons::{Commons, Endpoint, ReactorConfig, ReactorStats};
pub use door::{DoorRefusal, DoorRefusals};
pub use foodtrack_session::{CloseReason, Sid};
pub use foodtrack_wire::{FrameMeta, LogPlace, Urgency};
pub use handover::Handover;
pub use limits::Limits;
pub use listener::{adopt, listen};
pub use mio::Events;
pub use node_mark::{NodeMark, NodeTag};
pub use origin_policy::{OriginPolicy, PageAccess, refused_origin};
pub use outbox::FrameId;
pub use packet_parts::{CursorSuffix, PacketKind, PacketParts};
pub use passed_on::{PassOn, PassedParts, PassedSocket, Seal};
#[cfg(fuzzing)]
pub use proxy_header::fuzzed as proxy_header_bytes;
pub use reactor::Reactor;
pub use reactor::application::{Application, Data, Flow, HttpRequest, HttpTicket, Verdict};
pub use reactor::streaming::Piece;
pub use tls_door::TlsDoor;
pub use trusted_proxies::TrustedProxies;
pub use waker::Waker;
