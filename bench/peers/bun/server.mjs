// uWebSockets through Bun: topics and opaque frames, no Socket.IO, no authentication.
// First character of a frame: `J` joins the space-separated rooms that follow, `R` is a request to answer, anything else
// is published to the sender's first room, the sender included. Rooms may also be named in the URL: `/?rooms=a,b`.
const server = Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  fetch(request, server) {
    const rooms = new URL(request.url).searchParams.get("rooms");
    if (server.upgrade(request, { data: { rooms: rooms ? rooms.split(",") : [], first: "" } })) return;
    return new Response("a WebSocket is expected", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    backpressureLimit: 16 * 1024 * 1024,
    open(socket) {
      join(socket, socket.data.rooms);
      socket.data.rooms = undefined;
      socket.send("ready");
    },
    message(socket, text) {
      const kind = text.charCodeAt(0);
      if (kind === 0x4a) {
        join(socket, text.slice(1).split(" "));
        socket.send("joined");
      } else if (kind === 0x52) {
        socket.send("answer");
      } else {
        server.publish(socket.data.first, text);
      }
    },
  },
});

function join(socket, rooms) {
  if (rooms.length > 0 && socket.data.first === "") socket.data.first = rooms[0];
  for (const room of rooms) socket.subscribe(room);
}
