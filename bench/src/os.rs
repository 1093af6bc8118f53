//! The few things that the standard library does not offer. The only `unsafe` of this package is here.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::io::Read;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::time::Duration;

/// Pins the calling thread, and what it starts later, to one core.
///
/// # Errors
/// The core does not exist or is not allowed to this process.
pub(crate) fn pin_to_core(core: usize) -> io::Result<()> {
    if core >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: a zeroed `cpu_set_t` is an empty set, and `core` is within it.
    let set = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(core, &mut set);
        set
    };
    // SAFETY: the kernel reads `size_of_val(&set)` bytes of a live local; 0 names the calling thread.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) })
}

/// The unit of the CPU times in `/proc/PID/stat`.
pub(crate) fn clock_ticks_per_second() -> u64 {
    // SAFETY: `sysconf` takes no pointers.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|&ticks| ticks > 0).unwrap_or(100)
}

/// Makes the command's process die with this one, also when this one is killed.
pub(crate) fn die_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(|| check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)));
    }
}

/// Raises the soft limit of descriptors to the hard one, which the children inherit, and returns it.
///
/// # Errors
/// The system refuses, as it does only for a limit it never gave.
pub(crate) fn raise_descriptors_max() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit` into a live local.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one `rlimit` from a live local.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(limit.rlim_cur)
}

/// A periodic timer with a descriptor: `epoll_wait` itself knows only whole milliseconds.
pub(crate) struct Ticker {
    file: File,
}

impl Ticker {
    /// A ticker that becomes readable every `period`.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub(crate) fn start(period: Duration) -> io::Result<Self> {
        // SAFETY: `timerfd_create` takes no pointers.
        let fd = unsafe {
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC)
        };
        check(fd)?;
        // SAFETY: the descriptor was just made and nobody else owns it.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let interval = libc::timespec {
            tv_sec: libc::time_t::try_from(period.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: i64::from(period.subsec_nanos()),
        };
        let spec = libc::itimerspec { it_interval: interval, it_value: interval };
        // SAFETY: the kernel reads one `itimerspec` from a live local; the old value is not asked for.
        check(unsafe { libc::timerfd_settime(fd, 0, &raw const spec, ptr::null_mut()) })?;
        Ok(Self { file })
    }

    /// Takes the ticks that have passed, so that the next one wakes the loop again.
    pub(crate) fn drain(&mut self) {
        let mut ticks = [0; 8];
        // A ticker without a tick answers `WouldBlock`, which is as good.
        self.file.read_exact(&mut ticks).ok();
    }
}

impl AsRawFd for Ticker {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
