import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeAll, connect, EVERY_CLIENT } from "../support/clients.mjs";
import { start } from "../support/servers.mjs";
import { subjectToken } from "../support/token.mjs";
import { Inbox } from "../support/wait.mjs";

let server;
before(async () => (server = await start("clients")));
after(() => server.stop());
afterEach(closeAll);

async function member(room, options) {
  const socket = await connect(server, options);
  const inbox = new Inbox();
  socket.on("news", (item) => inbox.push(item));
  await socket.timeout(2000).emitWithAck("join", room);
  return { socket, inbox, ask: (...args) => socket.timeout(2000).emitWithAck(...args) };
}

for (const [client, io, transports] of EVERY_CLIENT) {
  test(`${client}: what is published to a room reaches its members, the sender too`, async () => {
    const [a, b] = await Promise.all([member("r", { io, transports }), member("r")]);
    const outside = await member("elsewhere");
    await a.ask("publish", "r", "news", { n: 1 });
    assert.deepEqual(await a.inbox.next(), { n: 1 });
    assert.deepEqual(await b.inbox.next(), { n: 1 });
    await outside.ask("whoami");
    assert.equal(outside.inbox.size, 0);
  });

  test(`${client}: what is published to the others does not come back`, async () => {
    const [a, b] = await Promise.all([member("r", { io, transports }), member("r", { io, transports })]);
    await a.ask("publish-others", "r", "news", "hello");
    assert.equal(await b.inbox.next(), "hello");
    await a.ask("whoami");
    assert.equal(a.inbox.size, 0);
  });

  test(`${client}: who left a room hears it no more`, async () => {
    const [a, b] = await Promise.all([member("r", { io, transports }), member("r")]);
    await a.ask("leave", "r");
    await b.ask("publish", "r", "news", 1);
    assert.equal(await b.inbox.next(), 1);
    await a.ask("whoami");
    assert.equal(a.inbox.size, 0);
    assert.ok(!(await a.ask("whoami")).rooms.includes("r"));
  });
}

test("bytes published to a room reach clients of every kind", async () => {
  const members = await Promise.all(EVERY_CLIENT.map(([, io, transports]) => member("bytes", { io, transports })));
  const payload = { image: Buffer.from([0, 127, 128, 255]), title: "menu" };
  await members[0].ask("publish", "bytes", "news", payload);
  for (const { inbox } of members) assert.deepEqual(await inbox.next(), payload);
});

test("rooms of equal names in two namespaces are two rooms", async () => {
  const main = await member("same");
  const custom = await member("same", { namespace: "/custom", auth: { token: subjectToken("c") } });
  await custom.ask("publish", "same", "news", "custom only");
  assert.equal(await custom.inbox.next(), "custom only");
  await main.ask("whoami");
  assert.equal(main.inbox.size, 0);
});

test("events published to a room by two members reach all in one order", async () => {
  const members = await Promise.all([member("one"), member("one"), member("one", { transports: ["polling"] })]);
  for (let i = 0; i < 100; i += 1) {
    members[0].socket.emit("publish", "one", "news", `a${i}`);
    members[1].socket.emit("publish", "one", "news", `b${i}`);
  }
  const seen = [];
  for (const { inbox } of members) {
    const got = [];
    for (let i = 0; i < 200; i += 1) got.push(await inbox.next(`news ${i}`));
    seen.push(got.join());
  }
  assert.equal(seen[0], seen[1]);
  assert.equal(seen[0], seen[2]);
});
