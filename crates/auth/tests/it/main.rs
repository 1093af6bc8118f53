//! The promises of token verification.

mod claims;
mod keys;
mod properties;
mod support;
