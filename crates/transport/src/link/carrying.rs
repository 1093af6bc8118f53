//! Bytes to and from a socket, encrypted where it speaks TLS.

use std::io::{self, IoSlice, Read, Write};
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use mio::net::TcpStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ServerConfig;

use super::Link;
use super::tls_layer::{self, TlsLayer};
use crate::proxy_header::{self, Header};

/// Stretches written with one system call.
const SLICES_MAX: usize = 64;

impl Link {
    /// The peer is to begin with a TLS handshake, which goes by this configuration.
    pub(crate) fn begin_tls(&mut self, config: Arc<ServerConfig>) {
        self.layer = Some(Box::new(TlsLayer::new(config)));
    }

    /// The peer does not speak TLS: what it is told is not encrypted.
    pub(crate) fn speak_plainly(&mut self) {
        self.layer = None;
    }

    /// Whether what is written on it is encrypted.
    #[inline]
    pub(crate) fn is_sealed(&self) -> bool {
        self.layer.is_some()
    }

    /// The certificate that the peer has shown and that was verified, as DER.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.layer.as_ref()?.peer_certificate()
    }

    /// Whether the peer has ended its side, which may not have been read yet.
    pub(crate) fn has_ended(&self) -> bool {
        if self.layer.is_some() {
            // The end comes behind a record that says so.
            let now = Timespec::default();
            let mut asked = [PollFd::new(&self.stream, PollFlags::RDHUP)];
            return poll(&mut asked, Some(&now)).is_ok_and(|events| events > 0);
        }
        match self.stream.peek(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Reads what the proxy says before all else, and not a byte more. `Ok(None)`: it is not all here.
    ///
    /// # Errors
    /// The socket's, or what comes is no header.
    pub(crate) fn read_proxy_header(&mut self) -> io::Result<Option<Header>> {
        let mut bytes = [0; proxy_header::BYTES_MAX];
        let there = match self.stream.peek(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let parsed = proxy_header::parse(&bytes[..there]).map_err(io::Error::other)?;
        if let Some(header) = parsed {
            // It was there a moment ago.
            self.stream.read_exact(&mut bytes[..header.bytes])?;
            self.awaits_proxy_header = false;
        }
        Ok(parsed)
    }

    /// Reads once. `Ok(None)`: nothing there now; `Ok(Some(0))`: the peer has ended its side.
    ///
    /// # Errors
    /// The socket's, or a [`TlsFault`](super::TlsFault); the peer was told why then.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(layer) = &mut self.layer else { return read_once(&mut self.stream, buffer) };
        let mut outgoing = tls_layer::take_outgoing();
        let read = layer.read(|room| read_once(&mut self.stream, room), buffer, &mut outgoing);
        let sent = self.send_sealed(&outgoing);
        tls_layer::give_outgoing_back(outgoing);
        let read = read?;
        sent.map(|_| read)
    }

    /// Whether there may be more to read than what the last read gave, of a buffer with so much room.
    pub(crate) fn leaves_more(&self, read: usize, room: usize) -> bool {
        self.layer.as_ref().map_or(read == room, |layer| layer.has_more())
    }

    /// Writes as much as the socket takes and returns how much that was: nothing on a socket that speaks TLS.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.layer.is_some() { Ok(0) } else { self.write_raw(bytes) }
    }

    fn write_raw(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.output.block();
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Writes bytes, and keeps what the socket does not take. Returns how many it took.
    pub(crate) fn write_or_keep(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.layer.is_some() {
            return self.seal_and_send(iter::once(bytes));
        }
        let written = self.write_raw(bytes)?;
        if written < bytes.len() {
            self.output.keep(&bytes[written..]);
        }
        Ok(written)
    }

    /// As [`Self::write_or_keep`], of many stretches with few calls.
    pub(crate) fn write_gathered<'a>(
        &mut self,
        mut parts: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<usize> {
        if self.layer.is_some() {
            return self.seal_and_send(parts);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut written = 0;
        loop {
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(parts.by_ref()) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            if count == 0 {
                return Ok(written);
            }
            let slices = &slices[..count];
            // Why it was not all of it, a plain write finds out.
            let first = match self.output.is_blocked() {
                true => 0,
                false => self.stream.write_vectored(slices).unwrap_or(0),
            };
            written += first;
            if first < slices.iter().map(|slice| slice.len()).sum() {
                self.send_behind(slices, first)?;
            }
        }
    }

    /// Writes what a vectored write left, slice by slice.
    fn send_behind(&mut self, slices: &[IoSlice<'_>], mut skip: usize) -> io::Result<()> {
        for slice in slices {
            let here = skip.min(slice.len());
            skip -= here;
            if here < slice.len() {
                self.send(&slice[here..])?;
            }
        }
        Ok(())
    }

    /// Writes behind what was kept before, and keeps what the socket does not take.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.layer.is_some() {
            return self.seal_and_send(iter::once(bytes)).map(drop);
        }
        let is_behind = self.output.is_blocked() || !self.output.is_empty();
        let written = if is_behind { 0 } else { self.write_raw(bytes)? };
        self.output.keep(&bytes[written..]);
        Ok(())
    }

    /// Keeps bytes for the next [`Self::send_rest`].
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.output.keep(bytes);
    }

    /// Writes what was kept. Returns whether all of it went.
    pub(crate) fn send_rest(&mut self) -> io::Result<bool> {
        self.output.unblock();
        if self.output.is_empty() {
            return Ok(true);
        }
        if self.layer.is_some() {
            return self.seal_rest();
        }
        let unsent = self.output.take();
        let written = self.write_raw(&unsent)?;
        if written < unsent.len() {
            self.output.keep(&unsent[written..]);
        }
        Ok(self.output.is_empty())
    }

    /// Encrypts what waits for that, and writes all that waits.
    fn seal_rest(&mut self) -> io::Result<bool> {
        let Some(layer) = &mut self.layer else { return Ok(true) };
        let unsealed = self.output.take_behind(std::mem::take(&mut layer.sealed_bytes));
        let mut sealed = self.output.take();
        if !unsealed.is_empty() {
            layer.seal(iter::once(&*unsealed), &mut sealed)?;
        }
        let written = self.write_raw(&sealed)?;
        self.keep_sealed(&sealed[written..]);
        Ok(self.output.is_empty())
    }

    /// Encrypts stretches together, and writes them behind what was kept before.
    fn seal_and_send<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<usize> {
        if self.output.is_blocked() || !self.output.is_empty() {
            parts.for_each(|part| self.output.keep(part));
            if !self.output.is_blocked() {
                self.send_rest()?;
            }
            return Ok(0);
        }
        let Some(layer) = &mut self.layer else { return Ok(0) };
        let mut outgoing = tls_layer::take_outgoing();
        let sealed = layer.seal(parts, &mut outgoing);
        let sent = self.send_sealed(&outgoing);
        tls_layer::give_outgoing_back(outgoing);
        sealed?;
        sent
    }

    /// Encrypts stretches together for a send of the caller's, who gives what the socket did not take to [`Self::send_sealed`].
    /// Returns where in `out` they are; `None` where they cannot go now.
    pub(crate) fn seal_into<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Option<Range<usize>> {
        let layer = self.layer.as_mut().filter(|_| self.output.is_empty())?;
        let start = out.len();
        layer.seal(parts, out).ok()?;
        Some(start..out.len())
    }

    /// Writes what is encrypted already, behind what was kept before, and keeps what the socket does not take.
    pub(crate) fn send_sealed(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_behind = self.output.is_blocked() || !self.output.is_empty();
        let written = if is_behind { 0 } else { self.write_raw(bytes)? };
        if written < bytes.len() {
            self.keep_sealed(&bytes[written..]);
        }
        Ok(written)
    }

    /// Keeps what is encrypted and the socket did not take: before all that is still to be encrypted.
    fn keep_sealed(&mut self, rest: &[u8]) {
        let Some(layer) = &mut self.layer else { return };
        self.output.keep_at(layer.sealed_bytes, rest);
        layer.sealed_bytes += rest.len();
    }

    /// Says that nothing more comes, where the peer could take its absence for a cut.
    pub(super) fn say_farewell(&mut self) {
        let Some(layer) = &mut self.layer else { return };
        let mut farewell = Vec::new();
        layer.say_farewell(&mut farewell);
        // Where that fails the socket has ended already.
        let _ = self.send_sealed(&farewell);
    }
}

/// Reads once. `Ok(None)`: nothing there now.
fn read_once(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(buffer) {
            Ok(read) => return Ok(Some(read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
