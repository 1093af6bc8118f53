// The servers under test: started on port 0, stopped by the process that started them.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../../..");
const READY_MS_MAX = 15_000;
const STOP_MS_MAX = 3_000;

/** `reference` runs the suites against the Node implementation, which proves the tests themselves. */
export const TARGET = process.env.INTEROP_TARGET ?? "hub";
export const SECRET = "interop-secret-that-is-longer-than-32-bytes";

const CONFORMANCE = process.env.CONFORMANCE_BIN ?? path.join(root, "target/debug/conformance");
export const HUB = process.env.HUB_BIN ?? path.join(root, "target/debug/foodtrack-websocket");

let inMemory;
/** What keeps a hub without a data directory from asking for one. */
function inMemoryFlag() {
  inMemory ??= /--in-memory/.test(spawnSync(HUB, ["serve", "--help"], { encoding: "utf8" }).stdout) ? ["--in-memory"] : [];
  return inMemory;
}

function commandOf(kind, flags, { port, dataDir }) {
  if (TARGET === "reference") {
    return [process.execPath, [path.join(here, `../reference/${kind}.mjs`), ...flags]];
  }
  if (kind === "hub") {
    const store = dataDir ? ["--data-dir", dataDir] : inMemoryFlag();
    return [HUB, ["serve", "--port", `${port}`, ...store, ...flags]];
  }
  const secret = kind === "clients" ? ["--secret", SECRET] : [];
  return [CONFORMANCE, ["--mode", kind, "--port", "0", ...secret, ...flags]];
}

/**
 * Starts one server and waits until it listens.
 * `kind` is `suites`, `clients` or `hub`; `flags` are further command line arguments, `env` further variables. A hub
 * without a `dataDir` keeps nothing.
 * Gives `{ url, host, port, pid, alive(), log(), stop(), kill() }`.
 */
export async function start(kind, flags = [], { env = {}, port = 0, dataDir } = {}) {
  const [command, args] = commandOf(kind, flags, { port, dataDir });
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, JWT_SECRET: SECRET, ...env },
  });
  let log = "";
  const exited = new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", resolve);
  });
  const killChild = () => child.kill("SIGKILL");
  process.once("exit", killChild);
  const address = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${command} ${why}\n${log}`));
    const timer = setTimeout(() => {
      killChild();
      fail(`did not listen within ${READY_MS_MAX} ms`);
    }, READY_MS_MAX);
    const read = (chunk) => {
      log += chunk;
      const found = /listening on (?:https?:\/\/)?(\S+:\d+)/.exec(log);
      if (found) {
        clearTimeout(timer);
        resolve(found[1]);
      }
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.once("error", (error) => fail(`cannot be started: ${error.message}`));
    child.once("exit", (code) => fail(`ended with ${code} before it listened`));
  });
  const listensOn = Number(address.slice(address.lastIndexOf(":") + 1));
  const host = address.startsWith("[::1]") ? "::1" : "127.0.0.1";
  const authority = host === "::1" ? `[::1]:${listensOn}` : `${host}:${listensOn}`;
  return {
    url: `http://${authority}`,
    wsUrl: `ws://${authority}`,
    host,
    port: listensOn,
    pid: child.pid,
    alive: () => child.exitCode === null && child.signalCode === null,
    log: () => log,
    /** As a power cut would. */
    kill: async () => {
      process.removeListener("exit", killChild);
      killChild();
      await exited;
    },
    stop: async () => {
      process.removeListener("exit", killChild);
      child.kill("SIGTERM");
      const timer = setTimeout(killChild, STOP_MS_MAX);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** A hub with a data directory of its own, which can be killed and started again where it was. */
export class DurableHub {
  #options;

  static async start({ env } = {}) {
    const hub = new DurableHub();
    hub.dataDir = mkdtempSync(path.join(tmpdir(), "interop-hub-"));
    hub.#options = { env, dataDir: hub.dataDir };
    hub.server = await start("hub", [], hub.#options);
    return hub;
  }

  get url() {
    return this.server.url;
  }

  kill() {
    return this.server.kill();
  }

  /** Where it was: the clients know no other address. */
  async startAgain() {
    this.server = await start("hub", [], { ...this.#options, port: this.server.port });
  }

  async stop() {
    await this.server.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
