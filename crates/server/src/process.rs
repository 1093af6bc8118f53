//! What the operating system says of this process, from `/proc`; nothing where there is none.

use std::fs;
use std::time::Duration;

/// Clock ticks per second in `/proc`, which Linux fixes for programs whatever the kernel's own rate.
const TICKS_PER_SECOND: u64 = 100;

/// Memory resident now, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Memory there is: the control group's limit, or the machine's; in bytes.
pub(crate) fn memory_bytes() -> Option<u64> {
    let machine = kibibytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    // The text is `max` where there is no limit.
    let limit = limit.and_then(|limit| limit.trim().parse::<u64>().ok());
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}

/// Processor time used since the start, of all threads.
pub(crate) fn cpu_time() -> Option<Duration> {
    cpu_time_in(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// File descriptors open now.
pub(crate) fn open_files() -> Option<usize> {
    // The size of the directory is their number since Linux 6.2; before, it is 0, and they are counted.
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    match usize::try_from(size) {
        Ok(size) if size > 0 => Some(size),
        _ => Some(fs::read_dir("/proc/self/fd").ok()?.count()),
    }
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1_024)
}

fn cpu_time_in(stat: &str) -> Option<Duration> {
    // The name before it may hold anything, so fields are counted from its closing parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_a_name_with_spaces_and_parentheses() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14";
        assert_eq!(cpu_time_in(stat), Some(Duration::from_secs(2)));
    }

    #[test]
    fn open_files_are_counted() {
        let before = open_files().unwrap();
        let files: Vec<_> = (0..20).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert_eq!(open_files().unwrap(), before + files.len());
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2_097_152));
        assert_eq!(kibibytes("Name:\tx\n", "VmRSS:"), None);
    }
}
