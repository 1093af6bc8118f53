// Socket.IO on Node, as most projects run it: `ws` engine, no adapter, no authentication.
// A client names its rooms in the CONNECT packet's auth object or in `join`; `pub` goes to a room, the sender included.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false, maxHttpBufferSize: 1_000_000 });

io.on("connection", (socket) => {
  socket.join(socket.handshake.auth.rooms ?? []);
  socket.on("join", (rooms, answer) => {
    socket.join(rooms);
    answer({ success: true });
  });
  socket.on("pub", (room, event) => io.to(room).emit("delivery:in_transit", event));
  socket.on("request", (_event, answer) => answer({ success: true }));
  socket.emit("ready");
});

http.listen(Number(process.argv[2]), "127.0.0.1", 4096);
