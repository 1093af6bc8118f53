// A gateway as careful projects build it: express, Socket.IO and its Redis Streams adapter in one process, connection state recovery on.
// It answers a publisher once Redis has the event. No authentication, no validation beyond what it reads, no routing: rooms are named.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import express from "express";
import { createClient } from "redis";
import { Server } from "socket.io";

const redis = createClient({ url: process.env.REDIS_URL });
redis.on("error", (error) => console.error(error));
await redis.connect();

const app = express();
// What costs time and nobody here needs.
app.disable("etag");
app.disable("x-powered-by");
app.use(express.json());

const http = createServer(app);
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  maxHttpBufferSize: 1_000_000,
  connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
  // As many entries as a busy evening has within these two minutes; 10 000 would be gone while a phone sleeps.
  adapter: createAdapter(redis, { maxLen: 100_000 }),
});

/**
 * Emits to rooms and resolves once Redis has the entry. `io.to(rooms).emit()` makes this very call and does not wait, so that a gateway that
 * answers after it answers for what may be lost. One XADD in both cases: to write the event into a stream of one's own first would be two.
 */
async function publish(rooms, type, message, flags = {}) {
  const packet = { type: 2, data: [type, message], nsp: "/" };
  await io.of("/").adapter.broadcast(packet, { rooms: new Set(rooms), except: new Set(), flags });
  // The adapter keeps an error of Redis to itself. Only what Redis has ends with its offset there; what is volatile has none.
  if (!flags.volatile && packet.data.length < 3) throw new Error("Redis did not take the event");
}

app.post("/api/v1/publish", async (request, response) => {
  const { type, payload } = request.body ?? {};
  if (typeof type !== "string" || typeof payload?.orderId !== "string") {
    response.status(400).json({ success: false });
    return;
  }
  const id = randomUUID();
  await publish([payload.orderId], type, { id, type, timestamp: new Date().toISOString(), payload });
  response.json({ success: true, data: { id } });
});

io.on("connection", (socket) => {
  socket.join(socket.handshake.auth.rooms ?? []);
  socket.on("pub", async (rooms, type, message, answer) => {
    try {
      await publish(rooms, type, message);
      answer({ success: true });
    } catch {
      answer({ success: false });
    }
  });
  // What may be lost: nobody waits for it.
  socket.on("where", (rooms, type, message) => publish(rooms, type, message, { volatile: true }));
  socket.emit("ready");
});

http.listen(Number(process.argv[2]), "127.0.0.1", 4096);
