//! A network between two processes of a test: a TCP proxy that can be cut, broken and slowed down.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often a half of a connection looks at what has become of the line.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const CHUNK_BYTES: usize = 64 << 10;

/// A line to one address. Dropping it breaks what goes over it.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    /// Nothing passes, and nobody is told.
    is_cut: AtomicBool,
    delay_ms: AtomicU64,
    /// Connections of an earlier number are broken.
    generation: AtomicU32,
    is_over: AtomicBool,
}

impl Line {
    /// A line to `target` that begins at a free port of 127.0.0.1.
    ///
    /// # Panics
    /// Where there is no such port.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0");
        let listener = listener.unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener.local_addr();
        let address = address.unwrap_or_else(|error| panic!("no address: {error}"));
        let state = Arc::new(State {
            target,
            is_cut: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
        });
        let of_accepting = Arc::clone(&state);
        thread::spawn(move || of_accepting.accept(&listener));
        Self { address, state }
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing pass in either direction; connections stay, and new ones are made and say nothing.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
    }

    /// Lets everything pass again, at once.
    pub fn mend(&self) {
        self.state.delay_ms.store(0, Ordering::SeqCst);
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// Lets what comes wait for so long, in each direction.
    pub fn slow_down(&self, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.state.delay_ms.store(delay_ms, Ordering::SeqCst);
    }

    /// Ends every connection that there is; new ones pass.
    pub fn break_connections(&self) {
        self.state.generation.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.break_connections();
        // The thread that accepts looks up once more. It is gone already where this fails.
        drop(TcpStream::connect(self.address));
    }
}

impl State {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for near in listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let Ok(near) = near else { continue };
            let state = Arc::clone(self);
            thread::spawn(move || state.connect(near));
        }
    }

    /// Connects the far end, and passes on what comes from there; another thread does what comes from the near end.
    fn connect(self: Arc<Self>, near: TcpStream) {
        let generation = self.generation.load(Ordering::SeqCst);
        while self.is_cut.load(Ordering::SeqCst) {
            if self.is_broken(generation) {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        // Who dials an address where nobody listens sees that the connection ends.
        let Ok(far) = TcpStream::connect(self.target) else { return };
        let (Ok(near_copy), Ok(far_copy)) = (near.try_clone(), far.try_clone()) else { return };
        let state = Arc::clone(&self);
        thread::spawn(move || state.pass(near_copy, far_copy, generation));
        self.pass(far, near, generation);
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, generation: u32) {
        let mut chunk = vec![0; CHUNK_BYTES];
        // A timeout of zero is refused, and this is none.
        let _ = from.set_read_timeout(Some(LOOK_EVERY));
        let _ = to.set_nodelay(true);
        while !self.is_broken(generation) {
            if self.is_cut.load(Ordering::SeqCst) {
                thread::sleep(LOOK_EVERY);
                continue;
            }
            let read = match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    continue;
                }
                Err(_) => break,
            };
            if !self.wait_to_pass(generation) {
                break;
            }
            if to.write_all(chunk.get(..read).unwrap_or_default()).is_err() {
                break;
            }
        }
        // Both fail where the other half has done it.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits as long as the line takes; false where it broke meanwhile.
    fn wait_to_pass(&self, generation: u32) -> bool {
        let delay_ms = self.delay_ms.load(Ordering::SeqCst);
        if delay_ms > 0 {
            thread::sleep(Duration::from_millis(delay_ms));
        }
        // What was read before the cut waits for its end.
        while self.is_cut.load(Ordering::SeqCst) && !self.is_broken(generation) {
            thread::sleep(LOOK_EVERY);
        }
        !self.is_broken(generation)
    }

    fn is_broken(&self, generation: u32) -> bool {
        self.generation.load(Ordering::SeqCst) != generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;

    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || {
                    let mut back = stream.try_clone().unwrap();
                    let mut forth = stream;
                    // Its other end may have gone.
                    let _ = std::io::copy(&mut forth, &mut back);
                });
            }
        });
        address
    }

    #[test]
    fn what_is_said_while_a_line_is_cut_arrives_once_it_is_mended() {
        let line = Line::to(echo());
        let mut stream = TcpStream::connect(line.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        stream.write_all(b"a").unwrap();
        let mut heard = [0; 1];
        wait_until("the echo comes", || stream.read_exact(&mut heard).is_ok());
        line.cut();
        stream.write_all(b"b").unwrap();
        assert!(stream.read(&mut heard).is_err(), "nothing passes");
        line.mend();
        wait_until("the echo comes", || stream.read_exact(&mut heard).is_ok());
        assert_eq!(&heard, b"b");
    }

    #[test]
    fn a_broken_line_ends_its_connections_and_takes_new_ones() {
        let line = Line::to(echo());
        let mut stream = TcpStream::connect(line.address()).unwrap();
        stream.write_all(b"a").unwrap();
        let mut heard = [0; 1];
        stream.read_exact(&mut heard).unwrap();
        line.break_connections();
        wait_until("the connection ends", || matches!(stream.read(&mut heard), Ok(0) | Err(_)));
        let mut again = TcpStream::connect(line.address()).unwrap();
        again.write_all(b"c").unwrap();
        again.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"c");
    }
}
