// The `clients` mode of the conformance binary, on the Node implementation: proves the tests, not the hub.

import { createHmac } from "node:crypto";
import { parseArgs } from "node:util";
import { Server } from "socket.io";
import * as msgpack from "socket.io-msgpack-parser";

const { values: flags } = parseArgs({
  options: {
    parser: { type: "string" },
    "ping-interval": { type: "string", default: "25000" },
    "max-payload": { type: "string", default: "1000000" },
  },
});

const io = new Server({
  pingInterval: Number(flags["ping-interval"]),
  maxHttpBufferSize: Number(flags["max-payload"]),
  connectionStateRecovery: {},
  serveClient: false,
  ...(flags.parser === "msgpack" ? { parser: msgpack.default ?? msgpack } : {}),
});

function refusalOf(token) {
  if (!token) return "token_missing";
  const parts = String(token).split(".");
  if (parts.length !== 3) return "token_malformed";
  const made = createHmac("sha256", process.env.JWT_SECRET).update(`${parts[0]}.${parts[1]}`).digest("base64url");
  if (made !== parts[2]) return "token_signature";
  const claims = JSON.parse(Buffer.from(parts[1], "base64url"));
  return claims.exp * 1000 < Date.now() ? "token_expired" : undefined;
}

function authenticate(socket, proceed) {
  const code = refusalOf(socket.handshake.auth.token);
  if (!code) {
    socket.sub = JSON.parse(Buffer.from(socket.handshake.auth.token.split(".")[1], "base64url")).sub;
    return proceed();
  }
  proceed(Object.assign(new Error(`refused: ${code}`), { data: { code } }));
}

for (const namespace of ["/", "/custom"]) {
  const nsp = io.of(namespace);
  nsp.use(authenticate);
  nsp.on("connection", (socket) => {
    socket.on("message", (...args) => socket.emit("message-back", ...args));
    socket.on("message-with-ack", (...args) => args.pop()(...args));
    socket.on("no-ack", () => {});
    socket.on("whoami", (ack) =>
      ack({
        id: socket.id,
        sub: socket.sub,
        transport: socket.conn.transport.name,
        recovered: socket.recovered,
        rooms: [...socket.rooms],
      }),
    );
    socket.on("join", (room, ack) => (socket.join(room), ack?.()));
    socket.on("leave", (room, ack) => (socket.leave(room), ack?.()));
    socket.on("publish", (room, event, payload, ack) => (nsp.to(room).emit(event, payload), ack?.()));
    socket.on("publish-others", (room, event, payload, ack) => (socket.to(room).emit(event, payload), ack?.()));
    socket.on("volatile-burst", (n, ack) => {
      for (let i = 0; i < n; i += 1) socket.volatile.emit("tick", i);
      ack?.();
    });
    socket.on("ask-me", async (payload, ack) => {
      socket.timeout(2000).emit("question", payload, (error, ...answer) => ack(error ? "timeout" : answer));
    });
    socket.on("disconnect-me", (close) => socket.disconnect(close));
  });
}

io.listen(0);
io.httpServer.on("listening", () => console.log(`listening on 127.0.0.1:${io.httpServer.address().port}`));
