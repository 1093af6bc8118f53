//! The promises of token verification.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod api_keys;
mod claims;
mod issuers;
mod keys;
mod logins;
mod properties;
mod support;
