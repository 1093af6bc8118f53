// The four applications of a restaurant, as unmodified clients.

import { randomUUID } from "node:crypto";
import assert from "node:assert/strict";
import { io as io48 } from "socket.io-client";
import { serviceToken, userToken } from "./token.mjs";
import { Inbox, next } from "./wait.mjs";

/** A hub whose heart beats fast, so that a test need not wait for confirmations, and that many tests may connect to. */
export const BRISK = {
  FOODTRACK__HEARTBEAT__INTERVAL_MS: "100",
  FOODTRACK__HEARTBEAT__TIMEOUT_MS: "2000",
  FOODTRACK__SECURITY__RATE_LIMITING__HANDSHAKES_PER_MINUTE: "0",
};

const open = new Set();

/** A client that was told to connect: `auth` as the applications fill it, unless told otherwise. */
export function dialHub(server, { auth, io = io48, transports = ["websocket"], namespace = "", ...options }) {
  const socket = io(`${server.url}${namespace}`, { transports, forceNew: true, reconnection: false, auth, ...options });
  open.add(socket);
  return socket;
}

/** Waits for `connect`; a refusal is an error at once. */
export async function connected(socket) {
  let refuse;
  const refused = new Promise((_, reject) => {
    refuse = (error) => reject(new Error(`refused: ${error.message} ${JSON.stringify(error.data)}`));
    socket.once("connect_error", refuse);
  });
  await Promise.race([next(socket, "connect"), refused]);
  socket.off("connect_error", refuse);
}

export function leaveAll() {
  for (const socket of open) socket.disconnect();
  open.clear();
}

/** One connected application: what it hears is in `inbox` as `{ event, message, rest }`, `system:*` in `system`. */
export class Member {
  inbox = new Inbox();
  system = new Inbox();
  answers = new Inbox();
  /** How much had been heard at each `connect`. */
  connects = [];

  /** `changes` are claims, `deviceId` and `auth` go into the handshake. */
  static async connect(server, tenant, application, user, options = {}) {
    const { changes, deviceId, auth, token = userToken(tenant, application, user, changes), ...rest } = options;
    const handshake = { token, application, ...(deviceId === undefined ? {} : { deviceId }), ...auth };
    const member = new Member(dialHub(server, { auth: handshake, ...rest }));
    await connected(member.socket);
    return Object.assign(member, { server, tenant, application, user, options });
  }

  constructor(socket) {
    this.socket = socket;
    socket.on("connect", () => this.connects.push(this.inbox.all.length));
    socket.onAny((event, message, ...rest) => {
      const heard = { event, message, rest };
      if (event.startsWith("system:")) this.system.push(heard);
      else if (["subscribed", "unsubscribed", "pong"].includes(event)) this.answers.push(heard);
      else this.inbox.push(heard);
    });
  }

  /** Tears the line; what is open at the server is not closed by a packet. */
  async cut() {
    if (!this.socket.connected) return;
    const gone = next(this.socket, "disconnect");
    this.socket.io.engine.close();
    await gone;
  }

  /** Comes back with what the library kept: its private id and its offset. */
  async comesBack() {
    this.socket.connect();
    await connected(this.socket);
  }

  /** The same person on the same device with a page loaded anew: nothing is kept. */
  async reloads(changes = {}) {
    const { server, tenant, application, user, options } = this;
    this.socket.disconnect();
    return Member.connect(server, tenant, application, user, { ...options, ...changes });
  }

  /**
   * What proves to the server that everything it sent so far was handled: pongs to two pings, each sent while no other was
   * out. On a busy machine answers take longer than a brisk heart beats, and more than two are needed.
   */
  async confirms(pings = 5) {
    for (let i = 0; i < pings; i += 1) await next(this.socket.io, "ping");
    // Behind the last pong: once this is answered, the pong was read.
    await this.ask("health_check");
  }

  /** The ids of the next messages named `event` up to the one with `last_id`, in order. */
  async ids(event, last_id) {
    const ids = [];
    while (ids.at(-1) !== last_id) ids.push((await this.hears(event)).id);
    return ids;
  }

  /** Emits and gives the acknowledgement. */
  ask(event, ...args) {
    return this.socket.timeout(4000).emitWithAck(event, ...args);
  }

  /** Emits what must be accepted; gives the message's id. */
  async send(event, argument) {
    const answer = await this.ask(event, argument);
    assert.equal(answer.success, true, JSON.stringify(answer));
    return answer.data.id;
  }

  /** Emits what must be refused with `code`; gives the error. */
  async refused(event, argument, code) {
    const answer = await this.ask(event, ...(argument === undefined ? [] : [argument]));
    assert.equal(answer.success, false, JSON.stringify(answer));
    assert.equal(answer.error.code, code, JSON.stringify(answer));
    assert.ok(answer.error.message.length > 0);
    assert.equal(typeof answer.error.number, "number");
    return answer.error;
  }

  /** The next message named `event`, skipping others. */
  async hears(event) {
    return (await this.inbox.find((heard) => heard.event === event, `"${event}" at ${this.user}`)).message;
  }
}

/**
 * A tenant with one connection of each application and a second customer.
 * `ana` is the customer of every order here unless a test says otherwise.
 */
export class Restaurant {
  static async open(server, tenant) {
    const restaurant = new Restaurant();
    const connect = (application, user, options) => Member.connect(server, tenant, application, user, options);
    const members = {
      ana: await connect("client_app", "ana"),
      bob: await connect("client_app", "bob"),
      dashboard: await connect("tenant_dashboard", "olga"),
      kitchen: await connect("kitchen_app", "kenji"),
      courier: await connect("delivery_app", "dario"),
    };
    return Object.assign(restaurant, members, { tenant, members });
  }

  /**
   * What each member heard so far, as `{ ana: ["order:created"], ... }`, without waiting for time to pass: a last
   * message to everybody closes the list, since within a tenant what is equally urgent arrives in order.
   */
  async heard() {
    const fence = randomUUID();
    await this.dashboard.send("notification:info", { message: fence });
    const lists = {};
    for (const [name, member] of Object.entries(this.members)) {
      lists[name] = [];
      for (;;) {
        const { event, message } = await member.inbox.next(`end of what ${name} hears`);
        if (event === "notification:info" && message.payload.message === fence) break;
        lists[name].push(event);
      }
    }
    return lists;
  }
}

/** Publishes an order as a back end; gives its message's id. */
export async function publishOrder(server, tenant, { type = "order:created", ...rest } = {}, payload = {}) {
  const { status, body } = await publish(server, tenant, { type, payload: { orderId: newOrderId(), ...payload }, ...rest });
  assert.ok(status < 300, JSON.stringify(body));
  return body.data.id;
}

export async function publishOrders(server, tenant, count) {
  const ids = [];
  for (let i = 0; i < count; i += 1) ids.push(await publishOrder(server, tenant));
  return ids;
}

/** Publishes as a back end; gives `{ status, body }`. */
export async function publish(server, tenant, body, { token = serviceToken(tenant), raw } = {}) {
  const response = await fetch(`${server.url}/api/v1/publish`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    body: raw ?? JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
}

/** How an answer comes again: to what was taken before. */
export const repeated = (answer) => ({ ...answer, data: { ...answer.data, duplicate: true } });

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const RFC3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

let orders = 0;
/** `epoch-offset`, and what overtook beside it. */
export const CURSOR = /^[A-Za-z0-9]+-\d+(\+\d+)*$/;

/** An order id that no other test of this process uses. */
export const newOrderId = () => `order-${(orders += 1)}`;
