// A small second reading of the contract, on the Node implementation: proves the tests of the hub, nothing else.

import { createHmac, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "socket.io";

const APPLICATIONS = ["client_app", "tenant_dashboard", "kitchen_app", "delivery_app"];
const SHORT = { client: "client_app", customer: "client_app", tenant: "tenant_dashboard", dashboard: "tenant_dashboard", kitchen: "kitchen_app", delivery: "delivery_app" };
const GROUPS = ["orders", "kitchen", "delivery", "inventory"];
const all = [...GROUPS.flatMap((group) => [`read:${group}`, `write:${group}`]), "admin:access"];
const of = (...groups) => groups.flatMap((group) => [`read:${group}`, `write:${group}`]);
const ROLES = {
  customer: ["read:orders", "write:orders", "read:delivery"], kitchen_staff: of("orders", "kitchen", "inventory"),
  chef: of("orders", "kitchen", "inventory"), delivery_personnel: of("orders", "delivery"),
  restaurant_manager: all.slice(0, -1), restaurant_owner: all, admin: all, system: all,
};
const C = "client_app", D = "tenant_dashboard", K = "kitchen_app", V = "delivery_app";

const KITCHEN_OR_DELIVERY = "read:kitchen or read:delivery";

// [pattern, from, write permission, read permission, to, rooms]
const RULES = [
  [/^order:(created|updated)$/, [C, D], "write:orders", "read:orders", [D, K], ["order", "customer"]],
  [/^order:cancelled$/, [C, D], "write:orders", "read:orders", [D, K], ["order", "customer", "assignee"]],
  [/^order:status_changed$/, [K, D, V], "write:orders", "read:orders", [D, K, V], ["order", "customer"]],
  [/^(order|delivery):assigned$/, [D], "write:delivery", "read:delivery", [D], ["assignee", "order"]],
  [/^kitchen:preparation_completed$/, [K], "write:kitchen", KITCHEN_OR_DELIVERY, [K, D, V], ["order", "station"]],
  [/^kitchen:(order_received|preparation_started|notification|station_assignment)$/, [K], "write:kitchen", "read:kitchen", [K, D], ["order", "station"]],
  [/^delivery:(picked_up|in_transit|completed|delayed|location_updated)$/, [V], "write:delivery", "read:delivery", [D], ["order", "customer", "assignee", "route"]],
  [/^inventory:(low_stock|usage_update)$/, [K], "write:inventory", "read:inventory", [D, K], []],
  [/^product:(created|updated|deleted|availability_changed)$/, [D], "write:inventory", null, APPLICATIONS, []],
  [/^(quality:issue_reported|station:help_requested)$/, [K], "write:kitchen", null, [D, K], []],
  [/^notification:(alert|info|warning)$/, [D], null, null, APPLICATIONS, []],
];

const id = { type: "id" }, text = { type: "string" }, number = { type: "number" };
function schemaOf(event) {
  const [group, name] = event.split(":");
  const required = {};
  const optional = {};
  if (["order", "delivery"].includes(group) || event === "quality:issue_reported") required.orderId = id;
  if (group === "kitchen") required[event === "kitchen:notification" ? "message" : "orderId"] = text;
  if (event === "kitchen:station_assignment" || group === "station") required.stationId = id;
  if (group === "order") Object.assign(optional, { customerId: id, items: { type: "array" }, totalAmount: number });
  if (event === "order:status_changed") required.status = text;
  if (name === "assigned") required.assigneeId = id;
  if (event === "delivery:location_updated") {
    Object.assign(required, { latitude: { type: "number", max: 90 }, longitude: { type: "number", max: 180 } });
  }
  if (group === "inventory") required.ingredientId = id;
  if (event === "inventory:low_stock") Object.assign(required, { currentStock: number, minimumStock: number });
  if (event === "inventory:usage_update") required.quantity = number;
  if (group === "product") required.productId = id;
  if (event === "product:availability_changed") required.available = { type: "boolean" };
  if (event === "quality:issue_reported") required.issue = text;
  if (group === "notification") required.message = text;
  return { required, optional };
}

const NUMBERS = { event_unknown: 3102, event_reserved: 3103, payload_invalid: 3104, tenant_mismatch: 3106, source_forbidden: 3107, permission_denied: 3108, order_forbidden: 3109 };
class Refusal extends Error {
  constructor(code, facts = {}) {
    super(`this was refused: ${code}`);
    this.wire = { code, number: NUMBERS[code] ?? 3001, message: this.message, ...facts };
  }
}
const refuse = (code, facts) => {
  throw new Refusal(code, facts);
};

function check(event, payload) {
  const broken = (pointer, rule) => refuse("payload_invalid", { event, pointer, rule });
  if (payload === null || typeof payload !== "object" || Array.isArray(payload)) broken("", "type");
  const { required, optional } = schemaOf(event);
  for (const name of Object.keys(required)) if (!(name in payload)) broken(`/${name}`, "required");
  for (const [name, { type, max }] of Object.entries({ ...required, ...optional })) {
    const value = payload[name];
    if (value === undefined || value === null) continue;
    if (typeof value === "number" && !Number.isFinite(value)) broken(`/${name}`, "type");
    const right = type === "array" ? Array.isArray(value) : typeof value === (type === "id" ? "string" : type);
    if (!right) broken(`/${name}`, "type");
    if (type === "array") value.forEach((item, i) => typeof item === "object" || broken(`/${name}/${i}`, "type"));
    if (type === "id" && value === "") broken(`/${name}`, "minLength");
    if (type === "id" && [...value].length > 128) broken(`/${name}`, "maxLength");
    if (max && value > max) broken(`/${name}`, "maximum");
    if (max && value < -max) broken(`/${name}`, "minimum");
  }
}

function claimsOf(token) {
  if (token === undefined || token === null || token === "") refuse("token_missing");
  if (typeof token !== "string") refuse("token_malformed");
  const parts = token.split(".");
  if (parts.length !== 3 || token.length > 8192) refuse("token_malformed");
  const [head, body] = parts.slice(0, 2).map((part) => {
    try {
      return JSON.parse(Buffer.from(part, "base64url"));
    } catch {
      return refuse("token_malformed");
    }
  });
  if (head.alg !== "HS256") refuse("token_algorithm");
  const made = createHmac("sha256", process.env.JWT_SECRET).update(`${parts[0]}.${parts[1]}`).digest("base64url");
  if (made !== parts[2]) refuse("token_signature");
  const user = body.userId ?? body.sub;
  if (!user || !(body.role in ROLES) || typeof body.exp !== "number") refuse("token_claims");
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(body.tenantId ?? "")) refuse("token_claims");
  if (body.exp * 1000 < Date.now()) refuse("token_expired");
  if (body.nbf * 1000 > Date.now()) refuse("token_not_yet_valid");
  const permissions = body.permissions ?? ROLES[body.role];
  return { user, tenant: body.tenantId, role: body.role, applications: body.applicationTypes ?? [], permissions };
}

const orders = new Map();
const assignees = new Map();
const seen = new Map();
const http = createServer((request, response) => serveHttp(request, response).catch(() => response.destroy()));
const cors = { origin: [3000, 3001, 3002, 3003].map((port) => `http://localhost:${port}`), methods: ["GET", "POST"], credentials: true };
const io = new Server(http, { serveClient: false, cors, connectionStateRecovery: { skipMiddlewares: false } });

function allowed(principal, permission) {
  return !permission || principal.permissions.includes(permission) || principal.permissions.includes("admin:access");
}

/** Accepts or refuses; gives the message's id. */
function accept(principal, name, argument) {
  const event = String(name);
  if (event.startsWith("system:")) refuse("event_reserved");
  const rule = RULES.find(([pattern]) => pattern.test(event)) ?? refuse("event_unknown");
  const [, from, write, read, to, rooms] = rule;
  const whole = argument?.type === event && "payload" in argument ? argument : { payload: argument };
  const { tenant } = principal;
  const malformed = (pointer) => refuse("message_malformed", { pointer, rule: "enum" });
  if (argument === undefined) refuse("message_malformed");
  if (whole.tenantId !== undefined && whole.tenantId !== tenant) refuse("tenant_mismatch");
  const mayName = principal.role === "system" ? [...APPLICATIONS, "system"] : [principal.application];
  if (whole.source !== undefined && !mayName.includes(whole.source)) refuse("source_forbidden");
  const priority = whole.priority ?? "medium";
  if (!["low", "medium", "high", "urgent"].includes(priority)) malformed("/priority");
  const target = whole.target === undefined ? undefined : [whole.target].flat();
  if (target?.some((name) => !APPLICATIONS.includes(name))) malformed("/target");
  if (whole.id !== undefined && !/^[0-9a-f-]{36}$/.test(whole.id)) malformed("/id");
  if (principal.role !== "system" && !from.includes(principal.application)) refuse("source_forbidden");
  if (!allowed(principal, write)) refuse("permission_denied");
  const { payload } = whole;
  check(event, payload);
  const key = `${tenant}/${whole.id}`;
  if (whole.id && seen.has(key)) return whole.id;
  const orderKey = `${tenant}/${payload.orderId}`;
  if (principal.application === C) {
    const owner = event === "order:created" ? payload.customerId : orders.get(orderKey);
    if (owner !== principal.user) refuse("order_forbidden");
  }
  if (event === "order:created" && payload.customerId && !orders.has(orderKey)) orders.set(orderKey, payload.customerId);
  const message = {
    id: whole.id ?? randomUUID(), type: event, tenantId: tenant, timestamp: new Date().toISOString(),
    source: whole.source ?? principal.application ?? "system", target: whole.target, payload, priority, retryCount: 0, encrypted: false,
  };
  seen.set(key, true);
  if (event.endsWith(":assigned")) assignees.set(orderKey, payload.assigneeId);
  const named = {
    order: payload.orderId && `order:${tenant}:${payload.orderId}`,
    customer: orders.has(orderKey) && `user:${tenant}:${orders.get(orderKey)}`,
    assignee: assignees.has(orderKey) && `user:${tenant}:${assignees.get(orderKey)}`,
    station: payload.stationId && `kitchen_station:${tenant}:${payload.stationId}`,
    route: payload.routeId && `delivery_route:${tenant}:${payload.routeId}`,
  };
  const audience = [...to.map((name) => `app:${tenant}:${name}`), ...rooms.map((room) => named[room]).filter(Boolean)];
  const without = APPLICATIONS.filter((name) => target && !target.includes(name)).map((name) => `app:${tenant}:${name}`);
  const deaf = read ? [`deaf:${read}`] : [];
  io.to(audience).except([...without, ...deaf]).emit(event, message);
  return message.id;
}

const SUBSCRIPTIONS = {
  order: ["orderId", "order", "order"], kitchen: ["stationId", "kitchen_station", "kitchen_station"],
  tenant: ["tenantId", "tenant", "tenant"], customer: ["customerId", "user", "user"], route: ["routeId", "delivery_route", "delivery_route"],
};
function roomOf(principal, what, argument) {
  const [key, prefix, type] = SUBSCRIPTIONS[what];
  const name = typeof argument === "string" ? argument : argument?.[key];
  if (typeof name !== "string" || name === "" || name.length > 128) refuse("room_malformed");
  if (what === "tenant" && name !== principal.tenant) refuse("room_forbidden");
  if (principal.application === C) {
    const own = what === "order" ? orders.get(`${principal.tenant}/${name}`) === principal.user : what === "customer" && name === principal.user;
    if (!own) refuse("room_forbidden");
  }
  return { room: what === "tenant" ? `tenant:${name}` : `${prefix}:${principal.tenant}:${name}`, type };
}

io.use((socket, proceed) => {
  try {
    const { token, application } = socket.handshake.auth;
    const header = socket.handshake.headers.authorization?.replace(/^Bearer /, "");
    const principal = claimsOf(token ?? header);
    const name = SHORT[application] ?? application ?? (principal.applications.length === 1 ? principal.applications[0] : refuse("application_required"));
    if (!APPLICATIONS.includes(name)) refuse("application_unknown");
    if (!principal.applications.includes(name)) refuse("application_forbidden");
    socket.principal = { ...principal, application: name };
    proceed();
  } catch (error) {
    proceed(Object.assign(new Error(error.message), { data: error.wire ?? new Refusal("token_malformed").wire }));
  }
});

io.on("connection", (socket) => {
  const { principal } = socket;
  const { tenant, user, application } = principal;
  socket.join([`tenant:${tenant}`, `app:${tenant}:${application}`, `user:${tenant}:${user}`]);
  for (const permission of all) if (!allowed(principal, permission)) socket.join(`deaf:${permission}`);
  const courier = principal.application !== C && allowed(principal, "read:delivery");
  if (!courier && !allowed(principal, "read:kitchen")) socket.join(`deaf:${KITCHEN_OR_DELIVERY}`);
  const tell = (type, payload) =>
    socket.emit(type, { id: randomUUID(), type, tenantId: tenant, timestamp: new Date().toISOString(), source: "system", payload });
  tell("system:connection_established", {});
  socket.onAny((event, ...args) => {
    const answer = typeof args.at(-1) === "function" ? args.pop() : undefined;
    try {
      const [verb, what] = String(event).split(":");
      let data;
      if (event === "ping") socket.emit("pong", { timestamp: new Date().toISOString() });
      else if (event === "health_check") data = { connections: 1 };
      else if (event === "authenticate") {
        const fresh = claimsOf(args[0]?.token ?? args[0]);
        if (fresh.user !== user || fresh.tenant !== tenant) refuse("token_subject");
      } else if (["subscribe", "unsubscribe"].includes(verb) && what in SUBSCRIPTIONS) {
        data = roomOf(principal, what, args[0]);
        const own = [`tenant:${tenant}`, `app:${tenant}:${application}`, `user:${tenant}:${user}`];
        if (verb === "subscribe") socket.join(data.room);
        else if (!own.includes(data.room)) socket.leave(data.room);
        socket.emit(`${verb}d`, data);
      } else data = { id: accept(principal, event, args[0]) };
      answer?.({ success: true, data });
    } catch (error) {
      error.wire ??= new Refusal("message_malformed").wire;
      if (answer) answer({ success: false, error: error.wire });
      else tell("system:error", error.wire);
    }
  });
});

async function serveHttp(request, response) {
  const send = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  if (request.url === "/health") return send(200, { status: "healthy", uptime: 1, connections: 0, memoryUsage: {} });
  if (request.url === "/metrics") return response.writeHead(200, { "content-type": "text/plain" }).end("# HELP x\nx_total 0\n");
  if (request.url !== "/api/v1/publish") return send(404, {});
  let body = "";
  try {
    for await (const chunk of request) {
      body += chunk;
      if (body.length > 1_000_000) return response.writeHead(413).end();
    }
  } catch {
    return response.destroy();
  }
  let principal;
  try {
    principal = claimsOf(request.headers.authorization?.replace(/^Bearer /, ""));
  } catch (error) {
    return send(401, { success: false, error: error.wire });
  }
  try {
    if (principal.role !== "system") refuse("permission_denied");
    const message = JSON.parse(body);
    return send(200, { success: true, data: { id: accept(principal, String(message.type), message) } });
  } catch (error) {
    return send(400, { success: false, error: error.wire ?? new Refusal("message_malformed").wire });
  }
}

http.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${http.address().port}`));
