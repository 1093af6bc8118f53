// Programs that a test starts beside the hub, such as Redis and balancers.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { next } from "./wait.mjs";

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await next(probe, "listening");
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Whether somebody listens on a port. */
const listens = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

/** What runs, and is stopped with the last first. */
export class Programs {
  #stops = [];

  /** Starts a program and waits until it listens. */
  async start(program, args, port) {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
    const exited = new Promise((resolve) => child.once("exit", resolve));
    this.#stops.push(async () => {
      child.kill("SIGTERM");
      await exited;
    });
    for (let tries = 0; !(await listens(port)); tries += 1) {
      assert.ok(child.exitCode === null && tries < 500, `${program} does not listen: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async stop() {
    for (const stop of this.#stops.reverse()) await stop();
    this.#stops = [];
  }
}
