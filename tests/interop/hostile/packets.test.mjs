import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystander } from "../support/bystander.mjs";
import { leaveAll } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";
import { openEngine } from "../support/socket_packets.mjs";
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

async function openJoined() {
  const socket = await openEngine(server);
  socket.send(`40${JSON.stringify({ token: userToken("roma", "kitchen_app", "stranger"), application: "kitchen_app" })}`);
  await socket.inbox.find((packet) => packet.startsWith?.("40"), "CONNECT answer");
  return socket;
}

const PLACEHOLDER = '{"_placeholder":true,"num":0}';
const eleven = Array.from({ length: 11 }, (_, num) => `{"_placeholder":true,"num":${num}}`).join(",");
const CLOSING = [
  ["an empty message", [""]],
  ["an unknown Engine.IO packet", ["9"]],
  ["a ping from the client", ["2"]],
  ["no Socket.IO packet type", ["4"]],
  ["an unknown Socket.IO packet type", ["48"]],
  ["an object for an event", ["42{}"]],
  ["a second CONNECT", ["40{}"]],
  ["an event for a namespace nobody joined", ['42/kitchen,["kitchen:notification"]']],
  ["eleven attachments", [`4511-["kitchen:notification",${eleven}]`]],
  ["a million attachments", [`451000000-["kitchen:notification",${PLACEHOLDER}]`]],
  ["text where an attachment is due", [`451-["kitchen:notification",${PLACEHOLDER}]`, '42["kitchen:notification"]']],
  ["an attachment nobody announced", [Buffer.alloc(1000)]],
];
for (const [what, packets] of CLOSING) {
  test(`${what} closes its sender's connection and no other`, async () => {
    const socket = await openJoined();
    for (const packet of packets) socket.send(packet);
    await socket.waitClosed(2000);
    await bystander.isUnaffected();
  });
}

test("a message beyond the limit closes its sender's connection and no other", async () => {
  const socket = await openJoined();
  socket.send(`42["kitchen:notification",{"message":"${"x".repeat(socket.handshake.maxPayload)}"}]`);
  await socket.waitClosed(4000);
  await bystander.isUnaffected();
});

// Well-formed packets with nasty contents: refused by acknowledgement, or the packet counts as malformed and closes.
const NASTY = [
  ["an event name of 10 000 characters", `420[${JSON.stringify("x".repeat(10_000))},{}]`],
  ["an empty event name", '420["",{}]'],
  ["a number for an event name", "420[7,{}]"],
  ["a name made of prototypes", '420["__proto__",{}]'],
  ["a constructor for a name", '420["constructor",{}]'],
  ["nesting of 1000 levels", `420["kitchen:notification",${'{"a":'.repeat(1000)}1${"}".repeat(1000)}]`],
  ["a number beyond all measure", '420["inventory:usage_update",{"ingredientId":"f","quantity":1e999}]'],
  ["the same key twice", '420["kitchen:notification",{"message":7,"message":8}]'],
  ["half a surrogate pair", '420["kitchen:notification",{"message":7,"x":"\\ud800"}]'],
  ["a control character in a string", '420["kitchen:notification",{"message":7,"x":"\u0001"}]'],
  ["NaN", '420["inventory:usage_update",{"ingredientId":"f","quantity":NaN}]'],
  ["a prototype in a payload", '420["kitchen:notification",{"__proto__":{"message":"m"}}]'],
];
for (const [what, packet] of NASTY) {
  test(`${what} is refused or closes, and disturbs nobody`, async () => {
    const socket = await openJoined();
    socket.send(packet);
    const refusal = socket.inbox.find((answer) => answer.startsWith?.("430"), "answer").catch(() => undefined);
    const end = await Promise.race([socket.waitClosed(4000).then(() => undefined), refusal]);
    if (end !== undefined) {
      const [answer] = JSON.parse(end.slice(3));
      assert.equal(answer.success, false, end);
      assert.ok(answer.error.number >= 3000, end);
    }
    await bystander.isUnaffected();
    socket.close();
  });
}

// The packet's frame is sound, its event is not: a malformed packet may close, a bad event may not.
const UNSOUND = [
  ["an event without a name", "42[]"],
  ["JSON that ends early", '42["kitchen:notification",{"message":'],
  ["JSON with a tail", '42["kitchen:notification"]]'],
  ["JSON with a comma too many", '42["kitchen:notification",]'],
  ["a reserved event name", '42["connect"]'],
  ["ten thousand brackets", `42${"[".repeat(10_000)}`, "payload_invalid"],
];
for (const [what, packet, code = "message_malformed"] of UNSOUND) {
  test(`${what} is told as system:error or closes, and disturbs nobody`, async () => {
    const socket = await openJoined();
    socket.send(packet);
    const told = socket.inbox.find((answer) => answer.startsWith?.('42["system:error"'), "system:error").catch(() => undefined);
    const end = await Promise.race([socket.waitClosed(4000).then(() => undefined), told]);
    if (end !== undefined) assert.equal(JSON.parse(end.slice(2))[1].payload.code, code);
    await bystander.isUnaffected();
    socket.close();
  });
}

test("an acknowledgement id beyond 64 bits closes or is ignored", async () => {
  const socket = await openJoined();
  socket.send(`42${"9".repeat(400)}["kitchen:notification",{"message":"m"}]`);
  await bystander.isUnaffected();
  socket.close();
});

test("two hundred acknowledgements nobody asked for change nothing", async () => {
  const socket = await openJoined();
  for (let i = 0; i < 200; i += 1) socket.send(`43${i}["surprise"]`);
  socket.send('421["health_check"]');
  await socket.inbox.find((packet) => packet.startsWith?.("431"), "answer behind them");
  await bystander.isUnaffected();
  socket.close();
});

test("a thousand acknowledgements nobody asked for close their sender's connection and no other", async () => {
  const socket = await openJoined();
  for (let i = 0; i < 1000; i += 1) socket.send(`43${i}["surprise"]`);
  await socket.waitClosed(4000);
  await bystander.isUnaffected();
});
