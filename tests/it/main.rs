//! The promises, over real sockets.
