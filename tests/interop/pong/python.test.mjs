// What a pong proves about python-socketio. docs/decisions/pong-confirms.md says what follows from it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { orders, RawHub } from "../support/raw_hub.mjs";

const ORDERS = 6;
const WORK_MS = 400;
const PYTHON = fileURLToPath(new URL("../.venv/bin/python", import.meta.url));
const SCRIPT = fileURLToPath(new URL("client.py", import.meta.url));
const skip =
  (process.env.INTEROP_PYTHON === "0" && "INTEROP_PYTHON=0") || (!existsSync(PYTHON) && `${PYTHON} is not there`);

const started = [];
afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each.stop();
});

/** `client` is how handlers run: in a `thread` each, as a `coroutine`, or as a plain `function` of the asyncio client. */
async function meet(client, way, work_ms = WORK_MS) {
  const hub = await RawHub.start();
  started.push(hub);
  const name = `${client}-${way}`;
  const asked = { url: hub.url, client, transports: [way], name, work_ms };
  const child = spawn(PYTHON, [SCRIPT, JSON.stringify(asked)], { stdio: ["pipe", "ignore", "inherit"] });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const stop = () => (child.kill("SIGKILL"), exited);
  started.push({ stop });
  const session = await hub.client();
  session.observe = () => hub.finishedBy(name);
  await session.ping();
  return { session, finished: session.observe, stop };
}

for (const way of ["websocket", "polling"]) {
  for (const client of ["thread", "coroutine"]) {
    test(`a ${client} over ${way}: pongs prove no handler finished; who dies behind two has lost what they confirm`, { skip }, async () => {
      const { session, finished, stop } = await meet(client, way);
      await session.ping(...orders(ORDERS));
      assert.ok((await session.ping()) < ORDERS);
      assert.ok((await session.ping()) < ORDERS);
      await stop();
      assert.ok(finished() < ORDERS, `${finished()} of ${ORDERS}`);
    });
  }

  test(`a plain function of the asyncio client over ${way}: the second pong proves the handlers finished`, { skip }, async () => {
    const { session } = await meet("function", way, 30);
    await session.ping(...orders(ORDERS));
    assert.equal(await session.ping(), ORDERS);
  });
}
