//! server

pub mod demo;
