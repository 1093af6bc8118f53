//! One client at a time, for loads that are told in steps.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use memchr::memmem;

use super::WorkloadError;
use crate::frame::{Frames, Opcode, encode};
use crate::token;

const PATIENCE: Duration = Duration::from_secs(60);

/// A Socket.IO client over WebSocket that is told what to do, and waits. It ends when it is dropped.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    pid: String,
    /// What it would bring back.
    cursor: String,
}

impl Client {
    /// Connects with these members of `auth`.
    pub(crate) fn connect(address: SocketAddr, auth: &str) -> Result<Self, WorkloadError> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client =
            Self { stream, unread: Vec::new(), pid: String::new(), cursor: String::new() };
        client.stream.write_all(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n\
              Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )?;
        client.read_head()?;
        client.send(&format!("40{{{auth}}}"))?;
        Ok(client)
    }

    /// A customer of a tenant of the hub.
    pub(crate) fn customer(address: SocketAddr, tenant: &str) -> Result<Self, WorkloadError> {
        let token = token::customer(tenant, "customer")?;
        let auth = format!(r#""token":"{token}","application":"client_app""#);
        let mut customer = Self::connect(address, &auth)?;
        customer.read(b"42[\"system:connection_established\"", 1)?;
        Ok(customer)
    }

    /// Has a customer make an order. What is said of an order that was never made has the hub look for it in the log each time.
    pub(crate) fn make_order(
        address: SocketAddr,
        tenant: &str,
        order: &str,
    ) -> Result<(), WorkloadError> {
        let mut customer = Self::customer(address, tenant)?;
        customer.send(&format!(r#"427["order:created",{{"orderId":"{order}"}}]"#))?;
        customer.read(b"437[", 1)
    }

    /// Its private session id, once it was told.
    pub(crate) fn pid(&self) -> &str {
        &self.pid
    }

    /// The cursor of the last event.
    pub(crate) fn cursor(&self) -> &str {
        &self.cursor
    }

    pub(crate) fn send(&mut self, packet: &str) -> io::Result<()> {
        self.send_all([packet])
    }

    /// Sends packets in one write.
    pub(crate) fn send_all(
        &mut self,
        packets: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> io::Result<()> {
        let mut frames = Vec::new();
        packets.into_iter().for_each(|it| encode(Opcode::Text, it.as_ref(), &mut frames));
        self.stream.write_all(&frames)
    }

    fn read_head(&mut self) -> io::Result<()> {
        let end = loop {
            if let Some(end) = memmem::find(&self.unread, b"\r\n\r\n") {
                break end;
            }
            self.fill()?;
        };
        self.unread.drain(..end + 4);
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        let start = self.unread.len();
        self.unread.resize(start + (256 << 10), 0);
        let read = self.stream.read(&mut self.unread[start..])?;
        self.unread.truncate(start + read);
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Reads until so many packets of this beginning were there.
    pub(crate) fn read(&mut self, beginning: &[u8], count: usize) -> Result<(), WorkloadError> {
        let mut seen = 0;
        loop {
            let mut frames = Frames::new(&self.unread);
            let mut last = None;
            while seen < count
                && let Some(frame) = frames.next().map_err(io::Error::other)?
            {
                seen += usize::from(frame.payload.starts_with(beginning));
                if let Some(pid) = text_after(frame.payload, b"\"pid\":\"") {
                    self.pid = pid;
                }
                if frame.payload.starts_with(b"42") {
                    last = Some(frame.payload.to_vec());
                }
            }
            let used = frames.consumed();
            self.unread.drain(..used);
            if let Some(last) = last {
                let start = memchr::memrchr(b',', &last).unwrap_or(0);
                self.cursor = text_after(&last[start..], b",\"").unwrap_or_default();
            }
            if seen == count {
                return Ok(());
            }
            self.fill()?;
        }
    }
}

fn text_after(payload: &[u8], mark: &[u8]) -> Option<String> {
    let start = memmem::find(payload, mark)? + mark.len();
    let length = memchr::memchr(b'"', &payload[start..])?;
    Some(String::from_utf8_lossy(&payload[start..start + length]).into_owned())
}
