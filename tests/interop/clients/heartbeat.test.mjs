import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeAll, connect, EVERY_CLIENT } from "../support/clients.mjs";
import { start } from "../support/servers.mjs";
import { next, within } from "../support/wait.mjs";

const INTERVAL_MS = 200;
let server;
before(async () => (server = await start("clients", ["--ping-interval", `${INTERVAL_MS}`, "--max-payload", "5000"])));
after(() => server.stop());
afterEach(closeAll);

for (const [client, io, transports] of EVERY_CLIENT) {
  test(`${client} stays connected through many heartbeats`, async () => {
    const socket = await connect(server, { io, transports });
    let lost;
    socket.on("disconnect", (reason) => (lost = reason));
    for (let i = 0; i < 5; i += 1) await next(socket.io, "ping", 2000);
    assert.equal(lost, undefined);
    assert.ok(await socket.timeout(2000).emitWithAck("whoami"));
  });
}

test("the limit on a payload is the one that was set", async () => {
  const socket = await connect(server);
  const fits = "x".repeat(4800);
  assert.equal(await socket.timeout(2000).emitWithAck("message-with-ack", fits), fits);
  socket.emit("message", "x".repeat(5200));
  await within(new Promise((resolve) => socket.once("disconnect", resolve)), "disconnect");
});
