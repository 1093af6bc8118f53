import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { binary, close, frame, FrameSocket, more, OP, ping, pong, text } from "../support/frames.mjs";
import { start } from "../support/servers.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

const PROTOCOL_ERROR = 1002;
const NOT_UTF8 = 1007;
const TOO_BIG = 1009;
const part = { fin: false };

/** Whatever was echoed before, the connection ends with one of `codes`. */
async function check(frames, codes) {
  const socket = await FrameSocket.open(server);
  socket.send(...frames);
  const code = await socket.closeCode();
  assert.ok(codes.includes(code), `closed with ${code}`);
  await socket.waitEnded();
}

for (const rsv of [1, 2, 4, 7]) {
  test(`reserved bits ${rsv} without an extension are refused`, () => check([text("x", { rsv })], [PROTOCOL_ERROR]));
}
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  test(`the reserved opcode ${opcode} is refused`, () => check([frame(opcode, "x")], [PROTOCOL_ERROR]));
}

const VIOLATIONS = [
  ["an unmasked text", [text("x", { masked: false })]],
  ["an unmasked ping", [ping("x", { masked: false })]],
  ["a fragmented ping", [ping("x", part)]],
  ["a fragmented pong", [pong("x", part)]],
  ["a fragmented close", [close(1000, "", part)]],
  ["a ping of 126 bytes", [ping(Buffer.alloc(126))]],
  ["a pong of 126 bytes", [pong(Buffer.alloc(126))]],
  ["a close of 126 bytes", [close(1000, "x".repeat(124))]],
  ["a continuation of nothing", [more("x")]],
  ["an unfinished continuation of nothing", [more("x", part)]],
  ["a text inside a fragmented message", [text("a", part), text("b")]],
  ["binary inside a fragmented text", [text("a", part), binary("b")]],
  ["a continuation after the last fragment", [text("a", part), more("b"), more("c")]],
  ["reserved bits on a continuation", [text("a", part), more("b", { rsv: 1 })]],
  ["reserved bits on a ping", [ping("x", { rsv: 2 })]],
  ["a close of one byte", [frame(OP.close, "x")]],
];
for (const [what, frames] of VIOLATIONS) {
  test(`${what} closes with 1002`, () => check(frames, [PROTOCOL_ERROR]));
}

const utf8 = (...bytes) => Buffer.from(bytes);
const NO_TEXTS = [
  ["a lone continuation byte", utf8(0x80)],
  ["a byte that never occurs", utf8(0x61, 0xff)],
  ["an overlong slash of two bytes", utf8(0xc0, 0xaf)],
  ["an overlong slash of three bytes", utf8(0xe0, 0x80, 0xaf)],
  ["an overlong slash of four bytes", utf8(0xf0, 0x80, 0x80, 0xaf)],
  ["an overlong NUL", utf8(0xc0, 0x80)],
  ["half a surrogate pair", utf8(0xed, 0xa0, 0x80)],
  ["a whole surrogate pair", utf8(0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80)],
  ["a code point beyond U+10FFFF", utf8(0xf4, 0x90, 0x80, 0x80)],
  ["five bytes for a code point", utf8(0xf8, 0x88, 0x80, 0x80, 0x80)],
  ["text that ends inside a code point", utf8(0x61, 0xf0, 0x9f, 0x8d)],
  ["a code point interrupted by ASCII", utf8(0xe2, 0x28, 0xa1)],
];
for (const [what, bytes] of NO_TEXTS) {
  test(`${what} closes with 1007`, () => check([text(bytes)], [NOT_UTF8]));
}
test("bad UTF-8 across two fragments closes with 1007", () =>
  check([text(utf8(0x61, 0xf0, 0x9f), part), more(utf8(0x61))], [NOT_UTF8]));
test("bad UTF-8 in a close reason is refused", () =>
  check([close(1000, utf8(0xc3, 0x28))], [NOT_UTF8, PROTOCOL_ERROR]));

test("a message of 16 MiB and one byte closes with 1009", () => check([binary(Buffer.alloc(16 * 1024 * 1024 + 1))], [TOO_BIG]));
test("fragments that add up to more than 16 MiB close with 1009", () => {
  const half = Buffer.alloc(8 * 1024 * 1024);
  return check([binary(half, part), more(half, part), more("x")], [TOO_BIG]);
});
test("a length is refused before its payload comes", () =>
  check([binary("", { claim: 1n << 40n })], [TOO_BIG]));
test("a length beyond 63 bits is refused", () =>
  check([binary("", { claim: (1n << 63n) + 5n })], [PROTOCOL_ERROR, TOO_BIG]));
