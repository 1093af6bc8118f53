//! The front door from outside: configuration, HTTP API and command line, on real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

mod api_keys;
mod audit;
mod batches;
mod command;
mod configuration;
mod dashboard;
mod data_dir;
mod descriptors;
mod door;
mod encryption;
mod given_listener;
mod http_api;
mod http_reference;
mod log;
mod log_over_http;
mod logging;
mod origins;
mod process;
mod proxies;
mod reload;
mod rules;
mod self_check;
mod service_manager;
mod status;
mod support;
