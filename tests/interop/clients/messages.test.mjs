import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeAll, connect, EVERY_CLIENT, upgraded } from "../support/clients.mjs";
import { start } from "../support/servers.mjs";
import { next } from "../support/wait.mjs";

let server;
before(async () => (server = await start("clients")));
after(() => server.stop());
afterEach(closeAll);

const LIMIT = 1_000_000;
const ORDER = { orderId: "42", items: [{ name: "brûlée", n: 2 }, { name: "寿司 🍕", n: 0.5 }], note: null, paid: false };

// Where recovery is on, a received event ends with its offset: one argument more than was sent.
for (const [client, io, transports] of EVERY_CLIENT) {
  test(`${client}: an event comes back with what was in it`, async () => {
    const socket = await connect(server, { io, transports });
    socket.emit("message", 1, "two", ORDER, [], {});
    const back = await next(socket, "message-back");
    assert.deepEqual(back.slice(0, 5), [1, "two", ORDER, [], {}]);
    assert.ok(back.length <= 6);
  });

  test(`${client}: the server acknowledges what the client asked`, async () => {
    const socket = await connect(server, { io, transports });
    const answers = await new Promise((resolve) => {
      socket.timeout(2000).emit("message-with-ack", ORDER, 2, (...args) => resolve(args));
    });
    assert.deepEqual(answers, [null, ORDER, 2]);
  });

  test(`${client}: the client acknowledges what the server asked`, async () => {
    const socket = await connect(server, { io, transports });
    socket.on("question", (payload, answer) => answer(payload, "and", [Buffer.from([7])].length));
    const answered = await socket.timeout(4000).emitWithAck("ask-me", ORDER);
    assert.deepEqual(answered, [ORDER, "and", 1]);
  });

  test(`${client}: an acknowledgement that never comes is a timeout`, async () => {
    const socket = await connect(server, { io, transports });
    await assert.rejects(socket.timeout(150).emitWithAck("no-ack", 1), /timed out/);
    assert.ok(await socket.timeout(2000).emitWithAck("whoami"));
  });

  test(`${client}: bytes deep inside travel both ways`, async () => {
    const socket = await connect(server, { io, transports });
    const sent = { photo: Buffer.from([0, 1, 254, 255]), list: [{ raw: Buffer.alloc(3000, 9) }, "text"], none: Buffer.alloc(0) };
    socket.emit("message", sent, Buffer.from("last"));
    const [back, last] = await next(socket, "message-back");
    assert.deepEqual(back, sent);
    assert.deepEqual(last, Buffer.from("last"));
    assert.deepEqual(await socket.timeout(2000).emitWithAck("message-with-ack", sent), sent);
    socket.on("question", (payload, answer) => answer(payload));
    assert.deepEqual(await socket.timeout(4000).emitWithAck("ask-me", sent), [sent]);
  });

  test(`${client}: a payload just under the limit comes back`, async () => {
    const socket = await connect(server, { io, transports });
    if (transports.length > 1) await upgraded(socket);
    const large = "x".repeat(LIMIT - 200);
    assert.equal(await socket.timeout(5000).emitWithAck("message-with-ack", large), large);
  });

  test(`${client}: a payload over the limit costs the connection, which can come back`, async () => {
    const socket = await connect(server, { io, transports });
    if (transports.length > 1) await upgraded(socket);
    const gone = next(socket, "disconnect");
    socket.emit("message", "x".repeat(LIMIT + 200));
    const [reason] = await gone;
    assert.match(reason, /transport (error|close)/);
    socket.connect();
    await next(socket, "connect");
    assert.ok(await socket.timeout(2000).emitWithAck("whoami"));
  });
}
