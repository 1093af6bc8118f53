//! socketioxide on tokio's current-thread runtime, which was its cheapest form on one core: no adapter, no authentication.
//! A client names its rooms in the CONNECT packet's auth object or in `join`; `pub` goes to a room, the sender included.

use axum::serve::ListenerExt;
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};

#[derive(Deserialize, Default)]
struct Auth {
    #[serde(default)]
    rooms: Vec<String>,
}

async fn on_connect(io: SocketIo, socket: SocketRef, TryData(auth): TryData<Auth>) {
    socket.join(auth.unwrap_or_default().rooms);
    socket.on("join", async |socket: SocketRef, Data(rooms): Data<Vec<String>>, ack: AckSender| {
        socket.join(rooms);
        ack.send(&json!({ "success": true })).ok();
    });
    socket.on("pub", async move |Data((room, event)): Data<(String, Value)>| {
        io.to(room).emit("delivery:in_transit", &event).await.ok();
    });
    socket.on("request", async |Data(_event): Data<Value>, ack: AckSender| {
        ack.send(&json!({ "success": true })).ok();
    });
    socket.emit("ready", &()).ok();
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("a port is expected")?.parse()?;
    let (layer, io) = SocketIo::builder().max_buffer_size(4_096).build_layer();
    io.ns("/", {
        let io = io.clone();
        async move |socket: SocketRef, auth: TryData<Auth>| {
            on_connect(io.clone(), socket, auth).await
        }
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}
