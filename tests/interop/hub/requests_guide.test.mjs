// The back end of docs/guides/requests.md, run as it stands there.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { leaveAll, Restaurant } from "../support/hub.mjs";
import { SECRET, start, TARGET } from "../support/servers.mjs";

const skip = TARGET === "reference" && "the guide is the hub's";
const guide = readFileSync(fileURLToPath(new URL("../../../docs/guides/requests.md", import.meta.url)), "utf8");
const UPSTREAM_SECRET = "what both sides of a request know of each other";

/** Starts the guide's program; gives its port. */
async function backEnd(file, secret) {
  const child = spawn(process.execPath, [file], { env: { ...process.env, UPSTREAM_SECRET: secret, PORT: "0" }, stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error("the guide's program ended")));
    child.stdout.setEncoding("utf8").on("data", (text) => resolve(Number(/listening (\d+)/.exec(text)[1])));
  });
  return { port, stop: () => child.kill("SIGKILL") };
}

/** What `upstream test` says when it asks a hook. */
function asked(env, ...options) {
  const run = spawnSync(process.env.HUB_BIN, ["upstream", "test", ...options], { env: { ...process.env, ...env, JWT_SECRET: SECRET }, encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout;
}

test("the guide's back end answers the kitchen's requests and nobody's without the secret", { skip }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "requests-guide-"));
  const started = [];
  try {
    const file = path.join(folder, "back_end.mjs");
    writeFileSync(file, /^```js\n(.*?)^```$/ms.exec(guide)[1]);
    const own = await backEnd(file, UPSTREAM_SECRET);
    const strange = await backEnd(file, "the secret of somebody else altogether");
    started.push(own, strange);
    for (const [{ port }, knows] of [[own, true], [strange, false]]) {
      const env = { UPSTREAM_URL: `http://127.0.0.1:${port}/hub/requests`, UPSTREAM_SECRET };
      const server = await start("hub", [], { env });
      started.push(server);
      const roma = await Restaurant.open(server, "roma");
      const orders = await roma.kitchen.ask("kitchen:get_orders", { limit: 3 });
      const details = await roma.kitchen.ask("order:get_details", { orderId: "42" });
      if (knows) {
        assert.deepEqual(orders, { success: true, data: [{ id: "42", tenantId: "roma", status: "preparing" }] });
        assert.equal(details.error.code, "upstream_refused");
        assert.equal(details.error.message, "nobody answers order:get_details");
        const lets = asked(env, "--hook", "connect", "--user", "ada", "--device", "phone-7");
        assert.match(lets, /"event":"hook:connect","payload":\{\}.*"deviceId":"phone-7"/);
        assert.match(lets, /the client gets/);
        assert.match(asked(env, "--hook", "connect", "--user", "mallory"), /the client is refused.*the account is closed/s);
        const joins = asked(env, "--hook", "join", "--tenant", "roma", "--room", "order:roma:42");
        assert.match(joins, /"payload":\{"room":"order:roma:42","type":"order","id":"42"\}/);
      } else {
        assert.equal(orders.error.code, "degraded");
      }
      leaveAll();
    }
  } finally {
    for (const each of started) await each.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
