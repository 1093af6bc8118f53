import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeAll, connect, EVERY_CLIENT } from "../support/clients.mjs";
import { start } from "../support/servers.mjs";
import { Inbox } from "../support/wait.mjs";

let server;
before(async () => (server = await start("clients")));
after(() => server.stop());
afterEach(closeAll);

const MESSAGES = 2000;

for (const [client, io, transports] of EVERY_CLIENT) {
  test(`${client}: ${MESSAGES} messages come back in order, also across the upgrade`, async () => {
    const socket = await connect(server, { io, transports });
    const inbox = new Inbox();
    socket.on("message-back", (i) => inbox.push(i));
    // Some go out before the upgrade is over, the others while it happens and after it.
    for (let i = 0; i < MESSAGES; i += 1) {
      socket.emit("message", i);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    for (let i = 0; i < MESSAGES; i += 1) assert.equal(await inbox.next(`echo ${i}`), i);
    if (transports.length > 1) assert.equal(socket.io.engine.transport.name, "websocket");
    await socket.timeout(2000).emitWithAck("whoami");
    assert.equal(inbox.all.length, MESSAGES, "no message twice");
  });

  test(`${client}: text, bytes and acknowledgements keep one order`, async () => {
    const socket = await connect(server, { io, transports });
    const inbox = new Inbox();
    socket.on("message-back", (i) => inbox.push(i));
    for (let i = 0; i < 90; i += 3) {
      socket.emit("message", i);
      socket.emit("message", i + 1, Buffer.alloc(100, i));
      socket.emit("message-with-ack", i + 2, (back) => inbox.push(back));
    }
    for (let i = 0; i < 90; i += 1) assert.equal(await inbox.next(`answer ${i}`), i);
  });

  test(`${client}: a volatile burst arrives in order, without repeats`, async () => {
    const socket = await connect(server, { io, transports });
    const ticks = [];
    socket.on("tick", (i) => ticks.push(i));
    await socket.timeout(4000).emitWithAck("volatile-burst", 500);
    await socket.timeout(4000).emitWithAck("whoami");
    assert.ok(ticks.length <= 500);
    for (let i = 1; i < ticks.length; i += 1) assert.ok(ticks[i] > ticks[i - 1]);
  });
}
