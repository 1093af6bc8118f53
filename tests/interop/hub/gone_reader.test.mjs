// A reader of events whose network is gone: nothing comes from it that could tell.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { TARGET } from "../support/servers.mjs";

const inOwnNetwork = (...command) => spawnSync("unshare", ["--map-root-user", "--net", ...command], { encoding: "utf8" });
const skip =
  (TARGET === "reference" && "Socket.IO's own server has no such stream") ||
  (inOwnNetwork("ip", "link", "set", "lo", "up").status !== 0 && "no network of its own can be made here");

test("the connection of a reader that is gone without a word ends, as one that answers no pings", { skip }, () => {
  const { stdout, stderr } = inOwnNetwork(process.execPath, fileURLToPath(new URL("../support/gone_reader.mjs", import.meta.url)));
  const [, noticed_ms] = /^noticed after (\d+) ms$/m.exec(stdout) ?? assert.fail(stderr);
  // Two intervals of a second and a second: not at once, and not when the kernel is at its wit's end, a quarter of an hour later.
  assert.ok(Number(noticed_ms) > 1_000 && Number(noticed_ms) < 20_000, noticed_ms);
});
