//! The machine: its clock, and what the process may have of it.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::finding::Finding;
use crate::{data, descriptors, process};

/// 2026-01-01T00:00:00Z: this version did not exist before.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
/// So far behind the last run the clock may be, for the moment at which that was noted.
const BEHIND_MAX: Duration = Duration::from_secs(120);
/// With fewer, a busy evening of a few restaurants is turned away.
const DESCRIPTORS_MIN: u64 = 65_536;
const MEMORY_MIN: u64 = 512 << 20;

/// Whether the wall clock can be right.
pub(super) fn clock(directory: Option<&str>) -> Finding {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let kept = directory.and_then(|directory| data::kept_time(Path::new(directory)));
    clock_at(now, kept)
}

fn clock_at(now: Duration, kept: Option<Duration>) -> Finding {
    const ABOUT: &str = "clock";
    if now < EARLIEST {
        return Finding::bad(
            ABOUT,
            "the wall clock is before this version was made: tokens would not be good yet; start the machine's time service",
        );
    }
    match kept {
        Some(kept) if now + BEHIND_MAX < kept => {
            let behind = (kept - now).as_secs();
            Finding::bad(
                ABOUT,
                format!(
                    "the wall clock is {behind} s behind the time of the last run: start the machine's time service"
                ),
            )
        }
        _ => Finding::good(ABOUT, "the wall clock goes on from the last run"),
    }
}

/// How many sockets there may be.
pub(super) fn descriptors() -> Finding {
    const ABOUT: &str = "descriptors";
    let raised = descriptors::hard_limit();
    match raised {
        Some(limit) if limit < DESCRIPTORS_MIN => Finding::look(
            ABOUT,
            format!(
                "{limit} at most, of which each client takes one: set LimitNOFILE (systemd), --ulimit nofile (containers) or ulimit -Hn to 1048576"
            ),
        ),
        Some(limit) => Finding::good(ABOUT, format!("{limit} at most")),
        None => Finding::good(ABOUT, "no limit"),
    }
}

pub(super) fn memory() -> Finding {
    const ABOUT: &str = "memory";
    match process::memory_bytes() {
        Some(bytes) if bytes < MEMORY_MIN => Finding::look(
            ABOUT,
            format!(
                "{} MiB: lower limits.tableBytesMax and limits.strangersBytesMax, or give it more",
                bytes >> 20
            ),
        ),
        Some(bytes) => Finding::good(ABOUT, format!("{} MiB", bytes >> 20)),
        None => Finding::look(ABOUT, "the system does not tell how much there is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Weight;

    #[test]
    fn a_clock_before_the_last_run_or_before_this_version_is_bad() {
        let now = EARLIEST + Duration::from_secs(86_400);
        for (now, kept, weight) in [
            (Duration::ZERO, None, Weight::Bad),
            (now, None, Weight::Good),
            (now, Some(now - Duration::from_secs(5)), Weight::Good),
            (now, Some(now + Duration::from_secs(60)), Weight::Good),
            (now, Some(now + Duration::from_secs(3_600)), Weight::Bad),
        ] {
            assert_eq!(clock_at(now, kept).weight, weight, "{now:?} {kept:?}");
        }
    }
}
