import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FrameSocket, text } from "../support/frames.mjs";
import { start } from "../support/servers.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

test("the handshake is accepted with the key's answer", async () => {
  const socket = await FrameSocket.open(server);
  assert.equal(socket.status, 101);
  assert.equal(socket.header("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assert.equal(socket.header("Upgrade").toLowerCase(), "websocket");
  assert.equal(socket.header("Connection").toLowerCase(), "upgrade");
  socket.destroy();
});

const ACCEPTED = [
  ["keep-alive beside upgrade", { Connection: "keep-alive, Upgrade" }],
  ["upper case", { Upgrade: "WEBSOCKET", Connection: "UPGRADE" }],
  ["an origin", { Origin: "http://localhost:3000" }],
  ["an extension the server may decline", { "Sec-WebSocket-Extensions": "x-unheard-of; level=9" }],
];
for (const [what, headers] of ACCEPTED) {
  test(`a handshake with ${what} is accepted`, async () => {
    const socket = await FrameSocket.open(server, "/ws-echo", headers);
    assert.equal(socket.status, 101);
    socket.send(text("hello"));
    assert.equal((await socket.next("echo")).payload.toString(), "hello");
    socket.destroy();
  });
}

const REFUSED = [
  ["no key", { "Sec-WebSocket-Key": undefined }],
  ["a key that is too short", { "Sec-WebSocket-Key": "c2hvcnQ=" }],
  ["a key that is no base64", { "Sec-WebSocket-Key": "!!!!!!!!!!!!!!!!!!!!!!==" }],
  ["no version", { "Sec-WebSocket-Version": undefined }],
  ["version 7", { "Sec-WebSocket-Version": "7" }],
];
for (const [what, headers] of REFUSED) {
  test(`a handshake with ${what} is refused`, async () => {
    const socket = await FrameSocket.open(server, "/ws-echo", headers);
    assert.ok([400, 426].includes(socket.status), socket.statusLine);
    socket.destroy();
  });
}

test("frames that come with the handshake are not lost", async () => {
  const socket = await FrameSocket.open(server, "/ws-echo", {}, Buffer.concat([text("first"), text("second")]));
  assert.equal((await socket.next("echo")).payload.toString(), "first");
  assert.equal((await socket.next("echo")).payload.toString(), "second");
  socket.destroy();
});
