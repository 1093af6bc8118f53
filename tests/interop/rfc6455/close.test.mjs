import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { close, FrameSocket, OP, ping, text } from "../support/frames.mjs";
import { start } from "../support/servers.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

async function answerTo(...frames) {
  const socket = await FrameSocket.open(server);
  socket.send(...frames);
  const code = await socket.closeCode();
  await socket.waitEnded();
  return { code, frames: socket.inbox.all };
}

for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]) {
  test(`a close with ${code} is answered with ${code}`, async () => {
    assert.equal((await answerTo(close(code))).code, code);
  });
}
for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) {
  test(`a close with ${code}, which may not travel, is refused with 1002`, async () => {
    assert.equal((await answerTo(close(code))).code, 1002);
  });
}
test("a close without a code is answered", async () => {
  const { code } = await answerTo(close());
  assert.ok(code === 1005 || code === 1000, `${code}`);
});
test("a close with a reason of 123 bytes is answered", async () => {
  assert.equal((await answerTo(close(1000, "r".repeat(123)))).code, 1000);
});
test("what comes after a close is not answered", async () => {
  const { frames } = await answerTo(text("before"), close(1000), text("after"), ping("after"));
  assert.deepEqual(frames.map(({ opcode }) => opcode), [OP.text, OP.close]);
});
test("a second close is not answered again", async () => {
  const { frames } = await answerTo(close(1000), close(1001));
  assert.equal(frames.length, 1);
});
test("a close inside a fragmented message closes", async () => {
  const { code, frames } = await answerTo(text("half", { fin: false }), close(1000));
  assert.equal(code, 1000);
  assert.equal(frames.length, 1);
});
test("a client that vanishes without a close leaves the server alive", async () => {
  for (let i = 0; i < 20; i += 1) {
    const socket = await FrameSocket.open(server);
    socket.send(text("half", { fin: false }));
    socket.socket.resetAndDestroy();
  }
  const socket = await FrameSocket.open(server);
  socket.send(text("alive?"));
  assert.equal((await socket.next("echo")).payload.toString(), "alive?");
  socket.destroy();
});
