import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { leaveAll, Member, newOrderId, Restaurant } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";
import { nowSeconds, userToken } from "../support/token.mjs";

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

const SUBSCRIPTIONS = [
  ["subscribe:order", "o-room", "orderId", "kitchen", "order:roma:o-room", "order"],
  ["subscribe:kitchen", "grill", "stationId", "kitchen", "kitchen_station:roma:grill", "kitchen_station"],
  ["subscribe:customer", "ana", "customerId", "dashboard", "user:roma:ana", "user"],
  ["subscribe:route", "r1", "routeId", "courier", "delivery_route:roma:r1", "delivery_route"],
];
for (const [event, id, key, who, room, type] of SUBSCRIPTIONS) {
  test(`${event} answers with the room, by id and by object, and its twin leaves it`, async () => {
    const member = await Member.connect(server, "roma", roma[who].application, "visitor");
    for (const argument of [id, { [key]: id }]) {
      const joined = await member.ask(event, argument);
      assert.equal(joined.success, true, JSON.stringify(joined));
      const told = await member.answers.next("subscribed");
      assert.equal(told.event, "subscribed");
      assert.deepEqual(told.message, { room, type });
      assert.equal((await member.ask(`un${event}`, argument)).success, true);
      assert.deepEqual((await member.answers.next("unsubscribed")).message, { room, type });
    }
    member.socket.disconnect();
  });
}

test("subscribe:tenant answers with the room that a connection is always in, and unsubscribe:tenant changes nothing", async () => {
  for (const argument of ["roma", { tenantId: "roma" }]) {
    assert.deepEqual((await roma.dashboard.ask("subscribe:tenant", argument)).data, { room: "tenant:roma", type: "tenant" });
    assert.equal((await roma.dashboard.ask("unsubscribe:tenant", argument)).success, true);
    assert.deepEqual((await roma.dashboard.ask("subscribe:tenant", argument)).data, { room: "tenant:roma", type: "tenant" });
  }
});

test("a subscription without an acknowledgement is answered by its event alone", async () => {
  roma.kitchen.socket.emit("subscribe:order", "o-silent");
  const { event, message } = await roma.kitchen.answers.next("subscribed");
  assert.equal(event, "subscribed");
  assert.deepEqual(message, { room: "order:roma:o-silent", type: "order" });
});

test("who subscribed to an order hears it until they unsubscribe", async () => {
  const orderId = newOrderId();
  await roma.ana.send("order:created", { orderId, customerId: "ana" });
  assert.equal((await roma.courier.ask("subscribe:order", orderId)).success, true);
  await roma.heard();
  await roma.courier.send("delivery:in_transit", { orderId });
  assert.deepEqual((await roma.heard()).courier, ["delivery:in_transit"]);
  assert.equal((await roma.courier.ask("unsubscribe:order", orderId)).success, true);
  await roma.courier.send("delivery:in_transit", { orderId });
  assert.deepEqual((await roma.heard()).courier, []);
});

test("a member of several rooms of the audience hears an event once", async () => {
  const orderId = newOrderId();
  await roma.ana.send("order:created", { orderId, customerId: "ana" });
  assert.equal((await roma.ana.ask("subscribe:order", orderId)).success, true);
  assert.equal((await roma.dashboard.ask("subscribe:order", orderId)).success, true);
  await roma.heard();
  await roma.kitchen.send("order:status_changed", { orderId, status: "ready" });
  const heard = await roma.heard();
  for (const name of ["ana", "dashboard", "kitchen", "courier"]) assert.deepEqual(heard[name], ["order:status_changed"], name);
});

test("a customer may follow their own order and themselves", async () => {
  const orderId = newOrderId();
  await roma.ana.send("order:created", { orderId, customerId: "ana" });
  assert.equal((await roma.ana.ask("subscribe:order", orderId)).success, true);
  assert.equal((await roma.ana.ask("subscribe:customer", "ana")).success, true);
});

const CLOSED_DOORS = [
  ["another tenant's room", "dashboard", "subscribe:tenant", "kyoto"],
  ["a customer's room by another customer", "bob", "subscribe:customer", "ana"],
  ["a kitchen station by a customer", "bob", "subscribe:kitchen", "grill"],
  ["an order nobody placed by a customer", "bob", "subscribe:order", "never-placed"],
  ["a route by a customer", "bob", "subscribe:route", "r1"],
];
for (const [what, who, event, id] of CLOSED_DOORS) {
  test(`${what} stays closed`, async () => {
    const answer = await roma[who].ask(event, id);
    assert.equal(answer.success, false, JSON.stringify(answer));
    assert.ok(["room_forbidden", "order_forbidden", "permission_denied", "tenant_mismatch"].includes(answer.error.code), answer.error.code);
  });
}

test("a customer may not follow another customer's order", async () => {
  const orderId = newOrderId();
  await roma.ana.send("order:created", { orderId, customerId: "ana" });
  const answer = await roma.bob.ask("subscribe:order", orderId);
  assert.equal(answer.success, false);
  assert.ok(["room_forbidden", "order_forbidden"].includes(answer.error.code), answer.error.code);
  await roma.heard();
  await roma.courier.send("delivery:in_transit", { orderId });
  assert.deepEqual((await roma.heard()).bob, []);
});

for (const argument of [null, 7, "", {}, [], { orderId: 7 }, "x".repeat(200)]) {
  test(`${JSON.stringify(argument).slice(0, 20)} names no room`, async () => {
    await roma.kitchen.refused("subscribe:order", argument, "room_malformed");
  });
}

test("ping is answered with pong and a time", async () => {
  roma.kitchen.socket.emit("ping");
  const { event, message } = await roma.kitchen.answers.find((heard) => heard.event === "pong", "pong");
  assert.equal(event, "pong");
  assert.ok(message.timestamp);
});

test("a fresh token of the same subject renews the connection", async () => {
  const token = userToken("roma", "kitchen_app", "kenji", { exp: nowSeconds() + 7200 });
  assert.equal((await roma.kitchen.ask("authenticate", { token })).success, true);
});

test("a token of somebody else renews nothing", async () => {
  for (const [tenant, user] of [["roma", "olga"], ["kyoto", "kenji"]]) {
    const token = userToken(tenant, "kitchen_app", user);
    const answer = await roma.kitchen.ask("authenticate", { token });
    assert.equal(answer.success, false);
    assert.equal(answer.error.code, "token_subject");
  }
  await roma.kitchen.send("kitchen:notification", { message: "still kenji" });
  assert.equal((await roma.dashboard.hears("kitchen:notification")).tenantId, "roma");
});
