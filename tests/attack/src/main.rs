//! `attack`: see `attack --help`.
//!
//! [`arena`] runs a hub with a [`crowd`] of well-behaved clients, lets a [`horde`] of hostile connections loose on it, and
//! measures. [`attacks`] has the kinds of hostility, [`verdict`] the promises.

mod arena;
mod asker;
mod attack;
mod attacks;
mod cli;
mod crowd;
mod horde;
mod joined;
mod os;
mod people;
mod report;
mod request;
mod verdict;
mod vitals;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
