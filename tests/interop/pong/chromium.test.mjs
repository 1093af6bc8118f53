// What a pong proves about socket.io-client in a page. docs/decisions/pong-confirms.md says what follows from it.

import assert from "node:assert/strict";
import { after, before, afterEach, test } from "node:test";
import { Browser, noChromium } from "../support/chromium.mjs";
import { orders, overtakes, RawHub } from "../support/raw_hub.mjs";
import { pause, until } from "../support/wait.mjs";

const ORDERS = 8;
const WORK_MS = 10;
const FORMS = ["json", "binary", "msgpack"];
const WAYS = ["websocket", "polling"];
const SILENCE_MS = 300;

// Each handler ends with a report that it waits for: what the server has not counted has not finished.
const PAGE = `<!doctype html><title>kitchen</title><script>
  const asked = new URLSearchParams(location.search);
  if (asked.has("timers")) {
    const wait = (run) => setTimeout(run, 0);
    window.Promise = { resolve: () => ({ then: wait }) };
  }
  document.write('<script src="/' + (asked.get("form") === "msgpack" ? "msgpack" : "json") + '.js"><\\/script>');
</script><script>
  const socket = io({ transports: asked.get("way").split(" "), reconnection: false });
  socket.on("order", ({ n }) => {
    const until = performance.now() + Number(asked.get("work_ms"));
    while (performance.now() < until);
    const report = new XMLHttpRequest();
    report.open("GET", "/finished?name=" + asked.get("name"), false);
    report.send();
    if (n === Number(asked.get("throws_at") ?? -1)) throw new Error("a bug of the application");
  });
</script>`;

let browser;
let front;
before(async () => {
  if (!noChromium) browser = await Browser.start();
});
after(() => browser?.stop());
const started = [];
afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each.stop();
});

let names = 0;
async function meet({ way, form = "json", work_ms = WORK_MS, hub: hubOptions, ...rest }) {
  const hub = await RawHub.start({ msgpack: form === "msgpack", pages: { "/page": PAGE }, ...hubOptions });
  started.push(hub);
  const name = `page-${(names += 1)}`;
  const page = await browser.open(`${hub.url}/page?${new URLSearchParams({ way, form, work_ms, name, ...rest })}`);
  started.push({ stop: () => page.close().catch(() => {}) });
  const session = await hub.client();
  session.observe = () => hub.finishedBy(name);
  await session.ping();
  return { hub, page, session, finished: session.observe };
}

/** Puts another tab in front of `page` and waits until its timers are slowed down. */
async function hide(page) {
  front = await browser.open("about:blank");
  started.push({ stop: () => front.close() });
  await page.run("window.ticks = 0; (function tick() { ticks += 1; setTimeout(tick, 5); })()");
  for (let round = 1; ; round += 1) {
    const before = await page.run("ticks");
    await pause(SILENCE_MS);
    const ticks = (await page.run("ticks")) - before;
    if (ticks < 20 && (await page.run("document.visibilityState")) === "hidden") return;
    assert.ok(round < 10, `${ticks} ticks in ${SILENCE_MS} ms: its timers are not slowed down`);
  }
}

const check = (name, body) => test(name, { skip: noChromium }, body);

for (const place of ["in front", "in a hidden tab"]) {
  for (const form of place === "in front" ? FORMS : ["json"]) {
    check(`a page ${place} over websocket, ${form}: the first pong proves the handlers finished`, async () => {
      const { page, session } = await meet({ way: "websocket", form });
      if (place !== "in front") await hide(page);
      assert.equal(await session.ping(...orders(ORDERS, form)), ORDERS);
    });

    check(`a page ${place} over polling, ${form}: the first pong overtakes the handlers, the next one proves them finished`, async () => {
      const { page, session } = await meet({ way: "polling", form });
      if (place !== "in front") await hide(page);
      assert.ok(await overtakes(session, form, assert));
    });
  }
}

for (const way of WAYS) {
  check(`a page over ${way}: a handler that throws takes no other's event along`, async () => {
    const { session } = await meet({ way, throws_at: 2 });
    await session.ping(...orders(ORDERS));
    assert.equal(await session.ping(), ORDERS);
  });

  check(`a frozen page over ${way} sends no pong; when it thaws it catches up, or ends its connection without one`, async () => {
    const { page, session, finished } = await meet({ way });
    await hide(page);
    await page.lifecycle("frozen");
    session.send(...orders(ORDERS), "2");
    await assert.rejects(session.pongs.next("pong", SILENCE_MS), /no pong/);
    // One of them may still have come to a page that was about to freeze.
    assert.ok(finished() < ORDERS, `${finished()} of ${ORDERS} were finished, without a pong`);
    await page.lifecycle("active");
    await until(() => session.pongs.size > 0 || session.isEnded, "pong or end");
    // Chromium 156 gives the first of the events to the page and ends the WebSocket with 1001; older ones catch up.
    if (session.isEnded) return assert.equal(session.pongs.size, 0);
    await session.pongs.next("pong");
    assert.equal(await session.ping(), ORDERS);
  });

  check(`a page over ${way} that is closed in a handler never sends the second pong`, async () => {
    const { page, session, finished } = await meet({ way, work_ms: 200 });
    session.send(...orders(ORDERS), "2");
    await until(() => finished() > 0, "handler");
    await page.close();
    session.send("2");
    await pause(SILENCE_MS);
    assert.ok(session.pongs.size < 2, `${session.pongs.size} pongs`);
    assert.ok(finished() < ORDERS);
  });

  check(`a page over ${way}: before CONNECT is answered no pong proves anything`, async () => {
    const { session } = await meet({ way, hub: { connects: false } });
    await session.ping(...orders(ORDERS));
    assert.equal(await session.ping(), 0);
    session.welcome();
    await session.ping();
    assert.equal(await session.ping(), ORDERS);
  });
}

check("a page from polling to WebSocket: the second pong proves what was sent before and during the upgrade", async () => {
  const { session, finished } = await meet({ way: "polling websocket", work_ms: 2, hub: { upgrades: ["websocket"] } });
  let sent = 0;
  while (!session.isOnWebSocket || sent < 3 * ORDERS) {
    sent += ORDERS;
    await session.ping(...orders(ORDERS));
    const proven = await session.ping();
    assert.ok(proven >= sent, `${proven} of ${sent}`);
  }
  assert.equal(await session.ping(...orders(ORDERS)), sent + ORDERS);
  assert.ok(finished() > 0);
});

// Browsers of old, and frameworks that put their own in its place: the client library then defers events by timers.
// Over WebSocket it defers the end of a write by the same timers, and with it the next pong.
check("a page whose Promise is made of timers, over websocket: the second pong proves the handlers finished", async () => {
  const { page, session } = await meet({ way: "websocket", timers: "yes" });
  await hide(page);
  assert.ok(await overtakes(session, "json", assert));
});

// A browser sends a request again by itself when its connection, used before, is reset without an answer.
check("a page repeats a poll whose answer was lost, under the same t, and pongs on without the events in it", async () => {
  const { session, finished } = await meet({ way: "polling" });
  await until(() => session.isPolled, "poll");
  await pause(50);
  while (!session.isPollRepeatable) {
    await session.ping();
    await until(() => session.isPolled, "poll");
  }
  const { length } = session.polls;
  session.loseAnswer();
  await until(() => session.isPolled, "repeated poll");
  assert.equal(session.polls.length, length + 1);
  assert.equal(session.polls.at(-1), session.polls.at(-2));
  await session.ping();
  await session.ping();
  assert.equal(finished(), 0);
  assert.equal(new Set(session.polls).size, session.polls.length - 1, "every poll of its own has a t of its own");
});

check("a page repeats a POST whose answer was lost, under the same t", async () => {
  const { page, session } = await meet({ way: "polling" });
  await pause(50);
  session.losesAnswers = true;
  await page.run('socket.emit("accept_delivery", { orderId: "o-1" }), true');
  await until(() => session.posts.some(({ body }) => body.includes("accept_delivery")), "POST");
  session.losesAnswers = false;
  const emits = () => session.posts.filter(({ body }) => body.includes("accept_delivery"));
  await until(() => emits().length > 1, "repeated POST");
  assert.equal(emits()[0].stamp, emits()[1].stamp);
});
