import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { leaveAll, Member, newOrderId, Restaurant } from "../support/hub.mjs";
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

/** A pointer into the payload, whether or not it starts at the message. */
const inPayload = (pointer) => new RegExp(`^(/payload)?${pointer}$`);
const order = (fields) => ({ orderId: "o", customerId: "ana", ...fields });

// What breaks a schema: event, sender, payload, pointer (of a missing field: where it should be), rule.
const BROKEN = [
  ["order:created", "ana", { customerId: "ana" }, "/orderId", "required"],
  ["order:created", "ana", order({ orderId: 7 }), "/orderId", "type"],
  ["order:created", "ana", order({ orderId: "" }), "/orderId", "minLength"],
  ["order:created", "ana", order({ orderId: "x".repeat(129) }), "/orderId", "maxLength"],
  ["order:created", "ana", order({ totalAmount: "12.50" }), "/totalAmount", "type"],
  ["order:created", "ana", order({ items: {} }), "/items", "type"],
  ["order:created", "ana", order({ items: [{}, 1] }), "/items/1", "type"],
  ["order:status_changed", "kitchen", { orderId: "o" }, "/status", "required"],
  ["order:status_changed", "kitchen", { orderId: "o", status: 3 }, "/status", "type"],
  ["delivery:assigned", "dashboard", { orderId: "o" }, "/assigneeId", "required"],
  ["kitchen:notification", "kitchen", { orderId: "o" }, "/message", "required"],
  ["kitchen:station_assignment", "kitchen", { orderId: "o" }, "/stationId", "required"],
  ["delivery:location_updated", "courier", { orderId: "o", latitude: 90.5, longitude: 0 }, "/latitude", "maximum"],
  ["delivery:location_updated", "courier", { orderId: "o", latitude: 0, longitude: -181 }, "/longitude", "minimum"],
  ["delivery:location_updated", "courier", { orderId: "o", latitude: "0", longitude: 0 }, "/latitude", "type"],
  ["inventory:low_stock", "kitchen", { ingredientId: "f", currentStock: 1 }, "/minimumStock", "required"],
  ["inventory:usage_update", "kitchen", { ingredientId: "f", quantity: "much" }, "/quantity", "type"],
  ["product:availability_changed", "dashboard", { productId: "p", available: "yes" }, "/available", "type"],
  ["quality:issue_reported", "kitchen", { orderId: "o" }, "/issue", "required"],
  ["station:help_requested", "kitchen", {}, "/stationId", "required"],
  ["notification:info", "dashboard", { title: "t" }, "/message", "required"],
];
for (const [event, sender, payload, pointer, rule] of BROKEN) {
  test(`${event} that breaks ${rule} at "${pointer}" is refused, and says so`, async () => {
    const error = await roma[sender].refused(event, payload, "payload_invalid");
    assert.equal(error.number, 3104);
    assert.equal(error.event, event);
    assert.match(error.pointer, inPayload(pointer));
    assert.equal(error.rule, rule);
  });
}

// What the envelope or the sender forbids: event, sender, argument, code.
const whole = (fields) => ({ type: "notification:info", payload: { message: "m" }, ...fields });
const FORBIDDEN = [
  ["an event nobody declared", "menu:burned", "dashboard", {}, "event_unknown"],
  ["an event of the server", "system:error", "dashboard", {}, "event_reserved"],
  ["a metric of the server", "system:metrics", "dashboard", {}, "event_reserved"],
  ["a kitchen's event from a customer", "kitchen:order_received", "ana", { orderId: "o" }, "source_forbidden"],
  ["a new order from the kitchen", "order:created", "kitchen", { orderId: "o" }, "source_forbidden"],
  ["a product from a courier", "product:created", "courier", { productId: "p" }, "source_forbidden"],
  ["a notification from a customer", "notification:info", "ana", { message: "m" }, "source_forbidden"],
  ["another tenant's name", "notification:info", "dashboard", whole({ tenantId: "kyoto" }), "tenant_mismatch"],
  ["another application's name", "notification:info", "dashboard", whole({ source: "kitchen_app" }), "source_forbidden"],
  ["the server's name", "notification:info", "dashboard", whole({ source: "system" }), "source_forbidden"],
  ["an unheard-of source", "notification:info", "dashboard", whole({ source: "toaster" }), "source_forbidden"],
  ["an unheard-of priority", "notification:info", "dashboard", whole({ priority: "asap" }), "message_malformed"],
  ["an unheard-of target", "notification:info", "dashboard", whole({ target: "toaster" }), "message_malformed"],
  ["an id that is no UUID", "notification:info", "dashboard", whole({ id: "1" }), "message_malformed"],
  ["no argument", "notification:info", "dashboard", undefined, "message_malformed"],
  ["an order in another customer's name", "order:created", "ana", { orderId: "o-1", customerId: "bob" }, "order_forbidden"],
  ["a change to an order nobody placed", "order:updated", "ana", { orderId: "never-placed" }, "order_forbidden"],
];
for (const [what, event, sender, argument, code] of FORBIDDEN) {
  test(`${what} is refused with ${code}`, async () => {
    await roma[sender].refused(event, argument, code);
  });
}

test("a refusal of the envelope points at what is wrong", async () => {
  const error = await roma.dashboard.refused("notification:info", whole({ priority: "asap" }), "message_malformed");
  assert.equal(error.pointer, "/priority");
  assert.ok(error.rule.length > 0);
});

test("a token without permissions may send nothing", async () => {
  const nobody = await Member.connect(server, "roma", "kitchen_app", "novice", { changes: { permissions: [] } });
  await nobody.refused("kitchen:order_received", { orderId: "o" }, "permission_denied");
  nobody.socket.disconnect();
});

test("a token's permissions count, not its role's defaults", async () => {
  const changes = { permissions: ["write:kitchen"] };
  const member = await Member.connect(server, "roma", "kitchen_app", "half", { changes });
  await member.send("kitchen:notification", { message: "allowed" });
  await member.refused("inventory:usage_update", { ingredientId: "f", quantity: 1 }, "permission_denied");
  member.socket.disconnect();
});

test("a customer may not touch another customer's order", async () => {
  const orderId = newOrderId();
  await roma.ana.send("order:created", { orderId, customerId: "ana" });
  await roma.bob.refused("order:cancelled", { orderId }, "order_forbidden");
  await roma.bob.refused("order:updated", { orderId, customerId: "bob" }, "order_forbidden");
});

test("nobody becomes an order's customer by claiming it later", async () => {
  const orderId = newOrderId();
  await roma.ana.send("order:created", { orderId, customerId: "ana" });
  await roma.bob.ask("order:created", { orderId, customerId: "bob" });
  await roma.heard();
  await roma.kitchen.send("order:status_changed", { orderId, status: "ready" });
  const heard = await roma.heard();
  assert.deepEqual(heard.ana, ["order:status_changed"]);
  assert.deepEqual(heard.bob, []);
});

test("what is refused is heard by nobody", async () => {
  await roma.heard();
  for (const [, event, sender, argument] of FORBIDDEN) await roma[sender].ask(event, ...(argument ? [argument] : []));
  const heard = await roma.heard();
  for (const events of Object.values(heard)) assert.deepEqual(events, []);
});

test("a refusal that nobody asked an acknowledgement for comes as system:error", async () => {
  roma.dashboard.socket.emit("menu:burned", {});
  const { message } = await roma.dashboard.system.find(({ event }) => event === "system:error", "system:error");
  assert.equal(message.type, "system:error");
  assert.equal(message.payload.code, "event_unknown");
});
