//! What `foodtrack-websocket demo` adds to the hub: the playground's files, two made-up restaurants, and a gateway
//! that orders in them.

pub mod assets;
pub mod gateway;
mod pages;
pub mod restaurants;

pub(crate) use pages::Demo;
