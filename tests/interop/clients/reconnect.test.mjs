import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeAll, connect, EVERY_CLIENT } from "../support/clients.mjs";
import { start } from "../support/servers.mjs";
import { subjectToken } from "../support/token.mjs";
import { Inbox, next } from "../support/wait.mjs";

let server;
before(async () => (server = await start("clients")));
after(() => server.stop());
afterEach(closeAll);

const PATIENT = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50 };

/** A member of `room` that got its first event, so it has an offset to come back with. */
async function settled(room, publisher, options) {
  const socket = await connect(server, options);
  const inbox = new Inbox();
  socket.on("news", (item) => inbox.push(item));
  await socket.timeout(2000).emitWithAck("join", room);
  await publisher.timeout(2000).emitWithAck("publish", room, "news", "first");
  assert.equal(await inbox.next(), "first");
  return { socket, inbox };
}

for (const [client, io, transports] of EVERY_CLIENT) {
  test(`${client}: a cut connection comes back by itself, is recovered, and misses nothing`, async () => {
    const publisher = await connect(server);
    const room = `cut ${client}`;
    const { socket, inbox } = await settled(room, publisher, { io, transports, auth: { token: subjectToken("m") } });
    const { id } = socket;
    const gone = next(socket, "disconnect");
    socket.io.engine.close();
    await gone;
    for (let i = 0; i < 5; i += 1) await publisher.timeout(2000).emitWithAck("publish", room, "news", i);
    socket.connect();
    await next(socket, "connect");
    assert.equal(socket.recovered, true);
    assert.equal(socket.id, id);
    for (let i = 0; i < 5; i += 1) assert.equal(await inbox.next(`missed event ${i}`), i);
    await publisher.timeout(2000).emitWithAck("publish", room, "news", "live again");
    assert.equal(await inbox.next(), "live again");
    const me = await socket.timeout(2000).emitWithAck("whoami");
    assert.ok(me.rooms.includes(room));
    assert.equal(me.recovered, true);
  });
}

test("a client left to itself reconnects after its transport closed", async () => {
  const socket = await connect(server, PATIENT);
  const back = next(socket, "connect");
  socket.io.engine.close();
  await back;
  assert.ok(await socket.timeout(2000).emitWithAck("whoami"));
});

test("a client that left on purpose starts anew", async () => {
  const publisher = await connect(server);
  const { socket } = await settled("left", publisher);
  const { id } = socket;
  socket.disconnect();
  socket.connect();
  await next(socket, "connect");
  assert.equal(socket.recovered, false);
  assert.notEqual(socket.id, id);
});

test("bytes that were missed are recovered too", async () => {
  const publisher = await connect(server);
  const { socket, inbox } = await settled("missed bytes", publisher);
  const gone = next(socket, "disconnect");
  socket.io.engine.close();
  await gone;
  const payload = { image: Buffer.from([1, 2, 3]) };
  await publisher.timeout(2000).emitWithAck("publish", "missed bytes", "news", payload);
  socket.connect();
  assert.deepEqual(await inbox.next(), payload);
  assert.equal(socket.recovered, true);
});

test("disconnect-me without closing ends the namespace and the client does not come back", async () => {
  const socket = await connect(server, PATIENT);
  const gone = next(socket, "disconnect");
  socket.emit("disconnect-me", false);
  const [reason] = await gone;
  assert.equal(reason, "io server disconnect");
  assert.equal(socket.active, false);
});

test("disconnect-me with closing ends the transport", async () => {
  const socket = await connect(server);
  const { engine } = socket.io;
  const closed = new Promise((resolve) => engine.once("close", resolve));
  const gone = next(socket, "disconnect");
  socket.emit("disconnect-me", true);
  const [reason] = await gone;
  assert.match(reason, /io server disconnect|transport close/);
  await closed;
});
