//! Prints a page of `docs/reference`. A program of its own, so that `xtask` can make the code that this one is built from.
#![allow(clippy::print_stdout, reason = "the page is its output")]

mod configuration;
mod events;

use std::process::ExitCode;

fn main() -> ExitCode {
    let page = match std::env::args().nth(1).as_deref() {
        Some("configuration") => configuration::page(),
        Some("events") => events::page(),
        _ => {
            eprintln!("usage: reference configuration|events");
            return ExitCode::from(2);
        }
    };
    print!("{page}");
    ExitCode::SUCCESS
}
