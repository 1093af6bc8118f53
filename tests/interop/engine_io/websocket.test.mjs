import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWebSocket } from "../support/engine.mjs";
import { start } from "../support/servers.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

const ECHOED = [
  ["a word", "4hello"],
  ["nothing", "4"],
  ["text beyond ASCII", "4crème brûlée, 寿司, 🍕"],
  ["a NUL and a record separator", "4a\u0000b\x1ec"],
  ["100 000 characters", `4${"é".repeat(100_000)}`],
  ["exactly the limit", `4${"x".repeat(999_999)}`],
];
for (const [what, message] of ECHOED) {
  test(`${what} comes back as text`, async () => {
    const socket = await openWebSocket(server);
    socket.send(message);
    assert.equal(await socket.nextAnsweringPings("echo"), message);
    socket.close();
  });
}

for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
  test(`${length} binary bytes come back as binary`, async () => {
    const socket = await openWebSocket(server);
    const bytes = Buffer.alloc(length, "bytes of a length that divides nothing");
    socket.send(bytes);
    const echo = await socket.nextAnsweringPings("echo");
    assert.ok(Buffer.isBuffer(echo));
    assert.deepEqual(echo, bytes);
    socket.close();
  });
}

test("a message beyond the limit closes the connection", async () => {
  const socket = await openWebSocket(server);
  socket.send(`4${"x".repeat(1_000_000)}`);
  const { code } = await socket.waitClosed();
  assert.ok(code === 1009 || code === 1006, `${code}`);
});

for (const packet of ["", "abc", "9", "7hello"]) {
  test(`the bad packet ${JSON.stringify(packet)} closes the connection`, async () => {
    const socket = await openWebSocket(server);
    socket.send(packet);
    await socket.waitClosed(450);
  });
}

test("a thousand messages come back in order", async () => {
  const socket = await openWebSocket(server);
  socket.answerPings();
  for (let i = 0; i < 1000; i += 1) socket.send(i % 3 === 0 ? Buffer.from([i & 255, i >> 8]) : `4${i}`);
  for (let i = 0; i < 1000; i += 1) {
    const echo = await socket.next(`echo ${i}`);
    if (i % 3 === 0) assert.equal(echo.readUInt16LE(), i);
    else assert.equal(echo, `4${i}`);
  }
  socket.close();
});

test("a session that closes its socket is gone for every transport", async () => {
  const socket = await openWebSocket(server);
  const { sid } = socket.handshake;
  socket.ws.close();
  await socket.waitClosed();
  const response = await fetch(`${server.url}/engine.io/?EIO=4&transport=polling&sid=${sid}`);
  assert.equal(response.status, 400);
  assert.equal((await response.json()).code, 1);
});
