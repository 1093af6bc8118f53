//! The few things that the standard library does not offer. The only `unsafe` of this package is here.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Makes the command's process die with this one, also when this one is killed.
pub(super) fn die_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(|| check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)));
    }
}

/// Limits the command's process to so many descriptors, for good.
pub(super) fn limit_descriptors(command: &mut Command, descriptors_max: u64) {
    let limit = libc::rlimit { rlim_cur: descriptors_max, rlim_max: descriptors_max };
    // SAFETY: between fork and exec only `setrlimit` is called, with a copy of a value; it allocates nothing.
    unsafe {
        command.pre_exec(move || check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)));
    }
}

/// Sends SIGTERM to a child that was not waited for yet, so that its id is still its own.
pub(super) fn terminate(child: &Child) -> io::Result<()> {
    signal(child.id(), libc::SIGTERM)
}

/// Stops a child from running, as a machine that is suspended does, until it may go on.
///
/// # Errors
/// There is no such child.
pub fn freeze(pid: u32) -> io::Result<()> {
    signal(pid, libc::SIGSTOP)
}

/// Lets a child run again.
///
/// # Errors
/// There is no such child.
pub fn thaw(pid: u32) -> io::Result<()> {
    signal(pid, libc::SIGCONT)
}

fn signal(pid: u32, signal: libc::c_int) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: `kill` takes no pointers.
    check(unsafe { libc::kill(pid, signal) })
}

/// Raises the soft limit of descriptors to the hard one, which the children inherit, and returns it.
///
/// # Errors
/// The system refuses, as it does only for a limit it never gave.
pub fn raise_descriptors_max() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit` into a live local.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one `rlimit` from a live local.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(limit.rlim_cur)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
