// The receiver of docs/guides/webhooks.md, run as it stands there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { leaveAll, Restaurant } from "../support/hub.mjs";
import { start, TARGET } from "../support/servers.mjs";

const skip = TARGET === "reference" && "the guide is the hub's";
const guide = readFileSync(fileURLToPath(new URL("../../../docs/guides/webhooks.md", import.meta.url)), "utf8");
const WEBHOOK_SECRET = "what both sides of a webhook know of each other";

/** Starts the guide's program; gives its port and what it says. */
async function receiver(file) {
  const child = spawn(process.execPath, [file], { env: { ...process.env, WEBHOOK_SECRET, PORT: "0" }, stdio: ["ignore", "pipe", "inherit"] });
  const lines = [];
  const port = await new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error("the guide's program ended")));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      lines.push(...text.split("\n").filter((line) => line !== ""));
      resolve(Number(/listening (\d+)/.exec(lines[0])[1]));
    });
  });
  return { port, lines, stop: () => child.kill("SIGKILL") };
}

test("the guide's receiver is told of a restaurant's orders and believes nobody without the secret", { skip }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "webhooks-guide-"));
  const started = [];
  try {
    const file = path.join(folder, "receiver.mjs");
    writeFileSync(file, /^```js\n(.*?)^```$/ms.exec(guide)[1]);
    const own = await receiver(file);
    started.push(own);
    const secretFile = path.join(folder, "secret");
    writeFileSync(secretFile, WEBHOOK_SECRET);
    const config = path.join(folder, "hub.toml");
    const table = /^```toml\n(.*?)^```$/ms.exec(guide)[1];
    const hook = table
      .replace("https://back-office.example/hub/events", `http://127.0.0.1:${own.port}/hub/events`)
      .replace("/etc/foodtrack/billing-secret", secretFile);
    writeFileSync(config, `[security]\nwebhookNetworks = ["127.0.0.0/8"]\n\n${hook}`);
    const server = await start("hub", ["--config", config]);
    started.push(server);
    const roma = await Restaurant.open(server, "roma");
    await roma.ana.send("order:created", { orderId: "42", customerId: "ana" });
    const deadline = Date.now() + 10_000;
    while (own.lines.length < 2 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(own.lines.slice(1), ["roma order:created 42"]);
    const strange = await fetch(`http://127.0.0.1:${own.port}/`, { method: "POST", body: "{}" });
    assert.equal(strange.status, 401);
    leaveAll();
  } finally {
    for (const each of started) await each.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
