import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as msgpack from "socket.io-msgpack-parser";
import { leaveAll, Member, newOrderId } from "../support/hub.mjs";
import { start, TARGET } from "../support/servers.mjs";

const skip = TARGET === "reference" && "Socket.IO's own server speaks one parser";

let server;
before(async () => (server = await start("hub")));
after(async () => {
  leaveAll();
  await server.stop();
});

// Whoever cuts a text after so many units may cut an emoji in two.
const HALF = "two pizzas 🍕".slice(0, 12);

test("half of an emoji reaches readers of JSON as it was sent, and of msgpack as U+FFFD", { skip }, async () => {
  const tenant = "halves";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  const dashboard = await Member.connect(server, tenant, "tenant_dashboard", "olga");
  const packed = await Member.connect(server, tenant, "tenant_dashboard", "paul", { parser: msgpack });
  for (const field of ["notes", "unknownField"]) {
    const payload = { orderId: newOrderId(), status: "ready", [field]: HALF, items: [{ [HALF]: HALF }] };
    await kitchen.send("order:status_changed", payload);
    assert.deepEqual((await dashboard.hears("order:status_changed")).payload, payload);
    const got = (await packed.hears("order:status_changed")).payload;
    assert.equal(got[field], HALF.toWellFormed());
    assert.deepEqual(got.items, [{ [HALF.toWellFormed()]: HALF.toWellFormed() }]);
  }
  // From a client that speaks msgpack too, as its parser says it.
  await packed.send("order:updated", { orderId: newOrderId(), notes: HALF });
  const { notes } = (await dashboard.hears("order:updated")).payload;
  assert.ok(notes.startsWith("two pizzas ") && notes.isWellFormed(), notes);
});

test("half of an emoji is no identifier", { skip }, async () => {
  const kitchen = await Member.connect(server, "halves", "kitchen_app", "kim");
  const ask = (event, argument) => kitchen.socket.timeout(5_000).emitWithAck(event, argument);
  const refused = await ask("order:status_changed", { orderId: HALF, status: "ready" });
  assert.equal(refused.error.code, "payload_invalid");
  assert.equal(refused.error.pointer, "/orderId");
  assert.equal(refused.error.rule, "unicode");
  assert.equal((await ask("subscribe:order", HALF)).error.code, "room_malformed");
  assert.equal((await ask("subscribe:kitchen", { stationId: HALF })).error.code, "room_malformed");
  const whole = { type: "order:status_changed", id: HALF, payload: { orderId: "1", status: "ready" } };
  assert.equal((await ask("order:status_changed", whole)).error.code, "message_malformed");
});
