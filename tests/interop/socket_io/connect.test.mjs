import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "../support/servers.mjs";
import { openEngine, openJoined, stillEchoes } from "../support/socket_packets.mjs";
import { within } from "../support/wait.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

function sidOf(packet, prefix) {
  assert.ok(packet.startsWith(prefix), packet);
  const answer = JSON.parse(packet.slice(prefix.length));
  assert.deepEqual(Object.keys(answer), ["sid"]);
  assert.equal(typeof answer.sid, "string");
  return answer.sid;
}

const CONNECTS = [
  ["the main namespace", "40", "40", '42["auth",{}]'],
  ["the main namespace with a payload", '40{"token":"123"}', "40", '42["auth",{"token":"123"}]'],
  ["a namespace", "40/custom,", "40/custom,", '42/custom,["auth",{}]'],
  ["a namespace with a payload", '40/custom,{"token":"abc"}', "40/custom,", '42/custom,["auth",{"token":"abc"}]'],
  ["a namespace without the comma", "40/custom", "40/custom,", '42/custom,["auth",{}]'],
];
for (const [what, sent, answer, event] of CONNECTS) {
  test(`a client connects to ${what}`, async () => {
    const socket = await openEngine(server);
    socket.send(sent);
    sidOf(await socket.next("CONNECT answer"), answer);
    assert.equal(await socket.next("auth event"), event);
    socket.close();
  });
}

for (const sent of ["40/random", "40/random,", '40/random,{"token":"abc"}']) {
  test(`${sent} names no namespace and is told so`, async () => {
    const socket = await openEngine(server);
    socket.send(sent);
    assert.equal(await socket.next("refusal"), '44/random,{"message":"Invalid namespace"}');
    socket.close();
  });
}

test("a refused namespace leaves the others of the connection alone", async () => {
  const socket = await openJoined(server);
  socket.send("40/random,");
  assert.equal(await socket.next("refusal"), '44/random,{"message":"Invalid namespace"}');
  await stillEchoes(socket);
  socket.close();
});

test("one connection holds two namespaces with an id each", async () => {
  const socket = await openEngine(server);
  socket.send("40");
  const first = sidOf(await socket.next("CONNECT answer"), "40");
  await socket.next("auth event");
  socket.send("40/custom,");
  const second = sidOf(await socket.next("CONNECT answer"), "40/custom,");
  await socket.next("auth event");
  assert.notEqual(first, second);
  assert.notEqual(first, socket.handshake.sid, "the public id does not give the transport's id away");
  socket.send('42["message","a"]');
  socket.send('42/custom,["message","b"]');
  assert.equal(await socket.next("echo"), '42["message-back","a"]');
  assert.equal(await socket.next("echo"), '42/custom,["message-back","b"]');
  socket.close();
});

test("leaving a namespace leaves the connection open", async () => {
  const socket = await openJoined(server, "/custom");
  socket.send("41/custom,");
  socket.send("40");
  sidOf(await socket.next("CONNECT answer"), "40");
  await socket.next("auth event");
  await stillEchoes(socket);
  socket.close();
});

test("leaving a namespace without the comma is leaving it", async () => {
  const socket = await openJoined(server);
  socket.send("40/custom");
  await socket.next("CONNECT answer");
  await socket.next("auth event");
  socket.send("41/custom");
  await stillEchoes(socket);
  socket.close();
});

test("leaving the main namespace leaves the connection open for another", async () => {
  const socket = await openJoined(server);
  socket.send("41");
  socket.send("40/custom,");
  sidOf(await socket.next("CONNECT answer"), "40/custom,");
  assert.equal(await socket.next("auth event"), '42/custom,["auth",{}]');
  socket.close();
});

test("a left namespace can be joined again under a new id", async () => {
  const socket = await openEngine(server);
  socket.send("40");
  const first = sidOf(await socket.next("CONNECT answer"), "40");
  await socket.next("auth event");
  socket.send("41");
  socket.send("40");
  const second = sidOf(await socket.next("CONNECT answer"), "40");
  assert.notEqual(first, second);
  socket.close();
});

test("a connection that joins no namespace is closed when its time is over, not before", async () => {
  const socket = await openEngine(server);
  const opened_at_ms = performance.now();
  const { at_ms } = await socket.waitClosed(3000);
  const lived_ms = at_ms - opened_at_ms;
  assert.ok(lived_ms > 950 && lived_ms < 1500, `closed after ${lived_ms} ms`);
});

test("a connection that joined a namespace outlives the time to connect", async () => {
  const socket = await openJoined(server);
  const closed = await within(socket.closed, "close", 1400).catch(() => "open");
  assert.equal(closed, "open");
  await stillEchoes(socket);
  socket.close();
});
