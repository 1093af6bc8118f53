//! The same of several nodes that share a log: seeds hold, and rules that are broken on purpose are found.

use foodtrack_simulation::{Coverage, Fault, Outcome, Plan, TenantHub, run, tell};

use crate::is_found_in;

/// Returns what the run went through.
#[track_caller]
fn holds(seed: u64) -> Coverage {
    let run = |tells| run(&Plan::of_nodes(seed), &TenantHub::boxed, None, tells);
    let Outcome { verdict, coverage, .. } = run(false);
    let told = || tell(&run(true).story);
    assert!(verdict.holds(), "seed {seed}: {:#?}\n{}", verdict.violations, told());
    coverage
}

#[test]
fn seeds_of_nodes_hold_and_go_through_everything() {
    let mut coverage = Coverage::default();
    for seed in 1..=80 {
        coverage.absorb(&holds(seed));
    }
    let missing = coverage.missing().filter(|what| !what.is_of_one());
    let missing: Vec<&str> = missing.map(|what| what.as_str()).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}\n{coverage}");
}

#[test]
fn a_seed_of_nodes_repeats_its_run() {
    for seed in 1..=8 {
        let run = || run(&Plan::of_nodes(seed), &TenantHub::boxed, None, false).records;
        assert!(run() == run(), "seed {seed}");
    }
}

#[test]
fn what_a_node_notes_while_another_one_opens_the_log_stands_there() {
    // A session is back on a node that was opening the log when its room was noted.
    [41_001_230, 41_002_579, 41_040_270].into_iter().for_each(|seed| _ = holds(seed));
}

#[test]
fn who_came_while_the_log_was_out_of_reach_and_is_back_on_another_node_lacks_nothing() {
    holds(41_001_107);
}

#[test]
fn a_session_that_came_back_to_another_node_of_which_nothing_was_heard_is_there() {
    // Its old connection had not ended, and its rooms of before were taken for those that it has.
    [41_045_833, 41_079_745, 41_094_969].into_iter().for_each(|seed| _ = holds(seed));
}

#[test]
fn what_was_acknowledged_on_another_node_is_not_sent_again_by_one_that_hears_of_it_late() {
    holds(41_022_294);
}

#[test]
fn whose_an_order_is_that_another_node_has_just_made_is_asked_of_the_log() {
    // A client had asked for its room before it was made.
    [41_000_502, 41_001_629].into_iter().for_each(|seed| _ = holds(seed));
}

#[track_caller]
fn is_found(fault: Fault, seeds_max: u64) {
    is_found_in(Plan::of_nodes, 1..=seeds_max, fault);
}

#[test]
fn a_message_that_is_taken_through_two_nodes_is_found() {
    is_found(Fault::TakesTwice, 150);
}

#[test]
fn an_entry_of_another_node_that_is_passed_over_is_found() {
    is_found(Fault::SkipsOthers, 50);
}

#[test]
fn an_answer_of_a_node_that_did_not_reach_the_log_is_found() {
    is_found(Fault::AnswersTooSoon, 150);
}

#[test]
fn a_node_that_does_not_hear_what_others_noted_is_found() {
    is_found(Fault::KeepsNotesToItself, 300);
}

#[test]
fn the_rules_of_one_are_found_among_several_as_well() {
    is_found(Fault::ReleasesOutOfOrder, 20);
    is_found(Fault::RunsAheadWithCursors, 20);
    is_found(Fault::ConfirmsOnWrite, 300);
    is_found(Fault::SharesFramesAcrossTenants, 20);
}
