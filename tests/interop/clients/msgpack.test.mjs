import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import * as parser from "socket.io-msgpack-parser";
import { closeAll, connect, dial, EVERY_CLIENT } from "../support/clients.mjs";
import { start } from "../support/servers.mjs";
import { subjectToken } from "../support/token.mjs";
import { Inbox, next } from "../support/wait.mjs";

let server;
before(async () => (server = await start("clients", ["--parser", "msgpack"])));
after(() => server.stop());
afterEach(closeAll);

const VALUES = [
  0, -1, 127, 128, -33, 65_536, 2 ** 40, -(2 ** 40), 1.5, true, false, null, "", "é".repeat(40), "x".repeat(70_000),
  [], [1, [2, [3]]], {}, { deep: { deeper: { deepest: "🍕" } } },
];

for (const [client, io, transports] of EVERY_CLIENT) {
  test(`${client} with msgpack: values of every kind come back`, async () => {
    const socket = await connect(server, { io, transports, parser });
    socket.emit("message", ...VALUES);
    const back = await next(socket, "message-back");
    assert.deepEqual(back.slice(0, VALUES.length), VALUES);
  });

  test(`${client} with msgpack: both sides acknowledge, with bytes`, async () => {
    const socket = await connect(server, { io, transports, parser });
    const sent = { photo: Buffer.from([0, 1, 255]), n: 3 };
    const back = await socket.timeout(2000).emitWithAck("message-with-ack", sent);
    assert.deepEqual(Buffer.from(back.photo), sent.photo);
    assert.equal(back.n, 3);
    socket.on("question", (payload, answer) => answer("yes", payload));
    const [yes, again] = await socket.timeout(4000).emitWithAck("ask-me", sent);
    assert.equal(yes, "yes");
    assert.deepEqual(Buffer.from(again.photo), sent.photo);
  });

  test(`${client} with msgpack: a refusal says why`, async () => {
    const socket = dial(server, { io, transports, parser, auth: {} });
    const [error] = await next(socket, "connect_error");
    assert.equal(error.data.code, "token_missing");
  });
}

test("a typed array arrives as bytes", async () => {
  const socket = await connect(server, { parser });
  const back = await socket.timeout(2000).emitWithAck("message-with-ack", new Uint8Array([1, 2, 3]));
  assert.deepEqual(Buffer.from(back), Buffer.from([1, 2, 3]));
});

test("rooms, order and namespaces hold with msgpack", async () => {
  const main = await connect(server, { parser });
  const custom = await connect(server, { parser, namespace: "/custom", auth: { token: subjectToken("c") } });
  const inbox = new Inbox();
  custom.on("news", (i) => inbox.push(i));
  main.on("news", () => assert.fail("another namespace's room"));
  await main.timeout(2000).emitWithAck("join", "r");
  await custom.timeout(2000).emitWithAck("join", "r");
  for (let i = 0; i < 300; i += 1) custom.emit("publish", "r", "news", i);
  for (let i = 0; i < 300; i += 1) assert.equal(await inbox.next(`news ${i}`), i);
});

test("a cut connection is recovered with msgpack too", async () => {
  const publisher = await connect(server, { parser });
  const socket = await connect(server, { parser });
  const inbox = new Inbox();
  socket.on("news", (item) => inbox.push(item));
  await socket.timeout(2000).emitWithAck("join", "r");
  await publisher.timeout(2000).emitWithAck("publish", "r", "news", "first");
  await inbox.next();
  const gone = next(socket, "disconnect");
  socket.io.engine.close();
  await gone;
  await publisher.timeout(2000).emitWithAck("publish", "r", "news", "missed");
  socket.connect();
  assert.equal(await inbox.next(), "missed");
  assert.equal(socket.recovered, true);
});

test("a client that speaks JSON to a msgpack server is dropped, others are not", async () => {
  const good = await connect(server, { parser });
  const bad = dial(server, {});
  await new Promise((resolve) => bad.io.once("close", resolve));
  assert.equal(bad.connected, false);
  assert.ok(await good.timeout(2000).emitWithAck("whoami"));
});
