//! How much of a replay is sent at once.

/// Entries read from the disk at once.
pub(crate) const PAGE_ENTRIES: usize = 512;
/// Bytes sent before the client must have taken them.
pub(crate) const PAGE_BYTES_MAX: u64 = 256 << 10;

/// What is sent of a replay before the client must have taken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    pub(crate) entries_max: usize,
    pub(crate) bytes_max: u64,
}

impl PageLimits {
    /// Half of what may wait for a slow reader, in messages and bytes: or else a replay would have its own reader closed.
    pub fn within(queue_messages_max: usize, queue_bytes_max: usize) -> Self {
        Self {
            entries_max: (queue_messages_max / 2).clamp(1, PAGE_ENTRIES),
            bytes_max: PAGE_BYTES_MAX.min(queue_bytes_max as u64 / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leaves_room_in_the_queue_of_a_slow_reader() {
        let check = |messages: usize, bytes: usize, entries_max: usize, bytes_max: u64| {
            let limits = PageLimits::within(messages, bytes);
            assert_eq!(limits, PageLimits { entries_max, bytes_max });
        };
        check(64, 512 << 10, 32, 256 << 10);
        check(1, 1_000, 1, 500);
        check(1_000_000, 64 << 20, PAGE_ENTRIES, PAGE_BYTES_MAX);
    }
}
