//! `simulate`: runs many schedules, and tells the story of those that fail.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use foodtrack_simulation::{Coverage, Fault, Outcome, Plan, TenantHub, run, shrink, tell};

/// Runs whole nodes from seeds, and judges what their clients saw.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Several nodes that share a log, in place of one with its log on a disk.
    #[arg(long)]
    nodes: bool,
    /// Breaks this rule of delivery (1 to 9; of nodes to 13), to see it found.
    #[arg(long)]
    broken_rule: Option<usize>,
    /// Tells what happens with the first seed, whole, and does nothing else.
    #[arg(long)]
    story: bool,
    /// After so many seeds that failed it ends.
    #[arg(long, default_value_t = 5)]
    failures_max: u64,
}

#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that reports, and says how long it took"
)]
fn main() -> ExitCode {
    let Arguments { seeds, seed: first, nodes, broken_rule, story, failures_max } =
        Arguments::parse();
    let mut faults = Fault::ALL.into_iter().chain(Fault::OF_NODES);
    let fault = faults.find(|fault| Some(fault.rule()) == broken_rule);
    let plan_of = if nodes { Plan::of_nodes } else { Plan::from_seed };
    if story {
        println!("{}", told(&run(&plan_of(first), &TenantHub::boxed, fault, true)));
        return ExitCode::SUCCESS;
    }
    let (began, mut coverage, mut failed, mut done) = (Instant::now(), Coverage::default(), 0, 0);
    for seed in first..first.saturating_add(seeds) {
        let plan = plan_of(seed);
        let outcome = run(&plan, &TenantHub::boxed, fault, false);
        coverage.absorb(&outcome.coverage);
        done += 1;
        if outcome.verdict.holds() {
            continue;
        }
        failed += 1;
        println!("seed {seed} fails: {}", outcome.verdict);
        let short = shrink(&plan, 400, |plan| {
            let outcome = run(plan, &TenantHub::boxed, fault, false);
            outcome.verdict.violations.iter().map(|violation| violation.kind).collect()
        });
        println!("{short:#?}\n{}", told(&run(&short, &TenantHub::boxed, fault, true)));
        if failed >= failures_max {
            break;
        }
    }
    let took_s = began.elapsed().as_secs_f64();
    let per_minute = done as f64 / took_s * 60.0;
    println!("{coverage}");
    println!(
        "{done} seeds from {first} in {took_s:.1} s, {per_minute:.0} a minute: {failed} failed"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The story of a run, and what was broken in it.
fn told(outcome: &Outcome) -> String {
    let mut text = tell(&outcome.story);
    for violation in &outcome.verdict.violations {
        text.push_str(&format!("  {:?}: {}\n", violation.kind, violation.about));
    }
    text
}
