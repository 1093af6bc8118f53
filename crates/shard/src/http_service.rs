//! Requests that are not Engine.IO's: answered elsewhere, on another thread, and brought back to the socket they came on.

use std::net::SocketAddr;

use bytes::Bytes;
use foodtrack_contract::Refusal;
use foodtrack_transport::{HttpTicket, PassedSocket};

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

    /// Takes a request for the WebSocket of a session of another node's, which [`PassOn`](foodtrack_transport::PassOn) names among
    /// its extensions. Dropping the socket closes it.
    fn pass_on(&self, _request: http::Request<Bytes>, _socket: PassedSocket) {}

    /// The answer to a request that the shard refuses itself.
    fn refusal(&self, refusal: &Refusal) -> http::Response<Bytes>;
}

/// The certificate that a request's connection was begun with and that was verified, as DER: among the request's extensions.
#[derive(Clone)]
pub struct PeerCertificate(pub std::sync::Arc<[u8]>);

/// The way back to the socket of a request. Dropped without an answer it says 500, so that nobody waits for ever.
pub struct Responder {
    shard: ShardSender,
    ticket: Option<HttpTicket>,
}

impl Responder {
    pub(crate) fn new(shard: ShardSender, ticket: HttpTicket) -> Self {
        Self { shard, ticket: Some(ticket) }
    }

    /// Sends the answer, without waiting for the shard.
    ///
    /// # Errors
    /// The shard's mailbox is full: both are given back, to try again shortly.
    pub fn try_send(
        mut self,
        response: http::Response<Bytes>,
    ) -> Result<(), Box<(Self, http::Response<Bytes>)>> {
        let Some(ticket) = self.ticket.take() else { return Ok(()) };
        let message = ShardMessage::HttpResponse(ticket, Box::new(response));
        match self.shard.offer(message).map_err(|message| *message) {
            Err(ShardMessage::HttpResponse(ticket, response)) => {
                self.ticket = Some(ticket);
                Err(Box::new((self, *response)))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Gives the way back up: the answer takes another one.
    pub fn release(mut self) {
        self.ticket = None;
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut response = http::Response::new(Bytes::new());
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        let message = ShardMessage::HttpResponse(ticket, Box::new(response));
        if let Err(message) = self.shard.offer(message) {
            // Rare twice over: nobody answered, and the mailbox is full. Who drops this must not wait either.
            let shard = self.shard.clone();
            std::thread::spawn(move || shard.send(*message));
        }
    }
}
