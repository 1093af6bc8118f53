//! A tenant through its public interface: whatever it is told, in whatever order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod operations;
mod outside;
mod two_nodes;
mod users;

/// Operations from a seed.
fn operations(mut seed: u64) -> Vec<u8> {
    let mut next = || {
        // SplitMix64.
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 56) as u8
    };
    (0..401).map(|_| next()).collect()
}

#[test]
fn whatever_two_nodes_of_one_log_are_told_in_whatever_order_what_must_hold_does() {
    for seed in 0..40 {
        let bytes = operations(seed);
        let outcome = std::panic::catch_unwind(|| operations::run_on_two_nodes(&bytes));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn whatever_a_tenant_is_told_in_whatever_order_what_must_hold_does() {
    for seed in 0..160 {
        let bytes = operations(seed);
        let outcome = std::panic::catch_unwind(|| operations::run(&bytes));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
