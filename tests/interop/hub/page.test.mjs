// A page in Chromium, with the library as a script, against the hub itself.

import http from "node:http";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { becomes, Browser, noChromium } from "../support/chromium.mjs";
import { BRISK, publishOrder, publishOrders } from "../support/hub.mjs";
import { DurableHub, TARGET } from "../support/servers.mjs";
import { userToken } from "../support/token.mjs";

const skip = noChromium || (TARGET === "reference" && "Socket.IO's own server keeps nothing on a disk");
const LIBRARY = fileURLToPath(new URL("../node_modules/socket.io-client/dist/socket.io.js", import.meta.url));
const PAGE = `<!doctype html><title>kitchen</title><script src="/socket.io.js"></script><script>
  const { hub, token, way } = Object.fromEntries(new URLSearchParams(location.search));
  const heard = [];
  const connects = [];
  const socket = io(hub, {
    auth: { token, application: "kitchen_app" },
    transports: [way],
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  socket.on("connect", () => connects.push(socket.recovered));
  socket.on("order:created", (message) => heard.push(message.id));
</script>`;
// As `Member.confirms`: what was heard is confirmed by pongs, and an answer behind the last of them says that it was read.
const CONFIRM = `new Promise((resolve) => {
  let pings = 0;
  socket.io.on("ping", () => (pings += 1) === 8 && socket.emit("health_check", resolve));
})`;

let pages;
let hub;
let browser;
before(async () => {
  if (skip) return;
  pages = http.createServer((request, response) => {
    const isLibrary = request.url === "/socket.io.js";
    response.setHeader("content-type", isLibrary ? "text/javascript" : "text/html");
    response.end(isLibrary ? readFileSync(LIBRARY) : PAGE);
  });
  await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${pages.address().port}`;
  hub = await DurableHub.start({ env: { ...BRISK, ALLOWED_ORIGINS: origin } });
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await hub?.stop();
  pages?.close();
  pages?.closeAllConnections();
});

for (const way of ["websocket", "polling"]) {
  for (const place of ["in front", "in a hidden tab"]) {
    test(`a page ${place} over ${way} outlives a kill, and a reload brings what it missed alone`, { skip }, async () => {
      const tenant = `page-${way}-${place.replaceAll(" ", "-")}`;
      const query = new URLSearchParams({ hub: hub.url, token: userToken(tenant, "kitchen_app", "kenji"), way });
      const page = await browser.open(`http://127.0.0.1:${pages.address().port}/?${query}`);
      const front = place === "in front" ? undefined : await browser.open("about:blank");
      await becomes(page, "connects", [false]);
      const had = await publishOrders(hub, tenant, 3);
      await becomes(page, "heard", had);
      await hub.kill();
      await hub.startAgain();
      had.push(...(await publishOrders(hub, tenant, 2)));
      await becomes(page, "connects", [false, true]);
      had.push(await publishOrder(hub, tenant));
      await becomes(page, "heard", had);
      await page.run(CONFIRM);
      const url = await page.run("location.href");
      await page.run("socket.disconnect(), location.replace('about:blank')");
      const missed = await publishOrders(hub, tenant, 2);
      const again = await browser.open(url);
      missed.push(await publishOrder(hub, tenant));
      await becomes(again, "heard", missed);
      for (const each of [page, again, front]) await each?.close();
    });
  }
}
