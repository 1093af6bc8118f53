// What a page gets when the connection to it is reset behind the server's back: it repeats the request by itself.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { closeAll, connect } from "../support/clients.mjs";
import { Browser, noChromium } from "../support/chromium.mjs";
import { HttpProxy } from "../support/http_proxy.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { subjectToken } from "../support/token.mjs";
import { PATIENCE_MS, pause } from "../support/wait.mjs";

const CLIENT = fileURLToPath(new URL("../node_modules/socket.io-client/dist/socket.io.js", import.meta.url));
const PAGE = `<!doctype html><title>kitchen</title><script src="/client.js"></script><script>
  const got = [];
  const closed = [];
  const socket = io({ transports: ["polling"], reconnection: false, auth: { token: "${subjectToken()}" } });
  socket.on("news", (item) => got.push(item));
  socket.on("disconnect", (reason) => closed.push(reason));
  socket.emit("join", "lossy", () => (window.hasJoined = true));
</script>`;

let server;
let browser;
let proxy;
let page;
before(async () => {
  server = await start("clients");
  if (!noChromium) browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server.stop();
});
afterEach(async () => {
  closeAll();
  await page?.close();
  await proxy?.stop();
});

const why = noChromium || (TARGET === "reference" && "the reference loses what a lost answer held");
const check = (name, run) => test(name, { skip: why }, run);

async function meet() {
  proxy = await HttpProxy.start(server);
  proxy.files = { "/page": ["text/html", PAGE], "/client.js": ["text/javascript", readFileSync(CLIENT)] };
  page = await browser.open(`${proxy.url}/page`);
  await seen("window.hasJoined", "page in its room");
  return connect(server);
}

/** Waits until an expression is true in the page. */
async function seen(expression, what) {
  const end_ms = performance.now() + PATIENCE_MS;
  while (!(await page.run(expression))) {
    assert.ok(performance.now() < end_ms, `no ${what}`);
    await pause(5);
  }
}

/** Expects so many news, each once and in order, over one connection and in spite of lost answers. */
async function expectNews(count) {
  await seen(`got.length >= ${count}`, "news");
  // What came twice would be behind.
  await pause(100);
  assert.deepEqual(await page.run("got"), [...Array(count).keys()]);
  assert.deepEqual(await page.run("closed"), []);
  assert.ok(proxy.lost > 2, `${proxy.lost} answers were lost`);
}

/** Never the same one twice: a browser repeats a request only where its connection was used before. */
const everySecond = (picks) => {
  let picked = 0;
  return (method, body) => picks(method, body) && (picked += 1) % 2 === 1;
};

check("a page gets each event once, in order, however many answers to its polls are lost", async () => {
  const publisher = await meet();
  proxy.loses = everySecond((method, body) => method === "GET" && body.includes("news"));
  for (let n = 0; n < 40; n += 1) await publisher.timeout(2000).emitWithAck("publish", "lossy", "news", n);
  await expectNews(40);
});

check("what a page sends is taken once, however many answers to its posts are lost", async () => {
  await meet();
  proxy.loses = everySecond((method) => method === "POST");
  for (let n = 0; n < 8; n += 1) {
    await page.run(`new Promise((resolve) => socket.emit("publish", "lossy", "news", ${n}, resolve))`);
  }
  await expectNews(8);
});
