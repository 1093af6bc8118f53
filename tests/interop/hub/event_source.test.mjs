// A browser's own EventSource, in Chromium, against the hub: no library, and a token in the address.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { becomes, Browser, noChromium } from "../support/chromium.mjs";
import { BRISK, publishOrder, publishOrders } from "../support/hub.mjs";
import { DurableHub, TARGET } from "../support/servers.mjs";
import { claims, sign, userToken } from "../support/token.mjs";

const skip = noChromium || (TARGET === "reference" && "Socket.IO's own server has no such stream");
const PAGE = `<!doctype html><title>screen</title><script>
  const { hub, ...query } = Object.fromEntries(new URLSearchParams(location.search));
  const heard = [];
  const opened = [];
  const said = [];
  const source = new EventSource(hub + "/events?" + new URLSearchParams(query));
  source.addEventListener("open", () => opened.push(source.readyState));
  source.addEventListener("order:created", (event) => heard.push(JSON.parse(event.data).id));
  source.addEventListener("system:error", (event) => said.push(JSON.parse(event.data).payload.code));
  source.addEventListener("end", () => (said.push("end"), source.close()));
</script>`;
const OPEN = 1;
const CLOSED = 2;

let pages;
let hub;
let browser;
before(async () => {
  if (skip) return;
  pages = http.createServer((request, response) => response.setHeader("content-type", "text/html").end(PAGE));
  await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
  hub = await DurableHub.start({ env: { ...BRISK, ALLOWED_ORIGINS: `http://127.0.0.1:${pages.address().port}` } });
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await hub?.stop();
  pages?.close();
  pages?.closeAllConnections();
});

/** A page that listens; at `localhost` its origin is another one. */
function open(query, host = "127.0.0.1") {
  return browser.open(`http://${host}:${pages.address().port}/?${new URLSearchParams({ hub: hub.url, ...query })}`);
}

test("a page that only listens outlives kills of the hub: each event once, in order", { skip }, async () => {
  const page = await open({ token: userToken("screens", "kitchen_app", "kenji"), deviceId: "screen-1" });
  await becomes(page, "opened", [OPEN]);
  const had = await publishOrders(hub, "screens", 3);
  await becomes(page, "heard", had);
  for (let kills = 1; kills <= 2; kills += 1) {
    await hub.kill();
    await hub.startAgain();
    had.push(...(await publishOrders(hub, "screens", 2)));
    await becomes(page, "opened.length", 1 + kills);
    had.push(await publishOrder(hub, "screens"));
    await becomes(page, "heard", had);
  }
  await page.close();
});

test("a page of another origin hears nothing", { skip }, async () => {
  const page = await open({ token: userToken("screens", "kitchen_app", "eve") }, "localhost");
  await becomes(page, "source.readyState", CLOSED);
  assert.deepEqual(await page.run("[opened, heard]"), [[], []]);
  await page.close();
});

test("a refused page does not ask again by itself", { skip }, async () => {
  const page = await open({ token: "nonsense" });
  await becomes(page, "source.readyState", CLOSED);
  await page.close();
});

test("when the token ends the page is told, and its next try is refused", { skip }, async () => {
  const exp = Math.floor(Date.now() / 1000) + 2;
  const token = sign(claims("screens", "kitchen_app", "karl", { exp }));
  const page = await open({ token });
  await becomes(page, "opened", [OPEN]);
  // It comes again with the same token, which is let in for as long as clocks may differ, and told again.
  await becomes(page, "source.readyState", CLOSED, 20_000);
  await becomes(page, "[...new Set(said)]", ["token_expired"]);
  await page.close();
});

test("a page whose connection is ended over HTTP is told so, and stays away", { skip }, async () => {
  const page = await open({ token: userToken("ended", "kitchen_app", "kenji") });
  await becomes(page, "opened", [OPEN]);
  const token = userToken("ended", "tenant_dashboard", "olga", { role: "restaurant_owner" });
  const answer = await fetch(`${hub.url}/api/v1/users/kenji/connections`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200, await answer.text());
  await becomes(page, "said", ["end"]);
  await becomes(page, "source.readyState", CLOSED);
  await page.close();
});
