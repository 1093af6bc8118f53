// In a network of its own, which is cut: a hub, and a reader of events that goes without a word. Says how long the hub took to notice.

import { execFileSync } from "node:child_process";
import { get } from "node:http";
import { start } from "./servers.mjs";
import { userToken } from "./token.mjs";
import { next, until } from "./wait.mjs";

const loopback = (state) => execFileSync("ip", ["link", "set", "lo", state]);

loopback("up");
const env = {
  FOODTRACK__HEARTBEAT__INTERVAL_MS: "1000",
  FOODTRACK__HEARTBEAT__TIMEOUT_MS: "1000",
  FOODTRACK__HEARTBEAT__MAX_MISSED: "2",
  FOODTRACK__LIMITS__WRITE_TIMEOUT_MS: "1000",
};
const hub = await start("hub", [], { env });
const headers = { authorization: `Bearer ${userToken("roma", "kitchen_app", "carl")}` };
const reader = get(`${hub.url}/events`, { headers });
const [answer] = await next(reader, "response");
await next(answer, "data");
const cut_ms = performance.now();
loopback("down");
await until(() => hub.log().includes("client disconnected"), "notice of the reader's end", 30_000);
console.log(`noticed after ${Math.round(performance.now() - cut_ms)} ms`);
await hub.kill();
process.exit(0);
