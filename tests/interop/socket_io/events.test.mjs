import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PollingSession } from "../support/engine.mjs";
import { start } from "../support/servers.mjs";
import { openJoined, stillEchoes } from "../support/socket_packets.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

const TWO = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
const BYTES = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];

// What is sent on a joined connection, and what comes back, as text.
const EXCHANGES = [
  ["an event", "/", '42["message",1,"2",{"3":[true]}]', '42["message-back",1,"2",{"3":[true]}]'],
  ["an event without arguments", "/", '42["message"]', '42["message-back"]'],
  ["an event of a namespace", "/custom", '42/custom,["message","x"]', '42/custom,["message-back","x"]'],
  ["an acknowledgement", "/", '42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]'],
  ["an acknowledgement without arguments", "/", '427["message-with-ack"]', "437[]"],
  ["an acknowledgement with id 0", "/", '420["message-with-ack","a"]', '430["a"]'],
  ["a large id", "/", '429007199254740991["message-with-ack"]', "439007199254740991[]"],
  ["an acknowledgement of a namespace", "/custom", '42/custom,12["message-with-ack",null]', "43/custom,12[null]"],
  ["the order of keys", "/", '42["message",{"b":1,"a":2,"c":{"z":0,"y":1}}]', '42["message-back",{"b":1,"a":2,"c":{"z":0,"y":1}}]'],
  ["text beyond ASCII", "/", '42["message","brûlée 寿司 🍕"]', '42["message-back","brûlée 寿司 🍕"]'],
  ["nulls, fractions and negatives", "/", '42["message",null,-1.5,0.25,[]]', '42["message-back",null,-1.5,0.25,[]]'],
  ["quotes, backslashes and brackets in text", "/", '42["message","a\\"]\\\\,[{"]', '42["message-back","a\\"]\\\\,[{"]'],
];
for (const [what, namespace, sent, expected] of EXCHANGES) {
  test(`${what} comes back as it was`, async () => {
    const socket = await openJoined(server, namespace);
    socket.send(sent);
    assert.equal(await socket.next("answer"), expected);
    socket.close();
  });
}

const BINARY_EXCHANGES = [
  ["an event with two attachments", "/", `452-["message",${TWO}]`, `452-["message-back",${TWO}]`],
  ["an acknowledged event with two attachments", "/", `452-789["message-with-ack",${TWO}]`, `462-789[${TWO}]`],
  ["attachments in a namespace", "/custom", `452-/custom,["message",${TWO}]`, `452-/custom,["message-back",${TWO}]`],
];
for (const [what, namespace, sent, expected] of BINARY_EXCHANGES) {
  test(`${what} comes back with both, in order`, async () => {
    const socket = await openJoined(server, namespace);
    socket.send(sent);
    for (const bytes of BYTES) socket.send(bytes);
    assert.equal(await socket.next("header"), expected);
    assert.deepEqual(await socket.next("attachment 0"), BYTES[0]);
    assert.deepEqual(await socket.next("attachment 1"), BYTES[1]);
    socket.close();
  });
}

test("ten attachments are taken", async () => {
  const socket = await openJoined(server);
  const places = Array.from({ length: 10 }, (_, num) => `{"_placeholder":true,"num":${num}}`).join(",");
  socket.send(`4510-["message",${places}]`);
  for (let i = 0; i < 10; i += 1) socket.send(Buffer.from([i]));
  assert.equal(await socket.next("header"), `4510-["message-back",${places}]`);
  for (let i = 0; i < 10; i += 1) assert.deepEqual(await socket.next("attachment"), Buffer.from([i]));
  socket.close();
});

test("an empty attachment and a large one come back", async () => {
  const socket = await openJoined(server);
  const large = Buffer.alloc(500_000, 7);
  socket.send(`452-["message",${TWO}]`);
  socket.send(Buffer.alloc(0));
  socket.send(large);
  await socket.next("header");
  assert.equal((await socket.next("attachment")).length, 0);
  assert.deepEqual(await socket.next("attachment"), large);
  socket.close();
});

test("events are answered in the order they came", async () => {
  const socket = await openJoined(server);
  for (let i = 0; i < 1000; i += 1) socket.send(`42["message",${i}]`);
  for (let i = 0; i < 1000; i += 1) assert.equal(await socket.next("echo"), `42["message-back",${i}]`);
  socket.close();
});

test("an answer to a question nobody asked is ignored", async () => {
  const socket = await openJoined(server);
  socket.send('43999["surprise"]');
  await stillEchoes(socket);
  socket.close();
});

test("an event that nobody handles is ignored", async () => {
  const socket = await openJoined(server);
  socket.send('42["nobody-listens",1]');
  await stillEchoes(socket);
  socket.close();
});

test("events and attachments travel over polling too", async () => {
  const session = await PollingSession.open(server, "/socket.io/");
  await session.post("40");
  const [connect, auth] = await session.packets(2);
  assert.match(connect, /^40\{"sid":/);
  assert.equal(auth, '42["auth",{}]');
  await session.post(`42["message","text"]\x1e452-["message",${TWO}]\x1ebAQID\x1ebBAUG\x1e421["message-with-ack"]`);
  assert.deepEqual(await session.packets(5), [
    '42["message-back","text"]',
    `452-["message-back",${TWO}]`,
    "bAQID",
    "bBAUG",
    "431[]",
  ]);
});

test("events go on across an upgrade, in order", async () => {
  const session = await PollingSession.open(server, "/socket.io/");
  await session.post("40");
  await session.packets(2);
  await session.post('42["message",0]\x1e42["message",1]');
  const socket = (await session.upgrade()).answerPings();
  socket.send('42["message",2]');
  for (let i = 0; i < 3; i += 1) assert.equal(await socket.next("echo"), `42["message-back",${i}]`);
  socket.close();
});
