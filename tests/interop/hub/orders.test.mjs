import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { leaveAll, newOrderId, Restaurant, RFC3339_UTC, UUID } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";

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

test("a customer's order reaches dashboard, kitchen and the customer as one message", async () => {
  const payload = {
    orderId: newOrderId(),
    customerId: "ana",
    items: [{ name: "Pizza 🍕", quantity: 2, extras: ["olives"] }],
    totalAmount: 23.5,
    notes: { allergens: ["nuts"], text: "sans crème brûlée" },
  };
  const sent_at_ms = Date.now();
  const id = await roma.ana.send("order:created", payload);
  assert.match(id, UUID);
  for (const member of [roma.dashboard, roma.kitchen, roma.ana]) {
    const message = await member.hears("order:created");
    assert.equal(message.id, id);
    assert.equal(message.type, "order:created");
    assert.equal(message.tenantId, "roma");
    assert.equal(message.source, "client_app");
    assert.equal(message.target, undefined);
    assert.deepEqual(message.payload, payload);
    assert.equal(message.priority, "medium");
    assert.equal(message.retryCount, 0);
    assert.equal(message.encrypted, false);
    assert.match(message.timestamp, RFC3339_UTC);
    assert.ok(Math.abs(Date.parse(message.timestamp) - sent_at_ms) < 5000);
  }
  const heard = await roma.heard();
  assert.deepEqual(heard.bob, []);
  assert.deepEqual(heard.courier, []);
});

test("an event travels on with an offset behind its message", async () => {
  await roma.ana.send("order:created", { orderId: newOrderId(), customerId: "ana" });
  const { rest } = await roma.kitchen.inbox.find(({ event }) => event === "order:created", "order:created");
  assert.equal(rest.length, 1);
  assert.equal(typeof rest[0], "string");
  await roma.heard();
});

test("the whole message may be sent in place of the payload", async () => {
  const id = randomUUID();
  const payload = { orderId: newOrderId(), customerId: "ana" };
  const whole = { id, type: "order:created", tenantId: "roma", source: "client_app", priority: "high", payload };
  assert.equal(await roma.ana.send("order:created", whole), id);
  const message = await roma.kitchen.hears("order:created");
  assert.equal(message.id, id);
  assert.equal(message.priority, "high");
  assert.deepEqual(message.payload, payload);
});

for (const priority of ["low", "medium", "high", "urgent"]) {
  test(`the priority ${priority} travels with the message`, async () => {
    const payload = { orderId: newOrderId(), customerId: "ana" };
    await roma.dashboard.send("order:created", { type: "order:created", payload, priority });
    assert.equal((await roma.kitchen.hears("order:created")).priority, priority);
  });
}

test("an order's whole life is seen by those it concerns, in order", async () => {
  await roma.heard();
  const orderId = newOrderId();
  await roma.ana.send("order:created", { orderId, customerId: "ana" });
  await roma.kitchen.send("kitchen:preparation_started", { orderId });
  await roma.kitchen.send("order:status_changed", { orderId, status: "preparing" });
  await roma.kitchen.send("kitchen:preparation_completed", { orderId });
  await roma.dashboard.send("delivery:assigned", { orderId, assigneeId: "dario" });
  await roma.courier.send("delivery:picked_up", { orderId });
  await roma.courier.send("delivery:location_updated", { orderId, latitude: 41.9, longitude: 12.5 });
  await roma.courier.send("delivery:completed", { orderId });
  const heard = await roma.heard();
  assert.deepEqual(heard.dashboard, [
    "order:created",
    "kitchen:preparation_started",
    "order:status_changed",
    "kitchen:preparation_completed",
    "delivery:assigned",
    "delivery:picked_up",
    "delivery:location_updated",
    "delivery:completed",
  ]);
  assert.deepEqual(heard.kitchen, [
    "order:created",
    "kitchen:preparation_started",
    "order:status_changed",
    "kitchen:preparation_completed",
  ]);
  // Whether the customer's connection is in the order's room of itself decides about `delivery:assigned`.
  assert.deepEqual(heard.ana.filter((event) => event !== "delivery:assigned"), [
    "order:created",
    "order:status_changed",
    "delivery:picked_up",
    "delivery:location_updated",
    "delivery:completed",
  ]);
  assert.deepEqual(heard.courier, [
    "order:status_changed",
    "kitchen:preparation_completed",
    "delivery:assigned",
    "delivery:picked_up",
    "delivery:location_updated",
    "delivery:completed",
  ]);
  assert.deepEqual(heard.bob, []);
});

test("the same id twice is delivered once and answered twice", async () => {
  await roma.heard();
  const id = randomUUID();
  const message = { id, type: "order:created", payload: { orderId: newOrderId(), customerId: "ana" } };
  assert.equal(await roma.ana.send("order:created", message), id);
  assert.equal(await roma.ana.send("order:created", message), id);
  const heard = await roma.heard();
  for (const name of ["ana", "dashboard", "kitchen"]) assert.deepEqual(heard[name], ["order:created"], name);
});

test("fifty orders reach the kitchen in the order they were acknowledged", async () => {
  await roma.heard();
  const ids = [];
  for (let batch = 0; batch < 10; batch += 1) {
    const sent = Array.from({ length: 5 }, () => roma.ana.send("order:created", { orderId: newOrderId(), customerId: "ana" }));
    ids.push(...(await Promise.all(sent)));
  }
  const got = [];
  while (got.length < ids.length) got.push((await roma.kitchen.hears("order:created")).id);
  assert.deepEqual(got, ids);
  const heardByDashboard = [];
  while (heardByDashboard.length < ids.length) heardByDashboard.push((await roma.dashboard.hears("order:created")).id);
  assert.deepEqual(heardByDashboard, got);
});
