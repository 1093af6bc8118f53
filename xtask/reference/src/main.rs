//! Prints a page of `docs/reference`, or a generated file of `clients/typescript`. A program of its own, so that `xtask` can make the code that this one is built from.
#![allow(clippy::print_stdout, reason = "the page is its output")]

mod configuration;
mod events;
mod typescript;

use std::process::ExitCode;

fn main() -> ExitCode {
    let page = match std::env::args().nth(1).as_deref() {
        Some("configuration") => configuration::page(),
        Some("events") => events::page(),
        Some("typescript-constants") => typescript::constants(),
        Some("typescript-payloads") => typescript::payloads(),
        Some("typescript-schemas") => typescript::schemas(),
        _ => {
            eprintln!(
                "usage: reference configuration|events|typescript-(constants|payloads|schemas)"
            );
            return ExitCode::from(2);
        }
    };
    print!("{page}");
    ExitCode::SUCCESS
}
