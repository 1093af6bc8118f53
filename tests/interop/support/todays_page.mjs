// Today's four applications, as their hooks do it: a login's token, their own names, and handlers that come late.

import { io } from "socket.io-client-4-8-1";
import { BRISK, connected } from "./hub.mjs";
import { nowSeconds, sign } from "./token.mjs";
import { Inbox } from "./wait.mjs";

// No page here is away without a word, and a machine that is busy must not look so.
export const ENV = { ...BRISK, FOODTRACK__HEARTBEAT__TIMEOUT_MS: "20000", FOODTRACK__PROFILE: "foodtrack" };
/** What today's login signs. */
export const login = (userId, role, changes = {}) =>
  sign({
    userId,
    tenantId: "roma",
    email: `${userId}@example.com`,
    role,
    iat: nowSeconds(),
    exp: nowSeconds() + 3600,
    ...changes,
  });

const HEARS = {
  client: ["ORDER_CREATED", "ORDER_UPDATED", "ORDER_STATUS_CHANGED", "ORDER_CANCELLED", "SYSTEM_NOTIFICATION", "SYSTEM_ALERT"],
  tenant: [
    ...["ORDER_CREATED", "ORDER_UPDATED", "ORDER_STATUS_CHANGED", "ORDER_ASSIGNED", "ORDER_CANCELLED"],
    ...["KITCHEN_ORDER_RECEIVED", "KITCHEN_ORDER_STARTED", "KITCHEN_ORDER_COMPLETED"],
    ...["DELIVERY_ASSIGNED", "DELIVERY_STARTED", "DELIVERY_COMPLETED", "SYSTEM_NOTIFICATION", "SYSTEM_ALERT"],
    "REAL_TIME_METRICS",
  ],
  kitchen: [
    ...["order:new", "order:modified", "order:status-update", "inventory:low-stock", "inventory:usage-update"],
    ...["station:assignment", "station:help-request", "quality:issue-reported"],
  ],
  delivery: [
    ...["DELIVERY_ASSIGNED", "DELIVERY_STARTED", "DELIVERY_COMPLETED", "DELIVERY_LOCATION_UPDATE"],
    ...["ORDER_CREATED", "ORDER_STATUS_CHANGED", "ORDER_CANCELLED", "KITCHEN_ORDER_COMPLETED"],
    ...["SYSTEM_NOTIFICATION", "SYSTEM_ALERT"],
  ],
};
const PORT = { client: 3000, tenant: 3001, kitchen: 3002, delivery: 3003 };
/** Client and kitchen say nothing of who they are. */
const NAMES_ITSELF = { tenant: "tenant", delivery: "delivery" };
/** How long after `connect` a page attaches its handlers: a later task, on a slow machine. */
const LATE_MS = 60;

/** A page: it handles what it listens to while it has its handlers. */
export class Page {
  heard = new Inbox();
  /** Everything that came, listened to or not. */
  came = [];

  /** `options` are further ones of the library's, `auth` further fields of the handshake. */
  constructor(server, kind, token, { auth = {}, ...options } = {}) {
    pages.add(this);
    const application = NAMES_ITSELF[kind];
    this.socket = io(server.url, {
      auth: { token, ...(application ? { application } : {}), ...auth },
      transports: ["websocket", "polling"],
      timeout: 10_000,
      reconnection: true,
      reconnectionAttempts: 5,
      reconnectionDelay: 50,
      forceNew: true,
      extraHeaders: { origin: `http://localhost:${PORT[kind]}` },
      ...options,
    });
    this.socket.onAny((name) => this.came.push(name));
    this.socket.on("connect", () => {
      this.timer = setTimeout(() => this.listen(kind), LATE_MS);
    });
    this.socket.on("disconnect", () => {
      clearTimeout(this.timer);
      for (const name of HEARS[kind]) this.socket.off(name);
    });
  }

  static async open(server, kind, token, options) {
    const page = new Page(server, kind, token, options);
    await connected(page.socket);
    return page;
  }

  listen(kind) {
    for (const name of HEARS[kind]) {
      this.socket.off(name);
      this.socket.on(name, (argument) => this.heard.push({ name, argument }));
    }
  }

  async hears(name, limit_ms) {
    const { argument } = await this.heard.find((it) => it.name === name, name, limit_ms);
    return argument;
  }

  /** The line tears; the library comes back by itself. */
  async outage() {
    const back = new Promise((resolve) => this.socket.once("connect", resolve));
    this.socket.io.engine.close();
    await back;
  }

  close() {
    clearTimeout(this.timer);
    this.socket.disconnect();
  }
}

const pages = new Set();

/** Closes every page. */
export function closePages() {
  for (const page of pages) page.close();
  pages.clear();
}

/** How often a hook dials anew before something connects. */
const REDIALS_MAX = 5;

/** A page as its hook leaves it: after an error it dials anew, beside what the library does. */
export class HookedPage {
  heard = new Inbox();
  errors = [];
  /** Why sockets were lost that had been live. */
  gone = [];
  #sockets = [];
  #redials = 0;
  #timers = new Set();

  constructor(server, kind, token, second_ms, auth = {}) {
    pages.add(this);
    this.options = { server, kind, token, second_ms, auth };
    this.#dial();
  }

  #later(ms, work) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  /** Whether nothing of it dials any more. */
  hasGivenUp() {
    return this.#timers.size === 0 && this.#sockets.every((socket) => !socket.connected && !socket.io._reconnecting);
  }

  /** Its user loads it anew. */
  reload() {
    this.close();
    this.#sockets = [];
    this.#redials = 0;
    this.#dial();
  }

  #redial() {
    if (this.#redials >= REDIALS_MAX) return;
    this.#later(this.options.second_ms * 2 ** this.#redials, () => this.#dial());
    this.#redials += 1;
  }

  #dial() {
    if (this.live() > 0) return;
    const { server, kind, token, second_ms, auth } = this.options;
    const application = NAMES_ITSELF[kind];
    const socket = io(server.url, {
      auth: { token, ...(application ? { application } : {}), ...auth },
      transports: ["websocket", "polling"],
      timeout: Math.max(2_000, 10 * second_ms),
      reconnection: true,
      reconnectionAttempts: 5,
      reconnectionDelay: second_ms,
      reconnectionDelayMax: 5 * second_ms,
      forceNew: true,
      extraHeaders: { origin: `http://localhost:${PORT[kind]}` },
    });
    this.#sockets.push(socket);
    const listen = () => {
      for (const name of HEARS[kind]) {
        socket.off(name);
        socket.on(name, (argument) => this.heard.push({ name, argument }));
      }
    };
    socket.on("connect", () => {
      this.#redials = 0;
      this.#later(LATE_MS, listen);
    });
    socket.on("connect_error", (error) => {
      this.errors.push(error);
      this.#redial();
    });
    socket.on("disconnect", (reason) => {
      for (const name of HEARS[kind]) socket.off(name);
      if (reason === "io client disconnect") return;
      this.gone.push(reason);
      if (kind === "kitchen" || reason === "io server disconnect") this.#redial();
    });
  }

  /** How many of its sockets are connected. */
  live() {
    return this.#sockets.filter((socket) => socket.connected).length;
  }

  listens() {
    return this.#sockets.some((socket) => socket.connected && socket.hasListeners(HEARS[this.options.kind][0]));
  }

  close() {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#sockets) socket.disconnect();
  }
}
