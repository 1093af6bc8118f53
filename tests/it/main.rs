//! The promises, over real sockets: a server in this process, and clients on loopback.

mod backpressure;
mod delivery;
mod handshake;
mod harness;
mod http;
mod isolation;
mod limits;
mod noisy_neighbour;
mod ordering;
mod rooms;
mod shards;
