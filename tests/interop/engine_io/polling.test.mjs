import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PollingSession } from "../support/engine.mjs";
import { start } from "../support/servers.mjs";
import { within } from "../support/wait.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

const open = () => PollingSession.open(server);

test("a post is answered with ok", async () => {
  const session = await open();
  const { status, body } = await session.post("4hello");
  assert.equal(status, 200);
  assert.equal(body, "ok");
});

test("a posted message comes back with the next poll", async () => {
  const session = await open();
  await session.post("4hello");
  const { status, body, headers } = await session.get();
  assert.equal(status, 200);
  assert.equal(body, "4hello");
  assert.match(headers.get("content-type"), /^text\/plain; ?charset=utf-8$/i);
});

test("a waiting poll is answered as soon as there is something to say", async () => {
  const session = await open();
  const waiting = session.get();
  await session.post("4now");
  const { body } = await within(waiting, "answer of the waiting poll", 250);
  assert.equal(body, "4now");
});

test("several packets in one body come back in order", async () => {
  const session = await open();
  await session.post("4one\x1e4two\x1e4three");
  assert.deepEqual(await session.packets(3), ["4one", "4two", "4three"]);
});

test("binary travels as base64 behind a b", async () => {
  const session = await open();
  await session.post("bAQIDBA==");
  assert.deepEqual(await session.packets(1), ["bAQIDBA=="]);
});

test("text and binary in one body keep their order", async () => {
  const session = await open();
  await session.post("4before\x1ebAQIDBA==\x1e4after");
  assert.deepEqual(await session.packets(3), ["4before", "bAQIDBA==", "4after"]);
});

test("every byte survives base64", async () => {
  const session = await open();
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await session.post(`b${everyByte.toString("base64")}`);
  const [packet] = await session.packets(1);
  assert.deepEqual(Buffer.from(packet.slice(1), "base64"), everyByte);
});

test("text beyond ASCII comes back unchanged", async () => {
  const session = await open();
  const text = "4crème brûlée, 寿司, 🍕, \u0000\u2028";
  await session.post(text);
  assert.deepEqual(await session.packets(1), [text]);
});

test("an empty message is a message", async () => {
  const session = await open();
  await session.post("4");
  assert.deepEqual(await session.packets(1), ["4"]);
});

test("a body of exactly the limit is taken", async () => {
  const session = await open();
  const body = `4${"x".repeat(999_999)}`;
  assert.equal((await session.post(body)).status, 200);
  const [packet] = await session.packets(1);
  assert.equal(packet, body);
});

test("a body beyond the limit is refused with 413", async () => {
  const session = await open();
  const { status } = await session.post(`4${"x".repeat(1_000_000)}`);
  assert.equal(status, 413);
});

test("a chunked body beyond the limit is cut off too", async () => {
  const session = await open();
  const chunk = new TextEncoder().encode("4".repeat(100_000));
  const body = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 11; i += 1) controller.enqueue(chunk);
      controller.close();
    },
  });
  const answer = await fetch(session.url, { method: "POST", body, duplex: "half" }).then(
    (response) => response.status,
    () => "cut",
  );
  assert.ok(answer === 413 || answer === 400 || answer === "cut", `${answer}`);
});

test("a body declared as octets is refused", async () => {
  const session = await open();
  const { status } = await session.post("4hello", { "content-type": "application/octet-stream" });
  assert.equal(status, 400);
});

test("a second poll beside a waiting one ends the session", async () => {
  const session = await open();
  const first = session.get();
  const second = session.get();
  const answers = await within(Promise.all([first, second]), "both answers");
  const statuses = answers.map((answer) => answer.status).sort();
  assert.deepEqual(statuses, [200, 400]);
  assert.equal(answers.find((answer) => answer.status === 200).body, "1");
  assert.equal((await session.get()).status, 400);
});

for (const body of ["abc", "9", "4fine\x1eabc"]) {
  test(`the bad packet ${JSON.stringify(body)} ends the session`, async () => {
    const session = await open();
    await session.post(body).catch(() => {});
    assert.equal((await session.get()).status, 400);
  });
}

test("a cancelled poll ends the session at once", async () => {
  const session = await open();
  const cancel = new AbortController();
  const doomed = session.get({ signal: cancel.signal });
  // Long enough for the poll to be there, short enough to come before the first ping.
  setTimeout(() => cancel.abort(), 100);
  await assert.rejects(doomed);
  const cancelled_at_ms = performance.now();
  let status = 200;
  // Well before the heartbeat would have ended it.
  while (status === 200 && performance.now() - cancelled_at_ms < 200) {
    ({ status } = await session.post("4still there?"));
  }
  assert.equal(status, 400);
});

test("a posted close ends the waiting poll with a noop and the session with it", async () => {
  const session = await open();
  const waiting = session.get();
  assert.equal((await session.post("1")).status, 200);
  const { status, body } = await within(waiting, "answer of the waiting poll");
  assert.equal(status, 200);
  assert.equal(body, "6");
  assert.equal((await session.get()).status, 400);
});

test("ten sessions poll side by side and each gets its own", async () => {
  const bodies = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => {
      const session = await open();
      await session.post(`4for ${i}`);
      return session.packets(1);
    }),
  );
  bodies.forEach(([packet], i) => assert.equal(packet, `4for ${i}`));
});

test("a large body is readable, whether or not the client accepts compression", async () => {
  const text = `4${"compressible ".repeat(2000)}`;
  for (const encoding of ["gzip, deflate", "identity"]) {
    const session = await open();
    await session.post(text);
    assert.deepEqual(await session.packets(1, { headers: { "accept-encoding": encoding } }), [text]);
  }
});
