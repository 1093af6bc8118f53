//! How many descriptors the process may have open, and how many of them sockets may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for all that is no socket: the log's database, its segments and readers, backups, pipes.
const RESERVED: u64 = 128;
/// What is asked for where the system names no hard limit.
const UNLIMITED: u64 = 1 << 20;
/// Sockets that are served however few descriptors there are: what cannot be accepted then is noticed there.
const SOCKETS_MIN: u64 = 16;

/// Raises the soft limit to the hard one, and says so in the log. Most systems give a process 1 024 where it does not ask.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let before = current.unwrap_or(u64::MAX);
    let wanted = maximum.unwrap_or(UNLIMITED);
    if before >= wanted {
        return tracing::info!(
            descriptors_max = before,
            "descriptors: the soft limit is the hard one"
        );
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => {
            tracing::info!(
                before,
                descriptors_max = wanted,
                "descriptors: raised the soft limit to the hard one"
            );
        }
        Err(error) => {
            tracing::warn!(%error, descriptors_max = before, wanted, "descriptors: cannot raise the soft limit");
        }
    }
}

/// How many descriptors a server may raise its limit to; `None` where there is none.
pub(crate) fn hard_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// How many descriptors may be open; `None` where there is no limit.
pub(crate) fn most() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many sockets the limit of this process leaves room for.
pub(crate) fn sockets_max() -> usize {
    sockets_within(getrlimit(Resource::Nofile).current)
}

/// Whether sockets have nearly all that they may take: then strangers are turned away before long.
pub(crate) fn are_short() -> bool {
    crate::process::open_files().is_some_and(|open| is_short(open, sockets_max()))
}

/// From 19 of 20 on.
fn is_short(open: usize, sockets_max: usize) -> bool {
    open / 19 >= sockets_max / 20
}

/// An eighth of few descriptors is kept, and [`RESERVED`] of many.
fn sockets_within(descriptors: Option<u64>) -> usize {
    let sockets = descriptors.map(|all| all.saturating_sub(RESERVED.min(all / 8)).max(SOCKETS_MIN));
    sockets.and_then(|sockets| usize::try_from(sockets).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_short_before_sockets_have_all_that_they_may_take() {
        for (open, sockets_max, expected) in
            [(800, 896, false), (852, 896, true), (896, 896, true), (100_000, usize::MAX, false)]
        {
            assert_eq!(is_short(open, sockets_max), expected, "{open} of {sockets_max}");
        }
    }

    #[test]
    fn sockets_leave_descriptors_for_the_log() {
        assert_eq!(sockets_within(Some(1_048_576)), 1_048_448);
        assert_eq!(sockets_within(Some(1_024)), 896);
        assert_eq!(sockets_within(Some(256)), 224);
        assert_eq!(sockets_within(Some(4)), 16);
        assert_eq!(sockets_within(None), usize::MAX);
    }
}
