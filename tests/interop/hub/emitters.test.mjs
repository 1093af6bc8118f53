// A back end that publishes with the unmodified @socket.io/redis-emitter.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { leaveAll, Restaurant } from "../support/hub.mjs";
import { freePort, Programs } from "../support/programs.mjs";
import { start, TARGET } from "../support/servers.mjs";

const REDIS = process.env.REDIS_BIN ?? "/usr/bin/redis-server";
const skip = (TARGET === "reference" && "the bridge is the hub's") || (!existsSync(REDIS) && `${REDIS} is not there: .ci/setup installs it`);

const running = new Programs();
let folder;
after(async () => {
  leaveAll();
  await running.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("what a gateway emits to restaurants' rooms through Redis reaches each restaurant's own people, once", { skip }, async () => {
  folder = mkdtempSync(path.join(tmpdir(), "emitters-"));
  const port = await freePort();
  await running.start(REDIS, ["--bind", "127.0.0.1", "--port", `${port}`, "--save", "", "--dir", folder], port);
  const config = path.join(folder, "hub.toml");
  writeFileSync(config, `[[emitters]]\nname = "gateway"\nurl = "redis://127.0.0.1:${port}"\n`);
  const hub = await start("hub", ["--config", config]);
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  await client.connect();
  try {
    const [roma, kyoto] = [await Restaurant.open(hub, "roma"), await Restaurant.open(hub, "kyoto")];
    for (let tries = 0; (await client.sendCommand(["PUBSUB", "NUMPAT"])) !== 1; tries += 1) {
      assert.ok(tries < 500, "the hub does not listen");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const emitter = new Emitter(client);
    emitter.to("tenant:roma").emit("order:created", { orderId: "1", customerId: "ana" });
    emitter.to("order:roma:1").volatile.emit("order:updated", { orderId: "1" });
    emitter.emit("order:updated", { orderId: "2" });
    emitter.in(["tenant:roma", "tenant:kyoto"]).emit("notification:info", { message: "the oven is hot" });
    const heard = async (member, count) => {
      const events = [];
      while (events.length < count) events.push((await member.inbox.next()).event);
      return events;
    };
    const all = ["order:created", "order:updated", "notification:info"];
    assert.deepEqual(await heard(roma.dashboard, 3), all);
    assert.deepEqual(await heard(roma.ana, 3), all);
    // The last one comes to everybody: nothing came to him before.
    for (const stranger of [roma.bob, kyoto.dashboard, kyoto.ana]) assert.deepEqual(await heard(stranger, 1), all.slice(2));
  } finally {
    await client.close();
    await hub.stop();
  }
});
