import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWebSocket, PollingSession } from "../support/engine.mjs";
import { start } from "../support/servers.mjs";
import { pause, within } from "../support/wait.mjs";

// Interval 300 ms and timeout 200 ms: a silent client lives 500 ms. Above it stands what a loaded machine may add.
const INTERVAL_MS = 300;
const LIFE_MS = 500;
const EARLY_MS_MAX = 20;
const LATE_MS_MAX = 300;

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

test("the server pings after one interval", async () => {
  const socket = await openWebSocket(server);
  const opened_at_ms = performance.now();
  assert.equal(await socket.next("ping", 1000), "2");
  const took_ms = performance.now() - opened_at_ms;
  assert.ok(took_ms > INTERVAL_MS - 50 && took_ms < INTERVAL_MS + LATE_MS_MAX, `${took_ms} ms`);
  socket.close();
});

test("a poll that waits gets the ping", async () => {
  const session = await PollingSession.open(server);
  const { body } = await within(session.get(), "ping", 1000);
  assert.equal(body, "2");
});

test("a client that answers every ping stays connected", async () => {
  const socket = await openWebSocket(server);
  for (let i = 0; i < 5; i += 1) {
    assert.equal(await socket.next("ping", 1000), "2");
    socket.send("3");
  }
  assert.ok(socket.isOpen);
  socket.send("4still here");
  assert.equal(await socket.nextAnsweringPings("echo"), "4still here");
  socket.close();
});

test("a silent WebSocket client is closed after interval and timeout, not before", async () => {
  const socket = await openWebSocket(server);
  const opened_at_ms = performance.now();
  const { at_ms } = await socket.waitClosed(2000);
  const lived_ms = at_ms - opened_at_ms;
  assert.ok(lived_ms > LIFE_MS - EARLY_MS_MAX, `closed after ${lived_ms} ms`);
  assert.ok(lived_ms < LIFE_MS + LATE_MS_MAX, `closed after ${lived_ms} ms`);
});

test("the life of a silent client counts from its last ping", async () => {
  const socket = await openWebSocket(server);
  await socket.next("first ping", 1000);
  socket.send("3");
  const answered_at_ms = performance.now();
  const { at_ms } = await socket.waitClosed(2000);
  const lived_ms = at_ms - answered_at_ms;
  assert.ok(lived_ms > LIFE_MS - EARLY_MS_MAX && lived_ms < LIFE_MS + LATE_MS_MAX, `closed after ${lived_ms} ms`);
});

test("a silent polling client is forgotten after interval and timeout", async () => {
  const session = await PollingSession.open(server);
  await pause(LIFE_MS + LATE_MS_MAX);
  const { status, body } = await session.get();
  assert.equal(status, 400);
  assert.equal(JSON.parse(body).code, 1);
});

test("a polling client that polls but never answers a ping is forgotten too", async () => {
  const session = await PollingSession.open(server);
  const opened_at_ms = performance.now();
  let status = 200;
  while (status === 200 && performance.now() - opened_at_ms < 3000) {
    ({ status } = await within(session.get(), "poll answer", 2000));
  }
  assert.equal(status, 400);
  const lived_ms = performance.now() - opened_at_ms;
  assert.ok(lived_ms > LIFE_MS - EARLY_MS_MAX && lived_ms < LIFE_MS + LATE_MS_MAX, `lived ${lived_ms} ms`);
});

test("a ping from the client is an error of protocol 4", async () => {
  const socket = await openWebSocket(server);
  socket.send("2");
  await socket.waitClosed(400);
});

test("a close packet over WebSocket ends the session", async () => {
  const socket = await openWebSocket(server);
  socket.send("1");
  await socket.waitClosed(2000);
});
