import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { leaveAll, newOrderId, Restaurant } from "../support/hub.mjs";
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

const EVERYBODY = ["ana", "bob", "courier", "dashboard", "kitchen"];

// event, sender, payload beside the order of ana's, who hears it, and who may or may not (the order's room).
const ROUTES = [
  ["order:created", "dashboard", { customerId: "ana" }, ["ana", "dashboard", "kitchen"]],
  ["order:updated", "ana", {}, ["ana", "dashboard", "kitchen"]],
  ["order:updated", "dashboard", {}, ["ana", "dashboard", "kitchen"]],
  ["order:cancelled", "ana", {}, ["ana", "dashboard", "kitchen"]],
  ["order:status_changed", "kitchen", { status: "ready" }, ["ana", "courier", "dashboard", "kitchen"]],
  ["order:status_changed", "dashboard", { status: "ready" }, ["ana", "courier", "dashboard", "kitchen"]],
  ["order:status_changed", "courier", { status: "on its way" }, ["ana", "courier", "dashboard", "kitchen"]],
  ["order:assigned", "dashboard", { assigneeId: "dario" }, ["courier", "dashboard"], ["ana"]],
  ["delivery:assigned", "dashboard", { assigneeId: "dario" }, ["courier", "dashboard"], ["ana"]],
  ["delivery:assigned", "dashboard", { assigneeId: "nobody-here" }, ["dashboard"], ["ana"]],
  ["kitchen:order_received", "kitchen", {}, ["dashboard", "kitchen"]],
  ["kitchen:preparation_started", "kitchen", {}, ["dashboard", "kitchen"]],
  ["kitchen:preparation_completed", "kitchen", {}, ["courier", "dashboard", "kitchen"]],
  ["kitchen:station_assignment", "kitchen", { stationId: "grill" }, ["dashboard", "kitchen"]],
  ["kitchen:notification", "kitchen", { message: "more plates" }, ["dashboard", "kitchen"]],
  ["delivery:picked_up", "courier", {}, ["ana", "dashboard"]],
  ["delivery:in_transit", "courier", {}, ["ana", "dashboard"]],
  ["delivery:delayed", "courier", { reason: "traffic" }, ["ana", "dashboard"]],
  ["delivery:completed", "courier", {}, ["ana", "dashboard"]],
  ["delivery:location_updated", "courier", { latitude: -90, longitude: 180 }, ["ana", "dashboard"]],
  ["inventory:low_stock", "kitchen", { ingredientId: "flour", currentStock: 1.5, minimumStock: 4 }, ["dashboard", "kitchen"]],
  ["inventory:usage_update", "kitchen", { ingredientId: "flour", quantity: 0.3 }, ["dashboard", "kitchen"]],
  ["product:created", "dashboard", { productId: "p1" }, EVERYBODY],
  ["product:updated", "dashboard", { productId: "p1" }, EVERYBODY],
  ["product:deleted", "dashboard", { productId: "p1" }, EVERYBODY],
  ["product:availability_changed", "dashboard", { productId: "p1", available: false }, EVERYBODY],
  ["quality:issue_reported", "kitchen", { issue: "cold" }, ["dashboard", "kitchen"]],
  ["station:help_requested", "kitchen", { stationId: "grill" }, ["dashboard", "kitchen"]],
  ["notification:alert", "dashboard", { message: "fire drill" }, EVERYBODY],
  ["notification:warning", "dashboard", { message: "closing soon" }, EVERYBODY],
];

for (const [event, sender, fields, hearers, either = []] of ROUTES) {
  test(`${event} from ${sender} is heard by ${hearers.join(", ")} and nobody else`, async () => {
    const orderId = newOrderId();
    if (event !== "order:created") await roma.ana.send("order:created", { orderId, customerId: "ana" });
    await roma.heard();
    await roma[sender].send(event, { orderId, ...fields });
    const heard = await roma.heard();
    for (const [name, events] of Object.entries(heard)) {
      if (either.includes(name)) continue;
      assert.deepEqual(events, hearers.includes(name) ? [event] : [], name);
    }
  });
}

test("a target narrows the audience to one application", async () => {
  await roma.heard();
  await roma.dashboard.send("notification:alert", { type: "notification:alert", target: "kitchen_app", payload: { message: "k" } });
  const heard = await roma.heard();
  assert.deepEqual(heard, { ana: [], bob: [], courier: [], dashboard: [], kitchen: ["notification:alert"] });
});

test("a target may list several applications, and travels with the message", async () => {
  const target = ["kitchen_app", "delivery_app"];
  await roma.dashboard.send("notification:alert", { type: "notification:alert", target, payload: { message: "both" } });
  assert.deepEqual((await roma.kitchen.hears("notification:alert")).target.toSorted(), target.toSorted());
  await roma.courier.hears("notification:alert");
  const heard = await roma.heard();
  assert.deepEqual(heard.ana, []);
  assert.deepEqual(heard.dashboard, []);
});

test("a target never widens the audience", async () => {
  await roma.heard();
  const payload = { ingredientId: "flour", quantity: 1 };
  await roma.kitchen.send("inventory:usage_update", {
    type: "inventory:usage_update",
    target: ["tenant_dashboard", "client_app", "delivery_app"],
    payload,
  });
  const heard = await roma.heard();
  assert.deepEqual(heard, { ana: [], bob: [], courier: [], dashboard: ["inventory:usage_update"], kitchen: [] });
});
