//! Lines of clients that return: opened, cut and opened again by the workload, which speaks the protocol for them.

use std::io;
use std::mem;
use std::net::{Shutdown, SocketAddr};

use super::{Attention, Stage, Swarm, SwarmError};
use crate::dialect::Member;

impl Swarm {
    /// Opens a client's line to a server: that of an earlier one, which has none now, or of the next that there is not yet. What comes of
    /// it is told as frames, or by [`Swarm::take_gone`].
    ///
    /// # Errors
    /// The system has no socket.
    pub(crate) fn open_line(
        &mut self,
        client: usize,
        address: SocketAddr,
    ) -> Result<(), SwarmError> {
        let socket = match self.socket(client, address) {
            Ok(socket) => socket,
            // That nobody listens any more is a fact about the server, not an error of this process.
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionRefused
                    && client < self.clients.len() =>
            {
                self.gone.push(client);
                return Ok(());
            }
            Err(source) => return Err(SwarmError::Socket { client, source }),
        };
        if client == self.clients.len() {
            self.add(socket, Member::default(), Attention::Returns);
        } else {
            let line = self.line(socket);
            let target = &mut self.clients[client];
            (target.line, target.stage) = (line, Stage::Connecting);
        }
        Ok(())
    }

    /// Ends a client's line, as though its network had gone. It is not told as gone.
    ///
    /// # Errors
    /// The system does not know the socket.
    pub(crate) fn cut(&mut self, client: usize) -> Result<(), SwarmError> {
        let target = &mut self.clients[client];
        if matches!(target.stage, Stage::Closed) {
            return Ok(());
        }
        target.stage = Stage::Closed;
        target.torn.clear();
        target.unsent.clear();
        // A socket that is not connected yet cannot be shut down.
        target.line.socket.shutdown(Shutdown::Both).ok();
        Ok(self.poll.registry().deregister(&mut target.line.socket)?)
    }

    /// The clients that return whose lines have ended since this was asked last.
    pub(crate) fn take_gone(&mut self) -> Vec<usize> {
        mem::take(&mut self.gone)
    }

    /// Ends the line of a client that returns and tells so; `error` is what ended it, for any other client.
    pub(super) fn end_line(&mut self, client: usize, error: SwarmError) -> Result<(), SwarmError> {
        if self.clients[client].attention != Attention::Returns {
            return Err(error);
        }
        self.cut(client)?;
        self.gone.push(client);
        Ok(())
    }
}
