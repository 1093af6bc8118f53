// A server that writes what it is told, when it is told: who tests what a pong proves decides what shares a segment
// with the ping. It answers handshakes and CONNECT, pings only on request, and counts the handlers that clients
// report as finished.

import { createHash, randomUUID } from "node:crypto";
import http from "node:http";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as msgpack from "socket.io-msgpack-parser";
import { Inbox, within } from "./wait.mjs";

const { Encoder } = msgpack.default ?? msgpack;
const WEBSOCKET_KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
// Pings come from the tests alone; a client must not give the server up meanwhile.
const PING_INTERVAL_MS = 600_000;
const CLIENTS = {
  "/json.js": "../node_modules/socket.io-client/dist/socket.io.js",
  "/msgpack.js": "../node_modules/socket.io-client/dist/socket.io.msgpack.min.js",
};

export class RawHub {
  sessions = new Inbox();
  /** Handlers that clients reported as finished, by the name their reports carry. */
  finished = new Map();
  #byId = new Map();
  /** Connections that brought a request before. */
  #used = new WeakSet();
  #sockets = new Set();

  /** `connects: false` leaves CONNECT unanswered until [`RawSession.welcome`]; `pages` maps a path to its HTML. */
  static async start({ connects = true, upgrades = [], pages = {}, msgpack = false } = {}) {
    const hub = Object.assign(new RawHub(), { connects, upgrades, pages, msgpack });
    hub.server = http.createServer((request, response) => hub.#onRequest(request, response));
    hub.server.on("upgrade", (request, socket) => hub.#onUpgrade(request, socket));
    hub.server.on("connection", (socket) => {
      hub.#sockets.add(socket);
      socket.on("error", () => {}).on("close", () => hub.#sockets.delete(socket));
    });
    await new Promise((resolve) => hub.server.listen(0, "127.0.0.1", resolve));
    hub.url = `http://127.0.0.1:${hub.server.address().port}`;
    return hub;
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** The next client, past its CONNECT; an interpreter may take long to start. */
  async client(limit_ms = 20_000) {
    const session = await this.sessions.next("client", limit_ms);
    await session.connect;
    return session;
  }

  finishedBy(name) {
    return this.finished.get(name) ?? 0;
  }

  #newSession() {
    const session = new RawSession(this, randomUUID());
    this.#byId.set(session.sid, session);
    this.sessions.push(session);
    return session;
  }

  #openPacket({ sid }) {
    const upgrades = this.upgrades;
    const times = { pingInterval: PING_INTERVAL_MS, pingTimeout: PING_INTERVAL_MS };
    return `0${JSON.stringify({ sid, upgrades, ...times, maxPayload: 1_000_000 })}`;
  }

  #onRequest(request, response) {
    const url = new URL(request.url, this.url);
    const text = (body, type = "text/plain; charset=UTF-8") =>
      response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
    if (url.pathname === "/finished") {
      const name = url.searchParams.get("name");
      this.finished.set(name, this.finishedBy(name) + 1);
      return text("noted");
    }
    if (CLIENTS[url.pathname]) {
      const file = fileURLToPath(new URL(CLIENTS[url.pathname], import.meta.url));
      return text(readFileSync(file), "text/javascript");
    }
    if (this.pages[url.pathname]) return text(this.pages[url.pathname], "text/html");
    if (url.pathname !== "/socket.io/") return response.writeHead(404).end();
    const sid = url.searchParams.get("sid");
    if (!sid) return text(this.#openPacket(this.#newSession()));
    const session = this.#byId.get(sid);
    if (!session) return response.writeHead(400).end();
    request.isFirst = !this.#used.has(request.socket);
    this.#used.add(request.socket);
    const stamp = url.searchParams.get("t");
    if (request.method === "GET") return session.park(request, response, stamp);
    let body = "";
    request.setEncoding("utf8").on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      session.posts.push({ stamp, body });
      for (const packet of body.split("\x1e")) session.receive(packet);
      if (session.losesAnswers) request.socket.resetAndDestroy();
      else text("ok", "text/html");
    });
  }

  #onUpgrade(request, socket) {
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + WEBSOCKET_KEY_SUFFIX).digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.setNoDelay(true);
    const sid = new URL(request.url, this.url).searchParams.get("sid");
    const session = sid ? this.#byId.get(sid) : this.#newSession();
    readFrames(socket, (packet) => {
      if (packet === "2probe") {
        socket.write(frame("3probe"));
        session.release();
      } else if (packet === "5") {
        session.moveTo(socket);
      } else {
        session.receive(packet);
      }
    });
    if (!sid) {
      session.moveTo(socket);
      session.send(this.#openPacket(session));
    }
  }
}

/** One Engine.IO session as the server sees it. */
class RawSession {
  /** The pongs, each with what `observe` said when it arrived. */
  pongs = new Inbox();
  /** Every packet of the client, in order of arrival. */
  packets = [];
  /** The `t` of each poll, and each POST: a client makes a new one for each request. */
  polls = [];
  posts = [];
  /** Whether a POST is read and then answered with a reset. */
  losesAnswers = false;
  observe = () => undefined;
  #socket;
  #parked;
  #due = [];

  constructor(hub, sid) {
    this.hub = hub;
    this.sid = sid;
    this.connect = within(new Promise((resolve) => (this.connected = resolve)), "CONNECT");
    this.connect.catch(() => {});
  }

  get isOnWebSocket() {
    return this.#socket !== undefined;
  }

  /** Whether the client ended its WebSocket. */
  get isEnded() {
    return this.#socket?.readableEnded === true;
  }

  /** Writes all of `packets` at once: one write to the socket, or one poll body. */
  send(...packets) {
    if (this.#socket) return this.#socket.write(Buffer.concat(packets.map(frame)));
    this.#due.push(...packets);
    this.#answerPoll();
  }

  /** Writes `packets` and a ping behind them, at once; gives what was observed when the pong came. */
  async ping(...packets) {
    this.send(...packets, "2");
    return this.pongs.next("pong");
  }

  welcome(namespace = "/") {
    const data = { sid: `sid-${this.sid}`, pid: `pid-${this.sid}` };
    this.send(this.hub.msgpack ? encoded({ type: 0, nsp: namespace, data }) : `40${named(namespace)}${JSON.stringify(data)}`);
  }

  park(request, response, stamp) {
    this.polls.push(stamp);
    this.#parked = { response, socket: request.socket, isFirst: request.isFirst };
    this.#answerPoll();
  }

  /** Whether a poll waits for its answer. */
  get isPolled() {
    return this.#parked !== undefined;
  }

  /** Whether the poll came on a connection that was used before: only then a browser sends it again by itself. */
  get isPollRepeatable() {
    return this.isPolled && !this.#parked.isFirst;
  }

  /** What a torn line does to an answer on its way: the server believes it written, the client sees a reset. */
  loseAnswer() {
    const { socket } = this.#parked;
    this.#parked = undefined;
    socket.resetAndDestroy();
  }

  /** Ends a waiting poll, so that the client can move to its WebSocket. */
  release() {
    if (this.#parked) this.send("6");
  }

  moveTo(socket) {
    this.#socket = socket;
    const due = this.#due.splice(0);
    if (due.length > 0) this.send(...due);
  }

  receive(packet) {
    this.packets.push(packet);
    if (packet === "3") this.pongs.push(this.observe());
    else if (this.#isConnect(packet)) {
      if (this.hub.connects) this.welcome(/^40(\/[^,]*),/.exec(packet)?.[1]);
      this.connected();
    }
  }

  #isConnect(packet) {
    if (typeof packet === "string" && !packet.startsWith("b")) return packet.startsWith("40");
    return this.hub.msgpack && this.packets.length === 1;
  }

  #answerPoll() {
    if (!this.#parked || this.#due.length === 0) return;
    const { response } = this.#parked;
    this.#parked = undefined;
    const body = this.#due.splice(0).map((packet) => (typeof packet === "string" ? packet : `b${packet.toString("base64")}`));
    response.writeHead(200, { "content-type": "text/plain; charset=UTF-8" }).end(body.join("\x1e"));
  }
}

const named = (namespace) => (namespace === "/" ? "" : `${namespace},`);
const encoded = (packet) => Buffer.from(new Encoder().encode(packet)[0]);

/** The event `order` number `n` in the form that `form` names: its Engine.IO packets. */
export function order(n, form = "json", namespace = "/") {
  if (form === "msgpack") return [encoded({ type: 2, nsp: namespace, data: ["order", { n }, `E-${n}`] })];
  if (form === "binary") {
    const head = `451-${named(namespace)}${JSON.stringify(["order", { n, photo: { _placeholder: true, num: 0 } }, `E-${n}`])}`;
    return [head, Buffer.alloc(2000, n)];
  }
  return [`42${named(namespace)}${JSON.stringify(["order", { n }, `E-${n}`])}`];
}

export const orders = (count, form, namespace) =>
  Array.from({ length: count }, (_, n) => order(n, form, namespace)).flat();

/**
 * Whether a pong was seen to overtake handlers that work; asserts on the way that the pong after it overtakes none.
 * A race: a slow machine may need several rounds to show it once.
 */
export async function overtakes(session, form, assert, rounds_max = 10) {
  const COUNT = 8;
  let seen = false;
  for (let round = 1; round <= rounds_max && !seen; round += 1) {
    const at_first = await session.ping(...orders(COUNT, form));
    seen = at_first < round * COUNT;
    assert.equal(await session.ping(), round * COUNT);
  }
  return seen;
}

function frame(packet) {
  const body = Buffer.from(packet);
  const head = [typeof packet === "string" ? 0x81 : 0x82];
  if (body.length < 126) head.push(body.length);
  else if (body.length < 65_536) head.push(126, body.length >> 8, body.length & 255);
  else head.push(127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (body.length >>> shift) & 255));
  return Buffer.concat([Buffer.from(head), body]);
}

/** Whole messages of a well-behaved client, text as strings; its pings and close frames are of no interest here. */
function readFrames(socket, deliver) {
  let kept = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    kept = Buffer.concat([kept, chunk]);
    for (;;) {
      if (kept.length < 2) return;
      const opcode = kept[0] & 15;
      let length = kept[1] & 127;
      let at = 2;
      if (length === 126) {
        if (kept.length < 4) return;
        length = kept.readUInt16BE(2);
        at = 4;
      }
      if (kept.length < at + 4 + length) return;
      const mask = kept.subarray(at, at + 4);
      const body = Buffer.from(kept.subarray(at + 4, at + 4 + length));
      for (let i = 0; i < body.length; i += 1) body[i] ^= mask[i & 3];
      kept = kept.subarray(at + 4 + length);
      if (opcode === 1) deliver(body.toString("utf8"));
      else if (opcode === 2) deliver(body);
    }
  });
}
