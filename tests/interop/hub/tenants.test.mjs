import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { leaveAll, publish, Restaurant } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";
import { serviceToken } from "../support/token.mjs";

// Two restaurants whose users, orders, stations, routes and message ids all have the same names.
let server;
let roma;
let kyoto;
before(async () => {
  server = await start("hub");
  roma = await Restaurant.open(server, "roma");
  kyoto = await Restaurant.open(server, "kyoto");
});
after(async () => {
  leaveAll();
  await server.stop();
});

const SILENCE = { ana: [], bob: [], courier: [], dashboard: [], kitchen: [] };
const ORDER = { orderId: "1", customerId: "ana" };

async function subscribeToEverything(restaurant) {
  for (const [member, event, id] of [
    ["ana", "subscribe:customer", "ana"],
    ["kitchen", "subscribe:order", "1"],
    ["kitchen", "subscribe:kitchen", "grill"],
    ["dashboard", "subscribe:tenant", restaurant.tenant],
    ["courier", "subscribe:route", "r1"],
    ["courier", "subscribe:order", "1"],
  ]) {
    assert.equal((await restaurant[member].ask(event, id)).success, true, `${member} ${event}`);
  }
}

const EVENTS = [
  ["ana", "order:created", ORDER],
  ["kitchen", "kitchen:order_received", { orderId: "1", stationId: "grill" }],
  ["kitchen", "order:status_changed", { orderId: "1", status: "ready" }],
  ["dashboard", "delivery:assigned", { orderId: "1", assigneeId: "dario" }],
  ["courier", "delivery:picked_up", { orderId: "1", routeId: "r1", customerId: "ana" }],
  ["courier", "delivery:location_updated", { orderId: "1", routeId: "r1", latitude: 1, longitude: 2 }],
  ["kitchen", "inventory:low_stock", { ingredientId: "rice", currentStock: 1, minimumStock: 2 }],
  ["dashboard", "product:created", { productId: "p" }],
  ["kitchen", "station:help_requested", { stationId: "grill" }],
  ["dashboard", "notification:alert", { message: "roma only" }],
];

test("nothing of one restaurant is heard in another of equal names", async () => {
  await subscribeToEverything(roma);
  await subscribeToEverything(kyoto);
  await roma.heard();
  await kyoto.heard();
  for (const [member, event, payload] of EVENTS) await roma[member].send(event, payload);
  const inRoma = await roma.heard();
  assert.ok(inRoma.dashboard.length >= 8, inRoma.dashboard.join());
  assert.deepEqual(await kyoto.heard(), SILENCE);
});

test("every message bears its own tenant's name", async () => {
  for (const restaurant of [roma, kyoto]) {
    await restaurant.heard();
    await restaurant.dashboard.send("notification:warning", { message: restaurant.tenant });
    for (const member of Object.values(restaurant.members)) {
      const message = await member.hears("notification:warning");
      assert.equal(message.tenantId, restaurant.tenant);
      assert.equal(message.payload.message, restaurant.tenant);
    }
  }
});

test("ids of different tenants never meet", async () => {
  await roma.heard();
  await kyoto.heard();
  const message = { id: randomUUID(), type: "notification:alert", payload: { message: "same id" } };
  assert.equal(await roma.dashboard.send("notification:alert", message), message.id);
  assert.equal(await kyoto.dashboard.send("notification:alert", message), message.id);
  for (const restaurant of [roma, kyoto]) {
    assert.deepEqual((await restaurant.heard()).kitchen, ["notification:alert"]);
  }
});

test("an order of one tenant is no order of the other's customer", async () => {
  await roma.ana.send("order:created", { orderId: "only-in-roma", customerId: "ana" });
  await kyoto.ana.refused("order:updated", { orderId: "only-in-roma" }, "order_forbidden");
});

test("a message that names the other tenant is refused in both directions", async () => {
  await roma.heard();
  await kyoto.heard();
  for (const [own, other] of [[roma, kyoto], [kyoto, roma]]) {
    const message = { type: "notification:alert", tenantId: other.tenant, payload: { message: "crossing" } };
    await own.dashboard.refused("notification:alert", message, "tenant_mismatch");
  }
  assert.deepEqual(await roma.heard(), SILENCE);
  assert.deepEqual(await kyoto.heard(), SILENCE);
});

test("a back end's token publishes to its own tenant alone", async () => {
  await roma.heard();
  await kyoto.heard();
  const crossing = { type: "notification:alert", tenantId: "kyoto", payload: { message: "crossing" } };
  const refusal = await publish(server, "roma", crossing);
  assert.ok(refusal.status >= 400 && refusal.status < 500);
  assert.equal(refusal.body.code, "tenant_mismatch");
  const accepted = await publish(server, "roma", { ...crossing, tenantId: "roma" }, { token: serviceToken("roma") });
  assert.equal(accepted.status, 200, JSON.stringify(accepted.body));
  assert.deepEqual((await roma.heard()).kitchen, ["notification:alert"]);
  assert.deepEqual(await kyoto.heard(), SILENCE);
});

test("health_check answers, and names nothing of the other tenant", async () => {
  const answer = await roma.kitchen.ask("health_check");
  assert.equal(answer.success, true);
  assert.ok(!JSON.stringify(answer).includes("kyoto"));
});
