//! A client's socket that left its shard, as tokio reads and writes it.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use foodtrack_transport::Seal;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket, encrypted as it was.
pub(super) struct PassedStream {
    stream: TcpStream,
    seal: Option<Seal>,
    /// What the socket has not taken yet, as it goes.
    unsent: Vec<u8>,
    /// We have said that nothing more comes.
    has_ended: bool,
}

impl PassedStream {
    /// Has the runtime watch a socket.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new(
        stream: std::net::TcpStream,
        seal: Option<Seal>,
        unsent: Vec<u8>,
    ) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::from_std(stream)?, seal, unsent, has_ended: false })
    }

    /// Writes what the socket did not take before.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent))?;
            self.unsent.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for PassedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, seal, unsent, has_ended } = self.get_mut();
        let Some(seal) = seal else { return Pin::new(stream).poll_read(context, buffer) };
        if *has_ended {
            // What still comes is not decrypted any more.
            return Poll::Ready(Ok(()));
        }
        loop {
            if !seal.has_more() {
                ready!(stream.poll_read_ready(context))?;
            }
            let source = |room: &mut [u8]| match stream.try_read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                read => read.map(Some),
            };
            let read = seal.read(source, buffer.initialize_unfilled(), unsent);
            // What the encryption answers by itself; what the socket does not take goes with the next write.
            if let Ok(written) = stream.try_write(unsent) {
                unsent.drain(..written);
            }
            if let Some(read) = read? {
                buffer.advance(read);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for PassedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_rest(context))?;
        let Some(seal) = &mut this.seal else {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        };
        seal.write(bytes, &mut this.unsent)?;
        // The bytes are taken, whether the socket takes them now or later.
        match this.poll_rest(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_rest(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(seal) = &mut this.seal
            && !std::mem::replace(&mut this.has_ended, true)
        {
            seal.end(&mut this.unsent);
        }
        ready!(this.poll_rest(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}
