import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { leaveAll, newOrderId, publish, Restaurant, UUID } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";
import { nowSeconds, serviceToken, sign, userToken } from "../support/token.mjs";

let server;
let roma;
before(async () => {
  server = await start("hub");
  roma = await Restaurant.open(server, "roma");
});
after(async () => {
  leaveAll();
  await server.stop();
});

test("what a back end publishes reaches the applications and the customer", async () => {
  const payload = { orderId: newOrderId(), customerId: "ana" };
  const { status, body } = await publish(server, "roma", { type: "order:created", payload });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.success, true);
  assert.match(body.data.id, UUID);
  for (const member of [roma.dashboard, roma.kitchen, roma.ana]) {
    const message = await member.hears("order:created");
    assert.equal(message.id, body.data.id);
    assert.equal(message.source, "system");
    assert.equal(message.tenantId, "roma");
    assert.deepEqual(message.payload, payload);
  }
});

test("a back end may speak for an application of its tenant", async () => {
  const message = { type: "kitchen:notification", source: "kitchen_app", payload: { message: "m" } };
  assert.equal((await publish(server, "roma", message)).status, 200);
  assert.equal((await roma.kitchen.hears("kitchen:notification")).source, "kitchen_app");
});

test("the same id published twice is delivered once and answered twice alike", async () => {
  await roma.heard();
  const message = { id: randomUUID(), type: "order:created", payload: { orderId: newOrderId() } };
  const first = await publish(server, "roma", message);
  const second = await publish(server, "roma", message);
  assert.equal(first.status, 200);
  assert.equal(second.status, 200);
  assert.equal(first.body.data.id, message.id);
  assert.equal(second.body.data.id, message.id);
  assert.deepEqual((await roma.heard()).kitchen, ["order:created"]);
});

const ORDER = { type: "order:created", payload: { orderId: "o" } };
const REFUSED = [
  ["no token", ORDER, { token: null }, 401, "token_missing"],
  ["text for a token", ORDER, { token: "hello" }, 401, "token_malformed"],
  ["a foreign signature", ORDER, { token: serviceToken("roma").replace(/.{6}$/, "AAAAAA") }, 401, "token_signature"],
  ["an expired token", ORDER, { token: serviceToken("roma", { exp: nowSeconds() - 600 }) }, 401, "token_expired"],
  ["no algorithm", ORDER, { token: sign({ userId: "g", tenantId: "roma", role: "system", exp: nowSeconds() + 60 }, { algorithm: "none" }) }, 401, undefined],
  ["an order without its id", { type: "order:created", payload: {} }, {}, undefined, "payload_invalid"],
  ["an event nobody declared", { type: "menu:burned", payload: {} }, {}, undefined, "event_unknown"],
  ["an event of the server", { type: "system:error", payload: {} }, {}, undefined, "event_reserved"],
  ["no JSON", undefined, { raw: "{not json" }, undefined, undefined],
  ["an array", undefined, { raw: "[]" }, undefined, undefined],
  ["no type", { payload: {} }, {}, undefined, undefined],
];
for (const [what, message, options, status, code] of REFUSED) {
  test(`a publication with ${what} is refused and says why`, async () => {
    const answer = await publish(server, "roma", message, options);
    if (status) assert.equal(answer.status, status);
    assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status}`);
    assert.equal(answer.body.success, false);
    assert.ok(answer.body.detail.length > 0);
    if (code) assert.equal(answer.body.code, code);
  });
}

test("a user's token publishes nothing that the user may not send", async () => {

  const token = userToken("roma", "client_app", "bob");
  const { status } = await publish(server, "roma", { type: "kitchen:notification", payload: { message: "m" } }, { token });
  assert.ok(status >= 400 && status < 500, `${status}`);
});

test("health says healthy", async () => {
  const response = await fetch(`${server.url}/health`);
  assert.equal(response.status, 200);
  assert.equal((await response.json()).status, "healthy");
});

test("metrics are in Prometheus' text form", async () => {
  const response = await fetch(`${server.url}/metrics`);
  assert.equal(response.status, 200);
  assert.match(await response.text(), /^# (HELP|TYPE) /m);
});

test("an unknown address is not found", async () => {
  assert.equal((await fetch(`${server.url}/api/v1/nothing-here`)).status, 404);
});
