//! Requests that are not Engine.IO's: answered elsewhere, on another thread, and brought back to the socket they came on.

use std::net::SocketAddr;

use bytes::Bytes;
use foodtrack_transport::HttpTicket;

use crate::mailbox::{ShardMessage, ShardSender};

/// Answers HTTP requests. Called on a shard's thread: it must hand the request on and return at once.
pub trait HttpService: Send + Sync {
    /// Takes a request; `respond` takes the answer, whenever it is there, on any thread but the shard's own.
    ///
    /// # Errors
    /// An answer that is there at once; `respond` was [released](Responder::release).
    fn call(
        &self,
        request: http::Request<Bytes>,
        peer: SocketAddr,
        respond: Responder,
    ) -> Result<(), Box<http::Response<Bytes>>>;
}

/// The way back to the socket of a request. Dropped without an answer it says 500, so that nobody waits for ever.
///
/// Sending waits for room in the shard's mailbox. The shard itself would wait for ever, since nobody else empties it.
pub struct Responder {
    shard: ShardSender,
    ticket: Option<HttpTicket>,
}

impl Responder {
    pub(crate) fn new(shard: ShardSender, ticket: HttpTicket) -> Self {
        Self { shard, ticket: Some(ticket) }
    }

    /// Sends the answer.
    pub fn send(mut self, response: http::Response<Bytes>) {
        self.deliver(response);
    }

    /// Gives the way back up: the answer takes another one.
    pub fn release(mut self) {
        self.ticket = None;
    }

    fn deliver(&mut self, response: http::Response<Bytes>) {
        if let Some(ticket) = self.ticket.take() {
            self.shard.send(ShardMessage::HttpResponse(ticket, Box::new(response)));
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let mut response = http::Response::new(Bytes::new());
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        self.deliver(response);
    }
}
