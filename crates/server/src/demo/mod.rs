//! What `foodtrack-websocket demo` adds to the hub: the playground's files, two made-up restaurants, and a gateway
//! that orders in them and answers requests.

pub mod assets;
pub mod gateway;
mod http_call;
mod pages;
pub(crate) mod requests;
pub mod restaurants;

pub(crate) use pages::Demo;
