// A client in a thread of its own: the server goes on while a handler works, and reads the count of finished handlers
// from shared memory at the very moment a pong arrives.

import { Worker, isMainThread, parentPort } from "node:worker_threads";
import { fileURLToPath } from "node:url";

const PACKAGES = { 4.8: "socket.io-client", 4.6: "socket.io-client-4-6" };
/** Threads whose client has left: the next client saves the time to start one. */
const idle = [];

/** Starts a client; `handler` is `{ work_ms, throws_at, dies_at }`, `extra` a namespace that is joined beside `/`. */
export class ThreadClient {
  constructor(hub, { version = "4.8", transports, form = "json", handler = {}, extra } = {}) {
    this.counter = new Int32Array(new SharedArrayBuffer(4));
    this.worker = idle.pop() ?? new Worker(fileURLToPath(import.meta.url));
    this.worker.unref();
    this.died = new Promise((resolve) => this.worker.once("exit", resolve));
    this.died.then(() => (this.isDead = true));
    this.worker.postMessage({ connect: { url: hub.url, version, transports, form, handler, extra, counter: this.counter } });
  }

  get finished() {
    return Atomics.load(this.counter, 0);
  }

  /** `/`, `extra` or `manager`: what the client closes. */
  async leave(what) {
    const left = new Promise((resolve) => this.worker.once("message", resolve));
    this.worker.postMessage({ leave: what });
    await left;
  }

  async stop() {
    if (this.isDead) return;
    await this.leave("manager");
    this.worker.removeAllListeners("exit");
    idle.push(this.worker);
  }
}

if (!isMainThread) {
  let socket;
  let other;
  process.on("uncaughtException", () => {});

  const connect = async ({ url, version, transports, form, handler, extra, counter }) => {
    const { io } = await import(PACKAGES[version]);
    const options = { transports, reconnection: false, forceNew: true };
    if (form === "msgpack") {
      const parser = await import("socket.io-msgpack-parser");
      options.parser = parser.default ?? parser;
    }
    const work = ({ n }) => {
      const until = performance.now() + (handler.work_ms ?? 0);
      while (performance.now() < until);
      if (n === handler.dies_at) process.exit(1);
      Atomics.add(counter, 0, 1);
      if (n === handler.throws_at) throw new Error("a bug of the application");
    };
    socket = io(url, options);
    socket.on("order", work);
    other = extra && socket.io.socket(extra, {});
    other?.on("order", work);
  };

  parentPort.on("message", async (message) => {
    if (message.connect) return connect(message.connect);
    if (message.leave === "manager") socket.io._close();
    else (message.leave === "/" ? socket : other).disconnect();
    parentPort.postMessage("left");
  });
}
