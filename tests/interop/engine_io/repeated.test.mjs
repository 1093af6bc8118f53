// A browser sends a request again by itself when its connection is reset before an answer came: under the same `t`
// (pong/chromium.test.mjs shows it). Both times it is one request. Where the connection lives that carried the answer, it is
// another one: so each request here has a connection of its own, which ends with it.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { PollingSession } from "../support/engine.mjs";
import { start, TARGET } from "../support/servers.mjs";

const get = (url) => alone(url);
const alone = (url, options = {}) =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, (response) => {
      let text = "";
      response.on("data", (part) => (text += part));
      response.on("end", () => response.socket.destroyed || response.socket.destroy());
      response.on("close", () => resolve(text));
    });
    request.on("error", reject);
    request.end(options.body);
  });

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

const todo = TARGET === "hub" ? "the answer of a poll is not kept" : "Socket.IO's own server does not do this";

test("a poll that comes again under the same t gets the same answer again", { todo }, async () => {
  const session = await PollingSession.open(server);
  await session.post("4one\x1e4two");
  const lost = await get(`${session.url}&t=first`);
  assert.match(lost, /4one/);
  await session.post("4three");
  const again = await get(`${session.url}&t=first`);
  assert.ok(again.startsWith(lost), `${JSON.stringify(again)} does not start with ${JSON.stringify(lost)}`);
});

test("a poll under another t gets what comes after", async () => {
  const session = await PollingSession.open(server);
  await session.post("4one");
  assert.match(await get(`${session.url}&t=first`), /4one/);
  await session.post("4two");
  const next = await get(`${session.url}&t=second`);
  assert.match(next, /4two/);
  assert.doesNotMatch(next, /4one/);
});

test("a POST that comes again under the same t is taken once, and answered ok twice", { todo }, async () => {
  const session = await PollingSession.open(server);
  const post = () => alone(`${session.url}&t=first`, { method: "POST", body: "4once" });
  assert.equal(await post(), "ok");
  assert.equal(await post(), "ok");
  await session.post("4end");
  assert.deepEqual(await session.packets(2), ["4once", "4end"]);
});
