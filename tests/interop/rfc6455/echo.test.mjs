import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { binary, FrameSocket, more, OP, ping, pong, text } from "../support/frames.mjs";
import { start } from "../support/servers.mjs";

const MIB = 1024 * 1024;
let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

async function check(frames, expected, limit_ms = 15_000) {
  const socket = await FrameSocket.open(server);
  socket.send(...frames);
  for (const [opcode, payload] of expected) {
    const got = await socket.next("frame", limit_ms);
    assert.equal(got.opcode, opcode);
    assert.equal(got.fin, true);
    assert.equal(got.masked, false, "a server does not mask");
    assert.equal(Buffer.compare(got.payload, Buffer.from(payload)), 0);
  }
  socket.destroy();
}

const part = { fin: false };
const filled = (length) => Buffer.alloc(length, "0123456789abcdef");

for (const length of [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, MIB, 16 * MIB]) {
  test(`a text of ${length} bytes comes back`, () => check([text(filled(length))], [[OP.text, filled(length)]]));
  test(`binary of ${length} bytes comes back`, () => check([binary(filled(length))], [[OP.binary, filled(length)]]));
}

const CASES = [
  ["two fragments are one message", [text("Hel", part), more("lo")], [[OP.text, "Hello"]]],
  ["binary fragments are one message", [binary("ab", part), more("cd", part), more("ef")], [[OP.binary, "abcdef"]]],
  ["an empty first fragment counts for nothing", [text("", part), more("all")], [[OP.text, "all"]]],
  ["an empty last fragment counts for nothing", [text("all", part), more("")], [[OP.text, "all"]]],
  ["fragments that are all empty are an empty message", [text("", part), more("", part), more("")], [[OP.text, ""]]],
  [
    "a ping between fragments is answered before the message",
    [text("a", part), ping("now"), more("b")],
    [[OP.pong, "now"], [OP.text, "ab"]],
  ],
  [
    "pings between all fragments are answered in order",
    [text("a", part), ping("1"), more("b", part), ping("2"), more("c")],
    [[OP.pong, "1"], [OP.pong, "2"], [OP.text, "abc"]],
  ],
  ["a pong between fragments changes nothing", [text("a", part), pong("?"), more("b")], [[OP.text, "ab"]]],
  ["a code point may be split between fragments", [text(Buffer.from([0xf0, 0x9f]), part), more(Buffer.from([0x8d, 0x95]))], [[OP.text, "🍕"]]],
  ["two fragmented messages in a row stay apart", [text("a", part), more("b"), binary("c", part), more("d")], [[OP.text, "ab"], [OP.binary, "cd"]]],
  ["an empty ping is answered by an empty pong", [ping("")], [[OP.pong, ""]]],
  ["a ping of 125 bytes is answered whole", [ping(filled(125))], [[OP.pong, filled(125)]]],
  ["a ping's bytes come back as they are", [ping(Buffer.from([0, 255, 254, 128]))], [[OP.pong, Buffer.from([0, 255, 254, 128])]]],
  ["ten pings are answered in order", Array.from({ length: 10 }, (_, i) => ping(`${i}`)), Array.from({ length: 10 }, (_, i) => [OP.pong, `${i}`])],
  ["an unasked pong is ignored", [pong("?"), text("on")], [[OP.text, "on"]]],
  ["a mask of zeros is a mask", [text("plain", { mask: Buffer.alloc(4) })], [[OP.text, "plain"]]],
  ["a mask of ones is a mask", [text("plain", { mask: Buffer.alloc(4, 255) })], [[OP.text, "plain"]]],
  ["a hundred frames in one write are a hundred messages", Array.from({ length: 100 }, (_, i) => text(`${i}`)), Array.from({ length: 100 }, (_, i) => [OP.text, `${i}`])],
  ["every valid length of UTF-8 passes", [text("a\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}")], [[OP.text, "a\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}"]]],
  ["bytes that are no UTF-8 pass as binary", [binary(Buffer.from([0xc0, 0x80, 0xff]))], [[OP.binary, Buffer.from([0xc0, 0x80, 0xff])]]],
];
for (const [promise, frames, expected] of CASES) test(promise, () => check(frames, expected));

test("frames that arrive byte by byte are the same frames", async () => {
  const socket = await FrameSocket.open(server);
  const bytes = Buffer.concat([text("Hel", part), ping("!"), more("lo"), binary(filled(130))]);
  for (const byte of bytes) {
    socket.socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  assert.deepEqual((await socket.next("pong")).payload.toString(), "!");
  assert.deepEqual((await socket.next("text")).payload.toString(), "Hello");
  assert.deepEqual((await socket.next("binary")).payload, filled(130));
  socket.destroy();
});

test("65 536 fragments and an empty last one are one message", async () => {
  const middle = { fin: false, mask: Buffer.alloc(4) };
  const pieces = Array(65_535).fill(more("x", middle));
  await check([text("x", middle), ...pieces, more("")], [[OP.text, Buffer.alloc(65_536, "x")]]);
  await check([binary("x", middle), ...pieces, more("")], [[OP.binary, Buffer.alloc(65_536, "x")]]);
});

test("16 MiB in fragments of 64 KiB are one message", () => {
  const piece = filled(65_536);
  const frames = [binary(piece, part), ...Array.from({ length: 254 }, () => more(piece, part)), more(piece)];
  return check(frames, [[OP.binary, filled(16 * MIB)]]);
});

test("several large messages in one write come back in order", () => {
  const sizes = [MIB, 3, 2 * MIB, 70_000, 0];
  return check(
    sizes.map((size) => binary(filled(size))),
    sizes.map((size) => [OP.binary, filled(size)]),
  );
});
