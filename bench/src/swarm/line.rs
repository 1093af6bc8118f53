//! One client's connection, plain or encrypted.

use std::io::{self, ErrorKind, Read as _, Write as _};

use mio::net::TcpStream;
use rustls::ClientConnection;

/// A socket, and what encrypts it, where something does.
pub(super) struct Line {
    pub(super) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Line {
    pub(super) fn new(socket: TcpStream, tls: Option<ClientConnection>) -> Self {
        Self { socket, tls: tls.map(Box::new) }
    }

    /// Writes as much as is taken now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        let written = tls.writer().write(bytes)?;
        self.write_encrypted()?;
        Ok(written)
    }

    /// Writes what was encrypted and not taken.
    pub(super) fn write_encrypted(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => write_encrypted(tls, &mut self.socket),
            None => Ok(()),
        }
    }

    /// Reads until the buffer is full or the socket has no more, so that a short read has emptied it.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        let mut filled = 0;
        loop {
            match tls.reader().read(&mut buffer[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(read) => {
                    filled += read;
                    if filled == buffer.len() {
                        return Ok(filled);
                    }
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match tls.read_tls(&mut self.socket) {
                Ok(0) => return Ok(filled),
                Ok(_) => _ = tls.process_new_packets().map_err(io::Error::other)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock && filled > 0 => {
                    return Ok(filled);
                }
                Err(error) => return Err(error),
            }
            write_encrypted(tls, &mut self.socket)?;
        }
    }
}

fn write_encrypted(tls: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
