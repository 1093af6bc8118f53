// Couriers of today's Delivery App accept an order that is offered: the first one has it.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { newOrderId, publish } from "../support/hub.mjs";
import { DurableHub, TARGET } from "../support/servers.mjs";
import { closePages, ENV, login, Page } from "../support/todays_page.mjs";
import { pause, until } from "../support/wait.mjs";

// The stand-in speaks as the contract has it.
const skip = TARGET === "reference";

let hub;
before(async () => {
  if (!skip) hub = await DurableHub.start({ env: ENV });
});
afterEach(closePages);
after(() => hub?.stop());

const courier = (user) => Page.open(hub, "delivery", login(user, "operator"));

const says = async (type, payload) => {
  const { status, body } = await publish(hub, "roma", { type, payload });
  assert.equal(status, 200, JSON.stringify(body));
};

/** Offers a new order to `couriers`. */
async function offer(couriers) {
  const orderId = newOrderId();
  await says("order:created", { orderId, customerId: "ana" });
  await says("order:status_changed", { orderId, status: "ready" });
  for (const page of couriers) {
    await page.heard.find(({ name, argument }) => name === "ORDER_STATUS_CHANGED" && argument.payload.order.id === orderId, "the offer");
  }
  return orderId;
}

/** What somebody is answered who accepts an order: the page asks for no answer, a script may. */
const accept = (page, orderId) => page.socket.timeout(5_000).emitWithAck("accept_delivery", { orderId });

test("of two who accept at once one has the order, and the page of the other is told nothing", { skip }, async () => {
  const couriers = { dora: await courier("dora"), dino: await courier("dino") };
  for (let round = 0; round < 5; round += 1) {
    const orderId = await offer(Object.values(couriers));
    for (const page of Object.values(couriers)) page.socket.emit("accept_delivery", { orderId });
    const of = (page) => page.heard.all.filter(({ name, argument }) => name === "DELIVERY_ASSIGNED" && argument.payload.orderId === orderId);
    const owners = () => Object.entries(couriers).filter(([, page]) => of(page).length > 0);
    await until(() => owners().length > 0, "the assignment");
    await pause(100);
    assert.equal(owners().length, 1);
    const [[user, page]] = owners();
    assert.deepEqual(of(page).map(({ argument }) => argument.payload.deliveryAgentId), [user]);
    await says("delivery:picked_up", { orderId });
    await says("order:cancelled", { orderId, reason: "burnt" });
    assert.equal((await page.hears("DELIVERY_STARTED")).payload.orderId, orderId);
    assert.equal((await page.hears("ORDER_CANCELLED")).payload.order.id, orderId);
  }
  for (const page of Object.values(couriers)) {
    const own = page.heard.all.filter(({ name }) => name === "DELIVERY_ASSIGNED").length;
    assert.equal(page.heard.all.filter(({ name }) => name === "DELIVERY_STARTED").length, own);
    assert.equal(page.heard.all.filter(({ name }) => name === "ORDER_CANCELLED").length, own);
    assert.deepEqual(page.came.filter((name) => name.startsWith("system:")), []);
  }
});

test("the order stays the first courier's, also after a kill, until it is assigned anew", { skip }, async () => {
  const [dora, dino] = [await courier("dora"), await courier("dino")];
  const orderId = await offer([dora, dino]);
  const first = await accept(dora, orderId);
  assert.equal(first.success, true);
  await dora.hears("DELIVERY_ASSIGNED");
  const check = async () => {
    await says("delivery:in_transit", { orderId });
    const refused = await accept(dino, orderId);
    assert.equal(refused.success, false);
    assert.match(refused.error, /^order_taken: /);
    const again = await accept(dora, orderId);
    assert.deepEqual(again, { success: true, data: { ...first.data, duplicate: true } });
  };
  await check();
  const back = [dora, dino].map((page) => new Promise((resolve) => page.socket.once("connect", resolve)));
  await hub.kill();
  await hub.startAgain();
  await Promise.all(back);
  await check();
  await says("delivery:assigned", { orderId, assigneeId: "dino" });
  assert.equal((await dino.hears("DELIVERY_ASSIGNED")).payload.deliveryAgentId, "dino");
  assert.match((await accept(dora, orderId)).error, /^order_taken: /);
});
