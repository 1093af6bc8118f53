//! What `foodtrack-websocket demo` adds to the hub: the playground's files, two made-up restaurants, and a gateway
//! that orders in them and answers requests.

pub mod assets;
pub mod gateway;
pub(crate) mod http_call;
pub(crate) mod http_request;
mod pages;
pub(crate) mod requests;
pub mod restaurants;

pub(crate) use pages::Demo;
