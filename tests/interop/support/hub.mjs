// The four applications of a restaurant, as unmodified clients.

import { randomUUID } from "node:crypto";
import assert from "node:assert/strict";
import { io as io48 } from "socket.io-client";
import { serviceToken, userToken } from "./token.mjs";
import { Inbox, next } from "./wait.mjs";

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

  static async connect(server, tenant, application, user, { changes, ...options } = {}) {
    const token = userToken(tenant, application, user, changes);
    const member = new Member(dialHub(server, { auth: { token, application }, ...options }));
    await connected(member.socket);
    return Object.assign(member, { tenant, application, user });
  }

  constructor(socket) {
    this.socket = socket;
    socket.onAny((event, message, ...rest) => {
      const heard = { event, message, rest };
      if (event.startsWith("system:")) this.system.push(heard);
      else if (["subscribed", "unsubscribed", "pong"].includes(event)) this.answers.push(heard);
      else this.inbox.push(heard);
    });
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
      // Couriers read the kitchen's events only where their token says so.
      courier: await connect("delivery_app", "dario", {
        changes: { permissions: ["read:orders", "write:orders", "read:delivery", "write:delivery", "read:kitchen"] },
      }),
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

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const RFC3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

let orders = 0;
/** An order id that no other test of this process uses. */
export const newOrderId = () => `order-${(orders += 1)}`;
