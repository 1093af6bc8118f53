import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Socket } from "engine.io-client";
import { start } from "../support/servers.mjs";
import { Inbox, next } from "../support/wait.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

const WAYS = [["websocket"], ["polling"], ["polling", "websocket"]];

async function connect(transports) {
  const socket = new Socket(server.url, { path: "/engine.io/", transports });
  socket.inbox = new Inbox();
  socket.on("message", (message) => socket.inbox.push(message));
  await next(socket, "open");
  return socket;
}

for (const transports of WAYS) {
  const way = transports.join(", then ");
  test(`engine.io-client over ${way} gets its text and bytes back in order`, async () => {
    const socket = await connect(transports);
    const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 255));
    for (let i = 0; i < 200; i += 1) socket.send(i % 5 === 0 ? bytes : `text ${i} é🍕`);
    for (let i = 0; i < 200; i += 1) {
      const echo = await socket.inbox.next(`echo ${i}`);
      if (i % 5 === 0) assert.deepEqual(Buffer.from(echo), bytes);
      else assert.equal(echo, `text ${i} é🍕`);
    }
    if (transports.length > 1) assert.equal(socket.transport.name, "websocket");
    socket.close();
  });

  test(`engine.io-client over ${way} lives through heartbeats until it closes`, async () => {
    const socket = await connect(transports);
    for (let i = 0; i < 3; i += 1) await next(socket, "ping", 2000);
    assert.equal(socket.readyState, "open");
    const closed = next(socket, "close");
    socket.close();
    assert.equal((await closed)[0], "forced close");
  });
}
