//! A business back end that answers as a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::Value;

pub(crate) const SIGNING_SECRET: &str = "what the hub signs its requests with";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    head: String,
    body: Vec<u8>,
}

/// What it is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Says {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// Not at all; the connection stays open.
    Never,
    /// The connection is closed.
    HangsUp,
    /// So many bytes without a meaning, as long as somebody reads them.
    Floods(usize),
}

impl Reply {
    pub(crate) fn json(body: &str) -> Self {
        Self::Says { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn never() -> Self {
        Self::Never
    }

    pub(crate) fn hang_up() -> Self {
        Self::HangsUp
    }

    pub(crate) fn flood(bytes: usize) -> Self {
        Self::Floods(bytes)
    }

    pub(crate) fn status(mut self, to: u16) -> Self {
        if let Self::Says { status, .. } = &mut self {
            *status = to;
        }
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Says { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The path that was asked for.
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether it is the hub's.
    pub(crate) fn is_signed(&self) -> bool {
        let header = self.header("x-foodtrack-signature").unwrap_or_default();
        let Some((at, signature)) = header.split_once(",v1=") else { return false };
        let at = at.strip_prefix("t=").unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING_SECRET.as_bytes());
        let signed = [at.as_bytes(), b".", &self.body].concat();
        let expected: String =
            hmac::sign(&key, &signed).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        expected == signature
    }
}

/// Listens until it is dropped.
pub(crate) struct BackEnd {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Asked>>>,
    ends: Arc<AtomicBool>,
}

impl BackEnd {
    pub(crate) fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (taken, ends) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let back_end = Self {
            address: listener.local_addr().unwrap(),
            taken: Arc::clone(&taken),
            ends: Arc::clone(&ends),
        };
        let reply = Arc::new(reply);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (reply, taken) = (Arc::clone(&reply), Arc::clone(&taken));
                thread::spawn(move || serve(stream, &*reply, &taken));
            }
        });
        back_end
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hub/requests", self.address)
    }

    /// The same without a path.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub(crate) fn taken(&self) -> Vec<Asked> {
        self.taken.lock().unwrap().clone()
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the listener, which then goes away.
        drop(TcpStream::connect(self.address));
        while TcpStream::connect_timeout(&self.address, Duration::from_millis(100)).is_ok() {
            thread::yield_now();
        }
    }
}

fn serve(mut stream: TcpStream, reply: &dyn Fn(&Asked) -> Reply, taken: &Mutex<Vec<Asked>>) {
    let mut bytes = Vec::new();
    while let Some(asked) = read(&mut stream, &mut bytes) {
        taken.lock().unwrap().push(asked.clone());
        match reply(&asked) {
            Reply::Says { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
                headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
                if stream.write_all(format!("{head}\r\n{body}").as_bytes()).is_err() {
                    return;
                }
            }
            Reply::Never => thread::sleep(Duration::from_secs(30)),
            Reply::HangsUp => return,
            Reply::Floods(bytes) => {
                let head = format!("HTTP/1.1 200 x\r\ncontent-length: {bytes}\r\n\r\n");
                let mut is_read = stream.write_all(head.as_bytes()).is_ok();
                let chunk = [b' '; 64 << 10];
                for _ in 0..bytes / chunk.len() {
                    is_read = is_read && stream.write_all(&chunk).is_ok();
                }
                if !is_read {
                    return;
                }
            }
        }
    }
}

fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Asked> {
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let asked = Asked { head, body: Vec::new() };
            let length = asked.header("content-length").unwrap_or("0");
            let length: usize = length.parse().ok()?;
            if bytes.len() >= end + 4 + length {
                let body = bytes[end + 4..end + 4 + length].to_vec();
                bytes.drain(..end + 4 + length);
                return Some(Asked { body, ..asked });
            }
        }
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
