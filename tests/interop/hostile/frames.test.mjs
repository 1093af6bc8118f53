import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystander } from "../support/bystander.mjs";
import { binary, close, frame, FrameSocket, more, OP, ping, text } from "../support/frames.mjs";
import { leaveAll } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";
import { userToken } from "../support/token.mjs";

let server;
let bystander;
before(async () => {
  server = await start("hub");
  bystander = await Bystander.connect(server);
});
after(async () => {
  leaveAll();
  await server.stop();
});

const PATH = "/socket.io/?EIO=4&transport=websocket";
async function openJoined() {
  const socket = await FrameSocket.open(server, PATH);
  const token = userToken("roma", "kitchen_app", "stranger");
  socket.send(text(`40${JSON.stringify({ token, application: "kitchen_app" })}`));
  await socket.inbox.find(({ payload }) => payload.toString().startsWith("40"), "CONNECT answer");
  return socket;
}

const part = { fin: false };
const VIOLATIONS = [
  ["an unmasked frame", [text("42[]", { masked: false })]],
  ["reserved bits", [text("42[]", { rsv: 4 })]],
  ["a reserved opcode", [frame(3, "x")]],
  ["a reserved control opcode", [frame(11, "x")]],
  ["a fragmented ping", [ping("x", part)]],
  ["a ping of 126 bytes", [ping(Buffer.alloc(126))]],
  ["a continuation of nothing", [more("x")]],
  ["a text inside a fragmented text", [text("4", part), text("2")]],
  ["text that is no UTF-8", [text(Buffer.from([0x34, 0x32, 0xff, 0xfe]))]],
  ["a claim of a tebibyte", [binary("", { claim: 1n << 40n })]],
  ["a claim of all 64 bits", [binary("", { claim: (1n << 64n) - 1n })]],
  ["a close of one byte", [frame(OP.close, "x")]],
  ["a close with 999", [close(999)]],
];
for (const [what, frames] of VIOLATIONS) {
  test(`${what} closes its sender's connection and no other`, async () => {
    const socket = await openJoined();
    socket.send(...frames);
    const code = await socket.closeCode(2000);
    assert.ok([1002, 1007, 1008, 1009].includes(code), `${code}`);
    await socket.waitEnded();
    await bystander.isUnaffected();
  });
}

test("fragments without end are bounded", async () => {
  const socket = await openJoined();
  const piece = more(Buffer.alloc(60_000, 120), part);
  socket.send(text("4", part));
  for (let i = 0; i < 60; i += 1) socket.send(piece);
  const code = await Promise.race([socket.closeCode(), socket.ended.then(() => 1006)]);
  assert.ok([1006, 1008, 1009].includes(code), `${code}`);
  await bystander.isUnaffected();
});

test("a message that comes a byte a time holds nobody up", async () => {
  const socket = await openJoined();
  const bytes = text('421["health_check"]');
  for (const byte of bytes) {
    socket.socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  await bystander.isUnaffected();
  await socket.inbox.find(({ payload }) => payload.toString().startsWith("431"), "answer");
  socket.destroy();
});

test("twenty connections torn in the middle of a frame disturb nobody", async () => {
  for (let i = 0; i < 20; i += 1) {
    const socket = await openJoined();
    socket.send(binary("", { claim: 1000n }));
    socket.socket.resetAndDestroy();
  }
  await bystander.isUnaffected();
});
