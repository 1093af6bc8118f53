import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "../support/servers.mjs";
import { openEngine, openJoined, stillEchoes } from "../support/socket_packets.mjs";

let server;
let bystander;
before(async () => {
  server = await start("suites");
  bystander = await openJoined(server);
});
after(async () => {
  bystander.close();
  await server.stop();
});

const eleven = Array.from({ length: 11 }, (_, num) => `{"_placeholder":true,"num":${num}}`).join(",");

// Each closes its own connection, and no other.
const CLOSING = [
  ["no packet type", ["4abc"]],
  ["an unknown packet type", ["49"]],
  ["an object for an event", ["42{}"]],
  ["an id that is no number", ['42abc["message-back",1]']],
  ["an empty event", ["42[]"]],
  ["an event without a name", ["42[{}]"]],
  ["a null for a name", ["42[null]"]],
  ["JSON that ends early", ['42["message",{"a":1]']],
  ["JSON with a tail", ['42["message"]x']],
  ["text for an event", ['42"message"']],
  ["an object for an acknowledgement", ["431{}"]],
  ["the reserved name connect", ['42["connect"]']],
  ["the reserved name disconnect", ['42["disconnect"]']],
  ["the reserved name connect_error", ['42["connect_error"]']],
  ["the reserved name disconnecting", ['42["disconnecting"]']],
  ["an event for a namespace not joined", ['42/custom,["message"]']],
  ["a second CONNECT", ["40"]],
  ["a payload on DISCONNECT", ["41[]"]],
  ["no count of attachments", ['45-["message",{"_placeholder":true,"num":0}]']],
  ["a count that is no number", ['45x-["message",{"_placeholder":true,"num":0}]']],
  ["no dash behind the count", ['451["message",{"_placeholder":true,"num":0}]']],
  ["eleven attachments", [`4511-["message",${eleven}]`]],
  ["text while an attachment is due", ['451-["message",{"_placeholder":true,"num":0}]', '42["message"]']],
  ["an attachment nobody announced", [Buffer.from([1, 2, 3])]],
];
for (const [what, packets] of CLOSING) {
  test(`${what} closes the connection and no other`, async () => {
    const socket = await openJoined(server);
    for (const packet of packets) socket.send(packet);
    await socket.waitClosed(450);
    await stillEchoes(bystander);
  });
}

test("a placeholder beyond the attachments closes the connection or goes nowhere", async () => {
  const socket = await openJoined(server);
  socket.send('451-["message",{"_placeholder":true,"num":7}]');
  socket.send(Buffer.from([1]));
  const end = await Promise.race([socket.closed.then(() => "closed"), stillEchoes(socket).then(() => "alive")]);
  assert.ok(["closed", "alive"].includes(end));
  assert.ok(!socket.inbox.all.some(Buffer.isBuffer), "no attachment comes from nowhere");
  await stillEchoes(bystander);
  socket.close();
});

test("an event before CONNECT closes the connection", async () => {
  const socket = await openEngine(server);
  socket.send('42["message","early"]');
  await socket.waitClosed(450);
});

test("a CONNECT whose payload is no object closes the connection", async () => {
  for (const sent of ["40[]", '40"token"']) {
    const socket = await openEngine(server);
    socket.send(sent);
    await socket.waitClosed(1500);
    assert.ok(!socket.inbox.all.some((packet) => packet.startsWith("40{")), sent);
  }
});
