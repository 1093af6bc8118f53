//! The few things that the standard library does not offer. The only `unsafe` of this package is here.
#![allow(unsafe_code)]

/// Lets the calling thread run when others leave it time: hostile people have machines of their own, and on this one they
/// must not take from the hub what they would not take from it over a network.
pub(crate) fn yield_to_others() {
    // SAFETY: `setpriority` takes no pointers; on Linux, 0 is the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
    }
}
