// Engine.IO 4 spoken by hand: fetch for polling, `ws` for WebSocket.

import WebSocket from "ws";
import { Inbox, within } from "./wait.mjs";

/** One raw WebSocket: text frames as strings, binary frames as Buffers. */
export class RawSocket {
  inbox = new Inbox();

  constructor(url, options) {
    this.ws = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.ws.on("message", (data, isBinary) => this.inbox.push(isBinary ? data : data.toString("utf8")));
    this.ws.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.ws.on("close", (code) => resolve({ code, at_ms: performance.now() }));
    });
    /** Resolves with undefined when open, or with the HTTP answer that refused it. */
    this.opened = new Promise((resolve, reject) => {
      this.ws.on("open", () => resolve(undefined));
      this.ws.on("unexpected-response", (request, response) => {
        response.resume();
        resolve(response);
        request.destroy();
      });
      this.ws.on("error", reject);
    });
    this.opened.catch(() => {});
  }

  send(data) {
    this.ws.send(data);
  }

  next(what, limit_ms) {
    return this.inbox.next(what, limit_ms);
  }

  /** The next message that is no ping; pings are answered on the way. */
  async nextAnsweringPings(what, limit_ms) {
    for (;;) {
      const message = await this.next(what, limit_ms);
      if (message !== "2") return message;
      this.send("3");
    }
  }

  /** From now on pings are answered and kept out of the inbox. */
  answerPings() {
    this.ws.removeAllListeners("message");
    this.ws.on("message", (data, isBinary) => {
      const message = isBinary ? data : data.toString("utf8");
      if (message === "2") this.ws.send("3");
      else this.inbox.push(message);
    });
    return this;
  }

  waitClosed(limit_ms) {
    return within(this.closed, "close", limit_ms);
  }

  get isOpen() {
    return this.ws.readyState === WebSocket.OPEN;
  }

  close() {
    this.ws.terminate();
  }
}

/** Opens an Engine.IO session over WebSocket; `path` is `/engine.io/` or `/socket.io/`. */
export async function openWebSocket(server, path = "/engine.io/") {
  const socket = new RawSocket(`${server.wsUrl}${path}?EIO=4&transport=websocket`);
  await within(socket.opened, "WebSocket");
  const open = await socket.next("open packet");
  socket.handshake = JSON.parse(open.slice(1));
  return socket;
}

/** An Engine.IO session over polling. */
export class PollingSession {
  static async open(server, path = "/engine.io/") {
    const response = await fetch(`${server.url}${path}?EIO=4&transport=polling`);
    const body = await response.text();
    return new PollingSession(server, path, JSON.parse(body.slice(1)));
  }

  constructor(server, path, handshake) {
    this.handshake = handshake;
    this.sid = handshake.sid;
    this.url = `${server.url}${path}?EIO=4&transport=polling&sid=${handshake.sid}`;
    this.wsUrl = `${server.wsUrl}${path}?EIO=4&transport=websocket&sid=${handshake.sid}`;
  }

  /** One GET; gives `{ status, body }`. */
  async get(options = {}) {
    const response = await fetch(this.url, options);
    return { status: response.status, body: await response.text(), headers: response.headers };
  }

  async post(body, headers = { "content-type": "text/plain;charset=UTF-8" }) {
    const response = await fetch(this.url, { method: "POST", body, headers });
    return { status: response.status, body: await response.text(), headers: response.headers };
  }

  /** Polls until `count` packets other than pings came; answers the pings. */
  async packets(count, options) {
    const got = [];
    while (got.length < count) {
      const { status, body } = await this.get(options);
      if (status !== 200) throw new Error(`poll answered ${status} ${body} after ${got.length} packets`);
      for (const packet of body.split("\x1e")) {
        if (packet === "2") await this.post("3");
        else if (packet !== "6") got.push(packet);
      }
    }
    return got;
  }

  /** Probes and completes the upgrade; gives the raw WebSocket. */
  async upgrade() {
    const socket = new RawSocket(this.wsUrl);
    await within(socket.opened, "upgrade");
    socket.send("2probe");
    const answer = await socket.next("probe answer");
    if (answer !== "3probe") throw new Error(`probe was answered with ${answer}`);
    socket.send("5");
    return socket;
  }
}
