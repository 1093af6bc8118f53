import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PollingSession, RawSocket } from "../support/engine.mjs";
import { start } from "../support/servers.mjs";
import { within } from "../support/wait.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

const open = () => PollingSession.open(server);

async function probe(session) {
  const socket = new RawSocket(session.wsUrl);
  await within(socket.opened, "upgrade");
  socket.send("2probe");
  assert.equal(await socket.next("probe answer"), "3probe");
  return socket;
}

test("a probe is answered and the waiting poll released with a noop", async () => {
  const session = await open();
  const waiting = session.get();
  const socket = await probe(session);
  const { body } = await within(waiting, "release of the waiting poll", 400);
  assert.ok(body === "6" || body === "2", body);
  socket.close();
});

test("after the upgrade the WebSocket carries the session", async () => {
  const session = await open();
  const socket = await session.upgrade();
  socket.send("4over the socket");
  assert.equal(await socket.nextAnsweringPings("echo"), "4over the socket");
  socket.close();
});

test("what was sent before the upgrade arrives once, and first", async () => {
  const session = await open();
  await session.post("4one\x1e4two");
  const socket = await session.upgrade();
  socket.send("4three");
  const got = [];
  while (got.length < 3) got.push(await socket.nextAnsweringPings("echo"));
  assert.deepEqual(got, ["4one", "4two", "4three"]);
  socket.close();
});

test("after the upgrade the old transport is refused and the new one lives on", async () => {
  const session = await open();
  const socket = await session.upgrade();
  socket.send("4ready");
  assert.equal(await socket.nextAnsweringPings("echo"), "4ready");
  assert.equal((await session.get()).status, 400);
  socket.send("4alive");
  assert.equal(await socket.nextAnsweringPings("echo"), "4alive");
  socket.close();
});

test("a second WebSocket for an upgraded session is answered, closed, and the first lives on", async () => {
  const session = await open();
  const first = await session.upgrade();
  first.send("4ready");
  assert.equal(await first.nextAnsweringPings("echo"), "4ready");
  const second = new RawSocket(session.wsUrl);
  assert.equal(await within(second.opened, "answer to the second upgrade"), undefined);
  await second.waitClosed();
  first.send("4alive");
  assert.equal(await first.nextAnsweringPings("echo"), "4alive");
  first.close();
});

test("a probe that breaks off leaves the polling session as it was", async () => {
  const session = await open();
  const socket = await probe(session);
  socket.ws.close();
  await socket.waitClosed();
  await session.post("4still polling");
  assert.deepEqual(await session.packets(1), ["4still polling"]);
});

test("a WebSocket that does not probe is closed and the polling session lives on", async () => {
  const session = await open();
  const socket = new RawSocket(session.wsUrl);
  await within(socket.opened, "upgrade");
  socket.send("4too early");
  await socket.waitClosed(400);
  await session.post("4still polling");
  assert.deepEqual(await session.packets(1), ["4still polling"]);
});

test("a session pings over the transport it upgraded to", async () => {
  const session = await open();
  const socket = await session.upgrade();
  for (let i = 0; i < 3; i += 1) {
    assert.equal(await socket.next("ping", 1000), "2");
    socket.send("3");
  }
  socket.close();
});
