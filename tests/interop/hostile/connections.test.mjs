import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { Bystander } from "../support/bystander.mjs";
import { FrameSocket, text } from "../support/frames.mjs";
import { dialHub, leaveAll, publish } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";
import { userToken } from "../support/token.mjs";
import { next, within } from "../support/wait.mjs";

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
const tcp = () =>
  within(
    new Promise((resolve, reject) => {
      const socket = net.connect(server.port, server.host, () => resolve(socket));
      socket.on("error", reject);
    }),
    "TCP connection",
  );

test("fifty connections that never say a word disturb nobody", async () => {
  const silent = await Promise.all(Array.from({ length: 50 }, tcp));
  await bystander.isUnaffected();
  for (const socket of silent) socket.destroy();
});

test("twenty connections that stop in the middle of a request disturb nobody", async () => {
  const slow = await Promise.all(Array.from({ length: 20 }, tcp));
  for (const socket of slow) socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\nX-Slow: `);
  await bystander.isUnaffected();
  for (const socket of slow) socket.destroy();
});

test("ten WebSockets that never join disturb nobody", async () => {
  const idle = await Promise.all(Array.from({ length: 10 }, () => FrameSocket.open(server, PATH)));
  await bystander.isUnaffected();
  for (const socket of idle) socket.destroy();
});

test("a member that never reads holds nobody up", async () => {
  const deaf = await FrameSocket.open(server, PATH);
  const token = userToken("roma", "kitchen_app", "deaf");
  deaf.send(text(`40${JSON.stringify({ token, application: "kitchen_app" })}`));
  await deaf.inbox.find(({ payload }) => payload.toString().startsWith("40"), "CONNECT answer");
  deaf.socket.pause();
  const accepted = [];
  // 12 MB are more than the kernel's buffers take.
  for (let i = 0; i < 200; i += 1) {
    const { status, body } = await publish(server, "roma", {
      type: "kitchen:notification",
      payload: { message: `for all ${i}`, filler: "x".repeat(60_000) },
    });
    assert.ok(status === 200 || status === 429, `${status} ${JSON.stringify(body)}`);
    if (status === 200) accepted.push(`for all ${i}`);
  }
  for (const expected of accepted) {
    const message = await bystander.member.hears("kitchen:notification");
    assert.equal(message.payload.message, expected);
  }
  await bystander.isUnaffected();
  deaf.destroy();
});

const TOKENS = [
  ["a token of 15 000 bytes", "x".repeat(15_000)],
  ["a token of dots", "."],
  ["a token of many dots", ".".repeat(5000)],
  ["a token with a NUL", "a\u0000.b.c"],
  ["an object for a token", { toString: "x" }],
  ["a list for a token", ["a", "b"]],
  ["a header that is no object", `${Buffer.from("[]").toString("base64url")}.e30.x`],
  ["a header that is deeply nested", `${Buffer.from("[".repeat(5000)).toString("base64url")}.e30.x`],
];
for (const [what, token] of TOKENS) {
  test(`${what} is refused with a code, and disturbs nobody`, async () => {
    const socket = dialHub(server, { auth: { token, application: "kitchen_app" } });
    const [error] = await next(socket, "connect_error");
    assert.match(error.data?.code ?? "", /^token_/);
    await bystander.isUnaffected();
  });
}

test("a token of 100 000 bytes, more than may be sent before joining, closes the transport and disturbs nobody", async () => {
  const socket = dialHub(server, { auth: { token: "x".repeat(100_000), application: "kitchen_app" } });
  await next(socket.io, "close");
  assert.equal(socket.connected, false);
  socket.disconnect();
  await bystander.isUnaffected();
});

test("an unknown namespace is refused and disturbs nobody", async () => {
  const socket = dialHub(server, { namespace: "/../admin", auth: { token: userToken("roma", "kitchen_app", "x") } });
  await next(socket, "connect_error");
  await bystander.isUnaffected();
});
