// The `suites` mode of the conformance binary, on the Node implementation: proves the tests, not the hub.

import { createServer } from "node:http";
import { Server as EngineServer } from "engine.io";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";

const HEARTBEAT = { pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000 };
const http = createServer((request, response) => response.writeHead(404).end());

const engine = new EngineServer({ ...HEARTBEAT, allowUpgrades: true });
engine.attach(http, { path: "/engine.io/", destroyUpgrade: false });
engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));

const io = new Server(http, { ...HEARTBEAT, connectTimeout: 1000, serveClient: false, destroyUpgrade: false });
for (const namespace of ["/", "/custom"]) {
  io.of(namespace).on("connection", (socket) => {
    socket.emit("auth", socket.handshake.auth);
    socket.on("message", (...args) => socket.emit("message-back", ...args));
    socket.on("message-with-ack", (...args) => args.pop()(...args));
  });
}

const echo = new WebSocketServer({
  noServer: true,
  maxPayload: 16 * 1024 * 1024,
  maxFragments: 65_536,
  maxBufferedChunks: 1 << 22,
  perMessageDeflate: false,
});
echo.on("connection", (ws) => {
  ws.on("error", () => {});
  ws.on("message", (data, binary) => ws.send(data, { binary }));
});
http.on("upgrade", (request, socket, head) => {
  if (request.url.startsWith("/ws-echo")) {
    echo.handleUpgrade(request, socket, head, (ws) => echo.emit("connection", ws));
  }
});

http.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${http.address().port}`));
