// What a pong proves about socket.io-client in Node. docs/decisions/pong-confirms.md says what follows from it.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { orders, overtakes, RawHub } from "../support/raw_hub.mjs";
import { ThreadClient } from "../support/raw_hub_client.mjs";
import { pause, until, within } from "../support/wait.mjs";

const ORDERS = 8;
const WORK_MS = 10;
const CLIENTS = ["4.8", "4.6"].flatMap((version) => ["websocket", "polling"].map((way) => [version, way]));
// A WebSocket frame leaves within the call that read the ping, an HTTP request only after the ticks that were queued.
const FIRST_PONG = {
  websocket: "the first pong overtakes the handlers",
  polling: "the first pong comes behind the handlers",
};
const FORMS = ["json", "binary", "msgpack"];

const started = [];
afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each.stop();
});

/** A hub and a client that is past its CONNECT; what is observed at a pong is how many handlers have finished. */
async function meet({ hub: hubOptions, ...options }) {
  const hub = await RawHub.start({ msgpack: options.form === "msgpack", ...hubOptions });
  started.push(hub);
  const client = new ThreadClient(hub, options);
  started.push(client);
  const session = await hub.client();
  session.observe = () => client.finished;
  await session.ping();
  return { hub, client, session };
}

for (const [version, way] of CLIENTS) {
  const options = { version, transports: [way] };
  for (const form of FORMS) {
    test(`${version} over ${way}, ${form}: ${FIRST_PONG[way]}, the next one proves them finished`, async () => {
      const { session } = await meet({ ...options, form, handler: { work_ms: WORK_MS } });
      assert.equal(await overtakes(session, form, assert, way === "websocket" ? 10 : 2), way === "websocket");
    });
  }

  test(`${version} over ${way}: one pong proves the handlers of what was read before the ping came`, async () => {
    const { client, session } = await meet({ ...options, handler: { work_ms: WORK_MS } });
    session.send(...orders(ORDERS));
    await until(() => client.finished > 0, "handler");
    assert.equal(await session.ping(), ORDERS);
  });

  test(`${version} over ${way}: a handler that throws takes no other's event along`, async () => {
    const { session } = await meet({ ...options, handler: { throws_at: 2 } });
    await session.ping(...orders(ORDERS));
    assert.equal(await session.ping(), ORDERS);
  });

  test(`${version} over ${way}: a client that dies in a handler never sends the second pong`, async () => {
    const { client, session } = await meet({ ...options, handler: { work_ms: WORK_MS, dies_at: 2 } });
    session.send(...orders(ORDERS), "2");
    await within(client.died, "death");
    assert.equal(client.finished, 2);
    if (way === "websocket") await session.pongs.next("pong that overtook the death");
    session.send("2");
    await assert.rejects(session.pongs.next("pong", 200), /no pong/);
  });

  test(`${version} over ${way}: before CONNECT is answered no pong proves anything`, async () => {
    const hub = { connects: false };
    const { session } = await meet({ ...options, hub });
    await session.ping(...orders(ORDERS));
    assert.equal(await session.ping(), 0);
    session.welcome();
    await session.ping();
    assert.equal(await session.ping(), ORDERS);
  });

  test(`${version} over ${way}: what a left namespace drops is answered with a pong, behind its DISCONNECT`, async () => {
    const { client, session } = await meet({ ...options, extra: "/extra" });
    await until(() => session.packets.some((packet) => String(packet).startsWith("40/extra")), "second CONNECT");
    await session.ping();
    await client.leave("/");
    await session.ping(...orders(ORDERS));
    assert.equal(await session.ping(), 0);
    const left = session.packets.indexOf("41");
    assert.ok(left >= 0 && left < session.packets.length - 2, session.packets.join(" "));
  });

  test(`${version} over ${way}: a closed manager answers no ping`, async () => {
    const { client, session } = await meet(options);
    await client.leave("manager");
    session.send(...orders(ORDERS), "2");
    await assert.rejects(session.pongs.next("pong", 200), /no pong/);
    assert.equal(client.finished, 0);
  });
}

for (const version of ["4.8", "4.6"]) {
  test(`${version} over polling gives up when an answer is lost, and so pongs no more`, async () => {
    const { session } = await meet({ version, transports: ["polling"] });
    await until(() => session.isPolled, "poll");
    session.loseAnswer();
    await pause(200);
    assert.ok(!session.isPolled);
    assert.equal(new Set(session.polls).size, session.polls.length);
  });

  test(`${version} from polling to WebSocket: the next pong proves what was sent before and during the upgrade`, async () => {
    const hub = await RawHub.start({ upgrades: ["websocket"] });
    const client = new ThreadClient(hub, { version, transports: ["polling", "websocket"], handler: { work_ms: 2 } });
    started.push(hub, client);
    const session = await hub.client();
    session.observe = () => client.finished;
    let sent = 0;
    while (!session.isOnWebSocket || sent < 3 * ORDERS) {
      const sent_before = sent;
      sent += ORDERS;
      await session.ping(...orders(ORDERS));
      const proven = await session.ping();
      assert.ok(proven >= sent, `${proven} of ${sent} (${sent_before} before)`);
    }
    assert.ok(session.isOnWebSocket);
    await session.ping(...orders(ORDERS));
    assert.equal(await session.ping(), sent + ORDERS);
  });
}
