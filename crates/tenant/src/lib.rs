//! One tenant as a state machine: inputs and time in, effects out. It knows no socket, no clock, no file and no thread.
//!
//! [`Tenant::handle`] is the only way in, and [`Effects`] the only way out. [`Tenant::next_deadline_ms`] says when a tenant has
//! something to do by itself. What it works with and does not own is in [`Settings`].
//!
//! It is made of parts that own their fields: `Members` (who is here, and whom an audience means), `Intake` (whether an event
//! may come in), `Ledger` (what was accepted, kept and delivered), `Sessions` (what can be resumed), `Replay` (one connection
//! that catches up) and `Reliability` (acknowledgements, retries, watches).

mod acknowledgements;
mod admission;
mod appending;
mod asked_at;
mod audience_filter;
mod broadcasting;
mod catch_up;
mod client_events;
mod confirming;
mod connecting;
mod connection_limits;
mod connection_lines;
mod connection_news;
mod connection_slot;
mod control_events;
mod counters;
mod crowds;
mod cursor_suffix;
mod dead_letters;
mod delivery;
mod delivery_news;
mod described_rooms;
mod device_journal;
mod device_turns;
mod dialect;
mod effects;
mod entry_trace;
mod event_frame;
mod followed_devices;
mod following;
mod forwarded;
mod forwarding;
mod fresh_tokens;
mod hook;
mod hub_events;
mod input;
mod intake;
mod ledger;
mod log_lookups;
mod log_news;
mod members;
mod metrics_pace;
mod model;
mod now;
mod offline_queues;
mod online;
mod page_limits;
mod pages;
mod payload_key;
mod payload_keys;
mod policies;
mod publishing;
mod quota;
mod read_job;
mod recent_absences;
mod reliability;
mod replay;
mod replay_plan;
mod reply_to;
mod request;
mod request_names;
mod requests;
mod resting;
mod retry_policy;
mod revoking;
mod room_notes;
#[cfg(test)]
mod samples;
mod sending_metrics;
mod session_keeping;
mod session_key;
mod session_resume;
mod sessions;
mod settings;
mod shared_devices;
mod shared_frame;
mod shared_rate;
mod spooled_orders;
mod spooling;
mod tables;
mod tally;
mod tenant;
mod translating;
mod turn;
mod undeliverable;
mod view;
mod waiting_work;
mod wanted_hub_events;
mod watch_duty;
mod watchdog;
mod watching;

pub use admission::{Admission, ClientAbout, EXPIRED_GRACE_S, Resume};
pub use connection_lines::stranger_refused;
pub use connection_news::{ConnectionChange, ConnectionNews};
pub use connection_slot::{ConnectionSlot, Generation};
pub use counters::{Counters, DISCONNECT_REASONS, EventCounts, Times};
pub use delivery_news::DeliveryNews;

pub use crowds::{Crowd, Crowds};
pub use cursor_suffix::CursorSuffix;
pub use dialect::{Dialect, Profiles};
pub use effects::{CloseReason, Effects, Pace, Verdict, Welcome};
pub use event_frame::EventFrame;
pub use forwarded::{Forwarded, Requester, UpstreamAnswer};
pub use hook::{Hook, HookQuestion, Permit, PermitsOf};
pub use input::{Arrival, ClientEvent, Input};
pub use intake::{CHECKS_US_PER_SECOND, EmissionKey};
pub use model::{
    Accepted, Broadcast, ConnectionCounts, ConnectionFilter, ConnectionInfo, DeviceNews,
    DeviceTrace, DeviceTurn, DirectEvent, DisconnectTarget, EntryTrace, Page, PageQuery,
    PresenceInfo, PresenceQuery, Recipients, RoomInfo, RoomMetadata, Sent, TracedEntry, page_limit,
};
pub use now::{Now, rfc3339};
pub use page_limits::PageLimits;
pub use payload_key::PayloadKey;
pub use policies::Policies;
pub use quota::{Bucket, Rate};
pub use read_job::{Asker, ReadAnswer, ReadJob, read_owner};
pub use reliability::read_subscriber_key;
pub use request::{Answer, OwnedRoom, Request, RequestId};
pub use request_names::RequestNames;
pub use retry_policy::RetryPolicy;
pub use session_key::SessionKey;
pub use settings::{RecoveryConfig, Settings, TenantLimits};
pub use shared_rate::{Party, SharedBucket};
pub use tally::TenantTally;
pub use tenant::Tenant;
pub use wanted_hub_events::WantedHubEvents;
