//! Frames of strangers: WebSockets without a token.

use std::time::Instant;

use crate::attack::{Attack, Demand};
use crate::joined::Joined;
use crate::request::{ping_frame, text_frame};

/// A turn's tiny frames: 60 connections then send half a million a second where nobody stops them.
const TINY_FRAMES: usize = 80;
const NAMESPACE_BYTES: usize = 60_000;

pub(super) fn all() -> Vec<Attack> {
    let tiny = Attack::new("tiny-frames", "pongs that nobody asked for, and pings", 60, |_| {
        Box::new(Joined::unknown(|_: Instant, out: &mut Vec<u8>| {
            for _ in 0..TINY_FRAMES {
                text_frame(out, "3");
                ping_frame(out, b"");
            }
        }))
    });
    vec![
        Attack { demand: Some(Demand::Closed), ..tiny },
        Attack::new("unknown-namespaces", "CONNECT to namespaces with long names", 50, |_| {
            Box::new(Joined::unknown(|_: Instant, out: &mut Vec<u8>| {
                text_frame(out, &format!("40/{},", "n".repeat(NAMESPACE_BYTES)));
            }))
        }),
        Attack::new("forged-tokens", "CONNECT with forged tokens", 100, |_| {
            Box::new(Joined::unknown(|_: Instant, out: &mut Vec<u8>| {
                text_frame(out, &format!(r#"40{{"token":"{FORGED}"}}"#));
            }))
        }),
    ]
}

/// A token that reads as one, of an algorithm that the hub takes, and is signed by nobody.
const FORGED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJ0ZW5hbnRJZCI6ImNhbG0iLCJ1c2VySWQiOiJtYWxsb3J5Iiwicm9sZSI6ImFkbWluIiwiaWF0IjoxLCJleHAiOjk5OTk5OTk5OTl9.\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
