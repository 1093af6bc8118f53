// A hub behind a port that its parent holds: whoever dials while there is no hub waits, and is not refused.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { HUB, SECRET } from "./servers.mjs";
import { Inbox } from "./wait.mjs";

const HOLDER = fileURLToPath(new URL("port_holder.py", import.meta.url));

export class HeldHub {
  #said = new Inbox();

  static async open(env) {
    const hub = new HeldHub();
    hub.dataDir = mkdtempSync(path.join(tmpdir(), "interop-held-"));
    // The port of the configuration counts for nothing.
    const command = [HOLDER, HUB, "serve", "--port", "1", "--data-dir", hub.dataDir];
    hub.parent = spawn("python3", command, { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, JWT_SECRET: SECRET, ...env } });
    createInterface({ input: hub.parent.stdout }).on("line", (line) => hub.#said.push(line));
    hub.port = Number(await hub.#said.next("the port"));
    hub.url = `http://127.0.0.1:${hub.port}`;
    return hub;
  }

  start() {
    return this.#do("start");
  }

  /** As a crash would. */
  kill() {
    return this.#do("kill");
  }

  /** As it is asked to, for an update. */
  stop() {
    return this.#do("stop");
  }

  async #do(word) {
    this.parent.stdin.write(`${word}\n`);
    await this.#said.find((line) => line === word, word);
  }

  async close() {
    const gone = once(this.parent, "exit");
    this.parent.stdin.end();
    await gone;
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
