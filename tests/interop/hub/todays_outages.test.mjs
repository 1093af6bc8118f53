// Today's four applications lose their line for a while. Their hooks dial anew beside the library, each time with a socket that
// knows nothing of those before.
//
// Every time here is a twentieth of what it is in the hooks; with INTEROP_LONG_OUTAGES=1 they are as there, 40 s the longest.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { newOrderId, publish } from "../support/hub.mjs";
import { HeldHub } from "../support/held_hub.mjs";
import { Relay } from "../support/relay.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { closePages, ENV, HookedPage, login } from "../support/todays_page.mjs";
import { pause, until } from "../support/wait.mjs";

// The stand-in speaks as the contract has it.
const skip = TARGET === "reference";
const SECOND_MS = process.env.INTEROP_LONG_OUTAGES ? 1_000 : 50;

let server;
let relay;
before(async () => {
  if (skip) return;
  server = await start("hub", [], { env: ENV });
  relay = await Relay.to(server.port);
});
afterEach(closePages);
after(async () => {
  await relay?.stop();
  await server?.stop();
});

const says = async (type, payload) => {
  const { status, body } = await publish(server, "roma", { type, payload });
  assert.equal(status, 200, JSON.stringify(body));
};

// What each page hears of an order that is ready, and where the order's id is in it.
const HEARS = {
  client: ["ORDER_STATUS_CHANGED", ({ payload }) => payload.order.id],
  tenant: ["ORDER_STATUS_CHANGED", ({ payload }) => payload.order.id],
  kitchen: ["order:status-update", ({ orderId }) => orderId],
  delivery: ["ORDER_STATUS_CHANGED", ({ payload }) => payload.order.id],
};
const ROLE = { client: "customer", tenant: "admin", kitchen: "operator", delivery: "operator" };

/** What a page heard, by order. */
function heard(kind, page) {
  const [wanted, id] = HEARS[kind];
  return page.heard.all.filter(({ name }) => name === wanted).map(({ argument }) => id(argument));
}

/** The orders that a page heard of, each once. */
const orders = (kind, page) => [...new Set(heard(kind, page))];

for (const seconds of [1, 5, 15, 40]) {
  test(`what happens in an outage of ${seconds} s reaches every page, in order`, { skip }, async () => {
    const kinds = Object.keys(HEARS);
    const users = Object.fromEntries(kinds.map((kind) => [kind, `${kind}-${seconds}`]));
    const pages = kinds.map((kind) => [kind, new HookedPage(relay, kind, login(users[kind], ROLE[kind]), SECOND_MS)]);
    const expected = [];
    const one = async () => {
      const orderId = newOrderId();
      await says("order:created", { orderId, customerId: users.client });
      await says("order:status_changed", { orderId, status: "ready" });
      expected.push(orderId);
    };
    const all = () => pages.every(([kind, page]) => orders(kind, page).includes(expected.at(-1)));
    await until(() => pages.every(([, page]) => page.listens()), "the pages");
    await one();
    await until(all, "the first order");
    // It is confirmed.
    await pause(1_000);
    await relay.cut();
    const cut_ms = performance.now();
    for (let n = 0; n < 10; n += 1) await one();
    await pause(Math.max(0, seconds * SECOND_MS - (performance.now() - cut_ms)));
    await relay.mend();
    // A page that has given up is loaded anew, as its user would.
    await until(() => pages.every(([, page]) => page.live() > 0 || page.hasGivenUp()), "each page is back or has given up", 30 * SECOND_MS + 10_000);
    for (const [, page] of pages) if (page.live() === 0) page.reload();
    await until(all, "the last order of the outage", 20_000);
    await one();
    await until(all, "an order after the outage");
    for (const [kind, page] of pages) {
      assert.deepEqual(orders(kind, page), expected, kind);
      assert.ok(page.live() <= 6, `${kind} has ${page.live()} sockets`);
    }
  });
}

for (const [seconds, how] of [[1, "kill"], [4, "stop"], [8, "kill"]]) {
  test(`pages that dial while the port stays open have one socket and each event once: ${how} for ${seconds} s`, { skip }, async () => {
    const held = await HeldHub.open(ENV);
    try {
      await held.start();
      // The kitchen's hook dials beside its library whatever is done.
      const kinds = Object.keys(HEARS).filter((kind) => kind !== "kitchen");
      const pages = kinds.map((kind) => [kind, new HookedPage(held, kind, login(kind, ROLE[kind]), SECOND_MS)]);
      await until(() => pages.every(([, page]) => page.listens()), "the pages");
      const publishes = [];
      const expected = [];
      const one = () => {
        const orderId = newOrderId();
        expected.push(orderId);
        const customerId = "client";
        return publish(held, "roma", { type: "order:created", payload: { orderId, customerId } })
          .then(() => publish(held, "roma", { type: "order:status_changed", payload: { orderId, status: "ready" } }))
          .then(({ status }) => assert.equal(status, 200));
      };
      await one();
      const all = () => pages.every(([kind, page]) => heard(kind, page).includes(expected.at(-1)));
      await until(all, "the first order");
      // It is confirmed.
      await pause(1_000);
      await held[how]();
      await until(() => pages.every(([, page]) => page.gone.length > 0), "the pages lose their lines");
      // Back ends wait as the pages do.
      publishes.push(one());
      await pause(seconds * SECOND_MS);
      await held.start();
      await Promise.all(publishes);
      await until(() => pages.every(([, page]) => page.listens()), "the pages are back");
      await one();
      await until(all, "an order after the restart");
      for (const [kind, page] of pages) {
        assert.deepEqual(heard(kind, page), expected, kind);
        assert.deepEqual(page.errors, [], kind);
        assert.equal(page.live(), 1, kind);
      }
    } finally {
      closePages();
      await held.close();
    }
  });
}

test("a socket too many is refused with a sentence, and those before it are left alone", { skip }, async () => {
  const few = await start("hub", [], { env: { ...ENV, FOODTRACK__LIMITS__CONNECTIONS_PER_USER_MAX: "3" } });
  try {
    const token = login("olga", "admin");
    // They even say that they are the same device.
    const dial = () => new HookedPage(few, "tenant", token, SECOND_MS, { deviceId: "one" });
    const pages = [dial(), dial(), dial()];
    await until(() => pages.every((page) => page.listens()), "three sockets");
    const surplus = dial();
    await until(() => surplus.errors.length >= 2, "refusals: it dials again");
    for (const error of surplus.errors) {
      assert.match(error.message, /as many connections as it may have/);
      assert.equal(error.data.code, "too_many_connections");
    }
    const { status } = await publish(few, "roma", { type: "notification:info", payload: { message: "closing" } });
    assert.equal(status, 200);
    for (const page of pages) {
      await page.heard.find(({ name }) => name === "SYSTEM_NOTIFICATION", "the word");
      assert.deepEqual(page.gone, []);
    }
    // When one has gone there is room, and the page that was refused comes in by its own dialling.
    pages[0].close();
    await until(() => surplus.live() === 1, "the page that was refused", 20_000);
  } finally {
    closePages();
    await few.stop();
  }
});
