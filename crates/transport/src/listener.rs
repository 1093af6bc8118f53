//! The one port, shared by the shards.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that wait to be accepted; a reconnect storm must not overflow it (the kernel caps it by `somaxconn`).
const BACKLOG: i32 = 4_096;

/// Binds the port. The listener is non-blocking; clones of it may be watched by several shards at once.
///
/// # Errors
/// The system's: most often that the address is in use, or not allowed.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Restarting must not wait for connections of the last run; a running server's port is still refused.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it: frames are gathered here, not in the kernel.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Makes a listener that somebody else has bound as one of [`listen`].
///
/// # Errors
/// The system's.
pub fn adopt(listener: TcpListener) -> io::Result<TcpListener> {
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
