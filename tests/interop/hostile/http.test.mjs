import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { Bystander } from "../support/bystander.mjs";
import { leaveAll } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";
import { serviceToken } from "../support/token.mjs";
import { within } from "../support/wait.mjs";

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

/** Sends bytes, closes its own side, and gives the status of the answer (0: closed without one). */
function statusOf(bytes) {
  return within(
    new Promise((resolve) => {
      let answer = "";
      const socket = net.connect({ port: server.port, host: server.host, allowHalfOpen: true });
      const finish = () => {
        socket.destroy();
        resolve(Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0));
      };
      socket.setEncoding("latin1");
      socket.on("data", (chunk) => {
        answer += chunk;
        if (answer.includes("\r\n\r\n")) finish();
      });
      socket.on("end", finish);
      socket.on("error", finish);
      socket.end(bytes);
    }),
    "an answer or the end",
  );
}

const POLL = "/socket.io/?EIO=4&transport=polling";
const REQUESTS = [
  ["noise", Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7919) & 255))],
  ["a TLS greeting", Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])],
  ["a request line without a version", "GET /\r\n\r\n"],
  ["an unknown method", `BREW ${POLL} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ["a version from the future", `GET ${POLL} HTTP/9.9\r\nHost: x\r\n\r\n`],
  ["a path of 200 000 bytes", `GET /${"a".repeat(200_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ["a header of 200 000 bytes", `GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(200_000)}\r\n\r\n`],
  ["ten thousand headers", `GET / HTTP/1.1\r\nHost: x\r\n${"X: y\r\n".repeat(10_000)}\r\n`],
  ["a header without a colon", "GET / HTTP/1.1\r\nHost x\r\n\r\n"],
  ["a NUL in a header", "GET / HTTP/1.1\r\nHost: x\u0000y\r\n\r\n"],
  ["a negative length", `POST ${POLL} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n`],
  ["two lengths that differ", `POST ${POLL} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde`],
  ["a length and chunks", `POST ${POLL} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["a chunk that lies", `POST ${POLL} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n`],
  ["a length of an exabyte", `POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000000000\r\n\r\n{}`],
  ["a body that never comes whole", `POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"type"`],
  ["a sid of 10 000 bytes", `GET ${POLL}&sid=${"s".repeat(10_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ["a sid with escapes", `GET ${POLL}&sid=%00%ff%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n`],
  ["a path upwards", "GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"],
  ["an upgrade to something else", `GET ${POLL} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: x\r\n\r\n`],
];
for (const [what, bytes] of REQUESTS) {
  test(`${what} is refused or cut off, and disturbs nobody`, async () => {
    const status = await statusOf(bytes);
    assert.ok(status === 0 || (status >= 400 && status < 500) || status === 501 || status === 505, `${status}`);
    await bystander.isUnaffected();
  });
}

const BODIES = [
  ["nothing", ""],
  ["brackets", "[".repeat(100_000)],
  ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe])],
  ["a nested object", `${'{"payload":'.repeat(5000)}1${"}".repeat(5000)}`],
  ["more than the limit", JSON.stringify({ type: "order:created", payload: { orderId: "o", filler: "x".repeat(20_000_000) } })],
];
for (const [what, body] of BODIES) {
  test(`a publication of ${what} is refused, and disturbs nobody`, async () => {
    const answer = await fetch(`${server.url}/api/v1/publish`, {
      method: "POST",
      headers: { authorization: `Bearer ${serviceToken("roma")}`, "content-type": "application/json" },
      body,
    }).then(
      (response) => response.status,
      () => 0,
    );
    assert.ok(answer === 0 || (answer >= 400 && answer < 500), `${answer}`);
    await bystander.isUnaffected();
  });
}
