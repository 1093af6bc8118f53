import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RawSocket } from "../support/engine.mjs";
import { FrameSocket, text } from "../support/frames.mjs";
import { start } from "../support/servers.mjs";
import { within } from "../support/wait.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

// The server may decline the extension; what it agrees to, it must keep.
test("a client that offers compression gets its messages back", async () => {
  const socket = new RawSocket(`${server.wsUrl}/ws-echo`, { perMessageDeflate: { threshold: 0 } });
  await within(socket.opened, "WebSocket");
  const messages = ["", "a", "compressible ".repeat(10_000), Buffer.alloc(200_000, 5), "end"];
  for (const message of messages) socket.send(message);
  for (const message of messages) assert.deepEqual(await socket.next("echo"), message);
  socket.close();
});

test("a compressed frame is refused where compression was not agreed on", async () => {
  const socket = await FrameSocket.open(server);
  assert.equal(socket.header("Sec-WebSocket-Extensions"), undefined);
  socket.send(text("x", { rsv: 4 }));
  assert.equal(await socket.closeCode(), 1002);
});
