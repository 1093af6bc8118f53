// What today's applications are refused, and how: a sentence where the contract has an object.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { leaveAll, Member } from "../support/hub.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { closePages, ENV, login, Page } from "../support/todays_page.mjs";
import { serviceToken } from "../support/token.mjs";
import { pause } from "../support/wait.mjs";

// The stand-in speaks as the contract has it.
const skip = TARGET === "reference";

let server;
let gateway;
let upstream;
before(async () => {
  if (skip) return;
  gateway = http.createServer((request, response) => {
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ success: false, error: "no such order" }));
    });
  });
  await new Promise((resolve) => gateway.listen(0, "127.0.0.1", resolve));
  upstream = { UPSTREAM_URL: `http://127.0.0.1:${gateway.address().port}/`, UPSTREAM_SECRET: "what both sides of a request know" };
  server = await start("hub", [], { env: { ...ENV, ...upstream } });
});
afterEach(() => {
  closePages();
  leaveAll();
});
after(async () => {
  await server?.stop();
  gateway?.close();
  gateway?.closeAllConnections();
});

const ask = ({ socket }, ...said) => socket.timeout(5_000).emitWithAck(...said);
const canonical = () => Member.connect(server, "roma", "kitchen_app", "new-chef", { auth: { profile: "canonical" } });

test("a refusal is a sentence for today's applications and an object for new ones", { skip }, async () => {
  const kitchen = await Page.open(server, "kitchen", login("karl", "operator"));
  const chef = await canonical();
  const own = await ask(kitchen, "order:update-status", { orderId: "o1" });
  assert.equal(own.success, false);
  assert.match(own.error, /^payload_invalid: .*status/);
  const object = await ask(chef, "order:status_changed", { orderId: "o1" });
  assert.equal(object.error.code, "payload_invalid");
  assert.equal(object.error.pointer, "/status");
});

test("so is the refusal of the back end that is asked, in its own words", { skip }, async () => {
  const kitchen = await Page.open(server, "kitchen", login("karl", "operator"));
  assert.deepEqual(await ask(kitchen, "order:get_details", { orderId: "o1" }), { success: false, error: "no such order" });
  const { error } = await ask(await canonical(), "order:get_details", { orderId: "o1" });
  assert.equal(error.code, "upstream_refused");
  assert.equal(error.message, "no such order");
});

test("the contract's names on a connection of the profile are answered with what to say", { skip }, async () => {
  const kitchen = await Page.open(server, "kitchen", login("karl", "operator"));
  const delivery = await Page.open(server, "delivery", login("dora", "operator"));
  for (const [page, name, advice] of [
    [kitchen, "order:status_changed", "say order:update-status, or connect with auth.profile canonical"],
    [delivery, "delivery:assigned", "say accept_delivery, or connect with auth.profile canonical"],
    [kitchen, "order:created", "the profile foodtrack: connect with auth.profile canonical"],
  ]) {
    const { success, error } = await ask(page, name, { orderId: "o1", status: "ready" });
    assert.equal(success, false);
    assert.ok(error.startsWith("event_unknown: ") && error.endsWith(advice), error);
  }
  const unknown = await ask(kitchen, "order:update-stats", { orderId: "o1" });
  assert.match(unknown.error, /^event_unknown: /);
  // Neither is ended, and neither is told what its page does not listen to.
  for (const page of [kitchen, delivery]) {
    page.socket.emit("order:status_changed", { orderId: "o1" });
    assert.equal((await ask(page, "health_check")).success, true);
    assert.deepEqual(page.came.filter((name) => name.startsWith("system:")), []);
  }
});

test("an event for one page has its application's name, and one without a name is said not to be delivered", { skip }, async () => {
  const kitchen = await Page.open(server, "kitchen", login("karl", "operator"));
  const send = async (type, payload) => {
    const answer = await fetch(`${server.url}/api/v1/connections/${kitchen.socket.id}/events`, {
      method: "POST", headers: { authorization: `Bearer ${serviceToken("roma")}` }, body: JSON.stringify({ type, payload }),
    });
    return answer.json();
  };
  const order = ["order:created", { orderId: "o1", items: [{ name: "Pizza" }] }];
  // While its handlers are not there yet, what comes is lost on a page: then it is refused for the moment.
  let sent = await send(...order);
  for (const deadline = Date.now() + 10_000; sent.code === "overloaded" && Date.now() < deadline;) {
    await pause(sent.retryAfterMs);
    sent = await send(...order);
  }
  assert.equal(sent.data?.delivered, true, JSON.stringify(sent));
  assert.equal((await kitchen.hears("order:new")).orderId, "o1");
  assert.equal((await send("product:created", { productId: "p1" })).data.delivered, false);
  assert.deepEqual(kitchen.came.filter((name) => name !== "order:new"), []);
});

test("a profile that there is not opens no connection", { skip }, async () => {
  const page = new Page(server, "tenant", login("olga", "admin"), { auth: { profile: "foodtruck" } });
  const error = await new Promise((resolve) => page.socket.once("connect_error", resolve));
  assert.match(error.message, /auth\.profile must be canonical or foodtrack/);
  assert.equal(error.data.code, "message_malformed");
});

test("a hub does not start with tables that are wrong, and says where", { skip }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tables-"));
  try {
    const file = path.join(folder, "tables.toml");
    for (const [table, complaint] of [
      ['[applications.kitchen_app.outgoing]\n"order:craeted" = { name = "x" }\n', /tables\.toml:2: no such event: order:craeted; did you mean order:created\?/],
      ['[applications.kitchen_app.incoming]\n"order:updated" = { event = "order:updated" }\n', /tables\.toml:2: order:updated collides with/],
      ['[applications.kitchen_app.incoming]\n"kitchen:get_orders" = { event = "order:updated" }\n', /kitchen:get_orders/],
    ]) {
      writeFileSync(file, table);
      const started = start("hub", [], { env: { ...ENV, ...upstream, FOODTRACK__PROFILE_TABLES: file } });
      await assert.rejects(started.then((hub) => hub.stop()), complaint);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
