//! TLS on one socket. rustls keeps the keys and no buffers; what is read and written lies in buffers of the thread, so that an
//! idle connection has none.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{Error, ServerConfig};

/// Encrypted bytes that are read at once, at most.
const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// And at least: less would not hold a usual record.
const CHUNK_BYTES_MIN: usize = 4 * 1024;
/// Encrypted bytes that wait for the rest of what they belong to: a record of 16 KiB, or a handshake message in several.
const INCOMING_BYTES_MAX: usize = 48 * 1024;
/// What rustls keeps of a connection in its handshake, about: counted with the strangers' memory. Afterwards it is 3.3 KiB.
const CONNECTION_BYTES: usize = 6 * 1024;
/// What a record adds to what is in it, at most.
const RECORD_OVERHEAD_BYTES: usize = 64;
/// What a record holds.
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// Memory that a thread's buffer keeps.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// What a record of a handshake begins with.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Whether bytes that nobody knows are the beginning of a TLS connection.
pub(crate) fn is_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [HANDSHAKE_RECORD, 3, ..] | [HANDSHAKE_RECORD])
}

/// Why a socket that is to speak TLS is given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    #[error("plain HTTP where TLS is spoken")]
    PlainHttp,
    #[error("no TLS")]
    NotTls,
    #[error("a handshake message of more than {INCOMING_BYTES_MAX} bytes")]
    TooLong,
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<TlsFault> for io::Error {
    fn from(fault: TlsFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

/// What lies between a socket and who reads and writes it.
pub(crate) struct TlsLayer {
    stage: Stage,
    /// The start of a record that is not all here yet.
    incoming: Vec<u8>,
    /// What was decrypted and had no room in the reader's buffer.
    plain: Vec<u8>,
    /// How much of the front of what waits to be written is encrypted already; the rest is when it goes.
    pub(super) sealed_bytes: usize,
    /// The kernel may hold more.
    is_filled: bool,
    /// The peer said that it is done.
    has_ended: bool,
}

enum Stage {
    /// Nothing was said yet, and nothing is kept for it.
    Awaited(Arc<ServerConfig>),
    Begun(Box<UnbufferedServerConnection>),
    /// We said that we are done: what comes is thrown away.
    Over,
}

/// What is wanted of a connection once it has taken what came in.
#[derive(Clone, Copy)]
enum Goal<'a> {
    Read,
    Seal(&'a [u8]),
    Farewell,
}

/// The buffers of a thread.
#[derive(Default)]
struct Scratch {
    incoming: Vec<u8>,
    plain: Vec<u8>,
    outgoing: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Takes the thread's buffer for what goes out, to be [given back](give_outgoing_back).
pub(super) fn take_outgoing() -> Vec<u8> {
    SCRATCH.with_borrow_mut(|scratch| std::mem::take(&mut scratch.outgoing))
}

/// Gives it back, for its memory.
pub(super) fn give_outgoing_back(outgoing: Vec<u8>) {
    SCRATCH.with_borrow_mut(|scratch| scratch.outgoing = emptied(outgoing));
}

/// A buffer for the next use: one large message must not keep its memory for good.
fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.shrink_to(KEPT_BYTES_MAX);
    buffer
}

impl TlsLayer {
    pub(super) fn new(config: Arc<ServerConfig>) -> Self {
        Self {
            stage: Stage::Awaited(config),
            incoming: Vec::new(),
            plain: Vec::new(),
            sealed_bytes: 0,
            is_filled: false,
            has_ended: false,
        }
    }

    /// Memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        let connection = if let Stage::Begun(_) = self.stage { CONNECTION_BYTES } else { 0 };
        size_of::<Self>() + connection + self.incoming.capacity() + self.plain.capacity()
    }

    /// The certificate that the peer has shown and that was verified, as DER.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        let Stage::Begun(connection) = &self.stage else { return None };
        connection.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Whether a read may give more at once.
    pub(crate) fn has_more(&self) -> bool {
        self.is_filled || !self.plain.is_empty() || self.has_ended
    }

    /// Reads once from the socket, and decrypts what is there. What the peer is to be told goes to `outgoing`, also where it fails.
    /// `Ok(None)`: nothing to read now; `Ok(Some(0))`: the peer has ended its side.
    pub(crate) fn read(
        &mut self,
        mut source: impl FnMut(&mut [u8]) -> io::Result<Option<usize>>,
        buffer: &mut [u8],
        outgoing: &mut Vec<u8>,
    ) -> io::Result<Option<usize>> {
        if let Stage::Over = self.stage {
            let read = source(buffer);
            self.is_filled = matches!(read, Ok(Some(read)) if read == buffer.len());
            return read;
        }
        if !self.plain.is_empty() {
            return Ok(Some(self.take_plain(buffer)));
        }
        if self.has_ended {
            return Ok(Some(0));
        }
        let mut scratch = SCRATCH.take();
        let read = self.read_through(source, buffer, &mut scratch, outgoing);
        scratch.plain = emptied(scratch.plain);
        SCRATCH.set(scratch);
        read
    }

    fn read_through(
        &mut self,
        mut source: impl FnMut(&mut [u8]) -> io::Result<Option<usize>>,
        buffer: &mut [u8],
        scratch: &mut Scratch,
        outgoing: &mut Vec<u8>,
    ) -> io::Result<Option<usize>> {
        let Scratch { incoming, plain, .. } = scratch;
        if incoming.is_empty() {
            incoming.resize(INCOMING_BYTES_MAX + CHUNK_BYTES_MAX, 0);
        }
        let start = self.incoming.len();
        let chunk = buffer.len().clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        self.is_filled = false;
        let read = match source(&mut incoming[start..start + chunk])? {
            Some(read) if read > 0 => read,
            nothing => return Ok(nothing),
        };
        self.is_filled = read == chunk;
        incoming[..start].copy_from_slice(&self.incoming);
        let connection = self.connection(incoming[0])?;
        let driven = drive(connection, &mut incoming[..start + read], Goal::Read, plain, outgoing);
        let left = &incoming[driven.used..start + read];
        self.incoming = left.to_vec();
        self.has_ended = driven.has_ended;
        if let Err(error) = driven.outcome {
            self.finish();
            return Err(TlsFault::Failed(error).into());
        }
        if left.len() > INCOMING_BYTES_MAX {
            self.finish();
            return Err(TlsFault::TooLong.into());
        }
        let taken = plain.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&plain[..taken]);
        self.plain = plain[taken..].to_vec();
        Ok((taken > 0 || self.has_ended).then_some(taken))
    }

    /// The connection, which begins with the first byte.
    fn connection(&mut self, first: u8) -> Result<&mut UnbufferedServerConnection, TlsFault> {
        if let Stage::Awaited(config) = &self.stage {
            if first != HANDSHAKE_RECORD {
                let is_method = first.is_ascii_uppercase();
                return Err(if is_method { TlsFault::PlainHttp } else { TlsFault::NotTls });
            }
            let connection = UnbufferedServerConnection::new(Arc::clone(config))?;
            self.stage = Stage::Begun(Box::new(connection));
        }
        match &mut self.stage {
            Stage::Begun(connection) => Ok(connection),
            Stage::Awaited(_) | Stage::Over => Err(TlsFault::NotTls),
        }
    }

    fn take_plain(&mut self, buffer: &mut [u8]) -> usize {
        let taken = self.plain.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.plain[..taken]);
        self.plain = self.plain[taken..].to_vec();
        taken
    }

    /// Encrypts stretches as one, behind what is in `out`: as few records as they fit in. Nothing comes of it once we are done.
    ///
    /// # Errors
    /// The handshake is not over, or the keys are used up.
    pub(crate) fn seal<'a>(
        &mut self,
        mut parts: impl Iterator<Item = &'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), TlsFault> {
        let Some(first) = parts.next() else { return Ok(()) };
        let Some(second) = parts.next() else { return self.reach(Goal::Seal(first), out) };
        let mut gathered = SCRATCH.with_borrow_mut(|scratch| std::mem::take(&mut scratch.plain));
        gathered.extend_from_slice(first);
        gathered.extend_from_slice(second);
        parts.for_each(|part| gathered.extend_from_slice(part));
        let reached = self.reach(Goal::Seal(&gathered), out);
        SCRATCH.with_borrow_mut(|scratch| scratch.plain = emptied(gathered));
        reached
    }

    /// Appends that we are done to `out`.
    pub(crate) fn say_farewell(&mut self, out: &mut Vec<u8>) {
        // Who is not through with the handshake is told nothing.
        let _ = self.reach(Goal::Farewell, out);
        self.finish();
    }

    /// Nothing is encrypted or decrypted any more.
    fn finish(&mut self) {
        self.stage = Stage::Over;
        (self.incoming, self.plain) = (Vec::new(), Vec::new());
    }

    fn reach(&mut self, goal: Goal<'_>, out: &mut Vec<u8>) -> Result<(), TlsFault> {
        let connection = match &mut self.stage {
            Stage::Begun(connection) => connection,
            Stage::Over => return Ok(()),
            Stage::Awaited(_) => return Err(Error::HandshakeNotComplete.into()),
        };
        let driven = drive(connection, &mut self.incoming, goal, &mut self.plain, out);
        self.incoming.drain(..driven.used);
        self.has_ended |= driven.has_ended;
        if driven.outcome.is_err() {
            self.finish();
        }
        Ok(driven.outcome?)
    }
}

/// What became of what came in.
struct Driven {
    /// So much of it is done with.
    used: usize,
    has_ended: bool,
    outcome: Result<(), Error>,
}

/// Takes a connection as far as `incoming` goes: what it decrypts goes to `plain`, what its peer is to be told to `out`, and there
/// behind it what the goal says. An error too tells the peer why.
fn drive(
    connection: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    goal: Goal<'_>,
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Driven {
    let mut driven = Driven { used: 0, has_ended: false, outcome: Ok(()) };
    // Once it has failed, what came in is not looked at again: there is an alert to be told, and no more.
    while driven.outcome.is_ok() || connection.wants_write() {
        let UnbufferedStatus { discard, state } =
            connection.process_tls_records(&mut incoming[driven.used..]);
        let step = match state {
            Ok(state) => take_step(state, goal, plain, out, &mut driven.has_ended),
            Err(error) => Err(error),
        };
        driven.used += discard;
        match step {
            Ok(Step::Done) => break,
            Ok(Step::Again(discard)) => driven.used += discard,
            Err(error) if driven.outcome.is_ok() => driven.outcome = Err(error),
            Err(_) => break,
        }
    }
    driven
}

enum Step {
    /// And so many bytes more of what came in are done with.
    Again(usize),
    Done,
}

fn take_step(
    state: ConnectionState<'_, '_, rustls::server::ServerConnectionData>,
    goal: Goal<'_>,
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
    has_ended: &mut bool,
) -> Result<Step, Error> {
    match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            let mut discard = 0;
            while let Some(record) = traffic.next_record() {
                let record = record?;
                discard += record.discard;
                plain.extend_from_slice(record.payload);
            }
            return Ok(Step::Again(discard));
        }
        ConnectionState::EncodeTlsData(mut data) => {
            append(out, RECORD_OVERHEAD_BYTES, |room| {
                data.encode(room).map_err(|error| room_of_encode(&error))
            })?;
        }
        ConnectionState::TransmitTlsData(data) => data.done(),
        ConnectionState::PeerClosed => *has_ended = true,
        ConnectionState::WriteTraffic(mut traffic) => {
            match goal {
                Goal::Read => {}
                Goal::Seal(bytes) => {
                    let records = bytes.len() / RECORD_BYTES_MAX + 1;
                    let room = bytes.len() + records * RECORD_OVERHEAD_BYTES;
                    append(out, room, |room| {
                        traffic.encrypt(bytes, room).map_err(|error| room_of_encrypt(&error))
                    })?;
                }
                Goal::Farewell => append(out, RECORD_OVERHEAD_BYTES, |room| {
                    traffic.queue_close_notify(room).map_err(|error| room_of_encrypt(&error))
                })?,
            }
            return Ok(Step::Done);
        }
        // Early data is off.
        ConnectionState::BlockedHandshake | ConnectionState::Closed | _ => {
            return match goal {
                Goal::Read => Ok(Step::Done),
                Goal::Seal(_) | Goal::Farewell => Err(Error::HandshakeNotComplete),
            };
        }
    }
    Ok(Step::Again(0))
}

/// Appends what `write` writes; it says how much room it wants where there is too little.
fn append(
    out: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, usize>,
) -> Result<(), Error> {
    let start = out.len();
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(wanted) if wanted > room => room = wanted,
            Err(_) => {
                out.truncate(start);
                return Err(Error::EncryptError);
            }
        }
    }
}

/// The room that is wanted; none where room is not what is missing.
fn room_of_encode(error: &EncodeError) -> usize {
    match error {
        EncodeError::InsufficientSize(size) => size.required_size,
        EncodeError::AlreadyEncoded => 0,
    }
}

fn room_of_encrypt(error: &EncryptError) -> usize {
    match error {
        EncryptError::InsufficientSize(size) => size.required_size,
        EncryptError::EncryptExhausted => 0,
    }
}
