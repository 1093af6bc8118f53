//! A client that polls, each request on a connection of its own.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::server::Server;

pub(crate) struct Poller {
    address: SocketAddr,
    target: String,
    /// How many questions were asked, and the packets that answered none of them yet.
    state: RefCell<(u64, Vec<String>)>,
}

impl Poller {
    /// Opens a session that is nobody's yet.
    pub(crate) fn open(server: &Server) -> Self {
        let target = "/socket.io/?EIO=4&transport=polling".to_owned();
        let mut poller = Self { address: server.address(), target, state: RefCell::default() };
        let open = poller.request("GET", "");
        let sid = &open.strip_prefix("0{\"sid\":\"").unwrap()[..20];
        poller.target = format!("{}&sid={sid}", poller.target);
        poller
    }

    /// A session of the token's user.
    pub(crate) fn join(server: &Server, token: &str) -> Self {
        let poller = Self::open(server);
        let answer = poller.connect(token);
        assert!(answer.starts_with("40{"), "{answer}");
        poller
    }

    /// Says who it is; gives the answer.
    pub(crate) fn connect(&self, token: &str) -> String {
        self.connect_with(token, "")
    }

    /// The same with more members of what it says, as JSON text.
    pub(crate) fn connect_with(&self, token: &str, more: &str) -> String {
        self.request("POST", &format!("40{{\"token\":\"{token}\"{more}}}"));
        self.find("4")
    }

    /// Sends packets.
    pub(crate) fn post(&self, packets: &str) {
        self.request("POST", packets);
    }

    /// Emits an event and waits for nothing.
    pub(crate) fn emit(&self, data: &str) {
        self.request("POST", &format!("42{data}"));
    }

    pub(crate) fn leave(&self) {
        self.request("POST", "1");
    }

    /// Emits an event and gives its acknowledgement.
    pub(crate) fn ask(&self, data: &str) -> String {
        let id = self.next_id();
        self.request("POST", &format!("42{id}{data}"));
        self.find(&format!("43{id}["))
    }

    /// The same with one attachment.
    pub(crate) fn ask_with_bytes(&self, data: &str, bytes: &[u8]) -> String {
        let id = self.next_id();
        self.request("POST", &format!("451-{id}{data}\u{1e}b{}", STANDARD.encode(bytes)));
        self.find(&format!("43{id}["))
    }

    fn next_id(&self) -> u64 {
        self.state.borrow_mut().0 += 1;
        self.state.borrow().0
    }

    /// Polls until a packet begins so.
    pub(crate) fn find(&self, start: &str) -> String {
        loop {
            let packets = &mut self.state.borrow_mut().1;
            if let Some(place) = packets.iter().position(|packet| packet.starts_with(start)) {
                return packets.drain(..=place).next_back().unwrap();
            }
            packets.extend(self.request("GET", "").split('\u{1e}').map(str::to_owned));
        }
    }

    fn request(&self, method: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (target, length) = (&self.target, body.len());
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        body.to_owned()
    }
}
