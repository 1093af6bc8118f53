//! The promises, over real sockets: a server in this process, and clients on loopback.

#![allow(clippy::unwrap_used, reason = "Clippy does not see that helpers of tests are tests")]
#![allow(clippy::needless_pass_by_value, reason = "scenarios make an argument where they send it")]

mod acknowledgements;
mod backpressure;
mod closing;
mod cluster;
mod cluster_declarations;
mod cluster_devices;
mod cluster_queries;
mod cluster_watchdog;
mod cluster_webhooks;
mod couriers;
mod cursors;
mod delivery;
mod depth;
mod devices;
mod elsewhere;
mod emitters;
mod event_stream_audience;
mod event_stream_doors;
mod event_stream_recovery;
mod event_streams;
mod fail_over;
mod handshake;
mod harness;
mod hooks;
mod http;
mod hub_events;
mod isolation;
mod isolation_suite;
mod limits;
mod metrics;
mod node_requests;
mod nodes;
mod noisy_neighbour;
mod offline;
mod operators;
mod ordering;
mod ownership;
mod plain_json;
mod recovery;
mod redactions;
mod redis_states;
mod repeats;
mod restart;
mod rooms;
mod session_age;
mod shards;
mod storage;
mod support;
mod tables;
mod upstream;
mod watchdog;
mod webhooks;
