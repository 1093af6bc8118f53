//! The hub's own dashboard: pages in the binary, which hold no data. What they show they ask for with the token of who logs in.

mod encoding;
mod pages;

pub(crate) use pages::routes;
