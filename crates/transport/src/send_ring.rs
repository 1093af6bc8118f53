//! A turn's sends as one submission to the kernel, where it has io_uring and allows it.
//!
//! An optional back end: containers' seccomp profiles and older kernels forbid io_uring, and then every send is a system
//! call of its own. Which of the two is in use changes no behaviour.

// The kernel reads the buffers that are submitted: that they outlive the submission is a promise the compiler cannot
// check. It is kept within `send_all`, which returns when every completion is there, or says that the ring has failed and
// how many sends the kernel may still be busy with: then the caller keeps the bytes for good.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::RawFd;

use io_uring::{IoUring, opcode, types};

/// Sends submitted at once.
pub(crate) const BATCH: usize = 256;

/// Sockets that the kernel keeps by their place, so that it need not look up and hold each for each send. A shard with
/// more goes on with those beyond by their descriptor.
const PLACES: u32 = 32_768;

/// One send, as far as the ring must know it.
#[derive(Clone, Copy)]
pub(crate) struct Send<'a> {
    pub(crate) socket: RawFd,
    /// The socket's place, where it was [kept](SendRing::keep).
    pub(crate) place: Option<u32>,
    pub(crate) bytes: &'a [u8],
}

/// What became of a send that the kernel took and never reported: nobody knows.
pub(crate) const LOST: i32 = i32::MIN;

/// The ring does not work any more; what it did not send is to be written plainly, and it is to be dropped.
#[derive(Debug)]
pub(crate) struct RingFailed {
    pub(crate) error: io::Error,
    /// Sends that the kernel may still be reading the bytes of.
    pub(crate) lost: usize,
}

pub(crate) struct SendRing {
    ring: IoUring,
    /// Whether the kernel keeps sockets by place; older ones may not.
    places: bool,
}

impl SendRing {
    /// A ring for this thread alone.
    ///
    /// # Errors
    /// Where the kernel has none, or does not allow it.
    pub(crate) fn new() -> io::Result<Self> {
        let entries = u32::try_from(BATCH).unwrap_or(u32::MAX);
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all();
        let ring = builder.build(entries)?;
        let mut probe = io_uring::Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Send::CODE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let places = ring.submitter().register_files_sparse(PLACES).is_ok();
        Ok(Self { ring, places })
    }

    /// Makes every later submission fail, as the kernel would: puts something else where the ring was.
    ///
    /// # Panics
    /// Where the system gives no file.
    #[cfg(test)]
    pub(crate) fn fail(&mut self) {
        use std::os::fd::AsRawFd as _;
        let other = std::fs::File::open("/dev/null").unwrap();
        // SAFETY: both are open; the ring's memory stays mapped, and its own drop closes what is there now.
        let put = unsafe { libc::dup2(other.as_raw_fd(), self.ring.as_raw_fd()) };
        assert!(put >= 0);
    }

    /// Makes the kernel keep a socket at a place until it is [let go](Self::let_go). Returns whether it does.
    pub(crate) fn keep(&mut self, place: u32, socket: RawFd) -> bool {
        self.places && place < PLACES && self.put(place, socket)
    }

    /// Lets a kept socket go: before that closing it would not end the connection.
    pub(crate) fn let_go(&mut self, place: u32) {
        self.put(place, -1);
    }

    fn put(&mut self, place: u32, socket: RawFd) -> bool {
        self.ring.submitter().register_files_update(place, &[socket]).is_ok()
    }

    /// Sends everything without blocking: `results` are as of a non-blocking `send`, a number of bytes or a negated error.
    ///
    /// # Errors
    /// Where the ring itself failed. `results` hold then too: what was not sent says `EAGAIN`, and what the kernel took
    /// without reporting it says [`LOST`]; its bytes must never be freed or changed.
    pub(crate) fn send_all(
        &mut self,
        sends: &[Send<'_>],
        results: &mut [i32; BATCH],
    ) -> Result<(), RingFailed> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let mut missing = 0;
        for (place, send) in sends.iter().take(BATCH).enumerate() {
            let length = u32::try_from(send.bytes.len()).unwrap_or(u32::MAX);
            let bytes = send.bytes.as_ptr();
            let entry = match send.place {
                Some(kept) => opcode::Send::new(types::Fixed(kept), bytes, length),
                None => opcode::Send::new(types::Fd(send.socket), bytes, length),
            };
            let entry = entry.flags(flags).build().user_data(place as u64);
            // SAFETY: the bytes are borrowed until this returns, and it does not return before the kernel has reported
            // this send: the loop below counts every completion. Where the ring fails, the caller keeps the bytes.
            let pushed = unsafe { self.ring.submission().push(&entry) };
            // The queue holds a batch and is empty between two of them.
            results[place] = if pushed.is_ok() { LOST } else { -libc::EAGAIN };
            missing += usize::from(pushed.is_ok());
        }
        while missing > 0 {
            let waited = match self.ring.submit_and_wait(missing) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
                _ => Ok(()),
            };
            for completion in self.ring.completion() {
                missing -= 1;
                if let Ok(place) = usize::try_from(completion.user_data()) {
                    results[place] = completion.result();
                }
            }
            if let Err(error) = waited {
                return Err(self.failed(error, sends.len().min(BATCH), missing, results));
            }
        }
        Ok(())
    }

    /// Tells what the kernel never took, which is at the end of the queue, from what it took and did not report.
    fn failed(
        &mut self,
        error: io::Error,
        sends: usize,
        missing: usize,
        results: &mut [i32; BATCH],
    ) -> RingFailed {
        let mut submission = self.ring.submission();
        submission.sync();
        let untaken = submission.len().min(missing);
        let unreported = results[..sends].iter_mut().rev().filter(|result| **result == LOST);
        unreported.take(untaken).for_each(|result| *result = -libc::EAGAIN);
        RingFailed { error, lost: missing - untaken }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use test_support::{skipped, wait_until};

    use super::*;

    /// Where the machine has none there is nothing to test: the other way to send is in use.
    fn ring() -> Option<SendRing> {
        SendRing::new().inspect_err(|error| skipped(&format!("no io_uring: {error}"))).ok()
    }

    #[test]
    fn a_batch_reaches_every_socket_and_a_full_one_says_so() {
        let Some(mut ring) = ring() else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pairs: Vec<_> = (0..BATCH)
            .map(|_| {
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                (client, listener.accept().unwrap().0)
            })
            .collect();
        let texts: Vec<_> = (0..pairs.len()).map(|n| format!("frame {n}")).collect();
        let sends: Vec<_> = pairs
            .iter()
            .zip(&texts)
            .enumerate()
            .map(|(place, ((_, server), text))| {
                let socket = server.as_raw_fd();
                // Every other one is kept: both ways lead to the same.
                let place = u32::try_from(place).unwrap();
                let place = (place % 2 == 0 && ring.keep(place, socket)).then_some(place);
                Send { socket, place, bytes: text.as_bytes() }
            })
            .collect();
        let mut results = [0; BATCH];
        ring.send_all(&sends, &mut results).unwrap();
        for (((client, _), text), sent) in pairs.iter().zip(&texts).zip(results) {
            let mut received = vec![0; text.len()];
            (&*client).read_exact(&mut received).unwrap();
            assert_eq!(received, text.as_bytes());
            assert_eq!(usize::try_from(sent).unwrap(), text.len());
        }
        let huge = vec![7; 64 << 20];
        let sends = [Send { socket: pairs[0].1.as_raw_fd(), place: None, bytes: &huge }];
        ring.send_all(&sends, &mut results).unwrap();
        assert!((1..64 << 20).contains(&results[0]), "{}", results[0]);
        // The kernel may still be moving what it took to the reader's side, and then has room for a little more.
        wait_until("no room is left", || {
            ring.send_all(&sends, &mut results).unwrap();
            assert!(results[0] > 0 || results[0] == -libc::EAGAIN, "{}", results[0]);
            results[0] == -libc::EAGAIN
        });
    }

    #[test]
    fn a_ring_that_fails_says_what_it_did_not_send() {
        let Some(mut ring) = ring() else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = listener.accept().unwrap().0;
        let sends = [Send { socket: server.as_raw_fd(), place: None, bytes: b"once" }; 3];
        let mut results = [0; BATCH];
        ring.fail();
        let failed = ring.send_all(&sends, &mut results).unwrap_err();
        assert_eq!(failed.lost, 0);
        assert_eq!(results[..3], [-libc::EAGAIN; 3]);
        drop((ring, server));
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"", "what was said not to be sent was not sent");
    }
}
