// RFC 6455 frames by hand over TCP: well-formed ones, and those a library would not let through.

import net from "node:net";
import { randomBytes } from "node:crypto";
import { Inbox, within } from "./wait.mjs";

export const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/**
 * One client frame. `payload` is a Buffer or a string; `fin`, `rsv` (0 to 7), `masked`, `mask` and
 * `claim` (a length other than the payload's) can be set to what should not be.
 */
export function frame(opcode, payload = "", { fin = true, rsv = 0, masked = true, mask, claim } = {}) {
  const body = Buffer.from(payload);
  const length = claim ?? BigInt(body.length);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const maskBit = masked ? 0x80 : 0;
  if (length < 126n) head.push(maskBit | Number(length));
  else if (length < 65_536n) head.push(maskBit | 126, Number(length >> 8n), Number(length & 255n));
  else {
    head.push(maskBit | 127);
    for (let shift = 56n; shift >= 0n; shift -= 8n) head.push(Number((length >> shift) & 255n));
  }
  if (!masked) return Buffer.concat([Buffer.from(head), body]);
  const key = mask ?? randomBytes(4);
  const hidden = Buffer.alloc(body.length);
  for (let i = 0; i < body.length; i += 1) hidden[i] = body[i] ^ key[i & 3];
  return Buffer.concat([Buffer.from(head), key, hidden]);
}

export const text = (payload, options) => frame(OP.text, payload, options);
export const binary = (payload, options) => frame(OP.binary, payload, options);
export const more = (payload, options) => frame(OP.continuation, payload, options);
export const ping = (payload, options) => frame(OP.ping, payload, options);
export const pong = (payload, options) => frame(OP.pong, payload, options);

export function close(code, reason = "", options) {
  if (code === undefined) return frame(OP.close, "", options);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame(OP.close, Buffer.concat([head, Buffer.from(reason)]), options);
}

/** A TCP connection past the WebSocket handshake (with `eager` bytes in the same write); server frames arrive in `inbox` as `{ opcode, payload }`. */
export class FrameSocket {
  inbox = new Inbox();
  #bytes = [];
  #length = 0;

  static async open(server, path = "/ws-echo", headers = {}, eager = Buffer.alloc(0)) {
    const socket = net.connect(server.port, server.host);
    socket.setNoDelay(true);
    const head = {
      Host: "localhost",
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version": "13",
      ...headers,
    };
    const lines = Object.entries(head).filter(([, value]) => value !== undefined);
    const request = `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
    socket.write(Buffer.concat([Buffer.from(request), eager]));
    let answer = Buffer.alloc(0);
    await within(
      new Promise((resolve, reject) => {
        const read = (chunk) => {
          answer = Buffer.concat([answer, chunk]);
          if (answer.includes("\r\n\r\n")) {
            socket.off("data", read);
            resolve();
          }
        };
        socket.on("data", read);
        socket.on("error", reject);
        socket.on("close", () => resolve());
      }),
      "handshake answer",
    );
    const end = answer.indexOf("\r\n\r\n");
    return new FrameSocket(socket, answer.subarray(0, end).toString("latin1"), answer.subarray(end + 4));
  }

  constructor(socket, head, rest) {
    this.socket = socket;
    [this.statusLine, ...this.headerLines] = head.split("\r\n");
    this.status = Number(this.statusLine.split(" ")[1]);
    this.ended = new Promise((resolve) => {
      socket.on("close", () => resolve("ended"));
      socket.on("end", () => resolve("ended"));
    });
    socket.on("error", () => {});
    if (this.status === 101) {
      socket.on("data", (chunk) => this.#take(chunk));
      if (rest.length > 0) this.#take(rest);
    }
  }

  header(name) {
    const line = this.headerLines.find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`));
    return line?.slice(name.length + 1).trim();
  }

  #take(chunk) {
    this.#bytes.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed()) return;
    let bytes = Buffer.concat(this.#bytes);
    for (;;) {
      const found = headOf(bytes);
      if (!found || bytes.length < found.end) break;
      this.inbox.push({ opcode: bytes[0] & 15, fin: bytes[0] >= 128, masked: bytes[1] >= 128, payload: bytes.subarray(found.start, found.end) });
      bytes = bytes.subarray(found.end);
    }
    this.#bytes = [bytes];
    this.#length = bytes.length;
  }

  #needed() {
    const first = this.#bytes[0];
    return headOf(first.length >= 10 ? first : Buffer.concat(this.#bytes))?.end ?? 0;
  }

  send(...frames) {
    this.socket.write(Buffer.concat(frames));
  }

  next(what, limit_ms) {
    return this.inbox.next(what, limit_ms);
  }

  /** The code of the server's close frame (1005 when it has none). */
  async closeCode(limit_ms) {
    const { payload } = await this.inbox.find(({ opcode }) => opcode === OP.close, "close frame", limit_ms);
    return payload.length >= 2 ? payload.readUInt16BE() : 1005;
  }

  waitEnded(limit_ms) {
    return within(this.ended, "end of the TCP connection", limit_ms);
  }

  destroy() {
    this.socket.destroy();
  }
}

function headOf(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 127;
  if (short < 126) return { start: 2, end: 2 + short };
  if (short === 126) return bytes.length < 4 ? undefined : { start: 4, end: 4 + bytes.readUInt16BE(2) };
  return bytes.length < 10 ? undefined : { start: 10, end: 10 + Number(bytes.readBigUInt64BE(2)) };
}
