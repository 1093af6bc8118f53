//! The checker, judged by histories whose faults are known.

mod promises;
mod replaced_log;
mod rules;
mod story;
mod without_log;
