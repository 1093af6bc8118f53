//! A line to a server that can be held: what is on it arrives later, as it does for a process that pauses.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The line; its threads end with the process.
pub(crate) struct Line {
    port: u16,
    is_held: Arc<AtomicBool>,
}

impl Line {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let is_held = Arc::new(AtomicBool::new(false));
        let held = Arc::clone(&is_held);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { return };
                let pairs = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))];
                for (from, to) in pairs {
                    let (from, to, held) = (from.unwrap(), to.unwrap(), Arc::clone(&held));
                    std::thread::spawn(move || carry(from, to, &held));
                }
            }
        });
        Self { port: own, is_held }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn hold(&self, is_held: bool) {
        self.is_held.store(is_held, Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, is_held: &AtomicBool) {
    let mut some = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut some) {
        while is_held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(2));
        }
        if to.write_all(&some[..count]).is_err() {
            return;
        }
    }
}
