// A python-socketio client in a process of its own: says on its output what it hears.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Inbox } from "./wait.mjs";

const PYTHON = fileURLToPath(new URL("../.venv/bin/python", import.meta.url));
const SCRIPT = fileURLToPath(new URL("python_client.py", import.meta.url));

const START_MS_MAX = 20_000;
const running = new Set();

/** Ends every client that a test left behind. */
export const killPythonClients = () => Promise.all([...running].map((client) => client.kill()));

/** Why a test is skipped, or false. */
export const noPython =
  (process.env.INTEROP_PYTHON === "0" && "INTEROP_PYTHON=0") || (!existsSync(PYTHON) && `${PYTHON} is not there`);

export class PythonClient {
  inbox = new Inbox();

  /** `client` is `thread` or `coroutine`; `reconnects` whether the library may come back by itself. */
  static async connect(server, { client = "thread", transports = ["websocket"], auth, reconnects = false }) {
    const python = new PythonClient();
    const asked = { url: server.url, client, transports, auth, reconnects };
    python.child = spawn(PYTHON, [SCRIPT, JSON.stringify(asked)], { stdio: ["pipe", "pipe", "inherit"] });
    python.exited = new Promise((resolve) => python.child.once("exit", resolve));
    running.add(python);
    createInterface(python.child.stdout).on("line", (line) => python.inbox.push(JSON.parse(line)));
    await python.isTold("connect", START_MS_MAX);
    return python;
  }

  isTold(event, limit_ms) {
    return this.inbox.find((heard) => heard.event === event, `"${event}" in Python`, limit_ms);
  }

  async hears(event, limit_ms) {
    return (await this.isTold(event, limit_ms)).args[0];
  }

  async kill() {
    running.delete(this);
    this.child.kill("SIGKILL");
    await this.exited;
  }
}
